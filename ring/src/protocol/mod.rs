//! The protocol: which words the writer stores and readers load, and in which order. The steps carry the labels of
//! `SPEC.md`.
//!
//! It is generic over the memory: mapped segments in production, plain memory in unit tests and under Miri, loom's
//! atomics in the model checker.

pub(crate) mod copy;
pub(crate) mod counts;
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
    /// Wakes the processes that sleep on [`wake`](Self::wake).
    fn wake_waiters(&self);
    /// Wakes waiters after a write, unless none can be asleep. Writes are frequent enough for that check to save time.
    fn wake_waiters_of_writes(&self) {
        self.wake_waiters();
    }
}

/// One ring: its counters and its chunk records. The caller stores and copies the frames.
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
    /// Announces that a record is about to be stored into `slot`, so that its cache line can be prefetched.
    fn expect_record(&self, _slot: u64) {}
    /// Copies the record in `slot`, below `records()`. The copy may be torn until [`recheck`] has judged it.
    fn load_record(&self, slot: u64) -> Record;
    /// Stores the number of the description of the chunk that is about to be committed, next to the counters that
    /// readers load anyway. A reader that sees the commit sees the number. A number that differs from the description
    /// held is a hint to look for a newer one, and proves nothing else.
    fn announce_description(&self, meta_generation: u32);
}

/// The writer's private copies of the counters; it never reads them back from shared memory.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    /// Frames committed in this generation.
    pub position: u64,
    /// Chunks committed in this generation.
    pub chunks: u64,
    /// Highest `reserved` ever stored. A write that was abandoned has overwritten old frames up to here, so the word
    /// must never decrease.
    reserved: u64,
}

/// Writes one chunk of `frames` frames: W1 to W11. The ezmsg part (W9) is left to `published`.
///
/// `store` puts the times and samples of the given positions into the ring, using stores of the kind `stores`. If the
/// chunk is longer than the ring, it is called for the newest frames only. `record` is called once the data are in
/// place.
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
    // Fetches the record's cache line while the samples are copied, rather than between them and the commit.
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

/// The last step of every event except a write (S10, M4, K4, T5): the word changes, then waiters are woken.
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

/// W10, and its counterpart in other events. A load and a store suffice, since only the holder of the stream's lock
/// changes the word.
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

/// K2 to K4: closes the stream after `final_position` frames in all.
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

/// R3 alone. This suffices to deliver committed frames. R1 and R2 matter only to a reader that finds nothing new, and
/// they load words from a cache line that the writer stores to right after each commit.
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

/// R1 to R3. The wake word is loaded first, so that a reader cannot sleep through a later event. State and generation
/// are loaded before the counters, so that a reader that sees a generation as over also sees its last commit.
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

/// The result of a poll for something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Update {
    /// Something new is committed.
    Committed(Committed),
    /// Nothing new, as the snapshot shows.
    Nothing(Snapshot),
    /// Nothing new, and another stream has the name: this one ended without being closed.
    Replaced(Committed),
}

/// R3 and, if that is not `is_new`, R1 to R3.
#[inline]
pub(crate) fn update<H: HeaderWords, R: RingWords>(header: &H, ring: &R, is_new: impl Fn(Committed) -> bool) -> Update {
    let committed = load_committed(ring);
    if is_new(committed) {
        return Update::Committed(committed);
    }
    let snapshot = snapshot(header, ring);
    if is_new(snapshot.committed) { Update::Committed(snapshot.committed) } else { Update::Nothing(snapshot) }
}

/// A copy of the record of `chunk`; `None` if it has been lapped.
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

/// R5 and R6. Must be called after the copy that it judges.
#[inline]
pub(crate) fn recheck<R: RingWords>(ring: &R) -> Reserved {
    order::after_copy();
    Reserved { frames: ring.reserved().load(order::recheck()), chunks: ring.reserved_chunks().load(order::recheck()) }
}

impl Reserved {
    /// R7: the position from which a copy of positions `copied` from a ring of `ring_frames` is whole. Earlier frames
    /// may be torn.
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

/// R4 to R7: copies `positions`, whose frames below `committed` were committed, and judges the copy. Returns the
/// position from which it is whole; earlier frames may be torn.
///
/// # Errors
/// Returns what is reserved if that is less than `committed`, which contradicts the protocol.
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

/// R8: what follows once nothing new is left in the reader's generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// The header names another generation: the reader's is sealed.
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
