//! Other processors than this one, by emulation: the same program gives the same bits on all of them.
//!
//! The long tests (`XNORC_LONG=1`). On Debian, as root, they install what they need (`qemu-user-static`,
//! `qemu-system-arm`, `gcc-aarch64-linux-gnu`, `nodejs`, `chromium`) and build Rust's library for the other targets from Debian's
//! `rust-src`, once, into `target/tmp/cross`. Anywhere else these programs have to be there already. What is missing is a
//! failure, not a test left out.
//!
//! The program is `xnorc-guest`: every operation of the vector trait on numbers that are hard to round, words of signs, convolutions of
//! random geometries, elementary functions, and a whole network on real pictures, each result as bits. This processor's own kernels
//! are compared with a naive reference in `kernels`, and the loops that the compiler writes with the interpreter in `nests`; so are
//! AArch64's, by the same tests.

mod assembly;
mod boards;
mod browser;
mod c_face;
mod instructions;
mod page;
mod processors;
#[cfg(unix)]
mod sizes;
mod standalone;
mod tools;
mod web;
