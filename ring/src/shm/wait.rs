//! Sleeping on a word of shared memory, and waking the readers that sleep on it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::futex::{self, Flags, Wait, WaitFlags, WaitvFlags};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitEnd {
    /// Woken, or the word had another value, or a signal arrived: poll again.
    PollAgain,
    TimedOut,
    /// The word's memory is gone: the segment was truncated.
    Gone,
}

/// A word to sleep on while it has the value `expected`.
#[derive(Clone, Copy)]
pub(crate) struct Word<'a> {
    pub word: &'a AtomicU32,
    pub expected: u32,
}

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: duration.subsec_nanos().into() }
}

fn ended(result: Result<(), Errno>) -> WaitEnd {
    match result {
        Err(Errno::TIMEDOUT) => WaitEnd::TimedOut,
        Err(Errno::FAULT) => WaitEnd::Gone,
        _ => WaitEnd::PollAgain,
    }
}

/// Sleeps until `shared` (in shared memory) or `private` (in this process) changes, at most `timeout`. Where the kernel
/// cannot wait for two words (before 5.16), only `shared` ends the sleep early.
pub(crate) fn wait(shared: Word<'_>, private: Option<Word<'_>>, timeout: Duration) -> WaitEnd {
    if let Some(end) = private.and_then(|private| wait_for_either(shared, private, timeout)) {
        return end;
    }
    ended(futex::wait(shared.word, Flags::empty(), shared.expected, Some(&timespec(timeout))))
}

/// Whether the kernel is known not to wait for two words. Relaxed: it is only a hint.
static CANNOT_WAIT_FOR_EITHER: AtomicBool = AtomicBool::new(false);

/// `None` if the kernel cannot.
fn wait_for_either(shared: Word<'_>, private: Word<'_>, timeout: Duration) -> Option<WaitEnd> {
    if CANNOT_WAIT_FOR_EITHER.load(Ordering::Relaxed) {
        return None;
    }
    let entry = |word: Word<'_>, flags: WaitFlags| {
        let mut wait = Wait::new();
        wait.val = word.expected.into();
        wait.uaddr = futex::WaitPtr::new(word.word.as_ptr().cast());
        wait.flags = flags | WaitFlags::SIZE_U32;
        wait
    };
    let waiters = [entry(shared, WaitFlags::empty()), entry(private, WaitFlags::PRIVATE)];
    let now = clock_gettime(ClockId::Monotonic);
    let nanoseconds = now.tv_nsec + i64::from(timeout.subsec_nanos());
    let deadline = Timespec {
        tv_sec: now.tv_sec.saturating_add(timespec(timeout).tv_sec).saturating_add(nanoseconds / 1_000_000_000),
        tv_nsec: nanoseconds % 1_000_000_000,
    };
    match futex::waitv(&waiters, WaitvFlags::empty(), Some(&deadline), futex::ClockId::Monotonic) {
        // System call filters that lack this call return one of these.
        Err(Errno::NOSYS | Errno::PERM) => {
            CANNOT_WAIT_FOR_EITHER.store(true, Ordering::Relaxed);
            None
        }
        result => Some(ended(result.map(|_| ()))),
    }
}

/// Wakes at most `count` of the threads that sleep on `word`, in any process. Returns how many.
pub(crate) fn wake(word: &AtomicU32, count: u32) -> usize {
    futex::wake(word, Flags::empty(), count).unwrap_or(0)
}

/// As [`private_wait`]. A wake on `shared` ends it as well, if the kernel can wait for two words.
pub(crate) fn private_wait_or(private: Word<'_>, shared: Word<'_>, timeout: Duration) -> WaitEnd {
    wait_for_either(shared, private, timeout).unwrap_or_else(|| private_wait(private, timeout))
}

/// As [`wait`], for a word of this process.
pub(crate) fn private_wait(word: Word<'_>, timeout: Duration) -> WaitEnd {
    ended(futex::wait(word.word, Flags::PRIVATE, word.expected, Some(&timespec(timeout))))
}

/// Wakes all threads that sleep on a word of this process.
pub(crate) fn private_wake(word: &AtomicU32) {
    let _ = futex::wake(word, Flags::PRIVATE, i32::MAX as u32);
}
