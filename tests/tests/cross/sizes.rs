//! What `xnorc inspect --target` measures by building: code and stack on small cores.

use std::fs;

use xnorc::Config;
use xnorc::report::Measured;
use xnorc::target::Target;
use xnorc_cli::toolchain::measure_by;
use xnorc_tests::known::fashion;

use crate::tools;

/// Bounds in bytes of the code of the network of the examples, and of its stack. (`c_face.rs` links the first with what C calls, and
/// without a bound of the second there is none to compare: that it is known says that no function calls itself.)
const SIZES: [(&str, u64, u64); 3] = [
    ("thumbv6m-none-eabi", 60_000, 6_500),
    ("thumbv7em-none-eabihf", 60_000, 6_500),
    ("riscv32imc-unknown-none-elf", 110_000, 6_500),
];

#[test]
#[cfg(unix)]
#[cfg_attr(not(xnorc_long), ignore = "long: set XNORC_LONG=1")]
fn code_and_stack_are_measured_on_small_cores() {
    use std::os::unix::fs::PermissionsExt as _;

    for (triple, most, deepest) in SIZES {
        let rustc = tools::folder().join(format!("rustc-for-{triple}"));
        let script = format!("#!/bin/sh\nexec rustc --sysroot '{}' \"$@\"\n", tools::sysroot(triple).display());
        fs::write(&rustc, script).expect("a writable target folder");
        fs::set_permissions(&rustc, fs::Permissions::from_mode(0o755)).expect("our own file");
        let target = Target::named(triple).expect("a target");
        let output = xnorc::load(&fashion(), Config::new().name("fashion").target(triple).standalone(true));
        let output = output.unwrap_or_else(|problems| panic!("{problems}"));
        let Measured::Built { code, stack: Some(stack) } = measure_by(rustc.as_os_str(), &output, "fashion", &target)
        else {
            panic!("{triple}: {:?}", measure_by(rustc.as_os_str(), &output, "fashion", &target));
        };
        println!("{triple}: {code} bytes of code, {stack} of stack");
        assert!(
            (most / 2..most).contains(&code) && (deepest / 2..deepest).contains(&stack),
            "{triple}: {code} {stack}"
        );
    }
}
