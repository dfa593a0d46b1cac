//! Programs that were built are kept, and not built again.
//!
//! A program is kept under the hash of all that it is made of: its source, the weights, the runtime, the harness, rustc's version and
//! options. It is built aside and gets its place in one step, so that a run that is killed leaves a whole program or none. While
//! one run builds a program, others that want the same one wait for it. When the programs are more than the cache shall
//! hold, those go that were not used for the longest time, but none that is in use.

use std::fs::{File, FileTimes};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use super::build::{self, Built, Plans};
use super::problem;
use super::workshop::Workshop;
use xnorc::Output;
use xnorc::diagnostics::Diagnostics;

/// A folder of programs.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    most: u64,
}

/// A program that is there as long as this value is.
#[derive(Debug)]
pub struct Obtained {
    /// The program.
    pub built: Built,
    /// It was there already: no rustc has run.
    pub kept: bool,
    /// In the cache: locked for sharing. Otherwise: removed in the end.
    _hold: Hold,
}

#[derive(Debug)]
enum Hold {
    Cache { _used: File },
    Workshop { _folder: Workshop },
}

/// In the folder of a kept program: locked while it is in use; its time is that of the last use.
const USED: &str = "used";

/// In the folder of a kept program: how long rustc took, in nanoseconds.
const TIME: &str = "rustc-nanoseconds";

impl Cache {
    /// Bytes of programs that the user's cache keeps: some hundreds of small networks, or a hundred of ResNet-18's size.
    pub const MOST: u64 = 500_000_000;

    /// The user's: the folder that the variable `XNORC_CACHE` names, else `xnorc` in the platform's folder for caches.
    /// `None` where there is none.
    pub fn of_user() -> Option<Self> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        folder_of_user(&variable).map(|folder| Self::new(folder, Self::MOST))
    }

    /// A folder, made when it is needed, for so many bytes of programs.
    pub fn new(folder: impl Into<PathBuf>, most: u64) -> Self {
        Self { folder: folder.into(), most }
    }

    /// A program that is there, from now on in use.
    fn find(&self, key: &str) -> Option<Obtained> {
        let entry = self.folder.join(key);
        let used = File::options().write(true).open(entry.join(USED)).ok()?;
        used.lock_shared().ok()?;
        // It may have been removed before the lock was had.
        let program = entry.join(build::PROGRAM);
        program.is_file().then_some(())?;
        let nanoseconds = std::fs::read_to_string(entry.join(TIME)).ok()?.parse().ok()?;
        let _ = used.set_times(FileTimes::new().set_modified(SystemTime::now()));
        let built = Built { program, rustc_time: Duration::from_nanos(nanoseconds) };
        Some(Obtained { built, kept: true, _hold: Hold::Cache { _used: used } })
    }

    /// Puts a program that was built in a workshop of this cache into its place.
    fn keep(&self, key: &str, built: &Built, workshop: &Workshop) -> io::Result<()> {
        let fresh = workshop.path().join("kept");
        std::fs::create_dir(&fresh)?;
        std::fs::rename(&built.program, fresh.join(build::PROGRAM))?;
        std::fs::write(fresh.join(TIME), built.rustc_time.as_nanos().to_string())?;
        std::fs::write(fresh.join(USED), "")?;
        let entry = self.folder.join(key);
        // What stands there is not whole, as nothing else would have been built.
        if entry.exists() {
            std::fs::rename(&entry, workshop.path().join("broken"))?;
        }
        std::fs::rename(&fresh, &entry)
    }

    /// Removes the programs that were not used for the longest time, as far as there are too many.
    fn trim(&self, workshop: &Workshop) {
        let mut kept: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let size = std::fs::metadata(entry.path().join(build::PROGRAM)).map(|m| m.len());
            let used = std::fs::metadata(entry.path().join(USED)).and_then(|m| m.modified());
            if let (Ok(size), Ok(used)) = (size, used) {
                kept.push((used, size, entry.path()));
            }
        }
        let mut total: u64 = kept.iter().map(|(_, size, _)| size).sum();
        kept.sort();
        for (index, (_, size, path)) in kept.iter().enumerate() {
            if total <= self.most {
                break;
            }
            let lock = File::options().write(true).open(path.join(USED));
            if !lock.as_ref().is_ok_and(|lock| lock.try_lock().is_ok()) {
                continue;
            }
            // In one step, so that nobody finds a part of it.
            if std::fs::rename(path, workshop.path().join(format!("old-{index}"))).is_ok() {
                total -= size;
            }
        }
    }
}

/// Where caches belong, by the variables of the environment.
fn folder_of_user(variable: &dyn Fn(&str) -> Option<std::ffi::OsString>) -> Option<PathBuf> {
    if let Some(own) = variable("XNORC_CACHE") {
        return Some(own.into());
    }
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = if cfg!(windows) {
        absolute("LOCALAPPDATA")?
    } else if cfg!(target_vendor = "apple") {
        absolute("HOME")?.join("Library/Caches")
    } else {
        absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?
    };
    Some(caches.join("xnorc"))
}

/// Gives the program of a model, from the cache if it is there, else built (and then kept there). Without a cache, or where
/// that cannot be written, it is built in a temporary folder.
///
/// The model must have been compiled with `standalone` and `probe` under that name. `RUSTC` names another compiler.
///
/// # Errors
/// [`Code::Toolchain`](xnorc::diagnostics::Code::Toolchain): no rustc, or its first errors; a folder that cannot be
/// written.
pub fn obtain(output: &Output, name: &str, cache: Option<&Cache>) -> Result<Obtained, Diagnostics> {
    obtain_of(&Plans::new(output, name), cache)
}

/// Gives a shared library of a model, as [`obtain`] does a program: what `xnorc compile --c` writes, with the function that its header
/// declares ([`c_function`](xnorc::emit::c_function)). Loading it is for who may: nothing here does.
///
/// The model must have been compiled with `standalone` under that name, which
/// [`check_name`](xnorc::emit::check_name) takes.
///
/// # Errors
/// Those of [`obtain`].
pub fn obtain_library(output: &Output, name: &str, cache: Option<&Cache>) -> Result<Obtained, Diagnostics> {
    obtain_of(&Plans::library(output, name), cache)
}

fn obtain_of(plans: &Plans, cache: Option<&Cache>) -> Result<Obtained, Diagnostics> {
    if let Some(cache) = cache
        && std::fs::create_dir_all(&cache.folder).is_ok()
    {
        let key = key(plans, &build::version()?);
        if let Some(found) = cache.find(&key) {
            return Ok(found);
        }
        if let Ok(workshop) = Workshop::new(&cache.folder) {
            // One at a time: others wait, and find it. Few files for all programs: some wait for another one.
            let lock = File::create(cache.folder.join(format!("lock-{}", &key[..2]))).ok();
            let _locked = lock.as_ref().is_some_and(|lock| lock.lock().is_ok());
            if let Some(found) = cache.find(&key) {
                return Ok(found);
            }
            let built = plans.build(workshop.path(), &[])?;
            if cache.keep(&key, &built, &workshop).is_ok()
                && let Some(found) = cache.find(&key)
            {
                cache.trim(&workshop);
                return Ok(Obtained { kept: false, ..found });
            }
            // Moved or not, it is built.
            let program = [built.program, workshop.path().join("kept").join(build::PROGRAM)];
            if let Some(program) = program.into_iter().find(|program| program.is_file()) {
                let built = Built { program, rustc_time: built.rustc_time };
                return Ok(Obtained { built, kept: false, _hold: Hold::Workshop { _folder: workshop } });
            }
        }
    }
    let temporary = std::env::temp_dir();
    let refused = |e: io::Error| problem(format!("\"{}\" cannot be written: {e}", temporary.display()));
    let workshop = Workshop::new(&temporary).map_err(refused)?;
    let built = plans.build(workshop.path(), &[])?;
    Ok(Obtained { built, kept: false, _hold: Hold::Workshop { _folder: workshop } })
}

/// The hash of everything that a program is made of.
fn key(plans: &Plans, rustc: &str) -> String {
    let mut hash = Sha256::new();
    // Each with its length: no two lists of parts are the same bytes.
    let mut add = |part: &[u8]| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    add(env!("CARGO_PKG_VERSION").as_bytes());
    add(rustc.as_bytes());
    for option in build::OPTIONS.iter().chain(plans.options()) {
        add(option.as_bytes());
    }
    for (path, bytes) in &plans.files {
        add(path.as_bytes());
        add(bytes);
    }
    hash.finalize().iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
