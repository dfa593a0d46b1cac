//! The program `xnorc`, and what is behind it, for those who want that in a program of their own.
//!
//! # Use
//!
//! The program:
//!
//! ```text
//! xnorc inspect net.onnx               how binary, how small, how fast, what is in the way
//! xnorc verify net.onnx                is it right? against an independent engine, block by block
//! xnorc compile net.onnx --out net     a crate that depends on nothing
//! ```
//!
//! The library: a file is compiled and built, and the process answers.
//!
//! ```no_run
//! use xnorc_cli::toolchain::{Cache, Program, Space, obtain};
//!
//! let mut config = xnorc::Config::new();
//! config.name("net").standalone(true).probe(true); // with the runtime inside, and a way to look into it
//! let output = xnorc::load("net.onnx".as_ref(), &config)?;
//! let program = obtain(&output, "net", Cache::of_user().as_ref())?; // by rustc, or kept from before
//! let mut program = Program::start(&program.built)?;
//! program.write_f32(Space::Input(0), 0, &[0.5; 784])?;
//! program.infer()?;
//! println!("{:?}", program.read_f32(Space::Output(0), 0, 10)?);
//! # Ok::<(), xnorc::Diagnostics>(())
//! ```
//!
//! | | |
//! |---|---|
//! | [`toolchain`] | builds what was emitted, keeps it, and drives it; the interpreter in its place ([`Program::interpreted`](toolchain::Program::interpreted)) |
//! | [`mod@verify`] | compares it with an independent engine |
//! | [`mod@bench`] | measures it, block by block, and draws that |
//! | [`evaluate`] | lets it classify pictures |
//! | [`arrays`] | files of arrays around it |
//! | [`cli`] | the command line itself, for who has another way to start it |
//!
//! All of this is kept from [`xnorc`], so that a build script compiles no second engine and no parser of command lines.

// As in xnorc: links to what is private are for readers of the house.
#![allow(rustdoc::private_intra_doc_links)]

pub mod arrays;
pub mod bench;
pub mod cli;
pub mod evaluate;
mod memory;
mod packing;
pub mod toolchain;
pub mod verify;
