//! A network that was built as a shared library, in this process.
//!
//! The only file with `unsafe`: code that was just written cannot be linked, so it is loaded, and what is loaded has no types that
//! rustc could compare. Everything that the calls rely on is checked here or known here; nothing of it is left to the callers.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::path::Path;

use libloading::Library;
use pyo3::buffer::PyBuffer;

/// A loaded network.
pub(crate) struct Loaded {
    new: unsafe extern "C" fn() -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void),
    infer: unsafe extern "C" fn(*mut c_void, *const *const u8, *const *mut u8),
    /// Bytes of each input and each output of one inference.
    sizes: [Vec<usize>; 2],
    /// The functions live as long as it does.
    _library: Library,
}

/// Memory for one inference at a time.
struct Memory<'a> {
    of: &'a Loaded,
    address: *mut c_void,
}

/// Tensors of Python, for some inferences one after the other.
pub(crate) struct Tensors {
    inputs: Vec<*const u8>,
    outputs: Vec<*mut u8>,
    count: usize,
    /// Whoever owns the memory neither frees nor moves it meanwhile.
    _buffers: [Vec<PyBuffer<u8>>; 2],
}

// SAFETY: threads read the inputs, and write parts of the outputs that do not overlap (`infer`). The buffers are only kept.
unsafe impl Sync for Tensors {}
// SAFETY: addresses are good in every thread; a buffer that is dropped elsewhere attaches to the interpreter first.
unsafe impl Send for Tensors {}

impl Loaded {
    /// Loads what `toolchain::obtain_library` gave for a network whose tensors have these sizes in bytes.
    pub(crate) fn open(path: &Path, sizes: [Vec<usize>; 2]) -> Result<Self, libloading::Error> {
        // SAFETY: it was built from `toolchain/library.rs`, which runs nothing when it is loaded.
        let library = unsafe { Library::new(path)? };
        // SAFETY: the signatures are those of that file.
        unsafe {
            Ok(Self {
                new: *library.get(b"xnorc_new")?,
                free: *library.get(b"xnorc_free")?,
                infer: *library.get(b"xnorc_infer")?,
                sizes,
                _library: library,
            })
        }
    }

    /// Takes tensors of so many inferences: contiguous bytes, aligned, of the sizes they must have, outputs that may be written and
    /// lie apart.
    pub(crate) fn tensors(&self, buffers: [Vec<PyBuffer<u8>>; 2], count: usize) -> Result<Tensors, String> {
        let mut spans: Vec<(usize, usize)> = Vec::new();
        for (side, (buffers, sizes)) in buffers.iter().zip(&self.sizes).enumerate() {
            if buffers.len() != sizes.len() {
                return Err(format!("{} tensors where {} are wanted", buffers.len(), sizes.len()));
            }
            for (buffer, size) in buffers.iter().zip(sizes) {
                let (address, len) = (buffer.buf_ptr() as usize, buffer.len_bytes());
                if Some(len) != size.checked_mul(count)
                    || !buffer.is_c_contiguous()
                    || !address.is_multiple_of([4, 8][side])
                {
                    return Err(format!("a tensor of {len} bytes is not {count} times {size}, contiguous and aligned"));
                }
                let apart = spans.iter().all(|&(other, its)| address + len <= other || other + its <= address);
                if side == 1 && (buffer.readonly() || !apart) {
                    return Err("an output cannot be written, or lies where another tensor does".to_owned());
                }
                spans.push((address, len));
            }
        }
        Ok(Tensors {
            inputs: buffers[0].iter().map(|buffer| buffer.buf_ptr().cast_const().cast()).collect(),
            outputs: buffers[1].iter().map(|buffer| buffer.buf_ptr().cast()).collect(),
            count,
            _buffers: buffers,
        })
    }

    /// All inferences, divided among so many threads. Not for a thread that holds the interpreter: it may take long.
    pub(crate) fn infer(&self, tensors: &Tensors, threads: usize) {
        let part = tensors.count.div_ceil(threads.max(1)).max(1);
        std::thread::scope(|scope| {
            for first in (part..tensors.count).step_by(part) {
                scope.spawn(move || self.some(tensors, first..tensors.count.min(first + part)));
            }
            self.some(tensors, 0..tensors.count.min(part));
        });
    }

    fn some(&self, tensors: &Tensors, range: std::ops::Range<usize>) {
        // SAFETY: it has no conditions.
        let memory = Memory { of: self, address: unsafe { (self.new)() } };
        for index in range {
            let [input_sizes, output_sizes] = &self.sizes;
            let inputs: Vec<*const u8> =
                tensors.inputs.iter().zip(input_sizes).map(|(at, size)| at.wrapping_add(index * size)).collect();
            let outputs: Vec<*mut u8> =
                tensors.outputs.iter().zip(output_sizes).map(|(at, size)| at.wrapping_add(index * size)).collect();
            // SAFETY: the memory is this call's own. `tensors` has seen that there are so many inputs and outputs, of these sizes for
            // `count` inferences, and `index` is below that; a part of them is as aligned as numbers of 4 (8) bytes must be, as
            // sizes are multiples of that. No other thread has these outputs. That Python changes an input meanwhile is as
            // with every extension that lets other threads run: the numbers are then undefined, the addresses are not.
            unsafe { (self.infer)(memory.address, inputs.as_ptr(), outputs.as_ptr()) }
        }
    }
}

impl Drop for Memory<'_> {
    fn drop(&mut self) {
        // SAFETY: it is of `new`, and nobody else has it.
        unsafe { (self.of.free)(self.address) }
    }
}
