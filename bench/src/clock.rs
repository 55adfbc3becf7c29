//! The one clock of all stamps: CLOCK_MONOTONIC, the same in both processes.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds.
#[inline]
pub fn now_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    // The monotonic clock never shows a time before boot.
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Spins until a point in time: a sleep ends tens of microseconds late and cools the caches.
#[inline]
pub fn spin_until(due_ns: u64) {
    while now_ns() < due_ns {
        std::hint::spin_loop();
    }
}
