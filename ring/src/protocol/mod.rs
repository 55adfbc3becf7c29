//! The protocol itself: who stores and loads what, in which order. The steps carry the labels of `SPEC.md`.
//!
//! It is generic over where the memory comes from: mapped segments in production, plain memory in unit tests and under
//! Miri, loom's atomics in the model checker.

pub(crate) mod copy;
pub(crate) mod cursor;
pub(crate) mod failpoint;
pub(crate) mod order;
pub(crate) mod sync;
pub(crate) mod wake;

use std::ops::Range;

use crate::layout::{Record, header};
use copy::Stores;
use order::{Mutation, mutated};
use sync::{AtomicU32, AtomicU64, Ordering};

/// The words of a header that change while a stream lives.
pub(crate) trait HeaderWords {
    fn wake(&self) -> &AtomicU32;
    fn state(&self) -> &AtomicU32;
    fn generation(&self) -> &AtomicU32;
    fn final_position(&self) -> &AtomicU64;
    /// Wakes those who sleep on [`wake`](Self::wake).
    fn wake_waiters(&self);
    /// The same after a write, unless nobody can be asleep: as often as this comes, it is worth to know.
    fn wake_waiters_of_writes(&self) {
        self.wake_waiters();
    }
}

/// One ring: its counters and its chunk records. How frames are stored and copied is the caller's.
pub(crate) trait RingWords {
    /// Frames in the ring (N).
    fn frames(&self) -> u64;
    /// Chunk records (C), a power of two.
    fn records(&self) -> u64;
    fn reserved(&self) -> &AtomicU64;
    fn reserved_chunks(&self) -> &AtomicU64;
    fn committed(&self) -> &AtomicU64;
    fn committed_chunks(&self) -> &AtomicU64;
    /// Stores a record into `slot`, below `records()`.
    fn store_record(&self, slot: u64, record: &Record);
    /// Says that a record is about to be stored into `slot`.
    fn expect_record(&self, _slot: u64) {}
    /// Copies the record in `slot`, below `records()`. It may be torn until [`recheck`] says otherwise.
    fn load_record(&self, slot: u64) -> Record;
    /// Stores which description the chunk that is about to be committed has, beside the counters that readers look at
    /// anyway. Whoever sees the commit sees it; that it differs from the one held is a reason to look, and nothing else is
    /// concluded from it.
    fn announce_description(&self, meta_generation: u32);
}

/// The writer's private copies of what it stores; it never reads them back from shared memory.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    /// Frames committed in this generation.
    pub position: u64,
    /// Chunks committed in this generation.
    pub chunks: u64,
    /// Highest `reserved` ever stored. A write that was given up has overwritten old frames up to here, so the word must
    /// not go back.
    reserved: u64,
}

/// Writes one chunk of `frames` frames: W1 to W11, but for the ezmsg part (W9), which is `published`'s.
///
/// `store` puts times and samples of the given positions into the ring; when the chunk is longer than the ring, these
/// are its newest frames only; `stores` says what it uses for that. `record` is asked after the data are in place.
#[inline]
#[allow(clippy::too_many_arguments)]
pub(crate) fn write<H: HeaderWords, R: RingWords>(
    header: &H,
    ring: &R,
    counters: &mut Counters,
    frames: u64,
    stores: Stores,
    store: impl FnOnce(Range<u64>),
    record: impl FnOnce(u64) -> Record,
    published: impl FnOnce(),
) {
    let start = counters.position;
    let end = start + frames;
    let chunk = counters.chunks;
    let slot = chunk & (ring.records() - 1);
    // The record's line comes while the samples are copied, not between them and the commit.
    ring.expect_record(slot);
    if mutated(Mutation::BumpBeforeCommit) {
        bump(header);
    }

    if !mutated(Mutation::NoReserveOfChunks) {
        ring.reserved_chunks().store(chunk + 1, Ordering::Relaxed);
        failpoint::point("W1");
    }
    if frames > 0 {
        counters.reserved = counters.reserved.max(end);
        order::store_reserved(ring.reserved(), counters.reserved);
        failpoint::point("W2");
    }
    order::after_reserve(stores);
    store(start.max(end.saturating_sub(ring.frames()))..end);
    failpoint::point("W4");
    let record = record(start);
    if !mutated(Mutation::RecordAfterCommit) {
        ring.store_record(slot, &record);
        failpoint::point("W5");
    }
    order::before_commit(stores);
    ring.announce_description(record.meta_generation);
    ring.committed_chunks().store(chunk + 1, order::chunk_commit());
    failpoint::point("W7");
    if frames > 0 {
        ring.committed().store(end, order::commit());
        failpoint::point("W8");
    }
    if mutated(Mutation::RecordAfterCommit) {
        ring.store_record(slot, &record);
    }
    counters.position = end;
    counters.chunks = chunk + 1;
    published();
    if !mutated(Mutation::BumpBeforeCommit) {
        bump_after_write(header);
    }
    failpoint::point("W11");
}

/// The last step of every event but a write (S10, M4, K4, T5): the word changes, then waiters are woken.
#[inline]
pub(crate) fn bump<H: HeaderWords>(header: &H) {
    count_event(header);
    header.wake_waiters();
}

/// W10 and W11.
#[inline]
pub(crate) fn bump_after_write<H: HeaderWords>(header: &H) {
    count_event(header);
    header.wake_waiters_of_writes();
}

/// W10 and its like. A plain increment is enough, since only the holder of the stream's lock stores it.
#[inline]
fn count_event<H: HeaderWords>(header: &H) {
    let wake = header.wake().load(Ordering::Relaxed);
    header.wake().store(wake.wrapping_add(1), order::wake());
    failpoint::point("W10");
}

/// S8 to S10: makes `generation` the current one. `published` does what ezmsg needs (S9).
pub(crate) fn switch<H: HeaderWords>(header: &H, generation: u32, published: impl FnOnce()) {
    if mutated(Mutation::BumpBeforeGeneration) {
        bump(header);
    }
    header.generation().store(generation, order::generation());
    failpoint::point("S8");
    published();
    failpoint::point("S9");
    if !mutated(Mutation::BumpBeforeGeneration) {
        bump(header);
    }
    failpoint::point("S10");
}

/// K2 to K4: the stream is over, after `final_position` frames in all.
pub(crate) fn close<H: HeaderWords>(header: &H, final_position: u64) {
    header.final_position().store(final_position, Ordering::Relaxed);
    failpoint::point("K2");
    header.state().store(header::STATE_CLOSED, order::generation());
    failpoint::point("K3");
    bump(header);
    failpoint::point("K4");
}

/// What a ring's writer has committed (R3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    pub frames: u64,
    pub chunks: u64,
}

/// R3 alone. What it shows as committed can be delivered: R1 and R2 matter only to a reader that finds nothing new, and the
/// words they load lie on a line that the writer stores to right after each commit.
#[inline]
pub(crate) fn load_committed<R: RingWords>(ring: &R) -> Committed {
    let frames = ring.committed().load(order::commit_load());
    Committed { frames, chunks: ring.committed_chunks().load(order::chunk_load()) }
}

/// What a reader sees of a stream at one moment (R1 to R3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub wake: u32,
    pub state: u32,
    pub generation: u32,
    pub committed: Committed,
}

/// R1 to R3. The wake word comes first, so that an event after it is not slept through; state and generation before
/// the counters, so that a generation seen as over is seen with its last commit.
#[inline]
pub(crate) fn snapshot<H: HeaderWords, R: RingWords>(header: &H, ring: &R) -> Snapshot {
    let early_committed = mutated(Mutation::CommitLoadedBeforeGeneration).then(|| load_committed(ring));
    let early_wake = if mutated(Mutation::WakeLoadedLast) { None } else { Some(load_wake(header)) };
    let state = header.state().load(order::generation_load());
    let generation = header.generation().load(order::generation_load());
    let committed = early_committed.unwrap_or_else(|| load_committed(ring));
    let wake = early_wake.unwrap_or_else(|| load_wake(header));
    Snapshot { wake, state, generation, committed }
}

/// What a look for something new found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Update {
    /// There is something, committed by then.
    Committed(Committed),
    /// There is nothing; the snapshot that shows it.
    Nothing(Snapshot),
    /// There is nothing, and another stream has the name: no more comes of this one, and nobody closed it.
    Replaced(Committed),
}

/// R3 and, where that `is_new` of nothing, R1 to R3.
#[inline]
pub(crate) fn update<H: HeaderWords, R: RingWords>(header: &H, ring: &R, is_new: impl Fn(Committed) -> bool) -> Update {
    let committed = load_committed(ring);
    if is_new(committed) {
        return Update::Committed(committed);
    }
    let snapshot = snapshot(header, ring);
    if is_new(snapshot.committed) { Update::Committed(snapshot.committed) } else { Update::Nothing(snapshot) }
}

/// A copy of the record of `chunk`; `None` when it has been lapped.
#[inline]
pub(crate) fn record<R: RingWords>(ring: &R, chunk: u64) -> Option<Record> {
    let record = ring.load_record(chunk & (ring.records() - 1));
    recheck(ring).record_is_whole(chunk, ring.records()).then_some(record)
}

/// R1 alone, for a stream without a ring.
#[inline]
pub(crate) fn load_wake<H: HeaderWords>(header: &H) -> u32 {
    header.wake().load(order::wake_load())
}

/// What had been reserved when a copy ended (R5, R6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reserved {
    pub frames: u64,
    pub chunks: u64,
}

/// R5 and R6: to be called after the copy whose bytes are to be judged.
#[inline]
pub(crate) fn recheck<R: RingWords>(ring: &R) -> Reserved {
    order::after_copy();
    Reserved { frames: ring.reserved().load(order::recheck()), chunks: ring.reserved_chunks().load(order::recheck()) }
}

impl Reserved {
    /// R7: of a copy of positions `copied` from a ring of `ring_frames`, where the whole frames begin. All before may
    /// be torn.
    #[inline]
    pub fn whole_from(self, ring_frames: u64, copied: &Range<u64>) -> u64 {
        self.frames.saturating_sub(ring_frames).clamp(copied.start, copied.end)
    }

    /// Whether a copy of the record of `chunk` is whole, in a ring of `records`.
    #[inline]
    pub fn record_is_whole(self, chunk: u64, records: u64) -> bool {
        self.chunks <= chunk.saturating_add(records)
    }
}

/// R4 to R7: makes a copy of `positions`, of which frames below `committed` had been committed, and judges it. Where the
/// whole frames begin; all before may be torn.
///
/// # Errors
/// What was reserved, where that is less than had been committed: no writer that keeps the protocol does this.
#[inline]
pub(crate) fn copy_whole<R: RingWords>(
    ring: &R,
    positions: &Range<u64>,
    committed: u64,
    copy: impl FnOnce(),
) -> Result<u64, Reserved> {
    copy();
    let reserved = recheck(ring);
    if reserved.frames < committed {
        return Err(reserved);
    }
    Ok(reserved.whole_from(ring.frames(), positions))
}

/// R8: what to do once nothing new is left in my generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// The header names another generation: mine is sealed.
    NextGeneration(u32),
    /// The stream is closed.
    Closed,
    /// More may come.
    No,
}

/// R8. `snapshot` must be the one that showed that nothing new is left.
#[inline]
pub(crate) fn is_over(snapshot: &Snapshot, my_generation: u32) -> Over {
    if snapshot.generation != my_generation {
        Over::NextGeneration(snapshot.generation)
    } else if snapshot.state == header::STATE_CLOSED {
        Over::Closed
    } else {
        Over::No
    }
}
