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
