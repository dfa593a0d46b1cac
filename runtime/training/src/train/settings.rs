//! What results were trained with: what other settings began is not gone on with, and nothing is trained by two
//! processes at once.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::checkpoint::write;
use super::procedure::checkpoint;
use crate::config::{Config, TensorBoard, parse};
use crate::problem::{Problems, Result};

/// The seed of everything random of a step: its own, or one that tells it from the procedure's other steps.
pub(super) fn seed(config: &Config, index: usize) -> u64 {
    let own = config.steps.get(index).and_then(|step| step.seed);
    own.unwrap_or_else(|| config.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(index as u64))
}

/// Whether the folder of results, if anything is in it, was begun with this configuration.
///
/// # Errors
/// A folder that was begun with another one, or a step shared with procedures that have other settings for it.
pub fn same(config: &Config) -> Result {
    compare(&config.output.join("config.toml"), config)?;
    (0..config.steps.len()).try_for_each(|index| same_of_shared(config, index))
}

/// As [`same`], of one step, where it is shared.
pub(super) fn same_of_shared(config: &Config, index: usize) -> Result {
    match shared(config, index) {
        Some((path, settings)) => compare(&path, &settings),
        None => Ok(()),
    }
}

/// Writes the configuration down in the folder of results, unless it is there already.
pub(super) fn remember(config: &Config) -> Result {
    let path = config.output.join("config.toml");
    compare(&path, config)?;
    if path.exists() {
        return Ok(());
    }
    make(&config.output)?;
    put(&path, config)
}

/// Begins to train a step, or goes on with it: nobody else does as long as the answer is held.
pub(super) fn begin(config: &Config, index: usize) -> Result<Option<File>> {
    let Some(step) = config.steps.get(index) else { return Ok(None) };
    let folder = checkpoint(config, step).folder().to_owned();
    make(&folder)?;
    let lock = lock(&folder)?;
    if let Some((path, settings)) = shared(config, index) {
        compare(&path, &settings)?;
        if !path.exists() {
            put(&path, &settings)?;
        }
    }
    Ok(lock)
}

/// Of a step with a folder of its own: where it is written down what its result depends on, and that.
fn shared(config: &Config, index: usize) -> Option<(PathBuf, Config)> {
    let step = config.steps.get(index).filter(|step| step.folder.is_some())?;
    let path = checkpoint(config, step).folder().join("settings.toml");
    // The steps it needs, and what they need.
    let mut needed = vec![false; config.steps.len()];
    needed[index] = true;
    for i in (0..=index).rev() {
        let step = &config.steps[i];
        if needed[i] {
            for name in [&step.teacher, &step.start_from].into_iter().flatten() {
                if let Some(at) = config.steps.iter().position(|step| step.name == *name) {
                    needed[at] = true;
                }
            }
        }
    }
    let mut settings = config.clone();
    // Shared steps have seeds of their own.
    (settings.seed, settings.ablation) = (0, None);
    settings.steps = (0..=index)
        .filter(|&i| needed[i])
        .map(|i| {
            let mut step = config.steps[i].clone();
            step.folder = None;
            step
        })
        .collect();
    settings.networks.retain(|name, _| settings.steps.iter().any(|step| step.network == *name));
    Some((path, settings))
}

/// Nothing, where there is no such file, or it holds the same settings. Where a procedure runs and where its pictures
/// and its results lie does not change what comes out.
fn compare(path: &Path, config: &Config) -> Result {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(Problems::file(path, format_args!("cannot be read: {e}"))),
    };
    if parse::<Config>(&text).is_ok_and(|before| essence(&before) == essence(config)) {
        return Ok(());
    }
    let what = "these results were begun with other settings: choose another `output`, or remove the folder of this \
                file";
    Err(Problems::file(path, what))
}

/// What of a configuration changes what comes out.
fn essence(config: &Config) -> Config {
    let mut config = config.clone();
    (config.output, config.data.folder) = (PathBuf::new(), PathBuf::new());
    (config.device, config.data.workers, config.ablation) = (String::new(), 0, None);
    config.tensorboard = TensorBoard::Off;
    for initial in config.steps.iter_mut().filter_map(|step| step.initial.as_mut()) {
        *initial = initial.file_name().map(PathBuf::from).unwrap_or_default();
    }
    config
}

/// A number that differs where two configurations train something else.
pub(super) fn digest(config: &Config) -> Result<u32> {
    let text = toml::to_string(&essence(config)).map_err(|e| Problems::one("configuration", e))?;
    Ok(crc32c::crc32c(text.as_bytes()))
}

/// Writes a configuration that can be used where it lies.
fn put(path: &Path, config: &Config) -> Result {
    let mut config = config.clone();
    config.output = PathBuf::from(".");
    config.ablation = None;
    if let Ok(folder) = fs::canonicalize(&config.data.folder) {
        config.data.folder = folder;
    }
    config.tensorboard = config.tensorboard.map(|folder| std::path::absolute(&folder).unwrap_or(folder));
    for initial in config.steps.iter_mut().filter_map(|step| step.initial.as_mut()) {
        *initial = fs::canonicalize(&*initial).unwrap_or_else(|_| initial.clone());
    }
    let text = toml::to_string(&config).map_err(|e| Problems::file(path, e))?;
    write(path, text.as_bytes())
}

fn make(folder: &Path) -> Result {
    fs::create_dir_all(folder).map_err(|e| Problems::file(folder, format_args!("cannot be made: {e}")))
}

/// Nothing where the file system has no locks.
fn lock(folder: &Path) -> Result<Option<File>> {
    let path = folder.join("lock");
    let file = File::create(&path).map_err(|e| Problems::file(&path, format_args!("cannot be written: {e}")))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            Err(Problems::file(folder, "another process is training this step: wait for it, or end it"))
        }
        Err(TryLockError::Error(_)) => Ok(None),
    }
}
