//! A stream as files, to be corrupted in one way after the other.

use dora_shm_ring::*;
use dora_shm_testkit::Name;
use dora_shm_testkit::follower::oldest;
use dora_shm_testkit::signal::{self, description, format};
use dora_shm_testkit::specimen::{RING_FRAMES, Specimen, WRITTEN};

use crate::probe::probe;

/// A specimen under a name that no other test uses.
pub fn specimen(test: &str) -> Specimen {
    Specimen::new(&Name::new(test)).unwrap()
}

/// Checks that a new writer gets the name of a dead stream in any state, and leaves nothing when it closes.
#[track_caller]
pub fn take_name(name: &str) {
    let mut writer = Writer::create(name, WriterOptions::default()).unwrap();
    writer.begin(&format(8), &description("next"), 1).unwrap();
    signal::write(&mut writer, 3).unwrap();
    let mut reader = Reader::open(name, oldest()).unwrap();
    let mut frames = Frames::new();
    assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
    assert_eq!(frames.frames(), 3);
}

#[test]
fn the_unchanged_specimen_can_be_read() {
    let specimen = specimen("whole");
    specimen.put().unwrap();
    assert!(probe(&specimen.name).is_none());
    let mut reader = Reader::open(&specimen.name, oldest()).unwrap();
    let mut frames = Frames::new();
    assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
    assert_eq!((frames.frames(), frames.first()), (RING_FRAMES, WRITTEN - RING_FRAMES));
    take_name(&specimen.name);
}
