//! How a reader that sleeps makes sure to be woken. Waking costs the writer a system call, so it does that after its writes
//! only while somebody holds a sleeper's lock.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::layout::header;
use crate::shm;
use crate::shm::open::HeaderSegment;

/// Longest sleep without a look at whether the writer lives: a SIGKILL wakes nobody.
pub(super) const SLICE: Duration = Duration::from_millis(250);
/// Between two looks of a reader that its writer has not noticed yet.
const UNNOTICED: Duration = Duration::from_millis(1);
/// The same for a reader that cannot have a lock (a sandbox that knows none), of a writer that is as alive as ever.
const UNNOTICEABLE: Duration = Duration::from_millis(10);
/// A live writer notices at once, or within 250 ms. One that has not by now is dead, or cannot be told.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a reader has done to be woken by the writer of one header.
#[derive(Debug, Default)]
pub(crate) struct Listening {
    /// When it took its lock, or found that it cannot, or was last without a ring; and whether it has the lock.
    since: Option<(Instant, bool)>,
}

impl HeaderSegment {
    /// The longest sleep until the next look: a whole slice once the writer wakes sleepers, or while there is no ring, since
    /// the first one wakes everybody.
    ///
    /// The lock comes before the load: a writer that stops waking says so first, and then looks for locks again.
    pub fn longest_sleep(&mut self, has_ring: bool) -> Duration {
        let file = &self.file;
        let bell = self.words.bell_word();
        let (since, locked) = *self.listening.since.get_or_insert_with(|| {
            let locked = shm::take_sleepers_lock(file).is_ok();
            // Works on memory that is mapped read-only. If the writer does not hear it, it looks within 250 ms.
            shm::wake(bell, 1);
            (Instant::now(), locked)
        });
        if !has_ring {
            self.listening.since = Some((Instant::now(), locked));
            return SLICE;
        }
        // Acquire, partner of the Release store with which the writer's service says that it wakes.
        if locked && self.words.waking_word().load(Ordering::Acquire) == header::WAKING_ALWAYS {
            return SLICE;
        }
        let waited = since.elapsed();
        let longest = if locked { SLICE } else { UNNOTICEABLE };
        if waited < PATIENCE { UNNOTICED } else { (waited / 8).min(longest) }
    }
}
