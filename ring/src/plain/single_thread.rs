//! One thread: what each step stores and returns. Frames are read through the cursor; other steps are called directly,
//! since their results are what the tests compare.

use super::*;
use crate::layout::{RawTrailer, trailer};
use crate::protocol::{Committed, Over, Reserved, Update, is_over, load_committed, snapshot, update};

#[test]
fn what_is_written_is_read_lap_after_lap() {
    for (frames, chunk) in [(1, 1), (2, 1), (7, 3), (8, 8), (128, 50)] {
        let memory = Memory::new(frames, chunk);
        let mut writer = PlainWriter::new(&memory);
        generation(&memory, 0);
        let n = memory.ring.frames();
        let rounds = if cfg!(miri) { 3 } else { 40 };
        for round in 1..=rounds {
            writer.write(chunk);
            let committed = load_committed(&memory.ring).frames;
            assert_eq!(load_committed(&memory.ring), Committed { frames: round * chunk, chunks: round });
            assert_eq!(memory.ring.committed_meta_generation().load(Ordering::Relaxed), 1);
            let all = committed.saturating_sub(n)..committed;
            assert_eq!(check(&memory, all.clone()), all.start, "all frames of a ring at rest are whole");
            let record = memory.ring.load_record((round - 1) & (memory.ring.records() - 1));
            assert_eq!((record.first, record.frames, record.meta_generation), ((round - 1) * chunk, chunk, 1));
        }
    }
}

#[test]
fn a_chunk_longer_than_the_ring_stores_its_newest_frames_only() {
    let memory = Memory::new(7, 1);
    generation(&memory, 0);
    let mut writer = PlainWriter::new(&memory);
    writer.write(3);
    writer.write(25);
    assert_eq!(check(&memory, 21..28), 21);
    let record = memory.ring.load_record(1);
    assert_eq!((record.first, record.frames), (3, 25));
}

#[test]
fn an_empty_chunk_is_a_record_without_frames() {
    let memory = Memory::new(4, 1);
    let mut writer = PlainWriter::new(&memory);
    writer.write(2);
    let before = snapshot(&memory.header, &memory.ring);
    writer.write(0);
    let after = snapshot(&memory.header, &memory.ring);
    assert_eq!(after.committed.frames, before.committed.frames);
    assert_eq!(after.committed.chunks, before.committed.chunks + 1);
    assert_eq!(after.wake, before.wake.wrapping_add(1), "an event for readers that wait for messages");
    assert_eq!((memory.ring.load_record(1).first, memory.ring.load_record(1).frames), (2, 0));
}

#[test]
fn a_chunk_being_written_takes_the_oldest_frames_and_records_from_readers() {
    let memory = Memory::new(10, 1);
    generation(&memory, 0);
    let mut writer = PlainWriter::new(&memory);
    for _ in 0..10 {
        writer.write(1);
    }
    // W1 and W2 of a chunk of 4.
    memory.ring.reserved().store(14, Ordering::Relaxed);
    memory.ring.reserved_chunks().store(11, Ordering::Relaxed);
    assert_eq!(check(&memory, 0..10), 4);
    assert_eq!(check(&memory, 5..10), 5);
    assert_eq!(check(&memory, 1..3), 3, "nothing is whole");
    let reserved = protocol::recheck(&memory.ring);
    assert_eq!(reserved, Reserved { frames: 14, chunks: 11 });
    assert!(reserved.record_is_whole(0, 64));
    assert!(!Reserved { chunks: 65, ..reserved }.record_is_whole(0, 64));
    assert!(Reserved { chunks: 65, ..reserved }.record_is_whole(1, 64));
}

#[test]
fn absurd_counters_never_lead_outside_a_copy() {
    let range = 5..9;
    for frames in [0, 1, u64::MAX - 1, u64::MAX] {
        let reserved = Reserved { frames, chunks: frames };
        let whole = reserved.whole_from(4, &range);
        assert!((range.start..=range.end).contains(&whole));
        assert!(reserved.record_is_whole(u64::MAX, 64));
    }
}

#[test]
fn an_abandoned_chunk_hides_the_frames_that_it_may_have_overwritten_and_leaves_its_position_to_the_next() {
    let memory = Memory::new(10, 1);
    generation(&memory, 0);
    let mut writer = PlainWriter::new(&memory);
    writer.write(10);
    let abandoned = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let PlainWriter { memory, counters, .. } = &mut writer;
        let record = |first| Record { first, frames: 6, ..Record::default() };
        protocol::write(
            &memory.header,
            &memory.ring,
            counters,
            6,
            Stores::MayStream,
            |_| panic!("the caller's copy failed"),
            record,
            || {},
        );
    }));
    assert!(abandoned.is_err());
    assert_eq!(load_committed(&memory.ring).frames, 10);
    assert_eq!(check(&memory, 0..10), 6, "frames that may have been overwritten are not whole");
    // Shorter than the abandoned one: frames that the latter overwrote stay lost.
    writer.write(2);
    assert_eq!(load_committed(&memory.ring).frames, 12);
    assert_eq!(check(&memory, 2..12), 6);
    writer.write(8);
    assert_eq!(check(&memory, 10..20), 10);
}

#[test]
fn a_generation_is_over_when_the_header_names_another_or_is_closed() {
    let memory = Memory::new(4, 1);
    generation(&memory, 0);
    let mut writer = PlainWriter::new(&memory);
    writer.write(1);
    assert_eq!(is_over(&snapshot(&memory.header, &memory.ring), 0), Over::No);
    let wake = snapshot(&memory.header, &memory.ring).wake;
    generation(&memory, 1);
    let switched = snapshot(&memory.header, &memory.ring);
    assert_eq!(switched.wake, wake.wrapping_add(1));
    assert_eq!(is_over(&switched, 0), Over::NextGeneration(1));
    protocol::close(&memory.header, 17);
    let closed = snapshot(&memory.header, &memory.ring);
    assert_eq!(closed.wake, wake.wrapping_add(2));
    assert_eq!(is_over(&closed, 0), Over::NextGeneration(1), "the next ring may hold unread frames");
    assert_eq!(is_over(&closed, 1), Over::Closed);
    assert_eq!(memory.header.final_position().load(Ordering::Relaxed), 17);
}

#[test]
fn an_update_is_reported_without_loading_the_header_and_its_absence_after_loading_it() {
    let memory = Memory::new(4, 1);
    generation(&memory, 0);
    let mut writer = PlainWriter::new(&memory);
    writer.write(3);
    let poll = |next| update(&memory.header, &memory.ring, |committed| committed.frames != next);
    assert_eq!(poll(1), Update::Committed(Committed { frames: 3, chunks: 1 }));
    assert_eq!(poll(3), Update::Nothing(snapshot(&memory.header, &memory.ring)));
    // Committed frames come first, even if the generation has changed since.
    generation(&memory, 1);
    assert_eq!(poll(1), Update::Committed(Committed { frames: 3, chunks: 1 }));
    let Update::Nothing(snapshot) = poll(3) else { panic!("expected nothing new") };
    assert_eq!(is_over(&snapshot, 0), Over::NextGeneration(1));
}

#[test]
fn the_wake_word_wraps_around() {
    let memory = Memory::new(4, 1);
    memory.header.wake().store(u32::MAX, Ordering::Relaxed);
    protocol::bump(&memory.header);
    assert_eq!(protocol::load_wake(&memory.header), 0);
}

#[test]
fn a_trailer_is_read_as_it_was_written_and_every_offset_of_the_ring_is_before_it() {
    let memory = Memory::new(200, 10);
    let geometry = memory.ring.geometry().clone();
    let raw = RawTrailer {
        magic: trailer::MAGIC_VALUE,
        major: 1,
        stream_id: 5,
        generation: 6,
        base: 7,
        frames: geometry.frames,
        frame_bytes: geometry.frame_bytes,
        samples_offset: geometry.samples_offset,
        index_offset: geometry.index_offset,
        records: geometry.records as u32,
        record_bytes: 64,
        dtype: Dtype::U32.code(),
        rank: 1,
        dims: [FRAME_SAMPLES, 0, 0, 0, 0, 0, 0, 0],
        ..RawTrailer::default()
    };
    memory.ring.fill_trailer(&raw);
    // SAFETY: the ring's own memory and length.
    let read = unsafe { RingMemory::raw_trailer(memory._pages[1].start, geometry.length) };
    assert_eq!(read, raw);
    assert_eq!(Geometry::check(&read, geometry.length).unwrap().0, geometry);
    assert!(geometry.index_offset + 64 * geometry.records <= geometry.trailer_offset());
    assert_eq!(
        memory.ring.committed().load(Ordering::Relaxed),
        0,
        "the counters are not part of the trailer's fixed fields"
    );
}

#[test]
fn every_range_of_positions_is_one_run_or_two_that_meet_at_the_end_of_the_ring() {
    for n in [1, 2, 5] {
        for start in 0..12 {
            for frames in 0..=n {
                let [head, tail] = runs(&(start..start + frames), n);
                assert_eq!(head.frames + tail.frames, frames);
                assert!(head.slot < n && head.slot + head.frames <= n && tail.frames <= head.slot);
                assert!(tail.frames == 0 || head.slot + head.frames == n);
                assert_eq!(head.slot, start % n);
            }
        }
    }
}
