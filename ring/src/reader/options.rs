//! Options of readers, and results of waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::protocol::cursor::Start;
use crate::shm;
use crate::shm::open::Owner;
use crate::stream::Liveness;

/// How a stream is read.
///
/// ```
/// use dora_shm_ring::{ReaderOptions, Start};
///
/// let options = ReaderOptions::default().start(Start::Oldest).each_description(true);
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReaderOptions {
    /// Where to begin; default [`Start::Newest`].
    pub start: Start,
    /// Read a stream of the user with this ID. Default: only streams of this process's own user or of root.
    pub owner: Option<u32>,
    /// Largest ring that is mapped, in bytes. Default: no limit.
    pub max_ring_bytes: u64,
    /// A live stream without a new message for this long is reported as [`Liveness::Idle`]; default 1 s.
    pub idle_after: Duration,
    /// A [`Reader`](super::Reader)'s read or view ends where the description changes, so that
    /// [`Reader::description`](super::Reader::description) returns that of the frames just read. Default: it returns
    /// that of the ring's newest frames. (Each message of a [`MessageReader`](super::MessageReader) has its own
    /// description in any case.)
    pub each_description: bool,
    /// For a steady stream: a wait polls instead of sleeping, from this long before the next message is due until this
    /// long after. The reader then sees the message within a microsecond, rather than after the 10 to 50 us that the
    /// system takes to wake a thread. The time at which a message is due is estimated from the last eight messages.
    /// Polling uses up to twice this time of a core for each message, and a whole core if messages arrive closer
    /// together. Useful values are 100 to 300 us: less is shorter than the system's own delay in waking the reader in
    /// time. It requires a free core; if all cores are busy, messages only arrive later. Ignored for a stream that
    /// ezmsg wrote. Default: zero, which always sleeps.
    pub spin: Duration,
}

impl ReaderOptions {
    /// Sets [`start`](Self::start).
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Sets [`owner`](Self::owner).
    pub fn owner(mut self, owner: Option<u32>) -> Self {
        self.owner = owner;
        self
    }

    /// Sets [`max_ring_bytes`](Self::max_ring_bytes).
    pub fn max_ring_bytes(mut self, bytes: u64) -> Self {
        self.max_ring_bytes = bytes;
        self
    }

    /// Sets [`idle_after`](Self::idle_after).
    pub fn idle_after(mut self, after: Duration) -> Self {
        self.idle_after = after;
        self
    }

    /// Sets [`each_description`](Self::each_description).
    pub fn each_description(mut self, each: bool) -> Self {
        self.each_description = each;
        self
    }

    /// Sets [`spin`](Self::spin).
    pub fn spin(mut self, spin: Duration) -> Self {
        self.spin = spin;
        self
    }

    pub(super) fn of_owner(&self) -> Owner {
        self.owner.map_or(Owner::OwnOrRoot, Owner::User)
    }
}

impl Default for ReaderOptions {
    fn default() -> Self {
        Self {
            start: Start::Newest,
            owner: None,
            max_ring_bytes: isize::MAX as u64,
            idle_after: Duration::from_secs(1),
            each_description: false,
            spin: Duration::ZERO,
        }
    }
}

/// The result of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// There is something to read: data, a new generation, or the stream's end.
    Ready,
    /// The timeout expired, or the writer has just died (which ends one wait early). Holds the state of the stream.
    Timeout(Liveness),
    /// [`Interrupter::interrupt`] was called.
    Interrupted,
}

/// How far a reader is behind its writer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lag {
    /// Frames that are committed and not read.
    pub frames: u64,
    /// Time since the oldest of them was committed.
    pub time: Duration,
}

/// Ends another thread's [`Reader::wait`](super::Reader::wait).
#[derive(Clone, Debug)]
pub struct Interrupter {
    pub(super) word: Arc<AtomicU32>,
}

impl Interrupter {
    /// Makes the current wait, or the next one, return [`Wait::Interrupted`] at once. (On kernels before 5.16: within
    /// 250 ms.)
    pub fn interrupt(&self) {
        // Release, partner of the Acquire load in `wait`.
        self.word.fetch_add(1, Ordering::Release);
        shm::private_wake(&self.word);
    }
}
