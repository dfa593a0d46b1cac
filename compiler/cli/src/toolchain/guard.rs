//! Processes that end with this one, however it ends.

use std::ffi::{OsStr, OsString};
use std::io;
use std::process::{Command, Output, Stdio};

/// Runs the program in a group of processes of its own, and ends the whole group when the pipe that is its standard input
/// is closed: by this process, or by the system when this process is killed. (A signal at the parent's death would do the same
/// for the child alone, and cannot be asked for without unsafe code.)
#[cfg(unix)]
const SCRIPT: &str = r#"
exec 3<&0 </dev/null
"$@" 3<&- &
child=$!
{ cat <&3; kill -9 0; } >/dev/null 2>&1 &
exec 3<&-
wait $child
"#;

/// Variables of the environment, and their values.
type Variables<'a> = &'a [(&'a str, &'a str)];

/// Runs a program, with some more variables, and collects what it writes. It is killed, with the processes that it has started, when
/// this process ends before it.
///
/// # Errors
/// When it cannot be started.
#[cfg(unix)]
pub(super) fn output(program: &OsStr, arguments: &[OsString], variables: Variables<'_>) -> io::Result<Output> {
    use std::os::unix::process::CommandExt as _;

    let spawned = Command::new("/bin/sh")
        .args(["-c", SCRIPT, "xnorc"])
        .arg(program)
        .args(arguments)
        .envs(variables.iter().copied())
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = spawned else { return plain(program, arguments, variables) };
    // Open until the program has ended.
    let alive = child.stdin.take();
    let output = child.wait_with_output();
    drop(alive);
    match output {
        // The shell's words for a program that it cannot start; the system has better ones.
        Ok(output) if matches!(output.status.code(), Some(126 | 127)) => plain(program, arguments, variables),
        output => output,
    }
}

/// Runs a program and collects what it writes.
///
/// # Errors
/// When it cannot be started.
#[cfg(not(unix))]
pub(super) fn output(program: &OsStr, arguments: &[OsString], variables: Variables<'_>) -> io::Result<Output> {
    plain(program, arguments, variables)
}

fn plain(program: &OsStr, arguments: &[OsString], variables: Variables<'_>) -> io::Result<Output> {
    Command::new(program).args(arguments).envs(variables.iter().copied()).stdin(Stdio::null()).output()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn run(program: &str, arguments: &[&str]) -> io::Result<Output> {
        output(program.as_ref(), &arguments.iter().map(OsString::from).collect::<Vec<_>>(), &[("XNORC_TEST", "more")])
    }

    #[test]
    fn output_and_status_come_through() {
        let ran = run("/bin/sh", &["-c", "echo out; echo err >&2; exit 7"]).unwrap();
        assert_eq!(ran.status.code(), Some(7));
        assert_eq!((&ran.stdout[..], &ran.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
        assert_eq!(run("/no/such/program", &[]).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(run("/bin/sh", &["-c", "printf $XNORC_TEST"]).unwrap().stdout, b"more");
        // An argument is what it is.
        assert_eq!(run("printf", &["%s", "a b $c \"d\""]).unwrap().stdout, b"a b $c \"d\"");
    }
}
