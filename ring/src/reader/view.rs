//! Frames in place: borrowed from the ring, checked when they are given back.

use std::ops::Range;
use std::sync::Arc;

use super::segments::RingSegment;
use crate::memory::{RingMemory, Run, runs};
use crate::os::ReadMapping;
use crate::protocol;

/// What became of [`Reader::view`](super::Reader::view).
#[derive(Debug)]
pub enum ViewOutcome {
    /// Frames in place.
    Frames(View),
    /// There is nothing new.
    Nothing,
    /// The reader moved on to a new ring; see [`Outcome::Generation`](super::Outcome::Generation).
    Generation,
    /// See [`Outcome::Closed`](super::Outcome::Closed).
    Closed,
}

/// Frames lent in place by [`Reader::view`](super::Reader::view): one run, or two where the ring wraps.
///
/// The writer may overwrite them at any moment; the bytes are only to be trusted once the view has been given back and
/// they were found whole.
pub struct View {
    memory: RingMemory,
    map: Arc<ReadMapping>,
    range: Range<u64>,
    generation: u32,
}

impl View {
    pub(super) fn new(ring: &RingSegment, range: Range<u64>) -> Self {
        Self { memory: ring.memory.clone(), map: ring.map.clone(), range, generation: ring.generation }
    }

    pub(super) fn map(&self) -> &Arc<ReadMapping> {
        &self.map
    }

    pub(super) fn memory(&self) -> &RingMemory {
        &self.memory
    }

    pub(super) fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Position of the first frame.
    pub fn first(&self) -> u64 {
        self.range.start
    }

    /// How many frames there are.
    pub fn frames(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// The generation they belong to.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    fn runs(&self) -> [Run; 2] {
        runs(&self.range, self.memory.geometry().frames)
    }

    /// The times, in order; the second part is empty unless the ring wraps.
    pub fn times(&self) -> [&[f64]; 2] {
        self.runs().map(|run| {
            // SAFETY: the run's times lie in the mapping, 8-aligned, which lives as long as `self`. Another process may
            // store to them: see `racing_copy`; every bit pattern is an f64.
            unsafe { std::slice::from_raw_parts(self.memory.times(run), run.frames as usize) }
        })
    }

    /// The times as bytes that keep the mapping alive; otherwise as [`times`](Self::times).
    pub fn times_bytes(&self) -> [SharedBytes; 2] {
        self.runs().map(|run| SharedBytes {
            map: self.map.clone(),
            start: self.memory.times(run).cast(),
            length: 8 * run.frames as usize,
        })
    }

    /// The positions that have been whole up to now: the end of the view, or all of it.
    pub fn whole(&self) -> Range<u64> {
        protocol::recheck(&self.memory).whole_from(self.memory.geometry().frames, &self.range)..self.range.end
    }

    /// The samples, in order; the second part is empty unless the ring wraps.
    pub fn samples(&self) -> [SharedBytes; 2] {
        self.runs().map(|run| {
            let (start, length) = self.memory.samples(run);
            SharedBytes { map: self.map.clone(), start, length }
        })
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("generation", &self.generation).field("range", &self.range).finish_non_exhaustive()
    }
}

/// Bytes of a ring that keep its mapping alive, e.g. as the owner of an Arrow buffer.
///
/// They are another process's memory: a read may see a newer frame's bytes until the view they came from has been given
/// back and found whole.
#[derive(Clone)]
pub struct SharedBytes {
    map: Arc<ReadMapping>,
    start: *mut u8,
    length: usize,
}

// SAFETY: read-only memory that belongs to no thread, kept mapped by `map`.
unsafe impl Send for SharedBytes {}
// SAFETY: as above.
unsafe impl Sync for SharedBytes {}

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        debug_assert!(self.start as usize >= self.map.start() as usize);
        // SAFETY: inside the mapping, which lives as long as `self`. Another process may store to it: see `racing_copy`.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }
}
