//! A reader that may spin polls while a message is due, and sleeps otherwise.

use std::time::{Duration, Instant};

use dora_shm_ring::{Description, Frames, Outcome, Reader, ReaderOptions, Wait, Writer, WriterOptions};
use dora_shm_testkit::{Name, PATIENCE, signal, wait_until};
use rustix::time::{ClockId, clock_gettime};

/// A stream with a message every 2 ms so far, and a reader that has read them.
fn steady(name: &Name, spin: Duration) -> (Writer, Reader) {
    let mut writer = Writer::create(name, WriterOptions::default()).unwrap();
    writer.begin(&signal::format(64), &Description::default(), 1).unwrap();
    let mut reader = Reader::open(name, ReaderOptions::default().spin(spin)).unwrap();
    for _ in 0..4 {
        let begin = Instant::now();
        wait_until("2 ms are over", || begin.elapsed() >= Duration::from_millis(2));
        signal::write(&mut writer, 1).unwrap();
        assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Ready);
        assert!(reader.read(&mut Frames::new(), 10).unwrap().is_data());
    }
    (writer, reader)
}

/// Processor time of this thread.
fn used() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// How often this thread has left its processor voluntarily.
fn sleeps() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count.and_then(|count| count.trim().parse().ok()).expect("a number from the kernel")
}

/// Processor time of a wait of 100 ms in which nothing arrives.
fn used_by_a_wait(reader: &mut Reader) -> Duration {
    let before = used();
    assert!(matches!(reader.wait(Duration::from_millis(100)).unwrap(), Wait::Timeout(_)));
    used() - before
}

#[test]
fn a_reader_that_may_spin_polls_while_a_message_is_due() {
    let name = Name::new("spins");
    let (_writer, mut reader) = steady(&name, PATIENCE);
    let mut polled = Duration::ZERO;
    wait_until("the reader has polled for 100 ms", || {
        polled += used_by_a_wait(&mut reader);
        polled >= Duration::from_millis(100)
    });
}

#[test]
fn a_reader_sleeps_without_spin_or_once_a_message_is_overdue() {
    for spin in [Duration::ZERO, Duration::from_millis(1)] {
        let name = Name::new("sleeps");
        let (_writer, mut reader) = steady(&name, spin);
        let (began, mut polled) = (Instant::now(), Duration::ZERO);
        for _ in 0..4 {
            let before = sleeps();
            polled += used_by_a_wait(&mut reader);
            assert!(sleeps() > before, "the reader did not sleep");
        }
        // A busy machine makes the waits longer, but not their processor time.
        let waited = began.elapsed();
        assert!(polled < waited / 4, "{polled:?} of {waited:?} with spin {spin:?}");
    }
}

#[test]
fn everything_that_ends_a_sleep_ends_polling() {
    let name = Name::new("spin-ends");
    let (mut writer, mut reader) = steady(&name, Duration::MAX);
    let interrupter = reader.interrupter();
    assert_eq!(ended_by(&mut reader, || interrupter.interrupt()), Wait::Interrupted);
    assert_eq!(ended_by(&mut reader, || signal::write(&mut writer, 1).unwrap()), Wait::Ready);
    assert!(reader.read(&mut Frames::new(), 10).unwrap().is_data());
    assert_eq!(ended_by(&mut reader, || drop(writer)), Wait::Ready);
    assert_eq!(reader.read(&mut Frames::new(), 10).unwrap(), Outcome::Closed);
}

/// How a wait ends during which `act` is done.
fn ended_by(reader: &mut Reader, act: impl FnOnce()) -> Wait {
    std::thread::scope(|scope| {
        let polls = scope.spawn(|| reader.wait(PATIENCE).unwrap());
        act();
        polls.join().unwrap()
    })
}
