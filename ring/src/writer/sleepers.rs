//! Whether the writer wakes sleepers after each write: a system call, which nobody needs while nobody sleeps.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::time::{Duration, Instant};

use crate::layout::header;
use crate::shm;
use crate::shm::memory::HeaderMemory;

/// How long the writer goes on waking after the last sleeper's lock is gone: a reader that comes back is not to wait again
/// until it is noticed.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// Shared by the writer, which asks after each write, and its service thread, which looks for sleepers' locks.
pub(super) struct Sleepers {
    /// Set before the header says so, cleared after.
    wanted: AtomicBool,
    /// Without the barrier that the kernel makes in the writer's thread there is no order between its stores and its
    /// question, so it always wakes.
    can_stop: bool,
}

impl Sleepers {
    /// A new stream has no sleepers. One that is taken over may: its header says so until they have been looked for.
    pub fn new(words: &HeaderMemory, taken_over: bool) -> Self {
        let can_stop = shm::register_barrier();
        let wanted = taken_over || !can_stop;
        let waking = if wanted { header::WAKING_ALWAYS } else { header::WAKING_NOT_FOR_WRITES };
        // Release, partner of the readers' Acquire load. No write of ours came before.
        words.waking_word().store(waking, Ordering::Release);
        Self { wanted: AtomicBool::new(wanted), can_stop }
    }

    /// Whether a write has to wake sleepers.
    #[inline]
    pub fn are_woken(&self) -> bool {
        // Relaxed: ordered after the store of the wake word by the kernel's barrier in `notice`.
        self.wanted.load(Ordering::Relaxed)
    }
}

/// The service thread's part.
#[derive(Debug, Default)]
pub(super) struct Watch {
    none_since: Option<Instant>,
}

impl Watch {
    /// Looks for sleepers' locks on the header's `file`, four times a second. `true`: those who sleep already are to be
    /// woken.
    pub fn look(&mut self, sleepers: &Sleepers, words: &HeaderMemory, file: impl AsFd) -> bool {
        if !sleepers.can_stop {
            return false;
        }
        // A system that does not tell is taken to say that there are some.
        let are_there = || shm::has_sleepers_lock(&file).unwrap_or(true);
        if are_there() {
            self.none_since = None;
            return !sleepers.are_woken() && self.begin(sleepers, words);
        }
        let since = *self.none_since.get_or_insert_with(Instant::now);
        if sleepers.are_woken() && since.elapsed() >= AFTERWARDS {
            words.waking_word().store(header::WAKING_NOT_FOR_WRITES, Ordering::Relaxed);
            // Before the look: a reader takes its lock and then loads the word. Either its lock is found here, or it
            // finds the new word.
            fence(Ordering::SeqCst);
            if are_there() {
                self.none_since = None;
                words.waking_word().store(header::WAKING_ALWAYS, Ordering::Release);
            } else {
                sleepers.wanted.store(false, Ordering::Relaxed);
            }
        }
        false
    }

    fn begin(&mut self, sleepers: &Sleepers, words: &HeaderMemory) -> bool {
        sleepers.wanted.store(true, Ordering::Relaxed);
        // The kernel makes the writer's thread pass a full barrier, wherever it is. If it has asked before that and got
        // "no", the wake word it had stored is visible to everybody after it; if it asks later, it gets "yes".
        shm::barrier_in_other_threads();
        // Release, partner of the readers' Acquire load: who sees it also sees such a word, and does not sleep on it.
        words.waking_word().store(header::WAKING_ALWAYS, Ordering::Release);
        true
    }
}
