//! How much memory this process takes, where the system says it.

use std::fs;

/// Lets [`most`] begin anew, where that is allowed; elsewhere it goes on from the beginning of the process.
pub(super) fn count_anew() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The most memory since then, in bytes.
pub(super) fn most() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
