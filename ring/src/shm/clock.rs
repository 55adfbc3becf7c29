//! The two clocks of the protocol.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// CLOCK_MONOTONIC in nanoseconds: the clock of a chunk record's `mono_ns`.
pub fn monotonic_ns() -> u64 {
    // The monotonic clock never shows a time before boot.
    nanoseconds(clock_gettime(ClockId::Monotonic)) as u64
}

/// Nanoseconds since the Unix epoch: the clock of a message's send time.
pub fn unix_ns() -> i64 {
    nanoseconds(clock_gettime(ClockId::Realtime))
}

fn nanoseconds(time: Timespec) -> i64 {
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Whether this machine's clock is synchronized (by NTP or PTP), so that it can be compared with the clocks of other
/// machines: with [`MessageInfo::send_ns`](crate::MessageInfo::send_ns) of their messages. `None`: the system does not
/// report it.
pub fn clock_is_synchronized() -> Option<bool> {
    // SAFETY: a plain C structure of numbers, for which zeros are values; with `modes` 0 nothing is set.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: points to a local structure, which the kernel fills.
    let result = unsafe { libc::adjtimex(&mut state) };
    (result >= 0).then_some(state.status & libc::STA_UNSYNC == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bounds of the distance by which the wall clock is ahead of the steady one, independent of the duration of the
    /// calls.
    fn offset() -> (i64, i64) {
        let before = monotonic_ns() as i64;
        let wall = unix_ns();
        (wall - monotonic_ns() as i64, wall - before)
    }

    #[test]
    fn checking_whether_the_clock_is_synchronized_does_not_set_it() {
        let began = monotonic_ns();
        let (low, high) = offset();
        let kept = clock_is_synchronized();
        let (low_now, high_now) = offset();
        assert_eq!(clock_is_synchronized().is_some(), kept.is_some());
        // Synchronization changes the speed of the clock by less than a thousandth.
        let drift = (monotonic_ns() - began) as i64 / 1000 + 1;
        assert!(low_now - drift <= high && low - drift <= high_now, "{kept:?} {low}..{high} {low_now}..{high_now}");
    }
}
