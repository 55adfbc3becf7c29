//! The memory orders of a write, a read, a switch of generation and a takeover, each with its partner. `write` in `mod.rs` has the sequence
//! of the stores; `SPEC.md` ("Why these memory orders") has the reasons. Loom checks that the orders suffice, and that it
//! detects each weaker one (`Mutation`).

use crate::protocol::copy::Stores;
use crate::protocol::sync::{AtomicU64, Ordering, fence};

/// Ways to break the protocol, which loom or tests on real cores must detect. Only loom builds and test builds can
/// enable one.
#[cfg_attr(not(loom), allow(dead_code))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    NoFenceAfterReserve,
    ReserveByReleaseStore,
    ReserveByAcqRelSwap,
    NoFenceAfterCopy,
    RecheckByAcquireLoad,
    RelaxedCommit,
    RelaxedCommitLoad,
    RelaxedChunkCommit,
    RelaxedChunkLoad,
    RelaxedGenerationStore,
    RelaxedGenerationLoad,
    CommitLoadedBeforeGeneration,
    WakeLoadedLast,
    RelaxedWakeStore,
    RelaxedWakeLoad,
    BumpBeforeCommit,
    BumpBeforeGeneration,
    NoReserve,
    NoReserveOfChunks,
    RecordAfterCommit,
    RelaxedCountedBy,
    RelaxedCountedByLoad,
    NoFenceAfterEpoch,
    NoFenceAfterCounts,
    /// A reader goes to the generation that the header names.
    KeptRingsPassedOver,
    /// Of the kept rings, a reader opens the newest first.
    NewestKeptRingFirst,
    /// A ring that is not kept loses its names before the switch.
    RingRemovedBeforeSwitch,
    /// Loom does not model streaming stores; a test on real cores detects this one.
    #[cfg(not(loom))]
    NoStoreFence,
}

#[cfg(not(any(loom, test)))]
#[inline(always)]
pub(crate) const fn mutated(_mutation: Mutation) -> bool {
    false
}

#[cfg(any(loom, test))]
#[cfg_attr(not(loom), allow(unused_imports))]
pub(crate) use switch::{mutated, with_mutation};

#[cfg(any(loom, test))]
mod switch {
    use std::cell::Cell;

    use super::Mutation;

    thread_local! {
        // One per thread of the operating system: loom runs all threads of a model on one such thread, and each test
        // has its own.
        static ACTIVE: Cell<Option<Mutation>> = const { Cell::new(None) };
    }

    /// Runs `model` with the protocol broken in one way, in this thread.
    pub(crate) fn with_mutation<T>(mutation: Mutation, model: impl FnOnce() -> T) -> T {
        struct Reset;
        impl Drop for Reset {
            fn drop(&mut self) {
                ACTIVE.set(None);
            }
        }
        let _reset = Reset;
        ACTIVE.set(Some(mutation));
        model()
    }

    pub(crate) fn mutated(mutation: Mutation) -> bool {
        ACTIVE.get() == Some(mutation)
    }
}

/// W2. The order comes from the fence of [`after_reserve`], not from the store: a Release store orders what precedes
/// it, and here the data that *follow* must not overtake it.
#[inline(always)]
pub(crate) fn store_reserved(reserved: &AtomicU64, end: u64) {
    if mutated(Mutation::NoReserve) {
    } else if mutated(Mutation::ReserveByReleaseStore) {
        reserved.store(end, Ordering::Release);
    } else if mutated(Mutation::ReserveByAcqRelSwap) {
        reserved.swap(end, Ordering::AcqRel);
    } else {
        reserved.store(end, Ordering::Relaxed);
    }
}

/// W3, partner of [`after_copy`] (R5): a reader that copied a byte stored after this fence sees the `reserved` stored
/// before it.
#[inline(always)]
pub(crate) fn after_reserve(stores: Stores) {
    if !(mutated(Mutation::NoFenceAfterReserve)
        || mutated(Mutation::ReserveByReleaseStore)
        || mutated(Mutation::ReserveByAcqRelSwap))
    {
        fence(Ordering::Release);
        order_streaming_stores(stores);
    }
}

/// W6: streaming stores of the data become visible before the commit does. For ordinary stores the fence and the
/// Release store of the commit each suffice, so the mutations remove both.
#[inline(always)]
pub(crate) fn before_commit(stores: Stores) {
    order_streaming_stores(stores);
    if !(mutated(Mutation::RelaxedCommit) || mutated(Mutation::RelaxedChunkCommit)) {
        fence(Ordering::Release);
    }
}

/// R5, partner of [`after_reserve`] (W3). An Acquire load of `reserved` instead would let the copy move after it.
#[inline(always)]
pub(crate) fn after_copy() {
    if !(mutated(Mutation::NoFenceAfterCopy) || mutated(Mutation::RecheckByAcquireLoad)) {
        fence(Ordering::Acquire);
    }
}

/// R6, ordered by [`after_copy`].
#[inline(always)]
pub(crate) fn recheck() -> Ordering {
    if mutated(Mutation::RecheckByAcquireLoad) { Ordering::Acquire } else { Ordering::Relaxed }
}

/// T2, partner of [`after_counts`]: a reader that loaded a count stored after this fence sees the epoch stored before it.
#[inline(always)]
pub(crate) fn after_epoch() {
    if !mutated(Mutation::NoFenceAfterEpoch) {
        fence(Ordering::Release);
    }
}

/// Between the counts and the epoch that judges them, partner of [`after_epoch`]. An Acquire load of the epoch instead
/// would let the loads of the counts move after it.
#[inline(always)]
pub(crate) fn after_counts() {
    if !mutated(Mutation::NoFenceAfterCounts) {
        fence(Ordering::Acquire);
    }
}

/// `memcpy` uses streaming stores above a size that the C library chooses. On x86, neither a Release store nor
/// `fence(Release)` orders those (`fence(Release)` emits no instruction there).
#[inline(always)]
fn order_streaming_stores(stores: Stores) {
    if stores == Stores::Ordinary {
        return;
    }
    #[cfg(not(loom))]
    if mutated(Mutation::NoStoreFence) {
        return;
    }
    #[cfg(all(target_arch = "x86_64", not(loom), not(miri)))]
    // SAFETY: sfence needs SSE, which every x86-64 processor has, and accesses no memory.
    #[allow(unused_unsafe)]
    unsafe {
        core::arch::x86_64::_mm_sfence();
    }
}

macro_rules! orders {
    ($($(#[$doc:meta])* $name:ident = $order:ident, weakened by $mutation:ident;)*) => {$(
        $(#[$doc])*
        #[inline(always)]
        pub(crate) fn $name() -> Ordering {
            if mutated(Mutation::$mutation) { Ordering::Relaxed } else { Ordering::$order }
        }
    )*};
}

orders! {
    /// W8, partner of [`commit_load`] (R3): a reader that sees the commit sees its frames.
    commit = Release, weakened by RelaxedCommit;
    /// R3, partner of [`commit`].
    commit_load = Acquire, weakened by RelaxedCommitLoad;
    /// W7, partner of [`chunk_load`] (R3): a reader that sees the chunk sees its record.
    chunk_commit = Release, weakened by RelaxedChunkCommit;
    /// R3, partner of [`chunk_commit`].
    chunk_load = Acquire, weakened by RelaxedChunkLoad;
    /// S8 and K3, partner of [`generation_load`] (R2): a reader that sees a generation as over sees its last commit.
    generation = Release, weakened by RelaxedGenerationStore;
    /// R2, partner of [`generation`].
    generation_load = Acquire, weakened by RelaxedGenerationLoad;
    /// W10, partner of [`wake_load`] (R1): a reader that sees the new word sees the event.
    wake = Release, weakened by RelaxedWakeStore;
    /// R1, partner of [`wake`].
    wake_load = Acquire, weakened by RelaxedWakeLoad;
    /// T2, partner of [`counted_by_load`]: a reader that sees who counts sees that writer's counts, or its zeros.
    counted_by = Release, weakened by RelaxedCountedBy;
    /// Partner of [`counted_by`].
    counted_by_load = Acquire, weakened by RelaxedCountedByLoad;
}
