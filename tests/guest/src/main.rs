//! Prints [`report::report`]: with `std` where there is a system, else by what the machine has in its place.
//!
//! On an x86-64 system, `trap avx2` or `trap popcnt` executes an instruction of that set whatever the processor is: how
//! a test finds out that an emulator refuses what its processor lacks.

#![cfg_attr(any(target_os = "none", target_family = "wasm"), no_std, no_main)]

mod report;

#[cfg(all(target_arch = "aarch64", target_os = "none"))]
#[path = "linux.rs"]
mod start;

#[cfg(all(target_arch = "arm", target_os = "none"))]
#[path = "cortex_m.rs"]
mod start;

#[cfg(target_family = "wasm")]
#[path = "wasm.rs"]
mod start;

#[cfg(any(target_os = "none", target_family = "wasm"))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    start::exit(101)
}

#[cfg(not(any(target_os = "none", target_family = "wasm")))]
fn main() {
    #[cfg(target_arch = "x86_64")]
    if std::env::args().nth(1).as_deref() == Some("trap") {
        match std::env::args().nth(2).as_deref() {
            // SAFETY: the instruction changes the register that is named, or stops the program.
            Some("avx2") => unsafe { core::arch::asm!("vpaddd ymm0, ymm0, ymm0", out("ymm0") _) },
            // SAFETY: as above.
            Some("popcnt") => unsafe { core::arch::asm!("popcnt {0}, {0}", inout(reg) 1u64 => _) },
            other => panic!("no instructions {other:?}"),
        }
        return;
    }
    let mut text = String::new();
    report::report(&mut text).expect("a string takes everything");
    print!("{text}");
}
