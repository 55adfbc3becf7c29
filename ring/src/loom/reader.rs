//! Readers of a modelled stream: the real cursor, and a witness who checks all that it says.

use super::memory::{End, Ring, Stream, frame_at};
use super::source::{FRAME_BYTES, Lent, Model};
use super::witness::{Event, Witness};
use crate::protocol::cursor::{Cursor, Outcome, Plan, Start, Target, Unit};

/// What became of the frames of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    pub read: u64,
    pub lost: u64,
}

/// Memory for copies.
#[derive(Default)]
struct Memory {
    times: Vec<f64>,
    samples: Vec<u8>,
}

impl Target for Memory {
    fn make_room(&mut self, frames: u64, frame_bytes: u64) {
        self.times.resize(frames as usize, 0.0);
        self.samples.resize((frames * frame_bytes) as usize, 0);
    }

    fn parts(&mut self) -> (&mut [f64], &mut [u8]) {
        (&mut self.times, &mut self.samples)
    }
}

/// Reads every frame of `stream` once, or counts it as lost, up to the stream's end. Its first read may be at any time.
pub fn read_frames(stream: &Stream, witness: &Witness) -> Counted {
    let mut memory = Memory::default();
    Reader::new(stream, witness, Unit::Frames).read_all(|cursor| {
        let outcome = cursor.read(&mut memory, u64::MAX, false).expect("an honest stream");
        outcome.map(|copied| (copied.first, frames_of(&memory.samples, copied.frames)))
    })
}

/// The same, in place.
pub fn view_frames(stream: &Stream, witness: &Witness) -> Counted {
    Reader::new(stream, witness, Unit::Frames).read_all(|cursor| {
        let outcome = cursor.view(u64::MAX).expect("an honest stream");
        outcome.map(|view| {
            let whole = cursor.finish(&view);
            let Lent { range, mut frames } = view;
            (whole.start, frames.split_off((whole.start - range.start) as usize))
        })
    })
}

/// Reads every message of `stream` once, whole, or counts its frames as lost, up to the stream's end.
pub fn read_messages(stream: &Stream, witness: &Witness) -> Counted {
    let mut memory = Memory::default();
    Reader::new(stream, witness, Unit::Messages).read_all(|cursor| {
        let outcome = cursor.next_message(&mut memory).expect("an honest stream");
        outcome.map(|info| (info.first, frames_of(&memory.samples, info.frames)))
    })
}

fn frames_of(samples: &[u8], frames: u64) -> Vec<[u64; 2]> {
    let words = |frame: &[u8]| [&frame[..8], &frame[8..]].map(|word| u64::from_le_bytes(word.try_into().expect("8")));
    samples[..(frames * FRAME_BYTES) as usize].chunks_exact(FRAME_BYTES as usize).map(words).collect()
}

struct Reader<'a> {
    stream: &'a Stream,
    witness: &'a Witness,
    unit: Unit,
    cursor: Cursor<Model<'a>>,
    read: u64,
}

/// Where a reader is, as the witness saw it.
struct Place<'a> {
    ring: Option<&'a Ring>,
    generation: Option<u32>,
    next: u64,
    next_chunk: u64,
    lost: u64,
}

impl<'a> Reader<'a> {
    fn new(stream: &'a Stream, witness: &'a Witness, unit: Unit) -> Self {
        let plan = Plan { unit, start: Start::Newest, each_description: false };
        // It came before anything was there.
        Self { stream, witness, unit, cursor: Cursor::new(Model::new(stream, unit), plan, None), read: 0 }
    }

    /// Reads by `step` up to the stream's end; it gives the first position and the frames, all of them whole.
    fn read_all(mut self, mut step: impl FnMut(&mut Cursor<Model<'a>>) -> Outcome<(u64, Vec<[u64; 2]>)>) -> Counted {
        loop {
            if self.is_at_end() {
                return self.counted();
            }
            let before = self.place();
            let outcome = step(&mut self.cursor);
            match outcome {
                Outcome::Data((first, frames)) => {
                    let generation = self.cursor.ring().expect("frames are of a ring").generation;
                    for (position, frame) in (first..).zip(&frames) {
                        let expected = frame_at(generation, position);
                        assert_eq!(*frame, expected, "a torn frame was accepted at {position} of {generation}");
                    }
                    self.read += frames.len() as u64;
                    self.check_losses(&before);
                }
                Outcome::Nothing => {
                    self.check_losses(&before);
                    self.sleep();
                }
                Outcome::Generation => self.check_move(&before),
                Outcome::Closed => {
                    if self.lost_since(&before) > 0 {
                        assert!(before.is_lapped(), "the stream was left before it was drained");
                        self.witness.saw(Event::Lapped);
                    }
                    return self.counted();
                }
            }
        }
    }

    fn place(&self) -> Place<'a> {
        Place {
            ring: self.cursor.source().memory(),
            generation: self.cursor.ring().map(|ring| ring.generation),
            next: self.cursor.position(),
            // Nothing that a reader of frames does depends on records.
            next_chunk: if self.unit == Unit::Messages { self.cursor.next_chunk() } else { u64::MAX },
            lost: self.cursor.lost(),
        }
    }

    fn lost_since(&self, before: &Place<'_>) -> u64 {
        self.cursor.lost() - before.lost
    }

    /// Frames are given up only if they had been lapped.
    fn check_losses(&self, before: &Place<'_>) {
        let lost = self.lost_since(before);
        if lost > 0 {
            assert!(before.is_lapped(), "{lost} frames were given up though they were still whole");
            self.witness.saw(Event::Lapped);
        }
    }

    /// A generation is left when it has been drained; those that came and went unseen are lost as a whole.
    fn check_move(&self, before: &Place<'_>) {
        let now = self.cursor.ring().expect("it has moved to a ring");
        if before.generation == Some(now.generation) {
            // It is reported now, and came when the reader looked whether it may sleep.
            return;
        }
        let lost = self.lost_since(before);
        let passed = match before.generation {
            None => now.base,
            Some(generation) => {
                self.witness.saw(Event::Moved);
                let following = self.stream.base_of(generation + 1);
                assert!(now.base >= following, "the base went back from {following} to {}", now.base);
                now.base - following
            }
        };
        if passed > 0 {
            self.witness.saw(Event::Skipped);
        }
        if lost > passed {
            let generation = before.generation.unwrap_or_default();
            assert!(before.is_lapped(), "generation {generation} was left before it was drained");
            self.witness.saw(Event::Lapped);
        }
    }

    fn sleep(&mut self) {
        let before = self.place();
        let Some(sleep) = self.cursor.would_block().expect("an honest stream") else {
            if before.generation.is_none() && self.cursor.ring().is_some() {
                self.check_move(&before);
            }
            // There is something, and it could not be had a moment ago: the writer is ahead of what it said.
            loom::thread::yield_now();
            return;
        };
        assert!(!sleep.retry, "what it waits for is an event");
        if self.stream.header.sleep(sleep.wake.expect("there is a header")) {
            self.witness.saw(Event::Slept);
        }
    }

    /// No event comes after the one that brings a reader to the end of a story: a reader that has slept past it sleeps for
    /// good, which loom reports as a deadlock.
    fn is_at_end(&self) -> bool {
        let generation = self.cursor.ring().map(|ring| ring.generation);
        self.stream.end.get().is_some_and(|&End { generation: last, position, chunks }| {
            let passed = match self.unit {
                Unit::Frames => self.cursor.position() == position,
                Unit::Messages => self.cursor.next_chunk() == chunks,
            };
            generation == Some(last) && passed
        })
    }

    fn counted(&self) -> Counted {
        Counted { read: self.read, lost: self.cursor.lost() }
    }
}

impl Place<'_> {
    /// Whether frames or records from this place on have been overwritten, or are about to be: then nobody can be blamed
    /// for losing them.
    fn is_lapped(&self) -> bool {
        self.ring.is_some_and(|ring| ring.lapped_below() > self.next || ring.records_lapped_below() > self.next_chunk)
    }
}
