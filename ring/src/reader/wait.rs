//! R9: sleeping until there may be something to read, and checking after each slice whether the writer lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::spin::{self, Attention};
use super::stream::{self, Stream};
use super::{Interrupter, ReaderOptions, Wait};
use crate::Result;
use crate::protocol::cursor::Cursor;
use crate::protocol::wake::{SLICE, WaiterLocks};
use crate::shm::open::HeaderSegment;
use crate::shm::{self, WaitEnd, Word};
use crate::stream::Liveness;

/// Pause between two attempts to find a stream that does not exist yet, or whose ring has lost its name.
const ATTACH_PAUSE: Duration = Duration::from_millis(50);

/// How one reader waits.
pub(super) struct Waiter {
    interrupts: Arc<AtomicU32>,
    interrupts_seen: u32,
    idle_after: Duration,
    spin: Duration,
    attach_pause: Duration,
    liveness: Option<Liveness>,
}

impl Waiter {
    pub fn new(options: &ReaderOptions) -> Self {
        Self {
            interrupts: Arc::new(AtomicU32::new(0)),
            interrupts_seen: 0,
            idle_after: options.idle_after,
            spin: options.spin,
            attach_pause: ATTACH_PAUSE,
            liveness: None,
        }
    }

    /// Sets the pause between two attempts to find a stream that does not exist.
    pub fn set_attach_pause(&mut self, pause: Duration) {
        self.attach_pause = pause;
    }

    pub fn idle_after(&self) -> Duration {
        self.idle_after
    }

    pub fn interrupter(&self) -> Interrupter {
        Interrupter { word: self.interrupts.clone() }
    }

    /// Whether the wait has been interrupted.
    fn is_interrupted(&self) -> bool {
        // Acquire, partner of `Interrupter::interrupt`.
        self.interrupts.load(Ordering::Acquire) != self.interrupts_seen
    }

    /// As [`is_interrupted`](Self::is_interrupted), and consumes the interrupt.
    fn take_interrupt(&mut self) -> bool {
        // Acquire, partner of `Interrupter::interrupt`.
        let interrupts = self.interrupts.load(Ordering::Acquire);
        std::mem::replace(&mut self.interrupts_seen, interrupts) != interrupts
    }

    /// Sleeps until there is something to read, at most `timeout`.
    pub fn wait(&mut self, cursor: &mut Cursor<impl Stream>, timeout: Duration) -> Result<Wait> {
        let deadline = Instant::now().checked_add(timeout);
        let mut slice_over = Instant::now() + SLICE;
        loop {
            if self.take_interrupt() {
                return Ok(Wait::Interrupted);
            }
            let Some(sleep) = cursor.would_block()? else { return Ok(Wait::Ready) };
            let left = deadline.map_or(SLICE, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                // The result of the last read is outdated: something may have been committed since.
                if cursor.would_block()?.is_none() {
                    return Ok(Wait::Ready);
                }
                let liveness = stream::liveness(cursor, self.idle_after)?;
                self.liveness = Some(liveness);
                return Ok(Wait::Timeout(liveness));
            }
            let slice = if sleep.retry { self.attach_pause } else { SLICE };
            let slice = left.min(slice).min(cursor.source_mut().longest_sleep());
            let (slice, end) = match spin::attention(cursor, self.spin) {
                Attention::Poll(longest) => (slice.min(longest), self.poll_instead(cursor, slice.min(longest))?),
                Attention::Sleep(longest) => (slice.min(longest), self.sleep(cursor, sleep.wake, slice.min(longest))),
            };
            match end {
                WaitEnd::PollAgain => {}
                WaitEnd::Gone => return Err(cursor.truncated()),
                WaitEnd::TimedOut if slice == left || Instant::now() >= slice_over => {
                    slice_over = Instant::now() + SLICE;
                    if let Some(wait) = self.after_slice(cursor)? {
                        return Ok(wait);
                    }
                }
                WaitEnd::TimedOut => {}
            }
        }
    }

    fn sleep(&self, cursor: &Cursor<impl Stream>, wake: Option<u32>, longest: Duration) -> WaitEnd {
        let interrupt = Word { word: &self.interrupts, expected: self.interrupts_seen };
        match (cursor.source().wake_word(), wake) {
            (Some(word), Some(expected)) => {
                // Without an interrupter, nothing can interrupt this reader, so one word is enough.
                let private = (Arc::strong_count(&self.interrupts) > 1).then_some(interrupt);
                shm::wait(Word { word, expected }, private, longest)
            }
            _ => shm::private_wait(interrupt, longest),
        }
    }

    /// Polls for at most `longest`, in place of a sleep.
    fn poll_instead(&self, cursor: &mut Cursor<impl Stream>, longest: Duration) -> Result<WaitEnd> {
        let begin = Instant::now();
        while !self.is_interrupted() && cursor.would_block()?.is_some() {
            if begin.elapsed() >= longest {
                return Ok(WaitEnd::TimedOut);
            }
            std::hint::spin_loop();
        }
        Ok(WaitEnd::PollAgain)
    }

    /// Section "Liveness" of `SPEC.md`, after a slice in which nothing was new.
    fn after_slice(&mut self, cursor: &mut Cursor<impl Stream>) -> Result<Option<Wait>> {
        if cursor.source().wake_word().is_none() {
            return Ok(None);
        }
        let liveness = stream::liveness(cursor, self.idle_after)?;
        if matches!(liveness, Liveness::Dead | Liveness::Closed)
            && cursor.source().is_replaced()
            && cursor.would_block()?.is_some()
        {
            // The old stream has been drained.
            cursor.detach();
            return Ok(None);
        }
        // A writer's death is reported once, and immediately rather than at the end of a long wait.
        let newly_dead = liveness == Liveness::Dead && self.liveness != Some(Liveness::Dead);
        self.liveness = Some(liveness);
        Ok(newly_dead.then_some(Wait::Timeout(liveness)))
    }
}

/// A reader's part.
impl WaiterLocks for HeaderSegment {
    fn take(&self) -> bool {
        shm::take_waiter_lock(&self.file).is_ok()
    }

    fn are_held(&self) -> bool {
        shm::has_waiter_lock(&self.file).unwrap_or(true)
    }

    /// FUTEX_WAKE also works on memory that is mapped read-only.
    fn ring_doorbell(&self) {
        shm::wake(self.words.doorbell(), 1);
    }

    /// A reader's process has no writer's thread to order.
    fn barrier_in_other_threads(&self) {}
}
