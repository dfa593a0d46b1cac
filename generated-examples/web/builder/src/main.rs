//! Builds the page into `target/page`, and serves it to this machine: `cargo run [build | serve [PORT]]`.

mod build;
mod serve;

use std::process::ExitCode;

/// What went wrong, in a sentence.
type Result<T = ()> = std::result::Result<T, String>;

fn run() -> Result {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let port = match words[..] {
        ["build"] => None,
        [] | ["serve"] => Some(8000),
        ["serve", port] => Some(port.parse().map_err(|e| format!("the port {port}: {e}"))?),
        _ => return Err("cargo run [build | serve [PORT]]".to_owned()),
    };
    let page = build::page()?;
    match port {
        Some(port) => serve::forever(&page, port),
        None => Ok(()),
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
