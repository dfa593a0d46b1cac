//! Folders to build in, that are put away whatever happens.

use std::fs::File;
use std::io;
use std::path::Path;

use tempfile::TempDir;

/// A folder that is removed in the end: by this process, or by the next one that makes such a folder in the same place, if
/// this one is killed.
#[derive(Debug)]
pub(super) struct Workshop {
    folder: TempDir,
    /// Says to others that it is in use, as long as this process lives.
    _lock: File,
}

impl Workshop {
    const PREFIX: &str = "xnorc-";
    const LOCK: &str = ".xnorc-lock";

    /// Makes one inside a folder that exists, and removes those that killed processes left there.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub(super) fn new(inside: &Path) -> io::Result<Self> {
        sweep(inside);
        let folder = tempfile::Builder::new().prefix(Self::PREFIX).tempdir_in(inside)?;
        // Under the name that others look for only when it is locked.
        let fresh = folder.path().join("lock");
        let lock = File::create(&fresh)?;
        // Without locks the folder of a process that is killed stays.
        if lock.try_lock().is_ok() {
            std::fs::rename(&fresh, folder.path().join(Self::LOCK))?;
        }
        Ok(Self { folder, _lock: lock })
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the workshops whose processes were killed.
fn sweep(inside: &Path) {
    for entry in std::fs::read_dir(inside).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(Workshop::PREFIX) {
            continue;
        }
        let lock = File::options().write(true).open(entry.path().join(Workshop::LOCK));
        if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_is_put_away_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        for (name, file) in [("xnorc-killed", Workshop::LOCK), ("xnorc-strange", "mine"), ("other", Workshop::LOCK)] {
            std::fs::create_dir(home.path().join(name)).unwrap();
            std::fs::write(home.path().join(name).join(file), "").unwrap();
        }
        let names = || {
            let entries = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name());
            entries.map(|name| name.to_string_lossy().into_owned()).collect::<std::collections::BTreeSet<_>>()
        };
        let first = Workshop::new(home.path()).unwrap();
        let second = Workshop::new(home.path()).unwrap();
        let own = |workshop: &Workshop| workshop.path().file_name().unwrap().to_string_lossy().into_owned();
        let expected = [own(&first), own(&second), "other".into(), "xnorc-strange".into()];
        assert_eq!(names(), expected.into_iter().collect());
        drop((first, second));
        assert_eq!(names(), ["other".to_owned(), "xnorc-strange".to_owned()].into_iter().collect());
    }
}
