//! What both readers of the model share: where they are in the stream, what they have counted, and how they move on.

use std::ops::Range;

use super::memory::{End, FRAMES, Frame, FramesOf, Ring, Stream, frame_at};
use super::witness::{Event, Witness};
use crate::layout::{NO_GENERATION, header};
use crate::protocol::order::{self, Mutation, mutated};
use crate::protocol::sync::Ordering;
use crate::protocol::{self, HeaderWords as _, Look, Over};

pub struct Cursor<'a> {
    pub stream: &'a Stream,
    pub witness: &'a Witness,
    pub generation: u32,
    /// Position of the next frame of this generation.
    pub next: u64,
    pub next_chunk: u64,
    pub read: u64,
    pub lost: u64,
    closed: bool,
}

impl<'a> Cursor<'a> {
    pub fn new(stream: &'a Stream, witness: &'a Witness) -> Self {
        let generation = NO_GENERATION;
        Self { stream, witness, generation, next: 0, next_chunk: 0, read: 0, lost: 0, closed: false }
    }

    /// The ring that is read. `None`: there was none; by now there may be one.
    pub fn ring(&mut self) -> Option<&'a Ring> {
        if self.generation != NO_GENERATION {
            return Some(self.stream.ring(self.generation));
        }
        let wake = protocol::look_at_wake(&self.stream.header);
        // A3: state and generation as in R2.
        let state = self.stream.header.state().load(order::generation_load());
        let generation = self.stream.header.generation().load(order::generation_load());
        match generation {
            NO_GENERATION if state == header::STATE_CLOSED => self.leave(),
            NO_GENERATION => self.sleep(wake),
            _ => self.enter(generation),
        }
        None
    }

    /// R8 and R9, after `look` has said that nothing is left to deliver.
    pub fn move_on_or_sleep(&mut self, look: &Look) {
        match protocol::is_over(look, self.generation) {
            Over::NextGeneration(generation) => self.enter(generation),
            Over::Closed => self.leave(),
            Over::No => self.sleep(look.wake),
        }
    }

    fn enter(&mut self, generation: u32) {
        if self.generation != NO_GENERATION {
            let left = self.stream.ring(self.generation);
            let end = left.base.load(Ordering::Relaxed) + self.next;
            let following = self.stream.ring(self.generation + 1).base.load(Ordering::Relaxed);
            assert_eq!(following, end, "generation {} was left before it was drained", self.generation);
            self.witness.saw(Event::Moved);
        }
        let here = self.position();
        self.generation = generation;
        (self.next, self.next_chunk) = (0, 0);
        let base = self.position();
        assert!(base >= here, "the base went back from {here} to {base}");
        if base > here {
            self.witness.saw(Event::Skipped);
            self.lost += base - here;
        }
    }

    fn leave(&mut self) {
        let total = self.stream.header.final_position().load(Ordering::Relaxed);
        assert_eq!(total, self.position(), "the stream was left before it was drained");
        self.closed = true;
    }

    fn sleep(&mut self, wake: u32) {
        if self.stream.header.sleep(wake) {
            self.witness.saw(Event::Slept);
        }
    }

    /// Position in the stream, over all generations.
    pub fn position(&self) -> u64 {
        match self.generation {
            NO_GENERATION => 0,
            generation => self.stream.ring(generation).base.load(Ordering::Relaxed) + self.next,
        }
    }

    /// R4 to R7: copies positions of this ring; returns where the whole ones begin.
    pub fn copy_whole(&self, ring: &Ring, positions: Range<u64>) -> u64 {
        let frames: Vec<Frame> = positions.clone().map(|position| ring.load_frame(position)).collect();
        let reserved = protocol::recheck(&FramesOf(ring));
        let whole = reserved.whole_from(FRAMES, &positions);
        for (position, frame) in positions.clone().zip(frames) {
            if position >= whole {
                let expected = frame_at(self.generation, position);
                assert_eq!(frame, expected, "a torn frame was accepted at {position} of {}", self.generation);
            }
        }
        // What readers of an honest stream may take for granted.
        assert!(reserved.frames >= positions.end || mutated(Mutation::NoReserve), "committed before it was reserved");
        whole
    }

    pub fn deliver_up_to(&mut self, end: u64) {
        self.read += end - self.next;
        self.next = end;
    }

    /// Counts the frames before `end` as lost. Unless they had been `lapped`, that is the reader's fault.
    pub fn lose_up_to(&mut self, end: u64, lapped: bool) {
        if end > self.next {
            assert!(lapped, "frames {}..{end} were given up though they were still whole", self.next);
            self.witness.saw(Event::Lapped);
            self.lost += end - self.next;
            self.next = end;
        }
    }

    /// Whether the stream is closed, or this is `end`. No event comes after the one that brings a reader to `end`: a
    /// reader that has slept past it sleeps for good, which loom reports as a deadlock.
    pub fn is_done(&self, passed: impl FnOnce(&End) -> bool) -> bool {
        self.closed || self.stream.end.get().is_some_and(|end| end.generation == self.generation && passed(end))
    }

    pub fn counted(&self) -> Counted {
        assert_eq!(self.read + self.lost, self.position(), "a position was counted twice, or not at all");
        Counted { read: self.read, lost: self.lost }
    }
}

/// What became of the frames of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    pub read: u64,
    pub lost: u64,
}
