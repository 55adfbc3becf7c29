//! Where readers begin, in states of a ring that tests cannot reach through public calls.

use super::*;
use crate::protocol::cursor::{Beginning, Start, Unit};

fn of_frames(ring: &RingMemory, start: Start) -> Beginning {
    Beginning::in_ring(ring, start, Unit::Frames).expect("a place among frames always exists")
}

fn of_messages(ring: &RingMemory, start: Start) -> Option<Beginning> {
    Beginning::in_ring(ring, start, Unit::Messages)
}

fn place(memory: &Memory, start: Start) -> Option<(u64, u64)> {
    of_messages(&memory.ring, start).map(|begin| (begin.position, begin.chunk))
}

#[test]
fn a_message_reader_that_attaches_between_the_commits_of_a_chunk_and_its_frames_gets_that_chunk() {
    let memory = Memory::new(10, 2);
    let mut writer = PlainWriter::new(&memory);
    for _ in 0..3 {
        writer.write(2);
    }
    // Restores the state after W7 of the third chunk: its writer has not done W8 yet, or has died.
    memory.ring.committed().store(4, Ordering::Relaxed);
    assert_eq!(place(&memory, Start::Newest), Some((4, 2)));
    assert_eq!(place(&memory, Start::Last(1)), Some((2, 1)));
    assert_eq!(place(&memory, Start::Oldest), Some((0, 0)));
    assert_eq!(of_frames(&memory.ring, Start::Newest).position, 4);
}

#[test]
fn a_message_reader_whose_loads_were_overtaken_by_whole_chunks_begins_before_them() {
    // `committed` is loaded first: any number of chunks may be committed before `committed_chunks` is loaded.
    let memory = Memory::new(100, 50);
    let mut writer = PlainWriter::new(&memory);
    for _ in 0..40 {
        writer.write(1);
    }
    memory.ring.committed().store(10, Ordering::Relaxed);
    assert_eq!(place(&memory, Start::Newest), Some((10, 10)));
    assert_eq!(place(&memory, Start::Last(3)), Some((7, 7)));
    for _ in 0..100 {
        writer.write(1);
    }
    assert_eq!(memory.ring.records(), 64);
    memory.ring.committed().store(10, Ordering::Relaxed);
    assert_eq!(place(&memory, Start::Newest), None, "the record of chunk 10 is gone, so the caller has to try again");
}

#[test]
fn a_reader_of_the_newest_messages_begins_behind_trailing_empty_ones() {
    let memory = Memory::new(10, 2);
    let mut writer = PlainWriter::new(&memory);
    assert_eq!(place(&memory, Start::Oldest), Some((0, 0)));
    writer.write(0);
    writer.write(2);
    writer.write(0);
    assert_eq!(place(&memory, Start::Newest), Some((2, 3)));
    assert_eq!(place(&memory, Start::Last(2)), Some((0, 1)));
    assert_eq!(place(&memory, Start::Oldest), Some((0, 0)));
}

#[test]
fn frames_that_are_being_overwritten_are_before_every_start() {
    let memory = Memory::new(10, 2);
    let mut writer = PlainWriter::new(&memory);
    for _ in 0..10 {
        writer.write(2);
    }
    let begin = of_frames(&memory.ring, Start::Oldest);
    assert_eq!((begin.position, begin.not_lost_below), (10, 15));
    memory.ring.reserved().store(23, Ordering::Relaxed);
    assert_eq!(of_frames(&memory.ring, Start::Oldest).position, 13);
    assert_eq!(of_frames(&memory.ring, Start::Last(100)).position, 13);
    assert_eq!(place(&memory, Start::Oldest), Some((14, 7)), "the message of frames 12 and 13 is not whole");
    memory.ring.reserved().store(u64::MAX, Ordering::Relaxed);
    assert_eq!(of_frames(&memory.ring, Start::Oldest).position, 20);
}

#[test]
fn an_impossible_record_counter_ends_the_search() {
    let memory = Memory::new(10, 2);
    let mut writer = PlainWriter::new(&memory);
    writer.write(2);
    memory.ring.reserved_chunks().store(u64::MAX, Ordering::Relaxed);
    assert_eq!(place(&memory, Start::Oldest), None);
    memory.ring.committed_chunks().store(u64::MAX, Ordering::Relaxed);
    assert_eq!(place(&memory, Start::Newest), Some((2, u64::MAX)), "a zeroed record is valid");
}
