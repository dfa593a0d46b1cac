//! What the program `xnorc` does beyond compiling, for those who want it in a program of their own: building what was emitted
//! and driving it ([`toolchain`]), checking it against an independent engine ([`verify`]), measuring it ([`mod@bench`]), letting
//! it classify pictures ([`evaluate`]); files of [`arrays`] around it; and the command line itself ([`cli`]), for who has another
//! way to start it.
//!
//! All of this is kept from [`xnorc`], so that a build script compiles no second engine and no parser of command lines.

// As in xnorc: links to what is private are for readers of the house.
#![allow(rustdoc::private_intra_doc_links)]

pub mod arrays;
pub mod bench;
pub mod cli;
pub mod evaluate;
mod packing;
pub mod toolchain;
pub mod verify;
