//! The streams in `tests/vectors/streams`: committed segments, with what a reader must find in each stream.

use std::fs::{self, File};
use std::path::PathBuf;

use dora_shm_ring::SHM_DIR;
use serde_json::{Value, json};

use crate::programs::root;
use crate::segments;

/// The prefix of every stream's name in the vectors.
pub const PREFIX: &str = "vectors/";

/// The folder of the vectors.
pub fn folder() -> PathBuf {
    root().join("tests/vectors/streams")
}

/// The folder of the vectors of this version of the format, which the current writer makes byte for byte. Those of
/// earlier versions stay as they are.
pub const CURRENT: &str = "1.1";

/// Names of the committed cases of all versions, sorted: `1.0/eeg`.
///
/// # Panics
/// When the folder cannot be read.
#[track_caller]
pub fn cases() -> Vec<String> {
    let in_version = |version: String| folders_in(&version).into_iter().map(move |case| format!("{version}/{case}"));
    folders_in("").into_iter().flat_map(in_version).collect()
}

/// Names of the committed cases of [`CURRENT`], sorted: `eeg`.
///
/// # Panics
/// When the folder cannot be read.
#[track_caller]
pub fn current_cases() -> Vec<String> {
    folders_in(CURRENT)
}

#[track_caller]
fn folders_in(name: &str) -> Vec<String> {
    let entries = fs::read_dir(folder().join(name)).expect("the vectors are there");
    let folders = entries.map(|entry| entry.expect("a readable folder")).filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> = folders.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// The exclusive right to use the vectors' names, which all processes of a machine share. It is a lock on the shared
/// memory's folder, which leaves no file behind and is available to every user and language.
#[derive(Debug)]
pub struct Reservation {
    _lock: File,
}

impl Reservation {
    /// Waits for the right.
    ///
    /// # Panics
    /// When shared memory cannot be opened or locked.
    pub fn wait() -> Self {
        let folder = File::open(SHM_DIR).expect("a folder that all can read");
        folder.lock().expect("a folder can be locked");
        Self { _lock: folder }
    }

    /// Removes a stream's segments, now and when the guard is dropped. A test that was killed may have left some.
    pub fn clear<'a>(&'a self, stream: &str) -> Placed<'a> {
        segments::remove(stream);
        Placed { stream: stream.to_owned(), _reservation: self }
    }

    /// Places the segments of a committed case in shared memory until the guard is dropped.
    ///
    /// # Panics
    /// When a file cannot be read or written.
    #[track_caller]
    pub fn place<'a>(&'a self, case: &str, stream: &str) -> Placed<'a> {
        let placed = self.clear(stream);
        for entry in fs::read_dir(folder().join(case).join("segments")).expect("a committed case") {
            let entry = entry.expect("a readable folder");
            let (name, bytes) = (entry.file_name(), fs::read(entry.path()).expect("a committed segment"));
            // Not `fs::copy`: a ring must not have holes, but the checked-out file may have some.
            fs::write(PathBuf::from(SHM_DIR).join(name), bytes).expect("there is room");
        }
        placed
    }
}

/// A stream's segments in shared memory. Removed when dropped.
#[derive(Debug)]
pub struct Placed<'a> {
    stream: String,
    _reservation: &'a Reservation,
}

impl Drop for Placed<'_> {
    fn drop(&mut self) {
        segments::remove(&self.stream);
    }
}

/// Largest magnitude of an integer that every language keeps exactly as a JSON number.
const EXACT: i128 = 1 << 53;

/// An integer as `expected.json` represents it: a number if every JSON reader keeps it exactly, else a string of its
/// decimal digits.
pub fn integer(value: impl Into<i128>) -> Value {
    let value = value.into();
    if value.abs() <= EXACT { json!(value as i64) } else { json!(value.to_string()) }
}

/// A float as `expected.json` represents it: a number, or a word if JSON has no number for it.
pub fn real(value: f64) -> Value {
    if value.is_nan() {
        json!("NaN")
    } else if value.is_infinite() {
        json!(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        json!(value)
    }
}
