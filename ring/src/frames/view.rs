//! Frames in place: borrowed from the ring, and checked when they are given back.

use std::ops::Range;
use std::sync::Arc;

use super::Frames;
use crate::protocol;
use crate::protocol::copy::racing_copy;
use crate::shm::ReadMapping;
use crate::shm::memory::{RingMemory, runs};
use crate::shm::open::RingSegment;

/// Frames lent in place by [`Reader::view`](crate::Reader::view): one run, or two where the ring wraps.
///
/// The writer may overwrite them at any moment. Trust the bytes only after the view has been given back and found
/// whole. (A view of a stream that ezmsg wrote is a copy, which does not change.)
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
    /// A copy from the ring that has this token.
    Copy {
        frames: Arc<Frames>,
        token: Arc<()>,
    },
}

impl View {
    pub(crate) fn of_ring(ring: &RingSegment, range: Range<u64>) -> Self {
        let lent = Lent::Ring { memory: ring.memory.clone(), map: ring.map.clone() };
        Self { lent, range, generation: ring.generation }
    }

    pub(crate) fn of_copy(frames: Frames, token: Arc<()>) -> Self {
        let range = frames.first()..frames.first() + frames.frames();
        let generation = frames.generation();
        Self { lent: Lent::Copy { frames: Arc::new(frames), token }, range, generation }
    }

    /// The memory of the ring behind `map`, if the view was lent from there.
    pub(crate) fn memory_in(&self, map: &Arc<ReadMapping>) -> Option<&RingMemory> {
        match &self.lent {
            Lent::Ring { memory, map: mine } if Arc::ptr_eq(mine, map) => Some(memory),
            _ => None,
        }
    }

    pub(crate) fn is_copy_of(&self, ring: &Arc<()>) -> bool {
        matches!(&self.lent, Lent::Copy { token, .. } if Arc::ptr_eq(token, ring))
    }

    pub(crate) fn range(&self) -> Range<u64> {
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

    /// The generation that the frames belong to.
    pub fn generation(&self) -> u32 {
        self.generation
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
                SharedBytes { start, length, owner: map.clone() }
            }),
            Lent::Copy { frames, .. } => SharedBytes::of_copy(frames.samples(), frames),
        }
    }

    /// The times in order, each a little-endian f64; otherwise as [`samples`](Self::samples).
    pub fn times_bytes(&self) -> [SharedBytes; 2] {
        match &self.lent {
            Lent::Ring { memory, map } => runs(&self.range, memory.geometry().frames).map(|run| SharedBytes {
                start: memory.times(run).cast(),
                length: 8 * run.frames as usize,
                owner: map.clone(),
            }),
            Lent::Copy { frames, .. } => SharedBytes::of_copy(frames.times(), frames),
        }
    }

    /// Copies the times into `into` and replaces its old content. As with the samples, trust them only after the view
    /// has been found whole.
    pub fn copy_times_to(&self, into: &mut Vec<f64>) {
        into.clear();
        match &self.lent {
            Lent::Ring { memory, .. } => {
                into.resize(self.frames() as usize, 0.0);
                memory.copy_times(&self.range, into);
            }
            Lent::Copy { frames, .. } => into.extend_from_slice(frames.times()),
        }
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("generation", &self.generation).field("range", &self.range).finish_non_exhaustive()
    }
}

/// Bytes of a view. They keep its memory alive.
///
/// They are shared memory that another process may change at any moment, so there is no safe slice of them. Copy them,
/// and trust the copy only after the view has been given back and found whole.
#[derive(Clone)]
pub struct SharedBytes {
    start: *mut u8,
    length: usize,
    /// What `start` points into: a mapping, or a copy.
    owner: Arc<dyn Send + Sync>,
}

impl SharedBytes {
    /// `values`, which belong to `frames`, followed by an empty part.
    fn of_copy<T>(values: &[T], frames: &Arc<Frames>) -> [Self; 2] {
        [values, &values[values.len()..]].map(|part| Self {
            start: part.as_ptr().cast::<u8>().cast_mut(),
            length: size_of_val(part),
            owner: frames.clone(),
        })
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Address of the bytes: valid for reads of [`len`](Self::len) bytes as long as a clone of this value lives.
    pub fn as_ptr(&self) -> *const u8 {
        self.start
    }

    /// What keeps the memory behind [`as_ptr`](Self::as_ptr) alive.
    pub fn owner(&self) -> &Arc<dyn Send + Sync> {
        &self.owner
    }

    /// Copies all of them into `to`.
    ///
    /// # Panics
    /// If the length of `to` is not [`len`](Self::len).
    pub fn copy_to(&self, to: &mut [u8]) {
        assert_eq!(to.len(), self.length, "expected room for exactly the bytes of the view");
        // SAFETY: valid for `length` bytes, kept by `owner`; `to` is as long, and is the caller's alone. The copy may
        // be torn: see `racing_copy`.
        unsafe { racing_copy(self.start, to.as_mut_ptr(), self.length) };
    }

    /// A copy of all of them.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length];
        self.copy_to(&mut bytes);
        bytes
    }

    /// The bytes in place.
    ///
    /// # Safety
    /// While the slice lives, no other process may store to the memory. A live writer that laps the view does store to
    /// it, which no memory model allows. The comments of the library's `racing_copy` state what works in practice: read
    /// each byte once, and let nothing depend on it before the view has been found whole.
    pub unsafe fn as_slice(&self) -> &[u8] {
        // SAFETY: valid for `length` bytes, kept by `owner`; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }
}

// SAFETY: the memory belongs to no thread, is kept alive by `owner`, and is only read through this type.
unsafe impl Send for SharedBytes {}
// SAFETY: as above.
unsafe impl Sync for SharedBytes {}

impl std::fmt::Debug for SharedBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedBytes").field("len", &self.length).finish_non_exhaustive()
    }
}
