//! Streams that ezmsg itself wrote, as files: real ones of both struct versions, ones whose counters are moved between
//! two looks, and ones that nobody would write.

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

/// One read of everything that is new: the first position, the frames' own positions, and what was lost before.
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
