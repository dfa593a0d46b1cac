//! The program `xnorc`.

fn main() -> std::process::ExitCode {
    xnorc_cli::cli::main(std::env::args_os()).into()
}
