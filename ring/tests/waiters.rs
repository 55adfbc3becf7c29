//! Every write wakes the readers that sleep, and no write makes a system call while no reader sleeps.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dora_shm_ring::{
    Description, Frames, Message, MessageReader, Outcome, Reader, ReaderOptions, Wait, Writer, WriterOptions,
};
use dora_shm_testkit::roles::{self, DONE};
use dora_shm_testkit::segments::{self, Bytes, header_at};
use dora_shm_testkit::{Name, PATIENCE, signal, wait_until};

fn writer(name: &Name) -> Writer {
    let mut writer = Writer::create(name, WriterOptions::default()).unwrap();
    begin(&mut writer);
    writer
}

fn begin(writer: &mut Writer) {
    writer.begin(&signal::format(64), &Description::default(), 1).unwrap();
}

/// Whether the header states that writes wake waiters.
fn wakes(name: &str) -> bool {
    Bytes::of(&segments::header(name)).u32(header_at::WAKING) == 1
}

#[test]
fn writes_wake_only_while_a_reader_sleeps_and_a_while_after() {
    let name = Name::new("waiters");
    let mut writer = writer(&name);
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    let mut frames = Frames::new();
    assert!(!wakes(&name), "no reader sleeps");
    signal::write(&mut writer, 1).unwrap();
    assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Ready);
    assert!(reader.read(&mut frames, 10).unwrap().is_data());
    assert!(!wakes(&name), "the reader has found something new without sleeping");
    assert!(matches!(reader.wait(Duration::from_millis(1)).unwrap(), Wait::Timeout(_)));
    wait_until("the waiter is noticed", || wakes(&name));
    assert!(matches!(reader.wait(Duration::from_millis(1)).unwrap(), Wait::Timeout(_)));
    drop(reader);
    wait_until("the writer stops waking", || !wakes(&name));
    signal::write(&mut writer, 1).unwrap();
}

#[test]
fn a_waiter_that_is_noticed_is_woken_by_each_write() {
    let name = Name::new("woken");
    let mut writer = writer(&name);
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    assert!(matches!(reader.wait(Duration::from_millis(1)).unwrap(), Wait::Timeout(_)));
    wait_until("the waiter is noticed", || wakes(&name));
    let read = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let mut frames = Frames::new();
            while read.load(Ordering::Relaxed) < 200 {
                // Only a wake-up ends a wait early: a slice that ends returns the writer's state, or continues to
                // sleep.
                assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Ready);
                assert!(reader.read(&mut frames, 10).unwrap().is_data());
                read.fetch_add(frames.frames(), Ordering::Relaxed);
            }
        });
        let started = std::time::Instant::now();
        for written in 0..200 {
            signal::write(&mut writer, 1).unwrap();
            wait_until("the frame is read", || read.load(Ordering::Relaxed) > written);
        }
        waiter.join().unwrap();
        // Independent of the machine's speed: 200 slices take 50 seconds.
        assert!(started.elapsed() < PATIENCE, "expected wake-ups, found slices that ended: {:?}", started.elapsed());
    });
}

/// Reads everything new in one of the possible ways; waits first if the argument is true. Returns the number of frames.
type TakeAll = Box<dyn FnMut(bool) -> u64 + Send>;
type Open = fn(&str) -> TakeAll;

/// Each way of reading, with a function that opens such a reader.
const EVERY_WAY: [(&str, Open); 5] = [
    ("copies", by_copies),
    ("views", by_views),
    ("skipping", by_skipping),
    ("messages", by_messages),
    ("messages in place", by_messages_in_place),
];

fn by_copies(name: &str) -> TakeAll {
    let (mut reader, mut frames) = (Reader::open(name, ReaderOptions::default()).unwrap(), Frames::new());
    Box::new(move |waits| {
        assert!(!waits || reader.wait(PATIENCE).unwrap() == Wait::Ready);
        std::iter::from_fn(|| reader.read(&mut frames, 10).unwrap().data()).sum()
    })
}

fn by_views(name: &str) -> TakeAll {
    let mut reader = Reader::open(name, ReaderOptions::default()).unwrap();
    Box::new(move |waits| {
        assert!(!waits || reader.wait(PATIENCE).unwrap() == Wait::Ready);
        let mut taken = 0;
        while let Outcome::Data(view) = reader.view(10).unwrap() {
            let whole = reader.finish(view);
            taken += whole.end - whole.start;
        }
        taken
    })
}

fn by_skipping(name: &str) -> TakeAll {
    let mut reader = Reader::open(name, ReaderOptions::default()).unwrap();
    Box::new(move |waits| {
        assert!(!waits || reader.wait(PATIENCE).unwrap() == Wait::Ready);
        assert_eq!(reader.advance().unwrap().is_data(), waits);
        reader.skip_to_newest().unwrap().data().unwrap_or_default()
    })
}

fn by_messages(name: &str) -> TakeAll {
    let (mut reader, mut message) = (MessageReader::open(name, ReaderOptions::default()).unwrap(), Message::new());
    Box::new(move |waits| {
        assert!(!waits || reader.wait(PATIENCE).unwrap() == Wait::Ready);
        std::iter::from_fn(|| reader.next(&mut message).unwrap().data()).map(|info| info.frames).sum()
    })
}

fn by_messages_in_place(name: &str) -> TakeAll {
    let mut reader = MessageReader::open(name, ReaderOptions::default()).unwrap();
    Box::new(move |waits| {
        assert!(!waits || reader.wait(PATIENCE).unwrap() == Wait::Ready);
        let mut taken = 0;
        while let Outcome::Data(view) = reader.view().unwrap() {
            taken += view.info().frames;
            assert!(reader.finish(view));
        }
        taken
    })
}

#[test]
fn a_wait_after_a_read_that_found_nothing_ends_if_something_was_written_in_between() {
    let name = Name::new("in-between");
    let mut writer = writer(&name);
    for (way, open) in EVERY_WAY {
        let mut take_all = open(&name);
        assert_eq!(take_all(false), 0, "{way}");
        let started = std::time::Instant::now();
        for _ in 0..400 {
            // The read before has found nothing and has loaded the wake word, which this write changes.
            signal::write(&mut writer, 1).unwrap();
            assert_eq!(take_all(true), 1, "{way}");
        }
        // Independent of the machine's speed: 400 slices take 100 seconds.
        assert!(
            started.elapsed() < PATIENCE,
            "{way}: expected wake-ups, found slices that ended: {:?}",
            started.elapsed()
        );
    }
}

#[test]
fn a_waiter_is_woken_by_each_write_with_every_way_of_reading() {
    let name = Name::new("every-way");
    let mut writer = writer(&name);
    for (way, open) in EVERY_WAY {
        let mut take_all = open(&name);
        assert_eq!(take_all(false), 0, "{way}");
        let read = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                while read.load(Ordering::Relaxed) < 200 {
                    let taken = take_all(true);
                    assert!(taken > 0, "{way}");
                    read.fetch_add(taken, Ordering::Relaxed);
                }
            });
            wait_until("the waiter is noticed", || wakes(&name) || waiter.is_finished());
            let started = std::time::Instant::now();
            for written in 0..200 {
                signal::write(&mut writer, 1).unwrap();
                wait_until("the frame is read", || read.load(Ordering::Relaxed) > written || waiter.is_finished());
            }
            waiter.join().unwrap();
            // Independent of the machine's speed: 200 slices take 50 seconds.
            assert!(
                started.elapsed() < PATIENCE,
                "{way}: expected wake-ups, found slices that ended: {:?}",
                started.elapsed()
            );
        });
    }
}

#[test]
fn a_writer_that_takes_over_wakes_the_waiters_it_finds() {
    let name = Name::new("waiters-takeover");
    let first = roles::start_writer(&name, 64);
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    first.kill_and_wait().unwrap();
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    assert!(wakes(&name), "the service thread has not looked for waiters yet");
    begin(&mut writer);
    assert!(matches!(reader.wait(PATIENCE).unwrap(), Wait::Ready));
    drop(reader);
    wait_until("the writer finds no waiters", || !wakes(&name));
}

#[test]
fn a_killed_waiter_does_not_keep_the_writer_waking() {
    let name = Name::new("waiter-killed");
    let mut writer = writer(&name);
    let mut waiter = roles::start("reader", &[&name]);
    waiter.request_expecting("open", DONE).unwrap();
    waiter.send_line(&format!("wait {}", PATIENCE.as_millis()));
    wait_until("the waiter is noticed", || wakes(&name));
    waiter.kill();
    wait_until("the writer stops waking", || !wakes(&name));
    signal::write(&mut writer, 1).unwrap();
}
