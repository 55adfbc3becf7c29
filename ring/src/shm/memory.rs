//! Segments as typed memory: where the words, frames and records are in a mapping, or in plain memory.

use std::ops::{Deref, Range};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::layout::{Geometry, InPlace, RECORD_BYTES, RawHeader, RawTrailer, Record, header, trailer};
use crate::protocol::copy::{prefetch_to_load, prefetch_to_store, racing_copy};
use crate::protocol::counts::CountWords;
use crate::protocol::{HeaderWords, RingWords};

/// A header segment, and how its holder wakes the readers that wait on its wake word. A reader wakes nothing.
#[derive(Clone, Copy)]
pub(crate) struct HeaderMemory<W = NoWaiter> {
    words: InPlace<RawHeader>,
    waker: W,
}

impl<W> HeaderMemory<W> {
    /// This header, with another waker.
    pub fn with_waker<V: Wake>(&self, waker: V) -> HeaderMemory<V> {
        HeaderMemory { words: self.words, waker }
    }
}

impl<W> Deref for HeaderMemory<W> {
    type Target = InPlace<RawHeader>;

    #[inline]
    fn deref(&self) -> &InPlace<RawHeader> {
        &self.words
    }
}

/// Wakes the readers that wait on a header's wake word.
pub(crate) trait Wake {
    fn wake(&self, word: &AtomicU32);

    /// As [`wake`](Self::wake), after a write, unless no reader can be waiting for one.
    fn wake_after_write(&self, word: &AtomicU32) {
        self.wake(word);
    }
}

/// Wakes no reader.
#[derive(Clone, Copy)]
pub(crate) struct NoWaiter;

impl Wake for NoWaiter {
    fn wake(&self, _word: &AtomicU32) {}
}

/// Wakes every waiter at once: for events that are rare.
#[derive(Clone, Copy)]
pub(crate) struct EveryWaiter;

impl Wake for EveryWaiter {
    fn wake(&self, word: &AtomicU32) {
        super::wake(word, i32::MAX as u32);
    }
}

impl HeaderMemory {
    /// # Safety
    /// `start` is valid for a header's bytes, aligned to 128, as long as the value or a copy of it is used.
    pub unsafe fn new(start: *mut u8) -> Self {
        // SAFETY: the caller's promise.
        Self { words: unsafe { InPlace::new(start) }, waker: NoWaiter }
    }

    /// C3: stores the header's fields, except ezmsg's part and the magic, which is stored after them.
    pub fn fill(&self, raw: &RawHeader) {
        let bytes = RawHeader { magic: 0, ..raw.clone() }.encode();
        let ours = &bytes[header::at::magic.offset()..];
        // SAFETY: in bounds, and no other process has the segment: it has no public name yet.
        unsafe { racing_copy(ours.as_ptr(), self.start().add(header::at::magic.offset()), ours.len()) };
    }

    /// A private copy.
    pub fn copy(&self) -> Box<RawHeader> {
        let mut bytes = [0; RawHeader::LENGTH];
        // Acquire, partner of the Release store of the magic (C4): a process that sees the magic sees the rest.
        let _ = self.magic().load(Ordering::Acquire);
        // SAFETY: `new`'s promise; the copy is private.
        unsafe { racing_copy(self.start(), bytes.as_mut_ptr(), bytes.len()) };
        Box::new(RawHeader::decode(&bytes))
    }
}

/// The trailer of a ring.
type TrailerMemory = InPlace<RawTrailer>;

impl TrailerMemory {
    /// S4: stores the trailer, its magic last. Until the first chunk, the committed description is the ring's.
    fn fill(&self, raw: &RawTrailer) {
        let bytes = RawTrailer { magic: 0, committed_meta_generation: raw.meta_generation, ..*raw }.encode();
        // SAFETY: in bounds, and no other process has the segment: it has no public name yet.
        unsafe { racing_copy(bytes.as_ptr(), self.start(), bytes.len()) };
        // Release, partner of the Acquire load in `copy`.
        self.magic().store(raw.magic, Ordering::Release);
    }

    /// A private copy.
    fn copy(&self) -> RawTrailer {
        let mut bytes = [0; RawTrailer::LENGTH];
        // Acquire, partner of the Release store in `fill`.
        let _ = self.magic().load(Ordering::Acquire);
        // SAFETY: `new`'s promise; the copy is private.
        unsafe { racing_copy(self.start(), bytes.as_mut_ptr(), bytes.len()) };
        RawTrailer::decode(&bytes)
    }
}

/// One ring's memory with its checked geometry.
#[derive(Clone)]
pub(crate) struct RingMemory {
    start: *mut u8,
    trailer: TrailerMemory,
    geometry: Geometry,
}

// SAFETY: only atomics and racing copies go through it; see `racing_copy`.
unsafe impl Send for RingMemory {}
// SAFETY: as above.
unsafe impl Sync for RingMemory {}

/// A run of frames that is contiguous in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Index in the ring, below N.
    pub slot: u64,
    /// Number of frames; `slot + frames` is at most N.
    pub frames: u64,
}

/// The one or two runs that positions `range` occupy in a ring of `ring_frames`; `range` is no longer than that.
pub(crate) fn runs(range: &Range<u64>, ring_frames: u64) -> [Run; 2] {
    let frames = range.end - range.start;
    debug_assert!(frames <= ring_frames);
    let slot = range.start % ring_frames;
    let first = frames.min(ring_frames - slot);
    [Run { slot, frames: first }, Run { slot: 0, frames: frames - first }]
}

impl RingMemory {
    /// # Safety
    /// `start` must be valid for `geometry.length` bytes, aligned to 128, as long as the value or a copy of it is used,
    /// and `geometry` must come from `Geometry::plan` or `Geometry::check`.
    pub unsafe fn new(start: *mut u8, geometry: Geometry) -> Self {
        // SAFETY: `check` and `plan` leave room for the trailer at the end of the segment, on a page.
        let trailer = unsafe { TrailerMemory::new(start.add(geometry.trailer_offset() as usize)) };
        Self { start, trailer, geometry }
    }

    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The description of the newest committed chunk; before the first, the ring's. To be loaded after R3.
    #[inline]
    pub fn committed_meta_generation(&self) -> &AtomicU32 {
        self.trailer.committed_meta_generation()
    }

    /// S4: stores the trailer, its magic last.
    pub fn fill_trailer(&self, raw: &RawTrailer) {
        self.trailer.fill(raw);
    }

    /// A private copy of the trailer of a segment whose geometry is not known yet.
    ///
    /// # Safety
    /// `start` must be valid for `length` bytes, aligned to 128; `length` at least 4096 and a multiple of it.
    pub unsafe fn raw_trailer(start: *mut u8, length: u64) -> RawTrailer {
        // SAFETY: the last 4096 bytes of the segment.
        unsafe { TrailerMemory::new(start.add((length - trailer::LENGTH) as usize)) }.copy()
    }

    /// Address and length in bytes of a run's samples.
    pub fn samples(&self, run: Run) -> (*mut u8, usize) {
        debug_assert!(run.slot + run.frames <= self.geometry.frames);
        let offset = self.geometry.samples_offset + run.slot * self.geometry.frame_bytes;
        // SAFETY: the run lies in the ring, whose samples lie in the segment.
        (unsafe { self.start.add(offset as usize) }, (run.frames * self.geometry.frame_bytes) as usize)
    }

    /// Address of a run's times.
    pub fn times(&self, run: Run) -> *mut f64 {
        debug_assert!(run.slot + run.frames <= self.geometry.frames);
        // SAFETY: the times are the segment's first 8 N bytes.
        unsafe { self.start.add(8 * run.slot as usize).cast() }
    }

    fn record(&self, slot: u64) -> *mut u8 {
        debug_assert!(slot < self.geometry.records);
        // SAFETY: the index lies in the segment, and `slot` is below its length.
        unsafe { self.start.add((self.geometry.index_offset + slot * RECORD_BYTES) as usize) }
    }

    /// A run's samples, to be overwritten.
    ///
    /// # Safety
    /// The caller is the ring's one writer and has no other such slice. Readers race with what is stored; see
    /// `racing_copy`.
    #[inline]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn samples_mut(&self, run: Run) -> &mut [u8] {
        let (start, length) = self.samples(run);
        // SAFETY: valid for `length` bytes of the ring; exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(start, length) }
    }

    /// Stores a run's times, frame by frame. Only for the ring's one writer.
    #[inline]
    pub fn store_times(&self, run: Run, time: impl Fn(u64) -> f64) {
        let start = self.times(run);
        for i in 0..run.frames {
            // SAFETY: the run's times lie in the ring, 8-aligned since a segment starts on a page.
            unsafe { start.add(i as usize).write(time(i)) };
        }
    }

    /// Copies the samples of `range` to `to`, which must have room for exactly them. The copy may be torn until R5 to
    /// R7 have checked it.
    pub fn copy_samples(&self, range: &Range<u64>, to: &mut [u8]) {
        let mut rest = to;
        for run in runs(range, self.geometry.frames) {
            let (from, length) = self.samples(run);
            let (now, later) = rest.split_at_mut(length);
            // SAFETY: `from` is valid for `length` bytes of the ring; `now` is private and as long.
            unsafe { racing_copy(from, now.as_mut_ptr(), length) };
            rest = later;
        }
        debug_assert!(rest.is_empty());
    }

    /// Prefetches for a copy of frames from `position` on, and for its check. Each cache line that the writer has just
    /// stored to takes a round trip between the cores; without the prefetch, R5 would wait for its line after all
    /// others.
    #[inline]
    pub fn expect_copy(&self, position: u64) {
        let [run, _] = runs(&(position..position + 1), self.geometry.frames);
        prefetch_to_load(self.times(run).cast());
        prefetch_to_load(self.trailer.reserved().as_ptr().cast());
    }

    /// Copies the times of `range` to `to`, which must have room for exactly them. The copy may be torn until R5 to R7
    /// have checked it.
    pub fn copy_times(&self, range: &Range<u64>, to: &mut [f64]) {
        let mut rest = to;
        for run in runs(range, self.geometry.frames) {
            let (now, later) = rest.split_at_mut(run.frames as usize);
            // SAFETY: as in `copy_samples`; every bit pattern is an f64.
            unsafe { racing_copy(self.times(run).cast(), now.as_mut_ptr().cast(), 8 * now.len()) };
            rest = later;
        }
        debug_assert!(rest.is_empty());
    }
}

impl RingWords for RingMemory {
    #[inline]
    fn frames(&self) -> u64 {
        self.geometry.frames
    }

    #[inline]
    fn records(&self) -> u64 {
        self.geometry.records
    }

    #[inline]
    fn reserved(&self) -> &AtomicU64 {
        self.trailer.reserved()
    }

    #[inline]
    fn reserved_chunks(&self) -> &AtomicU64 {
        self.trailer.reserved_chunks()
    }

    #[inline]
    fn committed(&self) -> &AtomicU64 {
        self.trailer.committed()
    }

    #[inline]
    fn committed_chunks(&self) -> &AtomicU64 {
        self.trailer.committed_chunks()
    }

    #[inline]
    fn store_record(&self, slot: u64, record: &Record) {
        let bytes = record.encode();
        // SAFETY: a record of the index; `bytes` is private and as long.
        unsafe { racing_copy(bytes.as_ptr(), self.record(slot), bytes.len()) };
    }

    #[inline]
    fn expect_record(&self, slot: u64) {
        prefetch_to_store(self.record(slot));
    }

    #[inline]
    fn announce_description(&self, meta_generation: u32) {
        // Relaxed: W7 and W8, the Release stores that follow, order it.
        self.committed_meta_generation().store(meta_generation, Ordering::Relaxed);
    }

    #[inline]
    fn load_record(&self, slot: u64) -> Record {
        let mut bytes = [0; RECORD_BYTES as usize];
        // SAFETY: as in `store_record`.
        unsafe { racing_copy(self.record(slot), bytes.as_mut_ptr(), bytes.len()) };
        Record::decode(&bytes)
    }
}

impl<W: Wake> HeaderWords for HeaderMemory<W> {
    #[inline]
    fn wake(&self) -> &AtomicU32 {
        self.words.wake()
    }

    #[inline]
    fn state(&self) -> &AtomicU32 {
        self.words.state()
    }

    #[inline]
    fn generation(&self) -> &AtomicU32 {
        self.words.generation()
    }

    #[inline]
    fn final_position(&self) -> &AtomicU64 {
        self.words.final_position()
    }

    #[inline]
    fn wake_waiters(&self) {
        self.waker.wake(self.words.wake());
    }

    #[inline]
    fn wake_waiters_of_writes(&self) {
        self.waker.wake_after_write(self.words.wake());
    }
}

impl<W> CountWords for HeaderMemory<W> {
    fn epoch(&self) -> &AtomicU32 {
        self.words.epoch()
    }

    #[inline]
    fn refused(&self) -> &AtomicU64 {
        self.words.refused()
    }

    #[inline]
    fn dropped(&self) -> &AtomicU64 {
        self.words.dropped()
    }

    #[inline]
    fn gaps(&self) -> &AtomicU64 {
        self.words.gaps()
    }

    fn counted_by(&self) -> &AtomicU32 {
        self.words.counted_by()
    }
}
