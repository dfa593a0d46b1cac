//! A Cortex-M program under an emulator or debugger with semihosting: no system, no C library.

use semihosting::io;

struct Host(io::Stdout);

impl core::fmt::Write for Host {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        io::Write::write_all(&mut self.0, text.as_bytes()).map_err(|_| core::fmt::Error)
    }
}

pub(crate) fn exit(code: i32) -> ! {
    semihosting::process::exit(code)
}

#[cortex_m_rt::entry]
fn main() -> ! {
    let reported =
        io::stdout().map_err(|_| core::fmt::Error).and_then(|stdout| crate::report::report(&mut Host(stdout)));
    exit(i32::from(reported.is_err()))
}
