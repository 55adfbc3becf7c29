//! R9: sleeping until there may be something to read, and looking at the writer after each slice.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::attachment::{Attachment, Reached, Unit};
use super::due::Attention;
use super::listening::SLICE;
use super::{Liveness, Wait};
use crate::Result;
use crate::layout::NO_GENERATION;
use crate::protocol::{self, Committed, Over};
use crate::shm::open::{self, HeaderSegment};
use crate::shm::{self, WaitEnd, Word};

/// How to sleep until there may be news.
pub(super) struct Sleep {
    /// The value of the header's wake word that is old news; `None` without a header.
    wake: Option<u32>,
    /// At most this long before the next look.
    slice: Duration,
}

impl Attachment {
    /// How to sleep, if [`poll`](Self::poll) would say `Nothing`. Moves nothing that a reader could miss.
    pub(super) fn would_block(&mut self) -> Result<Option<Sleep>> {
        if self.entered || self.ended {
            return Ok(None);
        }
        let (Some(header), Some(ring)) = (&self.header, &self.ring) else {
            // Only attaching tells, and what it finds is kept. R1: the word is loaded before that.
            let wake = self.header.as_ref().map(|header| protocol::look_at_wake(&header.words));
            if self.attach()? != Reached::NotYet {
                return Ok(None);
            }
            let none = |header: &HeaderSegment| header.words.generation_word().load(Ordering::Acquire) == NO_GENERATION;
            let waiting = wake.is_some() && self.header.as_ref().is_some_and(none);
            return Ok(Some(Sleep { wake, slice: if waiting { SLICE } else { self.attach_pause } }));
        };
        let look = protocol::look(&header.words, &ring.memory);
        let news = match self.unit {
            Unit::Frames => look.committed.frames != self.next,
            Unit::Messages => look.committed.chunks != self.next_chunk && !self.is_uncommitted(look.committed),
        };
        let slice = match protocol::is_over(&look, ring.generation) {
            Over::No => Some(SLICE),
            Over::Closed => None,
            Over::NextGeneration(generation) => (!self.could_enter(generation)).then_some(self.attach_pause),
        };
        Ok(slice.filter(|_| !news).map(|slice| Sleep { wake: Some(look.wake), slice }))
    }

    /// Whether all that the next record describes is still to be committed: a writer is between W7 and W8, or died
    /// there.
    fn is_uncommitted(&self, committed: Committed) -> bool {
        committed.frames == self.next
            && self.record(self.next_chunk).is_some_and(|record| {
                record.first == self.next && record.first.saturating_add(record.frames) > committed.frames
            })
    }

    /// Whether somebody wants the wait to end.
    pub(super) fn is_interrupted(&self) -> bool {
        // Acquire, partner of `Interrupter::interrupt`.
        self.interrupts.load(Ordering::Acquire) != self.interrupts_seen
    }

    /// The same, which is then done with.
    fn take_interrupt(&mut self) -> bool {
        // Acquire, partner of `Interrupter::interrupt`.
        let interrupts = self.interrupts.load(Ordering::Acquire);
        std::mem::replace(&mut self.interrupts_seen, interrupts) != interrupts
    }

    /// R9, with a look at the writer after each slice without news.
    pub fn wait(&mut self, timeout: Duration) -> Result<Wait> {
        let deadline = Instant::now().checked_add(timeout);
        let mut slice_over = Instant::now() + SLICE;
        loop {
            if self.take_interrupt() {
                return Ok(Wait::Interrupted);
            }
            let Some(sleep) = self.would_block()? else { return Ok(Wait::Ready) };
            let left = deadline.map_or(SLICE, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                let liveness = self.liveness(self.options.idle_after)?;
                self.liveness_told = Some(liveness);
                return Ok(Wait::Quiet(liveness));
            }
            let has_ring = self.ring.is_some();
            let noticed = self.header.as_mut().map_or(SLICE, |header| header.longest_sleep(has_ring));
            let slice = left.min(sleep.slice).min(noticed);
            let (slice, end) = match self.attention() {
                Attention::Poll(longest) => (slice.min(longest), self.poll_instead(slice.min(longest))?),
                Attention::Sleep(longest) => (slice.min(longest), self.sleep(sleep.wake, slice.min(longest))),
            };
            match end {
                WaitEnd::LookAgain => {}
                WaitEnd::Gone => return Err(self.corrupt("it was truncated".to_owned())),
                WaitEnd::TimedOut if self.header.is_some() && (slice == left || Instant::now() >= slice_over) => {
                    slice_over = Instant::now() + SLICE;
                    if let Some(wait) = self.after_slice()? {
                        return Ok(wait);
                    }
                }
                WaitEnd::TimedOut => {}
            }
        }
    }

    fn sleep(&self, wake: Option<u32>, longest: Duration) -> WaitEnd {
        let interrupt = Word { word: &self.interrupts, expected: self.interrupts_seen };
        match (&self.header, wake) {
            (Some(header), Some(expected)) => {
                // Nobody can interrupt a reader that has given no interrupter away: then one word is enough.
                let private = (Arc::strong_count(&self.interrupts) > 1).then_some(interrupt);
                shm::wait(Word { word: header.words.wake_word(), expected }, private, longest)
            }
            _ => shm::private_wait(interrupt, longest),
        }
    }

    /// Section "Liveness" of `SPEC.md`, after a slice without news.
    fn after_slice(&mut self) -> Result<Option<Wait>> {
        let liveness = self.liveness(self.options.idle_after)?;
        let Some(header) = &self.header else { return Ok(None) };
        if matches!(liveness, Liveness::Dead | Liveness::Closed) {
            let replaced = open::public_id(&self.segment).is_ok_and(|id| id.is_some_and(|id| id != header.id));
            if replaced && self.would_block()?.is_some() {
                // Everything of the old stream has been drained.
                self.detach();
                return Ok(None);
            }
        }
        // A writer's death is told once, and at once rather than at the end of a long wait.
        let newly_dead = liveness == Liveness::Dead && self.liveness_told != Some(Liveness::Dead);
        self.liveness_told = Some(liveness);
        Ok(newly_dead.then_some(Wait::Quiet(liveness)))
    }
}
