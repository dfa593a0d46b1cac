//! The command line of xnorc.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
