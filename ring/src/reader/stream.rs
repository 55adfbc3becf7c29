//! What a reader asks of a stream apart from its frames. [`Source`] is what the cursor asks.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use super::{Info, Lag};
use crate::protocol::cursor::{Cursor, Source};
use crate::shm;
use crate::stream::Liveness;
use crate::{Format, GenerationClock, Result};

/// A kind of stream.
pub(crate) trait Stream: Source {
    /// Format of the ring that is read.
    fn format(&self) -> Option<&Format>;

    /// Clock of the ring that is read; `None` if ezmsg wrote the stream.
    fn clock(&self) -> Option<GenerationClock>;

    /// State of the stream (`SPEC.md`, "Liveness"). A writer whose newest message is older than `idle_after` is idle.
    fn liveness(&self, idle_after: Duration) -> Result<Liveness>;

    /// What is known about the stream, apart from its state and its description.
    fn info(&self) -> Result<Info>;

    /// The word that its writer changes and wakes with every event; `None` if no event is announced.
    fn wake_word(&self) -> Option<&AtomicU32>;

    /// The longest sleep until the next poll, given how the writer wakes readers.
    fn longest_sleep(&mut self) -> Duration;

    /// Whether another file now has the stream's public name.
    fn is_replaced(&self) -> bool;

    /// Whether records show when messages came, so that the next one can be expected.
    fn times_messages(&self) -> bool;
}

/// State of the stream (`SPEC.md`, "Liveness"). A death that it finds becomes an event.
pub(super) fn liveness(cursor: &mut Cursor<impl Stream>, idle_after: Duration) -> Result<Liveness> {
    let liveness = poll_liveness(cursor, idle_after)?;
    if liveness == Liveness::Dead {
        cursor.notice_death();
    }
    Ok(liveness)
}

fn poll_liveness(cursor: &Cursor<impl Stream>, idle_after: Duration) -> Result<Liveness> {
    if cursor.has_ended() { Ok(Liveness::Closed) } else { cursor.source().liveness(idle_after) }
}

/// How far the cursor is behind the writer.
pub(super) fn lag(cursor: &Cursor<impl Stream>) -> Lag {
    let frames = cursor.unread();
    if frames == 0 {
        return Lag::default();
    }
    let oldest = cursor.record_of(cursor.position());
    let age_ns = oldest.map_or(0, |record| shm::monotonic_ns().saturating_sub(record.mono_ns));
    Lag { frames, time: Duration::from_nanos(age_ns) }
}

/// Everything that is known about the stream.
pub(super) fn info(cursor: &Cursor<impl Stream>, idle_after: Duration) -> Result<Info> {
    let liveness = poll_liveness(cursor, idle_after)?;
    let mut info = cursor.source().info()?;
    info.liveness = liveness;
    info.description = cursor.description().cloned();
    Ok(info)
}
