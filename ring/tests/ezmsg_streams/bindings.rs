//! The calls of a reader that the bindings use, for a stream that ezmsg wrote.

use std::os::fd::AsRawFd;

use dora_shm_ring::internal::unix_ns;
use dora_shm_ring::*;

use crate::stage::{CHANNELS, Stage, frame_at, time_at};
use dora_shm_testkit::wait_until;

const FRAME_BYTES: usize = 8 * CHANNELS;

/// The caller's memory.
struct Memory {
    samples: Vec<u8>,
    times: Vec<f64>,
}

impl Memory {
    fn of(frames: usize) -> Self {
        Self { samples: vec![0; frames * FRAME_BYTES], times: vec![0.0; frames] }
    }

    #[track_caller]
    fn check(&self, copied: &Copied, positions: std::ops::Range<u64>, lost: u64) {
        let frames = positions.end - positions.start;
        assert_eq!((copied.first, copied.frames, copied.lost), (positions.start, frames, lost));
        let expected: Vec<u8> = positions.clone().flat_map(frame_at).flat_map(i64::to_le_bytes).collect();
        assert_eq!(self.samples[..expected.len()], expected);
        assert_eq!(self.times[..frames as usize], positions.map(time_at).collect::<Vec<_>>());
    }
}

fn open(stage: &Stage) -> Reader {
    Reader::open(&stage.name, ReaderOptions::default()).unwrap()
}

#[test]
fn frames_are_read_into_the_callers_memory() {
    let stage = Stage::new("into", 2, 20);
    let mut reader = open(&stage);
    let mut memory = Memory::of(8);
    stage.write(0..10);
    for positions in [0..8, 8..10] {
        let outcome = reader.read_into(&mut memory.samples, &mut memory.times).unwrap();
        let Outcome::Data(copied) = outcome else { panic!("{outcome:?}, expected frames") };
        memory.check(&copied, positions, 0);
    }
    assert_eq!(reader.read_into(&mut memory.samples, &mut memory.times).unwrap(), Outcome::Nothing);
    let copied = reader.latest_into(&mut memory.samples, &mut memory.times).unwrap();
    memory.check(&copied, 2..10, 0);
    let refused = reader.read_into(&mut memory.samples[1..], &mut memory.times);
    assert!(matches!(refused, Err(Error::BadArgument { .. })), "{refused:?}");
}

#[test]
fn a_read_is_continued_only_by_the_frames_that_directly_follow() {
    let mut stage = Stage::new("continue", 2, 20);
    let mut reader = open(&stage);
    let mut memory = Memory::of(20);
    let mut go_on = |reader: &mut Reader| {
        let outcome = reader.continue_into(&mut memory.samples, &mut memory.times).unwrap();
        outcome.map(|copied| (copied.first, copied.frames))
    };
    stage.write(0..5);
    assert_eq!(go_on(&mut reader), Outcome::Data((0, 5)));
    stage.write(5..8);
    assert_eq!(go_on(&mut reader), Outcome::Data((5, 3)));
    for position in (8..48).step_by(8) {
        stage.write(position..position + 8);
    }
    assert_eq!(go_on(&mut reader), Outcome::Nothing, "frames are lost in between");
    let mut frames = Frames::new();
    assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
    assert_eq!((frames.first(), frames.lost()), (38, 30));
    stage.next_generation(20);
    assert_eq!(go_on(&mut reader), Outcome::Generation);
}

#[test]
fn each_frame_has_a_message_and_a_writer() {
    let stage = Stage::new("provenance", 2, 20);
    let mut reader = open(&stage);
    let before = unix_ns();
    stage.write(0..5);
    assert!(reader.read(&mut Frames::new(), u64::MAX).unwrap().is_data());
    let mut messages = Vec::new();
    reader.messages(1..4, &mut messages);
    assert_eq!((messages.len(), messages[0].first, messages[0].frames), (1, 0, 5), "the message that contains them");
    assert!((before..=unix_ns()).contains(&messages[0].send_ns), "sent when it was found");
    reader.messages(4..4, &mut messages);
    assert_eq!(messages.len(), 1);

    let writer = reader.writer_of_ring();
    assert!(writer.is_some() && reader.newest_writer() == writer);
    stage.make_header();
    stage.make_ring();
    stage.patch(crate::stage::at::VALID, &[1]);
    wait_until("the restarted writer's ring", || reader.read(&mut Frames::new(), 1).unwrap() == Outcome::Generation);
    assert_ne!(reader.writer_of_ring(), writer);
}

#[test]
fn a_notifier_reports_updates_and_a_later_stream() {
    let stage = Stage::new("descriptor", 2, 20);
    let notifier = Notifier::open(&stage.name, ReaderOptions::default()).unwrap();
    let mut reader = open(&stage);
    let is_readable = || {
        let mut poll = libc::pollfd { fd: notifier.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry, which outlives the call.
        (unsafe { libc::poll(&mut poll, 1, 0) }) == 1
    };
    assert!(is_readable(), "readable at first");
    for round in 0..5 {
        notifier.clear();
        let mut frames = Frames::new();
        while reader.read(&mut frames, u64::MAX).unwrap() != Outcome::Nothing {}
        stage.write(round * 7..round * 7 + 7);
        wait_until("the descriptor is readable", is_readable);
        assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
    }
    notifier.clear();
    stage.make_header();
    stage.make_ring();
    stage.patch(crate::stage::at::VALID, &[1]);
    wait_until("the next stream is reported", is_readable);
}

#[test]
fn a_reader_moves_on_without_reading_when_nothing_is_left_to_read() {
    let mut stage = Stage::new("advance", 2, 20);
    let mut reader = open(&stage);
    assert_eq!((reader.advance().unwrap(), reader.unread()), (Outcome::Nothing, 0));
    stage.write(0..5);
    assert_eq!((reader.advance().unwrap(), reader.unread()), (Outcome::Data(5), 5));
    assert_eq!(crate::read(&mut reader), (0, (0..5).collect(), 0));
    stage.next_generation(10);
    assert_eq!((reader.advance().unwrap(), reader.generation()), (Outcome::Generation, Some(1)));
    assert_eq!((reader.advance().unwrap(), reader.unread()), (Outcome::Nothing, 0));
}
