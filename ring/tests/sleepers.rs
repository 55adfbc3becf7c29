//! Who sleeps is woken by every write, and while nobody sleeps no write wakes anybody.

mod common;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::process::{Actor, argument, listen, tell};
use common::segments::{self, Bytes, header_at};
use common::{Name, PATIENCE, signal, wait_until};
use dora_shm_ring::{Description, Frames, Reader, ReaderOptions, Wait, Writer, WriterOptions};

fn writer(name: &Name) -> Writer {
    let mut writer = Writer::create(name, WriterOptions::default()).unwrap();
    begin(&mut writer);
    writer
}

fn begin(writer: &mut Writer) {
    writer.begin(&signal::format(64), &Description::default(), 1).unwrap();
}

/// Whether the writer says that its writes wake sleepers.
fn wakes(name: &str) -> bool {
    Bytes::of(&segments::header(name)).u32(header_at::WAKING as usize) == 1
}

#[test]
fn writes_wake_only_while_somebody_sleeps_and_a_while_after() {
    let name = Name::new("sleepers");
    let mut writer = writer(&name);
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    let mut frames = Frames::new();
    assert!(!wakes(&name), "nobody sleeps");
    signal::write(&mut writer, 1);
    assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Ready);
    assert!(reader.read(&mut frames, 10).unwrap().is_data());
    assert!(!wakes(&name), "it has found what it waited for without going to sleep");
    assert!(matches!(reader.wait(Duration::from_millis(1)).unwrap(), Wait::Quiet(_)));
    wait_until("the sleeper is noticed", || wakes(&name));
    assert!(matches!(reader.wait(Duration::from_millis(1)).unwrap(), Wait::Quiet(_)));
    drop(reader);
    wait_until("the sleeper is forgotten", || !wakes(&name));
    signal::write(&mut writer, 1);
}

#[test]
fn a_sleeper_that_is_noticed_is_woken_by_each_write() {
    let name = Name::new("woken");
    let mut writer = writer(&name);
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    assert!(matches!(reader.wait(Duration::from_millis(1)).unwrap(), Wait::Quiet(_)));
    wait_until("it is noticed", || wakes(&name));
    let read = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            let mut frames = Frames::new();
            while read.load(Ordering::Relaxed) < 200 {
                // Nothing but a wake-up ends a wait early: a slice that ends says how the writer is, or sleeps on.
                assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Ready);
                assert!(reader.read(&mut frames, 10).unwrap().is_data());
                read.fetch_add(frames.frames(), Ordering::Relaxed);
            }
        });
        let started = std::time::Instant::now();
        for written in 0..200 {
            signal::write(&mut writer, 1);
            wait_until("it is read", || read.load(Ordering::Relaxed) > written);
        }
        sleeper.join().unwrap();
        // Not a matter of speed: 200 slices are 50 seconds.
        assert!(started.elapsed() < PATIENCE, "slices ended, and no wake-up came: {:?}", started.elapsed());
    });
}

#[test]
fn a_writer_that_takes_over_wakes_the_sleepers_it_finds() {
    let name = Name::new("sleepers-takeover");
    let mut first = Actor::start("lives_until_it_is_killed", &name, &[]);
    first.expect("writes");
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    first.kill();
    first.end_killed();
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    assert!(wakes(&name), "nobody has looked yet whether there are any");
    begin(&mut writer);
    assert!(matches!(reader.wait(PATIENCE).unwrap(), Wait::Ready));
    drop(reader);
    wait_until("there are none", || !wakes(&name));
}

#[test]
fn a_killed_sleeper_is_forgotten() {
    let name = Name::new("sleeper-killed");
    let mut writer = writer(&name);
    let mut sleeper = Actor::start("sleeps_until_it_is_killed", &name, &[]);
    wait_until("it is noticed", || wakes(&name));
    sleeper.kill();
    wait_until("it is forgotten", || !wakes(&name));
    signal::write(&mut writer, 1);
}

#[test]
#[ignore = "a role: a writer that is killed"]
fn lives_until_it_is_killed() {
    let Some(name) = argument() else { return };
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    begin(&mut writer);
    tell("writes");
    while listen().is_some() {}
}

#[test]
#[ignore = "a role: a reader that is killed"]
fn sleeps_until_it_is_killed() {
    let Some(name) = argument() else { return };
    let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
    loop {
        reader.wait(PATIENCE).unwrap();
    }
}
