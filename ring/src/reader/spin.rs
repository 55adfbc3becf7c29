//! Polling while the next message is due. Waking a thread on an idle core takes 10 to 50 us, more than the rest of a
//! small message's latency. A reader of a steady stream can spend processor time instead
//! ([`ReaderOptions::spin`](super::ReaderOptions::spin)).

use std::time::Duration;

use super::stream::Stream;
use crate::protocol::cursor::Cursor;
use crate::shm;

/// How many of the newest messages determine when the next one is due.
const RECENT_MESSAGES: usize = 8;

/// How to wait for the next message, and for how long until the next poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attention {
    Poll(Duration),
    Sleep(Duration),
}

/// How a reader has to wait now, if it may poll for `spin` before and after a message is due.
pub(super) fn attention(cursor: &Cursor<impl Stream>, spin: Duration) -> Attention {
    if spin.is_zero() || cursor.ring().is_none() || !cursor.source().times_messages() {
        return Attention::Sleep(Duration::MAX);
    }
    next_due_ns(cursor).map_or(Attention::Sleep(Duration::MAX), |due_ns| around(shm::monotonic_ns(), due_ns, spin))
}

/// When the next message is due, in nanoseconds of `CLOCK_MONOTONIC`; `None` if there are too few messages to estimate
/// it.
fn next_due_ns(cursor: &Cursor<impl Stream>) -> Option<u64> {
    let chunks = cursor.source().chunks();
    let mut times_ns = [0; RECENT_MESSAGES];
    let mut count = 0;
    let latest = chunks.end.saturating_sub(RECENT_MESSAGES as u64).max(chunks.start)..chunks.end;
    // Records that have been lapped in the meantime are left out.
    for (time_ns, record) in times_ns.iter_mut().zip(latest.filter_map(|chunk| cursor.source().record(chunk))) {
        *time_ns = record.mono_ns;
        count += 1;
    }
    due_ns(&times_ns[..count])
}

/// How to wait at `now_ns` for a message that is due at `due_ns`.
fn around(now_ns: u64, due_ns: u64, spin: Duration) -> Attention {
    let spin_ns = u64::try_from(spin.as_nanos()).unwrap_or(u64::MAX);
    let (begin_ns, end_ns) = (due_ns.saturating_sub(spin_ns), due_ns.saturating_add(spin_ns));
    if now_ns < begin_ns {
        Attention::Sleep(Duration::from_nanos(begin_ns - now_ns))
    } else if now_ns < end_ns {
        Attention::Poll(Duration::from_nanos(end_ns - now_ns))
    } else {
        Attention::Sleep(Duration::MAX)
    }
}

/// When the message after those of `times_ns` is due: one median distance after the last.
fn due_ns(times_ns: &[u64]) -> Option<u64> {
    let mut distances = [0; RECENT_MESSAGES];
    let distances = &mut distances[..times_ns.len().checked_sub(1)?];
    for (distance, pair) in distances.iter_mut().zip(times_ns.windows(2)) {
        *distance = pair[1].saturating_sub(pair[0]);
    }
    distances.sort_unstable();
    Some(times_ns.last()?.saturating_add(*distances.get(distances.len() / 2)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn the_next_message_is_due_one_median_distance_after_the_last() {
        assert_eq!(due_ns(&[]), None);
        assert_eq!(due_ns(&[5]), None);
        assert_eq!(due_ns(&[10, 30]), Some(50));
        // A message that was late, and one that caught up, do not change the median.
        assert_eq!(due_ns(&[0, 10, 20, 39, 40, 50]), Some(60));
        // A hostile writer's times give an arbitrary time, and no panic.
        assert_eq!(due_ns(&[u64::MAX, 0]), Some(0));
        assert_eq!(due_ns(&[0, u64::MAX]), Some(u64::MAX));
    }

    #[test]
    fn a_reader_polls_around_the_time_at_which_a_message_is_due_and_sleeps_otherwise() {
        let spin = Duration::from_millis(2);
        let at = |now_ms: u64| around(now_ms * MS, 10 * MS, spin);
        assert_eq!(at(0), Attention::Sleep(Duration::from_millis(8)));
        assert_eq!(at(8), Attention::Poll(Duration::from_millis(4)));
        assert_eq!(at(11), Attention::Poll(Duration::from_millis(1)));
        assert_eq!(at(12), Attention::Sleep(Duration::MAX));
        assert_eq!(around(3, 5, Duration::MAX), Attention::Poll(Duration::from_nanos(u64::MAX - 3)));
    }
}
