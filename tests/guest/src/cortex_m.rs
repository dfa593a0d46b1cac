//! A Cortex-M program under an emulator or debugger with semihosting: no system, no C library, no HAL.

use core::arch::asm;
use core::fmt::{Result, Write};

unsafe extern "C" {
    /// End of the memory, by the linker script; only its address means something.
    static STACK_TOP: u32;
}

/// An entry of the vector table.
#[repr(C)]
union Vector {
    address: *const u32,
    handler: extern "C" fn() -> !,
    reserved: usize,
}

// SAFETY: never written.
unsafe impl Sync for Vector {}

/// What the processor reads first: where the stack begins, where the program begins, where faults go.
// SAFETY: the linker script gives the section to nothing else.
#[unsafe(link_section = ".vectors")]
#[used]
static VECTORS: [Vector; 16] = {
    let mut vectors = [const { Vector { handler: fault } }; 16];
    vectors[0] = Vector { address: &raw const STACK_TOP };
    vectors[1] = Vector { handler: reset };
    vectors[7] = Vector { reserved: 0 };
    vectors
};

const WRITE0: usize = 0x04;
const EXIT_EXTENDED: usize = 0x20;
const APPLICATION_EXIT: usize = 0x20026;

/// Asks the host.
///
/// # Safety
/// The argument must be what the operation takes.
unsafe fn call(operation: usize, argument: *const u8) {
    // SAFETY: the host changes r0 only.
    unsafe { asm!("bkpt 0xab", inlateout("r0") operation => _, in("r1") argument) }
}

struct Host;

impl Write for Host {
    fn write_str(&mut self, text: &str) -> Result {
        // The host wants a zero at the end.
        let mut line = [0u8; 65];
        for part in text.as_bytes().chunks(64) {
            line[..part.len()].copy_from_slice(part);
            line[part.len()] = 0;
            // SAFETY: text with a zero behind it.
            unsafe { call(WRITE0, line.as_ptr()) }
        }
        Ok(())
    }
}

pub(crate) fn exit(code: i32) -> ! {
    let block = [APPLICATION_EXIT, code as usize];
    loop {
        // SAFETY: the reason and the code, as the operation takes them.
        unsafe { call(EXIT_EXTENDED, block.as_ptr().cast()) }
    }
}

extern "C" fn fault() -> ! {
    exit(102)
}

extern "C" fn reset() -> ! {
    // Nothing in static memory has an initial value but constants, so there is nothing to copy; but the floating-point
    // unit is off until somebody says otherwise.
    const COPROCESSOR_ACCESS: *mut u32 = 0xe000_ed88 as *mut u32;
    // SAFETY: the register exists on every Cortex-M with such a unit, and nothing runs beside us.
    unsafe {
        COPROCESSOR_ACCESS.write_volatile(COPROCESSOR_ACCESS.read_volatile() | 0xf << 20);
        asm!("dsb", "isb");
    }
    run()
}

/// Not part of [`reset`], whose own entry code could already use the unit.
#[inline(never)]
fn run() -> ! {
    exit(i32::from(crate::report::report(&mut Host).is_err()))
}
