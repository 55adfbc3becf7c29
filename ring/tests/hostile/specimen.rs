//! A stream as files, to be corrupted one way after the other.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use dora_shm_ring::*;

use crate::common::Name;
use crate::common::segments::{self, Bytes};
use crate::common::signal::{self, description, format};
use crate::probe::probe;

/// A stream that was written, without its writer, as the files that it consists of.
pub struct Specimen {
    pub name: Name,
    pub header: Bytes,
    pub ring: Bytes,
    pub metadata: Bytes,
}

pub const RING_FRAMES: u64 = 32;
/// What was written: 5 messages of 8 frames, one of none.
pub const WRITTEN: u64 = 40;

pub fn write_specimen(writer: &mut Writer) {
    writer.begin(&format(RING_FRAMES), &described(), 8).unwrap();
    for frames in [8, 8, 0, 8, 8, 8] {
        signal::write(writer, frames);
    }
}

pub fn described() -> Description {
    let mut described = description("specimen");
    described.dims = vec!["time".into(), "word".into()];
    described.axes.insert("time".into(), Axis::Linear { unit: "s".into(), gain: 0.001, offset: None });
    described.attrs.insert("gain".into(), Attr::ListFloat(vec![1.5, 2.5]));
    described
}

impl Specimen {
    pub fn new(test: &str) -> Self {
        let name = Name::new(test);
        let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
        write_specimen(&mut writer);
        let [header, ring, metadata] = segments::publics(&name).map(|path| Bytes::of(&path));
        Self { name, header, ring, metadata }
    }

    pub fn paths(&self) -> [PathBuf; 3] {
        segments::publics(&self.name)
    }

    /// Puts the stream where it was, under its public names and with anchors: a stream whose writer is dead.
    pub fn put(&self) {
        for (path, bytes) in self.paths().iter().zip([&self.header, &self.ring, &self.metadata]) {
            put(path, &bytes.0);
        }
    }

    pub fn remove(&self) {
        for path in segments::of(&self.name) {
            remove(&path);
        }
    }
}

impl Drop for Specimen {
    fn drop(&mut self) {
        self.remove();
    }
}

pub fn remove(path: &Path) {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => std::fs::remove_dir(path).unwrap(),
        Ok(_) => std::fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

pub fn put(path: &Path, bytes: &[u8]) {
    remove(path);
    remove(&segments::anchor(path));
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::hard_link(path, segments::anchor(path)).unwrap();
}

/// A new writer gets the name whatever is left of a dead stream, and leaves nothing when it closes.
#[track_caller]
pub fn take_name(name: &str) {
    let mut writer = Writer::create(name, WriterOptions::default()).unwrap();
    writer.begin(&format(8), &description("next"), 1).unwrap();
    signal::write(&mut writer, 3);
    let mut reader = Reader::open(name, ReaderOptions::default().start(Start::Oldest)).unwrap();
    let mut frames = Frames::new();
    assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
    assert_eq!(frames.frames(), 3);
}

#[test]
fn the_specimen_can_be_read_as_long_as_nobody_touches_it() {
    let specimen = Specimen::new("whole");
    specimen.put();
    assert!(probe(&specimen.name).is_none());
    let mut reader = Reader::open(&specimen.name, ReaderOptions::default().start(Start::Oldest)).unwrap();
    let mut frames = Frames::new();
    assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
    assert_eq!((frames.frames(), frames.first()), (RING_FRAMES, WRITTEN - RING_FRAMES));
    take_name(&specimen.name);
}
