//! Streams in ezmsg's format, as files: recorded ones of both struct versions, ones whose counters are changed between
//! two polls, and ones that no correct writer would write.

mod bindings;
mod counters;
mod golden;
mod hostile;
mod messages;
mod metadata;
mod names;
mod stage;

use dora_shm_ring::{Frames, Outcome, Reader, ReaderOptions, Start};

fn from(start: Start) -> ReaderOptions {
    ReaderOptions::default().start(start)
}

/// One read of everything new: the first position, the positions in the frames' content, and the loss before them.
#[track_caller]
fn read(reader: &mut Reader) -> (u64, Vec<u64>, u64) {
    let mut frames = Frames::new();
    assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
    (frames.first(), stage::positions(&frames), frames.lost())
}

#[track_caller]
fn expect(reader: &mut Reader, outcome: Outcome<u64>) {
    assert_eq!(reader.read(&mut Frames::new(), u64::MAX).unwrap(), outcome);
}
