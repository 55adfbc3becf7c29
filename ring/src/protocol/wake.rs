//! Whether the writer wakes waiters after each write, and how a waiter makes sure that it does (`SPEC.md`, "Wake only when
//! readers wait"). Waking costs the writer a system call, so after writes it does that only while somebody holds a waiter
//! lock.
//!
//! Both halves are here: the writer's service thread looks for waiter locks ([`WaiterWatch`]) and sets the flag that the
//! writer asks after each write ([`NotifyFlag`]); a reader takes a lock before it sleeps ([`Listening`]).

use std::time::{Duration, Instant};

use super::sync::{AtomicBool, AtomicU32, Ordering, fence};
use crate::layout::header;

/// Longest sleep without a look at whether the writer lives: a SIGKILL wakes nobody.
pub(crate) const SLICE: Duration = Duration::from_millis(250);

/// How long the writer goes on waking after the last waiter lock is gone: a reader that comes back is not to wait again
/// until it is noticed.
pub(crate) const AFTERWARDS: Duration = Duration::from_secs(2);

/// Between two looks of a reader that its writer has not noticed yet.
const UNNOTICED: Duration = Duration::from_millis(1);

/// The same for a reader that cannot have a lock (a sandbox that knows none), while the writer is as alive as ever.
const UNNOTICEABLE: Duration = Duration::from_millis(10);

/// A live writer notices at once, or within 250 ms. One that has not by now is dead, or cannot be asked.
const PATIENCE: Duration = Duration::from_millis(500);

/// The kernel's part, on one header.
pub(crate) trait WaiterLocks {
    /// Takes a waiter lock, which this header's reader keeps. Whether it has one.
    fn take(&self) -> bool;
    /// Whether somebody holds one. A system that cannot say is taken to say yes.
    fn are_held(&self) -> bool;
    /// Wakes the writer's service thread, to have it look. If it does not hear it, it looks within 250 ms.
    fn ring_doorbell(&self);
    /// Makes every thread of this process pass a full barrier before this returns.
    fn barrier_in_other_threads(&self);
}

/// Whether a write has to wake waiters: shared by the writer, which asks after each write, and its service thread.
pub(crate) struct NotifyFlag {
    /// Set before the header says so, cleared after.
    set: AtomicBool,
    /// Without the barrier that the kernel makes in the writer's thread there is no order between its stores and its
    /// question, so it always wakes.
    can_clear: bool,
}

impl NotifyFlag {
    /// A new stream has no waiters. One that was taken over may: its header says so until they have been looked for.
    pub fn new(waking: &AtomicU32, taken_over: bool, has_barrier: bool) -> Self {
        let set = taken_over || !has_barrier;
        let value = if set { header::WAKING_ALWAYS } else { header::WAKING_NOT_FOR_WRITES };
        // Release, partner of the readers' Acquire load. No write of ours came before.
        waking.store(value, Ordering::Release);
        Self { set: AtomicBool::new(set), can_clear: has_barrier }
    }

    /// Whether a write has to wake waiters.
    #[inline]
    pub fn is_set(&self) -> bool {
        // Relaxed: ordered after the store of the wake word by the kernel's barrier in `WaiterWatch::begin`.
        self.set.load(Ordering::Relaxed)
    }
}

/// The service thread's part.
#[derive(Debug, Default)]
pub(crate) struct WaiterWatch {
    none_since: Option<Instant>,
}

impl WaiterWatch {
    /// Looks for waiter locks, four times a second. `true`: those who sleep already are to be woken.
    pub fn look(&mut self, flag: &NotifyFlag, waking: &AtomicU32, locks: &impl WaiterLocks, now: Instant) -> bool {
        if !flag.can_clear {
            return false;
        }
        if locks.are_held() {
            self.none_since = None;
            if flag.is_set() {
                return false;
            }
            begin(flag, waking, locks);
            return true;
        }
        let since = *self.none_since.get_or_insert(now);
        if flag.is_set() && now.saturating_duration_since(since) >= AFTERWARDS {
            waking.store(header::WAKING_NOT_FOR_WRITES, Ordering::Relaxed);
            // Before the look: a reader takes its lock and then loads the word. Either its lock is found here, or it
            // finds the new word.
            fence(Ordering::SeqCst);
            if locks.are_held() {
                self.none_since = None;
                waking.store(header::WAKING_ALWAYS, Ordering::Release);
            } else {
                flag.set.store(false, Ordering::Relaxed);
            }
        }
        false
    }
}

fn begin(flag: &NotifyFlag, waking: &AtomicU32, locks: &impl WaiterLocks) {
    flag.set.store(true, Ordering::Relaxed);
    // The kernel makes the writer's thread pass a full barrier, wherever it is. If it has asked before that and got
    // "no", the wake word it had stored is visible to everybody after it; if it asks later, it gets "yes".
    locks.barrier_in_other_threads();
    // Release, partner of the readers' Acquire load: who sees it also sees such a word, and does not sleep on it.
    waking.store(header::WAKING_ALWAYS, Ordering::Release);
}

/// What a reader has done to be woken by the writer of one header.
#[derive(Debug, Default)]
pub(crate) struct Listening {
    /// Time of the last attempt to take the waiter lock, and whether it succeeded; refreshed while there is no ring.
    since: Option<(Instant, bool)>,
}

impl Listening {
    /// The longest sleep until the next look: a whole slice once the writer wakes waiters, or while there is no ring, since
    /// the first one wakes everybody.
    ///
    /// The lock comes before the load: a writer that stops waking says so first, and then looks for locks again.
    pub fn longest_sleep(
        &mut self,
        waking: &AtomicU32,
        locks: &impl WaiterLocks,
        now: Instant,
        has_ring: bool,
    ) -> Duration {
        let (since, locked) = *self.since.get_or_insert_with(|| {
            let locked = locks.take();
            locks.ring_doorbell();
            (now, locked)
        });
        if !has_ring {
            self.since = Some((now, locked));
            return SLICE;
        }
        // Acquire, partner of the Release stores with which the service thread says that the writer wakes.
        if locked && waking.load(Ordering::Acquire) == header::WAKING_ALWAYS {
            return SLICE;
        }
        let waited = now.saturating_duration_since(since);
        let longest = if locked { SLICE } else { UNNOTICEABLE };
        if waited < PATIENCE { UNNOTICED } else { (waited / 8).min(longest) }
    }
}
