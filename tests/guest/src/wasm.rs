//! A WebAssembly module: `run` calls the imported `write` with text in its memory.

use core::fmt::{Result, Write};

#[link(wasm_import_module = "host")]
unsafe extern "C" {
    /// Takes text.
    fn write(start: *const u8, len: usize);
}

struct Host;

impl Write for Host {
    fn write_str(&mut self, text: &str) -> Result {
        // SAFETY: the host reads `len` bytes, which are there.
        unsafe { write(text.as_ptr(), text.len()) };
        Ok(())
    }
}

pub(crate) fn exit(_: i32) -> ! {
    core::arch::wasm32::unreachable()
}

/// The only export beside the memory.
// SAFETY: no other symbol has the name.
#[unsafe(no_mangle)]
extern "C" fn run() {
    if crate::report::report(&mut Host).is_err() {
        exit(1)
    }
}
