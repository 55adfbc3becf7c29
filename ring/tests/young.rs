//! Rings that are replaced, or whose stream is closed, before a reader that was woken for them has opened them.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dora_shm_ring::*;
use dora_shm_testkit::follower::{Follower, Kind, Step, oldest};
use dora_shm_testkit::isolated::{in_own_process, with_private_shm};
use dora_shm_testkit::ledger::Ledger;
use dora_shm_testkit::segments::{self, Names, listing, patch, trailer_at};
use dora_shm_testkit::signal::{self, description, format};
use dora_shm_testkit::{Flag, Name, PATIENCE, wait_until};

/// Longer than any test takes, so that it does not matter how fast the machine is.
const FOREVER: Duration = Duration::from_secs(3600);

/// Every ring with frames is kept when it is replaced.
fn keeping() -> WriterOptions {
    WriterOptions::default().young_rings(FOREVER, FOREVER)
}

/// How many rings are kept at most.
const MOST_KEPT: u32 = 128;

/// How many frames [`write_generations`] writes into a generation.
fn frames_in(generation: u32) -> u64 {
    u64::from(generation % 3) + 1
}

fn frames_in_all(generations: Range<u32>) -> u64 {
    generations.map(frames_in).sum()
}

/// Begins `generations`, each with its own description, and writes [`frames_in`] each.
fn write_generations(writer: &mut Writer, generations: Range<u32>) {
    for generation in generations {
        writer.begin(&format(16), &description(generation.to_string()), 4).unwrap();
        assert_eq!(writer.generation(), Some(generation));
        signal::write(writer, frames_in(generation)).unwrap();
    }
}

/// Reads everything there is; checks that each generation has its own description. Returns the generations.
fn generations_read(reader: &mut Reader) -> Vec<u32> {
    let (mut frames, mut generations) = (Frames::new(), Vec::new());
    loop {
        match reader.read(&mut frames, u64::MAX).unwrap() {
            Outcome::Data(_) => {
                let generation = frames.generation();
                assert_eq!((frames.first(), frames.frames()), (0, frames_in(generation)));
                assert_eq!(reader.description().unwrap().key, generation.to_string());
                assert!(!reader.description_missed());
                generations.push(generation);
            }
            Outcome::Generation => {}
            Outcome::Nothing | Outcome::Closed => return generations,
        }
    }
}

fn rings(name: &str) -> Vec<u32> {
    (0..300).filter(|&generation| Names::of(&segments::ring(name, generation)) == Names::BOTH).collect()
}

#[test]
fn readers_that_are_as_many_generations_behind_as_are_kept_lose_nothing() {
    let name = Name::new("behind");
    let mut early = Reader::open(&name, ReaderOptions::default()).unwrap();
    let mut followers =
        Kind::ALL.map(|kind| Follower::open(&name, kind, &ReaderOptions::default(), Ledger::default()).unwrap());
    let mut writer = Writer::create(&name, keeping()).unwrap();
    write_generations(&mut writer, 0..2);
    let mut behind = Reader::open(&name, oldest()).unwrap();
    let all = 0..MOST_KEPT + 1;
    write_generations(&mut writer, 2..all.end);
    assert_eq!(rings(&name), Vec::from_iter(all.clone()));
    assert_eq!(generations_read(&mut early), Vec::from_iter(all.clone()));
    assert_eq!(generations_read(&mut behind), Vec::from_iter(1..all.end));
    assert_eq!((early.lost(), behind.lost()), (0, 0));
    for follower in &mut followers {
        assert!(!follower.drain().unwrap());
        assert_eq!((follower.ledger.read, follower.lost()), (frames_in_all(all.clone()), 0), "{:?}", follower.kind());
    }
    // One more is removed, and counted.
    let more = all.end..2 * all.end + 1;
    write_generations(&mut writer, more.clone());
    assert_eq!(rings(&name), Vec::from_iter(more.start + 1..more.end));
    assert_eq!(generations_read(&mut early), Vec::from_iter(more.start + 1..more.end));
    assert_eq!(early.lost(), frames_in(more.start));
    for follower in &mut followers {
        assert!(!follower.drain().unwrap());
        let counted = (follower.ledger.read + follower.lost(), follower.lost());
        assert_eq!(counted, (frames_in_all(0..more.end), frames_in(more.start)), "{:?}", follower.kind());
    }
    drop(writer);
    assert!(segments::of(&name).is_empty());
    assert!(rings(&name).is_empty());
}

#[test]
fn a_reader_that_comes_later_begins_in_the_newest_ring() {
    let name = Name::new("later");
    let mut writer = Writer::create(&name, keeping()).unwrap();
    write_generations(&mut writer, 0..5);
    let mut later = Reader::open(&name, oldest()).unwrap();
    assert_eq!((later.generation(), generations_read(&mut later)), (Some(4), vec![4]));
    assert_eq!(later.lost(), 0);
}

#[test]
fn a_reader_that_skips_passes_over_kept_rings() {
    let name = Name::new("skip");
    let mut writer = Writer::create(&name, keeping()).unwrap();
    write_generations(&mut writer, 0..2);
    let mut reader = Reader::open(&name, oldest()).unwrap();
    write_generations(&mut writer, 2..5);
    assert_eq!(reader.skip_to_newest().unwrap(), Outcome::Generation);
    assert_eq!((reader.generation(), reader.position(), reader.lost()), (Some(4), frames_in(4), 0));
    // Afterwards it reads them again.
    write_generations(&mut writer, 5..8);
    assert_eq!((generations_read(&mut reader), reader.lost()), (vec![5, 6, 7], 0));
}

#[test]
fn a_sleeping_reader_follows_hundreds_of_generations_of_one_frame_each() {
    const GENERATIONS: u64 = 400;
    let name = Name::new("hundreds");
    let behind = AtomicU64::new(0);
    let stop = Flag::new();
    std::thread::scope(|scope| {
        let _stop = stop.raise_at_end();
        let kinds = [Kind::Wait, Kind::Messages, Kind::View];
        let reached = kinds.map(|_| AtomicU64::new(0));
        let reached = &*Box::leak(Box::new(reached));
        let readers = [0, 1, 2].map(|i| {
            let follower = Follower::open(&name, kinds[i], &ReaderOptions::default(), Ledger::default()).unwrap();
            let stop = &stop;
            scope.spawn(move || {
                let _stop = stop.raise_at_end();
                let mut follower = follower;
                while follower.position() < GENERATIONS && !stop.is_raised() {
                    follower.wait(Duration::from_millis(100)).unwrap();
                    while follower.step().unwrap() != Step::Nothing {}
                    reached[i].store(follower.position(), Ordering::Release);
                }
                follower
            })
        });
        let mut writer = Writer::create(&name, keeping()).unwrap();
        for generation in 0..GENERATIONS {
            // Nothing else slows the writer down.
            let slowest = || reached.iter().map(|reached| reached.load(Ordering::Acquire)).min().unwrap();
            while slowest() + u64::from(MOST_KEPT) < generation && !stop.is_raised() {
                std::thread::yield_now();
            }
            behind.fetch_max(generation - slowest().min(generation), Ordering::Relaxed);
            writer.begin(&format(16), &description(""), 1).unwrap();
            signal::write(&mut writer, 1).unwrap();
        }
        for reader in readers {
            let follower = reader.join().unwrap();
            assert_eq!((follower.ledger.read, follower.lost()), (GENERATIONS, 0), "{:?}", follower.kind());
        }
    });
    eprintln!("readers were at most {behind:?} generations behind");
}

#[test]
fn without_room_for_all_a_sleeping_reader_counts_what_it_loses() {
    const GENERATIONS: u64 = 400;
    let name = Name::new("unlimited");
    let mut followers = Follower::open_both(&name, &ReaderOptions::default(), &Ledger::default()).unwrap();
    std::thread::scope(|scope| {
        let readers = followers.each_mut().map(|follower| {
            scope.spawn(|| {
                let started = Instant::now();
                while follower.position() < GENERATIONS {
                    follower.wait(Duration::from_millis(100)).unwrap();
                    while follower.step().unwrap() != Step::Nothing {}
                    assert!(started.elapsed() < PATIENCE, "{:?}", follower.ledger);
                }
            })
        });
        // As a node writes: with the times that it uses, and as fast as it can.
        let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
        for _ in 0..GENERATIONS {
            writer.begin(&format(16), &description(""), 1).unwrap();
            signal::write(&mut writer, 1).unwrap();
        }
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    for follower in &followers {
        eprintln!("{:?}: {} of {GENERATIONS} frames lost", follower.kind(), follower.lost());
        assert_eq!(follower.ledger.read + follower.lost(), GENERATIONS);
    }
}

#[test]
fn a_ring_is_kept_only_if_it_was_young_and_only_for_a_while() {
    let name = Name::new("a-while");
    // None is young.
    let mut writer = Writer::create(&name, WriterOptions::default().young_rings(Duration::ZERO, FOREVER)).unwrap();
    write_generations(&mut writer, 0..5);
    assert_eq!(rings(&name), [4]);
    drop(writer);
    let mut writer = Writer::create(&name, WriterOptions::default().young_rings(FOREVER, Duration::ZERO)).unwrap();
    write_generations(&mut writer, 0..5);
    // Nothing but the service removes them.
    wait_until("one ring is left", || rings(&name) == [4]);
    wait_until("the files of one generation are left", || segments::of(&name).len() == 6);
}

#[test]
fn kept_rings_take_no_more_memory_than_one_ring_may() {
    let name = Name::new("bytes");
    let bytes = |name: &str, generation| segments::ring(name, generation).metadata().unwrap().len();
    let mut writer = Writer::create(&name, keeping()).unwrap();
    write_generations(&mut writer, 0..1);
    let options = keeping().max_ring_bytes(3 * bytes(&name, 0));
    drop(writer);
    let mut writer = Writer::create(&name, options).unwrap();
    write_generations(&mut writer, 0..7);
    // Each has its own description, which is as long as such a ring.
    assert_eq!(rings(&name), [5, 6]);
}

#[test]
fn kept_rings_are_removed_if_there_is_no_room_for_the_next_one() {
    with_private_shm(64, || {
        let mut writer = Writer::create("room", keeping()).unwrap();
        let mebibytes = |mebibytes: u64| Format::new(Dtype::U8, &[1 << 10], 0.0, mebibytes << 10).unwrap();
        let chunk = [1; 1 << 10];
        for _ in 0..20 {
            writer.begin(&mebibytes(15), &Description::default(), 1).unwrap();
            writer.write(&Chunk { samples: &chunk, times: Times::Values(&[0.0]), send_ns: 0 }).unwrap();
        }
        // Without a restart, which begins with another stream.
        assert_eq!((writer.generation(), writer.stream_position()), (Some(19), 20));
        assert!(rings("room").len() >= 2, "{:?}", rings("room"));
        drop(writer);
        assert_eq!(listing(), [""; 0]);
    });
}

#[test]
fn a_kept_ring_that_cannot_be_used_is_passed_over_and_its_frames_are_counted() {
    let name = Name::new("unusable");
    let mut writer = Writer::create(&name, keeping()).unwrap();
    write_generations(&mut writer, 0..2);
    let mut readers = [(); 2].map(|()| Reader::open(&name, oldest()).unwrap());
    write_generations(&mut writer, 2..9);
    let trailer = |generation| {
        let path = segments::ring(&name, generation);
        let at = path.metadata().unwrap().len() - trailer_at::LENGTH;
        (path, at)
    };
    for (generation, field, bytes) in [
        (2, 0, &b"DORASHMX"[..]),
        (3, trailer_at::STREAM_ID, &[1; 8]),
        (4, trailer_at::GENERATION, &[1; 4]),
        (5, trailer_at::FRAMES, &[0; 8]),
        // It begins with frames that have been there.
        (6, trailer_at::BASE, &[0; 8]),
        // A version that came later.
        (7, 12, &[1]),
    ] {
        let (path, at) = trailer(generation);
        patch(&path, at + field, bytes).unwrap();
    }
    let lost = frames_in_all(2..8);
    for reader in &mut readers {
        assert_eq!((generations_read(reader), reader.lost()), (vec![1, 8], lost));
    }
}

#[test]
fn a_reader_does_not_return_to_a_kept_ring_that_contradicts_the_protocol() {
    let name = Name::new("contradicts");
    let mut writer = Writer::create(&name, keeping()).unwrap();
    write_generations(&mut writer, 0..3);
    let mut reader = Reader::open(&name, oldest()).unwrap();
    let mut frames = Frames::new();
    assert_eq!(reader.read(&mut frames, 1).unwrap(), Outcome::Data(1));
    write_generations(&mut writer, 3..4);
    let ring = segments::ring(&name, 2);
    let at = ring.metadata().unwrap().len() - trailer_at::LENGTH;
    patch(&ring, at + trailer_at::COMMITTED, &[0; 8]).unwrap();
    assert!(matches!(reader.read(&mut frames, 1), Err(Error::Corrupt { .. })));
    assert_eq!(generations_read(&mut reader), [3]);
}

#[test]
fn a_stream_that_is_closed_later_is_open_until_its_last_ring_is_old_enough() {
    let name = Name::new("closing");
    let [mut frames, mut messages] = Follower::open_both(&name, &ReaderOptions::default(), &Ledger::default()).unwrap();
    let mut writer = Writer::create(&name, keeping()).unwrap();
    write_generations(&mut writer, 0..4);
    let closing = writer.close_later();
    assert_eq!((closing.name(), closing.is_closed()), (&*name, false));
    assert!(matches!(Writer::create(&name, WriterOptions::default()), Err(Error::Live { .. })));
    for follower in [&mut frames, &mut messages] {
        assert!(!follower.drain().unwrap());
        assert_eq!((follower.ledger.read, follower.lost()), (frames_in_all(0..4), 0));
        assert_eq!(follower.liveness().unwrap(), Liveness::Live);
    }
    closing.close_now();
    assert!(segments::of(&name).is_empty());
    assert!(frames.drain().unwrap() && messages.drain().unwrap());
    assert_eq!((frames.lost(), messages.lost()), (0, 0));
}

#[test]
fn a_stream_that_is_closed_later_is_closed_in_the_end() {
    let name = Name::new("closed");
    for how in ["wait", "drop", "poll"] {
        let mut reader = Reader::open(&name, ReaderOptions::default()).unwrap();
        let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
        write_generations(&mut writer, 0..2);
        let closing = writer.close_later();
        match how {
            "wait" => closing.wait(),
            "drop" => drop(closing),
            _ => wait_until("it is closed", || closing.is_closed()),
        }
        assert!(segments::of(&name).is_empty());
        // For a reader that never found it, the stream was never there.
        assert_eq!((generations_read(&mut reader), reader.lost()), (vec![], 0));
    }
}

#[test]
fn a_stream_is_closed_at_once_if_no_reader_has_to_open_its_ring() {
    let name = Name::new("at-once");
    // Without a ring; without frames; with an old ring.
    let writer = Writer::create(&name, keeping()).unwrap();
    assert!(writer.close_later().is_closed());
    let mut writer = Writer::create(&name, keeping()).unwrap();
    writer.begin(&format(16), &description(""), 1).unwrap();
    assert!(writer.close_later().is_closed());
    let mut writer = Writer::create(&name, keeping().young_rings(FOREVER, Duration::ZERO)).unwrap();
    write_generations(&mut writer, 0..3);
    assert!(writer.close_later().is_closed());
    assert!(segments::of(&name).is_empty());
    // A ring without frames, but after one that is kept.
    let mut writer = Writer::create(&name, keeping()).unwrap();
    write_generations(&mut writer, 0..2);
    writer.begin(&format(16), &description(""), 1).unwrap();
    let closing = writer.close_later();
    assert!(!closing.is_closed());
    closing.close_now();
}

#[test]
fn a_forked_child_neither_closes_a_stream_that_is_closed_later_nor_waits_for_it() {
    in_own_process(|| {
        let name = Name::new("closing-fork");
        let mut writer = Writer::create(&name, keeping()).unwrap();
        write_generations(&mut writer, 0..1);
        let closing = writer.close_later();
        // SAFETY: this process has one other thread, which sleeps; the child drops one value and ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            drop(closing);
            // SAFETY: ends the process without running the parent's handlers.
            unsafe { libc::_exit(0) };
        }
        let mut status = 0;
        // SAFETY: waits for the child made above.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0);
        assert!(!closing.is_closed());
        assert_eq!(segments::of(&name).len(), 6);
        closing.close_now();
    });
}
