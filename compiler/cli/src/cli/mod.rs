//! `xnorc compile`, `inspect`, `verify`, `run`, `evaluate`, `bench`, `completions`.
//!
//! Results go to the standard output, problems to the standard error, one line each. Exit codes: 0 fine, 1 the model
//! cannot be compiled (or `verify` found something wrong), 2 the command was not understood.

mod args;
mod arrays;
mod bench;
mod compile;
mod crate_folder;
mod evaluate;
mod help;
mod inspect;
mod program;
mod progress;
mod run;
mod verify;

use std::ffi::OsString;
use std::io::Write as _;

use clap::{CommandFactory as _, Parser as _};
use xnorc::diagnostics::{Code, Diagnostic, Diagnostics, Severity};

use args::{Command, Invocation};

/// How a command can fail.
enum Failure {
    /// The model, a file or this machine: exit code 1.
    Problems(Diagnostics),
    /// `verify` found something wrong, and has said so: exit code 1.
    Wrong,
    /// The command line contradicts the model or itself: exit code 2.
    Usage(String),
}

impl From<Diagnostics> for Failure {
    fn from(problems: Diagnostics) -> Self {
        Self::Problems(problems)
    }
}

impl From<Diagnostic> for Failure {
    fn from(problem: Diagnostic) -> Self {
        Self::Problems(problem.into())
    }
}

type Result<T = ()> = std::result::Result<T, Failure>;

/// Runs a command line, the program's name first, and gives its exit code. What is not understood, and pages of help, end the
/// process.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let command = Invocation::parse_from(arguments).command;
    // A fault of xnorc reads like one: no backtrace, one line that asks for a report.
    let result = xnorc::internal::caught(|| Ok(run(&command))).unwrap_or_else(|fault| Err(fault.into()));
    match result {
        Ok(()) => 0,
        Err(Failure::Wrong) => 1,
        Err(Failure::Problems(problems)) => {
            report(&problems);
            1
        }
        Err(Failure::Usage(message)) => {
            complain(&format!("error: {message}\n\nFor more information, try '--help'."));
            2
        }
    }
}

fn run(command: &Command) -> Result {
    match command {
        Command::Compile(args) => compile::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Run(args) => run::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Completions(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Invocation::command(), "xnorc", &mut script);
            say(&String::from_utf8_lossy(&script));
            Ok(())
        }
    }
}

/// Prints problems and warnings, one line each.
fn report(problems: &Diagnostics) {
    for problem in &problems.0 {
        let word = match problem.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let text = problem.to_string();
        complain(&format!("{word}: {}", text.lines().map(str::trim).collect::<Vec<_>>().join(" ")));
    }
}

/// A line on the standard output. Whoever closed it (`| head`) does not want it.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

/// A line on the standard error.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A value as JSON.
fn say_json(value: &impl serde::Serialize) -> Result {
    let text = serde_json::to_string_pretty(value)
        .map_err(|e| Diagnostic::error(Code::Io, None, format!("the result cannot be written as JSON: {e}")))?;
    say(&text);
    Ok(())
}

/// A problem with a file.
/// Before the work whose result is to go there, which would be lost.
fn has_folder(file: &std::path::Path) -> std::result::Result<(), Diagnostic> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(file_problem(file, "cannot be written", format!("there is no folder \"{}\"", folder.display())))
        }
        _ => Ok(()),
    }
}

fn file_problem(path: &std::path::Path, what: &str, error: impl std::fmt::Display) -> Diagnostic {
    Diagnostic::error(Code::Io, format!("file \"{}\"", path.display()), format!("{what}: {error}"))
}
