//! Whether the writer wakes waiters after each write, and how a waiter ensures that it does (`SPEC.md`, "Wake only when
//! readers wait"). Waking costs the writer a system call, so it does that after writes only while a reader holds a
//! waiter lock.
//!
//! Both halves are here: the writer's service thread looks for waiter locks ([`WaiterWatch`]) and sets the flag that
//! the writer checks after each write ([`NotifyFlag`]); a reader takes a lock before it sleeps ([`Listening`]).

use std::time::{Duration, Instant};

use super::sync::{AtomicBool, AtomicU32, Ordering, fence};
use crate::layout::header;

/// Longest sleep between two checks that the writer lives: a writer killed by SIGKILL wakes no reader.
pub(crate) const SLICE: Duration = Duration::from_millis(250);

/// How long the writer continues waking after the last waiter lock is released, so that a reader that soon waits again
/// need not be noticed again.
pub(crate) const AFTERWARDS: Duration = Duration::from_secs(2);

/// Time between two polls of a reader whose waiter lock the writer has not noticed yet.
const UNNOTICED: Duration = Duration::from_millis(1);

/// Longest time between two polls of a reader that cannot take a lock (for example, in a sandbox without file locks).
const UNNOTICEABLE: Duration = Duration::from_millis(10);

/// A live writer notices a lock at once, or within 250 ms. One that has not noticed it after this time is dead, or
/// cannot find locks.
const PATIENCE: Duration = Duration::from_millis(500);

/// The kernel's part, for one header.
pub(crate) trait WaiterLocks {
    /// Takes a waiter lock for this header's reader, which keeps it. Returns whether it has one.
    fn take(&self) -> bool;
    /// Whether any reader holds one; true if the system cannot determine that.
    fn are_held(&self) -> bool;
    /// Wakes the writer's service thread to look for locks. If that fails, the thread looks within 250 ms anyway.
    fn ring_doorbell(&self);
    /// Makes every thread of this process pass a full barrier before this returns.
    fn barrier_in_other_threads(&self);
}

/// Whether a write has to wake waiters: loaded by the writer after each write, set by its service thread.
pub(crate) struct NotifyFlag {
    /// Set before the header's word is, and cleared after it.
    set: AtomicBool,
    /// Without the kernel's barrier in the writer's thread, nothing orders the writer's stores before its load of
    /// `set`, so it always wakes.
    can_clear: bool,
}

impl NotifyFlag {
    /// A new stream has no waiters. A stream that was taken over may have some, so its flag is set until the service
    /// thread has looked for them.
    pub fn new(waking: &AtomicU32, taken_over: bool, has_barrier: bool) -> Self {
        let set = taken_over || !has_barrier;
        let value = if set { header::WAKING_ALWAYS } else { header::WAKING_NOT_FOR_WRITES };
        // Release, partner of the readers' Acquire load. This writer has not written anything before.
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
    /// Looks for waiter locks. Must be called four times a second. `true`: readers that already sleep have to be woken.
    pub fn poll(&mut self, flag: &NotifyFlag, waking: &AtomicU32, locks: &impl WaiterLocks, now: Instant) -> bool {
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
            // Orders the store before the second check. A reader takes its lock and then loads the word, so either its
            // lock is found here, or it sees the new word.
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
    // The kernel makes the writer's thread pass a full barrier. If that thread loaded the flag before the barrier and
    // found it clear, its store of the wake word is visible to all threads after the barrier. If it loads the flag
    // later, it finds it set.
    locks.barrier_in_other_threads();
    // Release, partner of the readers' Acquire load: a reader that sees it also sees any such wake word, and does not
    // sleep.
    waking.store(header::WAKING_ALWAYS, Ordering::Release);
}

/// What a reader has done so that the writer of one header wakes it.
#[derive(Debug, Default)]
pub(crate) struct Listening {
    /// Time of the last attempt to take the waiter lock, and whether it succeeded; refreshed while there is no ring.
    since: Option<(Instant, bool)>,
}

impl Listening {
    /// The longest sleep until the next poll: a whole [`SLICE`] once the writer wakes waiters, or while there is no
    /// ring, since the first ring wakes every waiter.
    ///
    /// The lock is taken before the load: a writer that stops waking first stores that, and then looks for locks again.
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
        // Acquire, partner of the service thread's Release stores of `WAKING_ALWAYS`.
        if locked && waking.load(Ordering::Acquire) == header::WAKING_ALWAYS {
            return SLICE;
        }
        let waited = now.saturating_duration_since(since);
        let longest = if locked { SLICE } else { UNNOTICEABLE };
        if waited < PATIENCE { UNNOTICED } else { (waited / 8).min(longest) }
    }
}
