//! Frames in place: borrowed from the ring, checked when they are given back.

use std::ops::Range;
use std::sync::Arc;

use super::Frames;
use crate::protocol;
use crate::shm::ReadMapping;
use crate::shm::memory::{RingMemory, Run, runs};
use crate::shm::open::RingSegment;

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
/// they were found whole. (Of a stream that ezmsg itself wrote they are a copy, which stays as it is.)
pub struct View {
    lent: Lent,
    range: Range<u64>,
    generation: u32,
}

/// Where the frames of a view are.
enum Lent {
    Ring {
        memory: RingMemory,
        map: Arc<ReadMapping>,
    },
    /// Copied from the ring that has this token.
    Copy {
        frames: Arc<Frames>,
        token: Arc<()>,
    },
}

impl View {
    pub(super) fn new(ring: &RingSegment, range: Range<u64>) -> Self {
        let lent = Lent::Ring { memory: ring.memory.clone(), map: ring.map.clone() };
        Self { lent, range, generation: ring.generation }
    }

    pub(super) fn of_copy(frames: Frames, token: Arc<()>) -> Self {
        let range = frames.first()..frames.first() + frames.frames();
        let generation = frames.generation();
        Self { lent: Lent::Copy { frames: Arc::new(frames), token }, range, generation }
    }

    /// The memory of the ring behind `map`, if it is lent from there.
    pub(super) fn memory_in(&self, map: &Arc<ReadMapping>) -> Option<&RingMemory> {
        match &self.lent {
            Lent::Ring { memory, map: mine } if Arc::ptr_eq(mine, map) => Some(memory),
            _ => None,
        }
    }

    pub(super) fn is_copy_of(&self, ring: &Arc<()>) -> bool {
        matches!(&self.lent, Lent::Copy { token, .. } if Arc::ptr_eq(token, ring))
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

    /// The times, in order; the second part is empty unless the ring wraps.
    pub fn times(&self) -> [&[f64]; 2] {
        match &self.lent {
            Lent::Ring { memory, .. } => runs(&self.range, memory.geometry().frames).map(|run: Run| {
                // SAFETY: the run's times lie in the mapping, 8-aligned, which lives as long as `self`. Another process
                // may store to them: see `racing_copy`; every bit pattern is an f64.
                unsafe { std::slice::from_raw_parts(memory.times(run), run.frames as usize) }
            }),
            Lent::Copy { frames, .. } => [frames.times(), &[]],
        }
    }

    /// The times as bytes that keep the mapping alive; otherwise as [`times`](Self::times).
    pub fn times_bytes(&self) -> [SharedBytes; 2] {
        match &self.lent {
            Lent::Ring { memory, map } => runs(&self.range, memory.geometry().frames).map(|run| SharedBytes {
                start: memory.times(run).cast(),
                length: 8 * run.frames as usize,
                _owner: map.clone(),
            }),
            Lent::Copy { frames, .. } => SharedBytes::of_copy(frames.times(), frames),
        }
    }

    /// The positions that have been whole up to now: the end of the view, or all of it.
    pub fn whole(&self) -> Range<u64> {
        match &self.lent {
            Lent::Ring { memory, .. } => {
                protocol::recheck(memory).whole_from(memory.geometry().frames, &self.range)..self.range.end
            }
            Lent::Copy { .. } => self.range(),
        }
    }

    /// The samples, in order; the second part is empty unless the ring wraps.
    pub fn samples(&self) -> [SharedBytes; 2] {
        match &self.lent {
            Lent::Ring { memory, map } => runs(&self.range, memory.geometry().frames).map(|run| {
                let (start, length) = memory.samples(run);
                SharedBytes { start, length, _owner: map.clone() }
            }),
            Lent::Copy { frames, .. } => SharedBytes::of_copy(frames.samples(), frames),
        }
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("generation", &self.generation).field("range", &self.range).finish_non_exhaustive()
    }
}

/// Bytes of a view that keep its memory alive, e.g. as the owner of an Arrow buffer.
///
/// They are another process's memory: a read may see a newer frame's bytes until the view they came from has been given
/// back and found whole.
#[derive(Clone)]
pub struct SharedBytes {
    start: *mut u8,
    length: usize,
    /// What `start` points into: a mapping, or a copy.
    _owner: Arc<dyn Send + Sync>,
}

impl SharedBytes {
    /// `values`, which are `frames`' own, and nothing behind them.
    fn of_copy<T>(values: &[T], frames: &Arc<Frames>) -> [Self; 2] {
        [values, &values[values.len()..]].map(|part| Self {
            start: part.as_ptr().cast::<u8>().cast_mut(),
            length: size_of_val(part),
            _owner: frames.clone(),
        })
    }
}

// SAFETY: memory that belongs to no thread, kept alive by its owner, and only ever read through this.
unsafe impl Send for SharedBytes {}
// SAFETY: as above.
unsafe impl Sync for SharedBytes {}

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: inside the mapping, or the copy's memory, which lives as long as `self` and of which a copy never
        // changes. To a mapping another process may store: see `racing_copy`.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }
}
