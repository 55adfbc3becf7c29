//! The clocks of this machine, and of machines that send messages to it.

use std::time::Duration;

use dora_shm_ring::internal::{clock_is_synchronized, monotonic_ns, unix_ns};
use dora_shm_ring::{Liveness, MessageInfo, Reader, ReaderOptions, StreamInfo};

use super::Streams;
use super::check::Check;
use crate::text::quoted;
use crate::units;

/// A send time further ahead of this machine's clock comes from another machine.
const AHEAD: Duration = Duration::from_millis(100);

pub fn examine() -> Vec<Check> {
    let source = std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource").ok();
    let mut found = Vec::new();
    if let Some(source) = source.as_deref().map(str::trim).filter(|source| is_slow(source)) {
        found.push(Check::note(
            "clock",
            format!("the kernel's clock source is {source}: each read of the clock takes a microsecond or more"),
            "see whether the kernel can use tsc or kvm-clock (/sys/devices/system/clocksource/clocksource0/available_clocksource)",
        ));
    }
    match clock_is_synchronized() {
        Some(false) => found.push(Check::note(
            "clock",
            "nothing synchronises this machine's clock: send times of messages from other machines cannot be compared with it",
            "if graphs span machines, run chrony, systemd-timesyncd or ptp4l; latencies on this machine are correct in any case",
        )),
        Some(true) | None if found.is_empty() => {
            found.push(Check::ok("clock", source.map_or_else(|| "synchronised".to_owned(), |source| format!("synchronised, source {}", source.trim()))));
        }
        Some(true) | None => {}
    }
    found
}

/// Whether the source is a register of a device rather than of the processor.
fn is_slow(source: &str) -> bool {
    ["hpet", "acpi_pm", "jiffies", "pit", "refined-jiffies"].contains(&source)
}

/// Live streams whose newest message was sent in the future.
pub fn send_times(streams: &Streams) -> Vec<Check> {
    let live = streams.all.iter().filter_map(|stream| match stream {
        StreamInfo::Stream(info) if info.liveness == Liveness::Live && info.position > 0 => Some(&info.name),
        _ => None,
    });
    let ahead = live.filter_map(|name| Some((name, ahead(&newest(name)?, unix_ns(), monotonic_ns())?)));
    let finding = |(name, ahead): (&String, Duration)| {
        Check::finding(
            "clock",
            format!(
                "messages of stream {} were sent {} after they arrived, by this machine's clock",
                quoted(name),
                units::duration(ahead)
            ),
            "the sender's clock is ahead, or this one was set back: synchronise both by NTP or PTP",
        )
    };
    ahead.map(finding).collect()
}

fn newest(name: &str) -> Option<MessageInfo> {
    let reader = Reader::open(name, ReaderOptions::default()).ok()?;
    let position = reader.info().ok()?.position;
    let mut messages = Vec::new();
    reader.messages(position.checked_sub(1)?..position, &mut messages);
    messages.pop()
}

/// How long after its commit a message was sent, if that is more than clocks of one machine differ.
fn ahead(message: &MessageInfo, unix_ns: i64, mono_ns: u64) -> Option<Duration> {
    let age_ns = i64::try_from(mono_ns.checked_sub(message.mono_ns)?).ok()?;
    let committed_ns = unix_ns.checked_sub(age_ns)?;
    let ahead = Duration::from_nanos(u64::try_from(message.send_ns.checked_sub(committed_ns)?).ok()?);
    (ahead > AHEAD).then_some(ahead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_was_sent_in_the_future_is_found() {
        let sent = |send_ns| {
            let mut info = MessageInfo::default();
            (info.send_ns, info.mono_ns) = (send_ns, 1_000_000_000);
            info
        };
        // Committed half a second ago, that is at 9.5 s by the wall clock.
        let ahead = |send_ns| ahead(&sent(send_ns), 10_000_000_000, 1_500_000_000);
        assert_eq!(ahead(9_499_000_000), None);
        assert_eq!(ahead(9_550_000_000), None);
        assert_eq!(ahead(12_500_000_000), Some(Duration::from_secs(3)));
        assert_eq!((ahead(0), ahead(i64::MIN)), (None, None));
    }

    #[test]
    fn device_clocks_are_slow() {
        assert!(is_slow("hpet") && !is_slow("tsc") && !is_slow("kvm-clock"));
    }
}
