//! An AArch64 Linux program without a C library: any byte order, and no cross linker needed.

use core::arch::{asm, global_asm};
use core::fmt::{Result, Write};

global_asm!(".globl _start", "_start:", "mov x29, xzr", "b {start}", start = sym start);

const WRITE: usize = 64;
const EXIT: usize = 93;

struct Stdout;

impl Write for Stdout {
    fn write_str(&mut self, text: &str) -> Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let written: isize;
            // SAFETY: the system call reads `rest`, and changes x0 only.
            unsafe {
                asm!("svc 0", in("x8") WRITE, inlateout("x0") 1usize => written, in("x1") rest.as_ptr(), in("x2") rest.len());
            }
            rest = usize::try_from(written).ok().and_then(|n| rest.get(n..)).ok_or(core::fmt::Error)?;
        }
        Ok(())
    }
}

pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: the system call does not come back.
    unsafe { asm!("svc 0", in("x8") EXIT, in("x0") code as usize, options(noreturn)) }
}

extern "C" fn start() -> ! {
    exit(i32::from(crate::report::report(&mut Stdout).is_err()))
}
