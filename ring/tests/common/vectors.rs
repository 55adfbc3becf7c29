//! `tests/vectors/streams`: segments that are committed as files, each stream with what a reader must find in it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use dora_shm_ring::SHM_DIR;
use serde_json::{Value, json};

use super::segments;

/// What each file of segments begins with in the name of its stream.
pub const PREFIX: &str = "vectors/";

/// The vectors' folder, whichever package of the workspace is tested.
pub fn folder() -> PathBuf {
    let mut folders =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|above| above.join("tests/vectors/streams"));
    folders.find(|folder| folder.is_dir()).expect("the workspace has the vectors")
}

/// Names of the committed cases, in order.
#[track_caller]
pub fn cases() -> Vec<String> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    let mut cases: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    cases.sort();
    cases
}

/// The right to use the vectors' names, which are the same for all processes of a machine. A lock on the folder itself
/// leaves no file behind and is open to every user and language.
pub struct Stage {
    _lock: File,
}

impl Stage {
    pub fn enter() -> Self {
        let folder = File::open(SHM_DIR).unwrap();
        folder.lock().unwrap();
        Self { _lock: folder }
    }

    /// Whatever is called so belongs to a test that was killed, or to this one; it goes now and when the guard is dropped.
    pub fn take<'a>(&'a self, stream: &str) -> Taken<'a> {
        remove(stream);
        Taken { stream: stream.to_owned(), _stage: self }
    }

    /// Puts a committed case on the stage, until the guard is dropped.
    #[track_caller]
    pub fn put<'a>(&'a self, case: &str, stream: &str) -> Taken<'a> {
        let taken = self.take(stream);
        for entry in fs::read_dir(folder().join(case).join("segments")).unwrap() {
            let entry = entry.unwrap();
            // Not `fs::copy`: a ring must have no holes, whatever the checkout has.
            fs::write(segments::path(entry.file_name().to_str().unwrap()), fs::read(entry.path()).unwrap()).unwrap();
        }
        taken
    }
}

/// A stream's segments in shared memory.
pub struct Taken<'a> {
    stream: String,
    _stage: &'a Stage,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        remove(&self.stream);
    }
}

fn remove(stream: &str) {
    for path in segments::of(stream) {
        let _ = fs::remove_file(path);
    }
}

/// Integers of a larger magnitude do not survive as a JSON number in every language.
const EXACT: i128 = 1 << 53;

/// An integer as `expected.json` writes it: a number where every reader of JSON keeps it exactly, else a string of its
/// decimal digits.
pub fn integer(value: impl Into<i128>) -> Value {
    let value = value.into();
    if value.abs() <= EXACT { json!(value as i64) } else { json!(value.to_string()) }
}

/// A float as `expected.json` writes it: a number, or the word for what JSON has no number for.
pub fn real(value: f64) -> Value {
    if value.is_nan() {
        json!("NaN")
    } else if value.is_infinite() {
        json!(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        json!(value)
    }
}
