//! A stream in loom's memory: one header, and its rings by generation.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool as PlainFlag, AtomicU64 as Plain, Ordering as PlainOrdering};

use loom::sync::{Condvar, Mutex};

use crate::layout::{NO_GENERATION, Record, UNKNOWN_POSITION, header};
use crate::protocol::failpoint;
use crate::protocol::sync::{AtomicU32, AtomicU64, Ordering};
use crate::protocol::{HeaderWords, RingWords};

/// Frames in a ring (N).
pub const FRAMES: u64 = 2;
/// Chunk records of a ring (C). Real rings have 64 or more.
pub const RECORDS: u64 = 2;
/// A frame is two words, so that it can be torn.
pub type Frame = [u64; 2];

/// The only content with which a reader may ever see a frame.
pub fn frame_at(generation: u32, position: u64) -> Frame {
    let number = u64::from(generation + 1) * 1000 + position * 2;
    [number, number + 1]
}

/// The only record with which a reader may ever see a chunk. Its send time encodes the chunk and its frames.
pub fn record_of(generation: u32, chunk: u64, first: u64, frames: u64) -> Record {
    let stamp = u64::from(generation + 1) * 1_000_000 + chunk * 10_000 + first * 100 + frames;
    Record { first, frames, send_ns: stamp as i64, ..Record::default() }
}

/// A stream with room for a given number of generations.
pub struct Stream {
    pub header: Header,
    pub rings: Vec<Ring>,
    /// Set before the last event of a story that does not close its stream.
    pub end: OnceLock<End>,
}

/// Where the stream is at the end of a story.
#[derive(Clone, Copy, Debug)]
pub struct End {
    pub generation: u32,
    pub position: u64,
    pub chunks: u64,
}

impl Stream {
    /// A stream without a ring.
    pub fn new(generations: usize) -> Self {
        let rings = (0..generations).map(|_| Ring::new()).collect();
        Self { header: Header::new(), rings, end: OnceLock::new() }
    }

    pub fn ring(&self, generation: u32) -> &Ring {
        &self.rings[generation as usize]
    }

    /// Frames of the stream before `generation`, which has begun, as an observer outside the model knows them.
    pub fn base_of(&self, generation: u32) -> u64 {
        self.ring(generation).known_base.load(PlainOrdering::Relaxed)
    }
}

pub struct Header {
    wake: AtomicU32,
    state: AtomicU32,
    generation: AtomicU32,
    final_position: AtomicU64,
    /// The kernel's lock of the futex queue, and whether every sleep returns at once.
    queue: Mutex<bool>,
    waiters: Condvar,
}

impl Header {
    pub fn new() -> Self {
        Self {
            wake: AtomicU32::new(0),
            state: AtomicU32::new(header::STATE_OPEN),
            generation: AtomicU32::new(NO_GENERATION),
            final_position: AtomicU64::new(UNKNOWN_POSITION),
            queue: Mutex::new(false),
            waiters: Condvar::new(),
        }
    }

    /// R9: FUTEX_WAIT compares and queues under the lock that FUTEX_WAKE takes. Returns whether it slept. A slice ends
    /// only by [`end_slices`](Self::end_slices), so that a reader never recovers from a missed wake-up.
    pub fn sleep(&self, seen: u32) -> bool {
        let queue = self.queue.lock().expect("no thread dies holding the lock");
        // The kernel's own load is ordered by its lock only.
        let sleeps = !*queue && self.wake.load(Ordering::Relaxed) == seen;
        if sleeps {
            drop(self.waiters.wait(queue));
        }
        sleeps
    }

    /// Ends the slices of all sleeping readers, and every later slice.
    pub fn end_slices(&self) {
        *self.queue.lock().expect("no thread dies holding the lock") = true;
        self.waiters.notify_all();
    }
}

impl HeaderWords for Header {
    fn wake(&self) -> &AtomicU32 {
        &self.wake
    }

    fn state(&self) -> &AtomicU32 {
        &self.state
    }

    fn generation(&self) -> &AtomicU32 {
        &self.generation
    }

    fn final_position(&self) -> &AtomicU64 {
        &self.final_position
    }

    fn wake_waiters(&self) {
        let _queue = self.queue.lock().expect("no thread dies holding the lock");
        self.waiters.notify_all();
    }
}

pub struct Ring {
    /// Stored before S8, as the whole trailer is.
    pub base: AtomicU64,
    /// Whether it has its public name.
    linked: AtomicU32,
    reserved: AtomicU64,
    reserved_chunks: AtomicU64,
    committed: AtomicU64,
    committed_chunks: AtomicU64,
    frames: Vec<[AtomicU64; 2]>,
    records: Vec<[AtomicU64; 2]>,
    uncounted: AtomicU64,
    /// Known to an observer outside the model: the ends of the frames and records that may have been overwritten.
    touched: Plain,
    touched_chunks: Plain,
    known_base: Plain,
    /// Whether it has its public name, and is not about to lose it.
    known_linked: PlainFlag,
}

impl Ring {
    fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            base: zero(),
            linked: AtomicU32::new(0),
            reserved: zero(),
            reserved_chunks: zero(),
            committed: zero(),
            committed_chunks: zero(),
            frames: (0..FRAMES).map(|_| [zero(), zero()]).collect(),
            records: (0..RECORDS).map(|_| [zero(), zero()]).collect(),
            uncounted: zero(),
            touched: Plain::new(0),
            touched_chunks: Plain::new(0),
            known_base: Plain::new(0),
            known_linked: PlainFlag::new(false),
        }
    }

    /// A counter that never changes.
    fn unused_counter(&self) -> &AtomicU64 {
        &self.uncounted
    }

    pub fn store_frame(&self, position: u64, frame: Frame) {
        let words = &self.frames[(position % FRAMES) as usize];
        for (word, value) in words.iter().zip(frame) {
            word.store(value, Ordering::Relaxed);
            failpoint::point("a word of W4");
        }
    }

    pub fn load_frame(&self, position: u64) -> Frame {
        let [first, second] = &self.frames[(position % FRAMES) as usize];
        [first.load(Ordering::Relaxed), second.load(Ordering::Relaxed)]
    }

    /// S4 and S5: makes the ring, which begins after `base` frames of the stream.
    pub fn make(&self, base: u64) {
        self.known_base.store(base, PlainOrdering::Relaxed);
        self.base.store(base, Ordering::Relaxed);
        self.known_linked.store(true, PlainOrdering::Relaxed);
        self.linked.store(1, Ordering::Release);
    }

    /// Removes the ring's name.
    pub fn unlink(&self) {
        self.known_linked.store(false, PlainOrdering::Relaxed);
        self.linked.store(0, Ordering::Release);
    }

    /// Whether a reader can open the ring by its name. The kernel's locks order what is done to a name: a lookup finds
    /// what was done last, as only a read-modify-write does.
    pub fn can_be_opened(&self) -> bool {
        self.linked.fetch_add(0, Ordering::AcqRel) == 1
    }

    /// Whether the ring has its name, for an observer outside the model.
    pub fn is_linked(&self) -> bool {
        self.known_linked.load(PlainOrdering::Relaxed)
    }

    /// Notes that the writer is about to write the chunk before `chunks`, up to position `end`.
    pub fn touch(&self, end: u64, chunks: u64) {
        self.touched.store(end, PlainOrdering::Relaxed);
        self.touched_chunks.store(chunks, PlainOrdering::Relaxed);
    }

    /// Positions below this one have been overwritten, or are about to be, so that a reader may lose them.
    pub fn lapped_below(&self) -> u64 {
        self.touched.load(PlainOrdering::Relaxed).saturating_sub(FRAMES)
    }

    /// As [`lapped_below`](Self::lapped_below), for chunk records.
    pub fn records_lapped_below(&self) -> u64 {
        self.touched_chunks.load(PlainOrdering::Relaxed).saturating_sub(RECORDS)
    }
}

impl RingWords for Ring {
    fn frames(&self) -> u64 {
        FRAMES
    }

    fn records(&self) -> u64 {
        RECORDS
    }

    fn reserved(&self) -> &AtomicU64 {
        &self.reserved
    }

    fn reserved_chunks(&self) -> &AtomicU64 {
        &self.reserved_chunks
    }

    fn committed(&self) -> &AtomicU64 {
        &self.committed
    }

    fn committed_chunks(&self) -> &AtomicU64 {
        &self.committed_chunks
    }

    fn store_record(&self, slot: u64, record: &Record) {
        let words = &self.records[slot as usize];
        for (word, value) in words.iter().zip([record.first << 32 | record.frames, record.send_ns as u64]) {
            word.store(value, Ordering::Relaxed);
            failpoint::point("a word of W5");
        }
    }

    /// Does nothing, since this is only a hint, and modelling it would multiply the executions.
    fn announce_description(&self, _meta_generation: u32) {}

    fn load_record(&self, slot: u64) -> Record {
        let [range, send_ns] = &self.records[slot as usize];
        let range = range.load(Ordering::Relaxed);
        let send_ns = send_ns.load(Ordering::Relaxed) as i64;
        Record { first: range >> 32, frames: range & 0xFFFF_FFFF, send_ns, ..Record::default() }
    }
}

/// A ring as a reader of frames sees it. Such a reader loads the chunk counters, as part of R3 and R6, and does not use
/// them. Constant counters spare loom exploring each of their values.
pub struct FramesOf<'a>(pub &'a Ring);

impl RingWords for FramesOf<'_> {
    fn frames(&self) -> u64 {
        FRAMES
    }

    fn records(&self) -> u64 {
        RECORDS
    }

    fn reserved(&self) -> &AtomicU64 {
        &self.0.reserved
    }

    fn reserved_chunks(&self) -> &AtomicU64 {
        self.0.unused_counter()
    }

    fn committed(&self) -> &AtomicU64 {
        &self.0.committed
    }

    fn committed_chunks(&self) -> &AtomicU64 {
        self.0.unused_counter()
    }

    fn store_record(&self, _slot: u64, _record: &Record) {
        unreachable!("readers never store");
    }

    fn announce_description(&self, _meta_generation: u32) {
        unreachable!("readers never store");
    }

    fn load_record(&self, _slot: u64) -> Record {
        unreachable!("a reader of frames loads no records");
    }
}
