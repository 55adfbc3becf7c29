//! Readers of a modelled stream: the production cursor, and checks of everything that it reports.

use super::memory::{End, Ring, Stream, frame_at};
use super::source::{FRAME_BYTES, Lent, Model};
use super::witness::{Event, Witness};
use crate::protocol::cursor::{Cursor, Outcome, Plan, Start, Target, Unit};

/// How many frames of a stream a reader read and lost.
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

/// Reads every frame of `stream` once, or counts it as lost, up to the stream's end. Its first read may happen at any
/// time.
pub fn read_frames(stream: &Stream, witness: &Witness) -> Counted {
    let mut memory = Memory::default();
    Reader::new(stream, witness, Unit::Frames).read_all(|cursor| {
        let outcome = cursor.read(&mut memory, u64::MAX, false).expect("the stream is correct");
        outcome.map(|copied| (copied.first, frames_of(&memory.samples, copied.frames)))
    })
}

/// As [`read_frames`], in place.
pub fn view_frames(stream: &Stream, witness: &Witness) -> Counted {
    Reader::new(stream, witness, Unit::Frames).read_all(|cursor| {
        let outcome = cursor.view(u64::MAX).expect("the stream is correct");
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
        let outcome = cursor.next_message(&mut memory).expect("the stream is correct");
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

/// A reader's place before a step.
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
        // The cursor was opened before the stream existed.
        Self { stream, witness, unit, cursor: Cursor::new(Model::new(stream, unit), plan, None), read: 0 }
    }

    /// Reads by `step` up to the stream's end. `step` returns the first position and the frames, all of them whole.
    fn read_all(mut self, mut step: impl FnMut(&mut Cursor<Model<'a>>) -> Outcome<(u64, Vec<[u64; 2]>)>) -> Counted {
        loop {
            if self.is_at_end() {
                return self.counted();
            }
            let before = self.place();
            let outcome = step(&mut self.cursor);
            match outcome {
                Outcome::Data((first, frames)) => {
                    let generation = self.cursor.ring().expect("frames belong to a ring").generation;
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
            // A reader of frames does not depend on records.
            next_chunk: if self.unit == Unit::Messages { self.cursor.next_chunk() } else { u64::MAX },
            lost: self.cursor.lost(),
        }
    }

    fn lost_since(&self, before: &Place<'_>) -> u64 {
        self.cursor.lost() - before.lost
    }

    /// Frames are skipped only if they have been lapped.
    fn check_losses(&self, before: &Place<'_>) {
        let lost = self.lost_since(before);
        if lost > 0 {
            assert!(before.is_lapped(), "{lost} frames were skipped although they were still whole");
            self.witness.saw(Event::Lapped);
        }
    }

    /// A generation is left only after it was drained. Generations that the reader never saw are lost entirely.
    fn check_move(&self, before: &Place<'_>) {
        let now = self.cursor.ring().expect("the cursor has moved to a ring");
        if before.generation == Some(now.generation) {
            // The move happened when the reader checked whether it may sleep, and is reported now.
            return;
        }
        let first = before.generation.map_or(0, |before| before + 1);
        for passed in first..now.generation {
            let has_frames = self.stream.base_of(passed) < self.stream.base_of(passed + 1);
            let is_kept = has_frames && self.stream.ring(passed).is_linked();
            assert!(!is_kept, "generation {passed} was passed over although it was kept");
        }
        let lost = self.lost_since(before);
        let passed = match before.generation {
            None => now.base,
            Some(generation) => {
                self.witness.saw(Event::Moved);
                let following = self.stream.base_of(generation + 1);
                assert!(now.base >= following, "the base decreased from {following} to {}", now.base);
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
        let Some(sleep) = self.cursor.would_block().expect("the stream is correct") else {
            if before.generation.is_none() && self.cursor.ring().is_some() {
                self.check_move(&before);
            }
            // Something is new that the step before could not read, since the writer is in the middle of a commit.
            loom::thread::yield_now();
            return;
        };
        assert!(!sleep.retry, "an event announces what the cursor waits for");
        if self.stream.header.sleep(sleep.wake.expect("there is a header")) {
            self.witness.saw(Event::Slept);
        }
    }

    /// The last event of a story brings a reader to its end. A reader that sleeps past that event never wakes, which
    /// loom reports as a deadlock.
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
    /// Whether frames or records from this place on have been overwritten, or are about to be, so that a reader may
    /// lose them.
    fn is_lapped(&self) -> bool {
        self.ring.is_some_and(|ring| ring.lapped_below() > self.next || ring.records_lapped_below() > self.next_chunk)
    }
}
