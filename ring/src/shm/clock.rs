//! The two clocks of the protocol: one moment on both, and which clock it is that is called CLOCK_MONOTONIC here.

use std::io;

use rustix::fs::stat;
use rustix::time::{ClockId as System, Timespec, clock_gettime};

use crate::stream::ClockId;

/// Inode of the time namespace that every system begins with, in which clocks are not shifted.
const FIRST_TIME_NAMESPACE: u64 = 4_026_531_834;
/// How often both clocks are read for one pair.
const TRIES: usize = 5;

/// CLOCK_MONOTONIC in nanoseconds: the clock of a chunk record's `mono_ns`.
pub fn monotonic_ns() -> u64 {
    // The monotonic clock never shows a time before boot.
    nanoseconds(clock_gettime(System::Monotonic)) as u64
}

/// Nanoseconds since the Unix epoch: the clock of a message's send time.
pub fn unix_ns() -> i64 {
    nanoseconds(clock_gettime(System::Realtime))
}

fn nanoseconds(time: Timespec) -> i64 {
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockPair {
    /// Nanoseconds since the Unix epoch.
    pub unix_ns: i64,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub mono_ns: u64,
}

/// Reads both clocks together. Of a few tries, the one counts during which the least time passed: a process that is
/// interrupted between two clocks gets a pair that is off by as long as it stood still.
pub fn clock_pair() -> ClockPair {
    let read = |_| {
        let before = monotonic_ns();
        let unix_ns = unix_ns();
        let passed = monotonic_ns().saturating_sub(before);
        (passed, ClockPair { unix_ns, mono_ns: before + passed / 2 })
    };
    let closest = (0..TRIES).map(read).min_by_key(|(passed, _)| *passed);
    closest.expect("more than one try").1
}

/// Which clock CLOCK_MONOTONIC is in this process. It differs between boots, and between time namespaces of one boot.
/// [`ClockId::UNKNOWN`] if `/proc` does not say.
pub fn clock_id() -> ClockId {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    let namespace = match stat("/proc/self/ns/time") {
        Ok(found) => Some(found.st_ino),
        // A kernel without time namespaces, in which every process has the first one's clock.
        Err(error) if io::Error::from(error).kind() == io::ErrorKind::NotFound => Some(FIRST_TIME_NAMESPACE),
        Err(_) => None,
    };
    boot.zip(namespace).and_then(|(boot, namespace)| identity(&boot, namespace)).unwrap_or(ClockId::UNKNOWN)
}

/// The identity of the clock of a boot, in the time namespace of this inode number. `None`: `boot` is not a boot id.
fn identity(boot: &str, namespace: u64) -> Option<ClockId> {
    let ClockId(mut id) = boot.trim_end().parse().ok()?;
    if namespace != FIRST_TIME_NAMESPACE {
        for (byte, of_namespace) in id[12..].iter_mut().zip((namespace as u32).to_le_bytes()) {
            *byte ^= of_namespace;
        }
    }
    Some(ClockId(id))
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

    #[test]
    fn the_identity_is_the_boot_id_and_differs_between_time_namespaces() {
        let boot = "00112233-4455-6677-8899-aabbccddeeff\n";
        let id = |namespace| identity(boot, namespace).unwrap().to_string();
        assert_eq!(id(FIRST_TIME_NAMESPACE), boot.trim_end());
        assert_eq!(id(0x0403_0201), "00112233-4455-6677-8899-aabbcddfedfb");
        for damaged in ["", "00112233", "0011223344556677889900112233445566", "zz112233-4455-6677-8899-aabbccddeeff"] {
            assert_eq!(identity(damaged, FIRST_TIME_NAMESPACE), None, "{damaged:?}");
        }
    }

    #[test]
    fn a_pair_is_one_moment_on_both_clocks() {
        let before = (unix_ns(), monotonic_ns());
        let pair = clock_pair();
        let after = (unix_ns(), monotonic_ns());
        assert!((before.1..=after.1).contains(&pair.mono_ns) && (before.0..=after.0).contains(&pair.unix_ns));
        assert_eq!(clock_id(), clock_id());
    }
}
