// A network as a shared library: memory for one caller at a time, and an inference on tensors that lie with the caller.
// `compiler/python/src/library.rs` is the other end. INPUT, OUTPUT and what comes AFTER are replaced: a tensor alone is taken
// where it is, several are copied into the network's own types and from them.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};

#[allow(unused_imports)]
use network::probe;

pub struct State {
    #[allow(dead_code)]
    input: network::Input,
    #[allow(dead_code)]
    output: network::Output,
    scratch: network::Scratch,
    // So that there is memory to be had.
    _some: u8,
}

const LAYOUT: Layout = Layout::new::<State>();

/// Memory for inferences, one after the other.
#[unsafe(no_mangle)]
pub extern "C" fn xnorc_new() -> *mut State {
    // SAFETY: the layout is not empty; what is in it are numbers, for which zeros are a value.
    let state = unsafe { alloc_zeroed(LAYOUT) };
    if state.is_null() {
        handle_alloc_error(LAYOUT);
    }
    state.cast()
}

/// Gives it back.
///
/// # Safety
/// It is of `xnorc_new`, and not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xnorc_free(state: *mut State) {
    // SAFETY: it was allocated there with this layout.
    unsafe { dealloc(state.cast(), LAYOUT) }
}

/// One inference.
///
/// # Safety
/// The memory is of `xnorc_new`, and in no other use. The lists have an address for each input and each output of the network;
/// tensors of the network's sizes, aligned, are there, and no output is written or read by others meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xnorc_infer(state: *mut State, inputs: *const *const f32, outputs: *const *mut u8) {
    // SAFETY: as the caller promises; so below.
    let state = unsafe { &mut *state };
    let _ = (inputs, outputs);
    let input: &network::Input = INPUT;
    let output: &mut network::Output = OUTPUT;
    network::infer(input, output, &mut state.scratch);
    /* AFTER */
}

/// # Safety
/// So many values are there.
#[allow(dead_code)]
unsafe fn give(from: *const f32, to: &mut [f32], count: usize) {
    // SAFETY: as the caller promises; the lengths are compared by `copy_from_slice`.
    to.copy_from_slice(unsafe { std::slice::from_raw_parts(from, count) });
}

/// # Safety
/// There is place for all of it.
#[allow(dead_code)]
unsafe fn take<T: Copy>(from: &[T], to: *mut u8) {
    // SAFETY: as the caller promises; the network's own memory is not the caller's.
    unsafe { to.cast::<T>().copy_from_nonoverlapping(from.as_ptr(), from.len()) }
}
