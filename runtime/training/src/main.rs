//! The command line of xnorc-training.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
