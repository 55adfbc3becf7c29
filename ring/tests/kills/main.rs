//! Processes that are killed, stopped and forked while data flow, and processes that want the same name.

mod forks;
mod handles;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dora_shm_ring::*;
use dora_shm_testkit::follower::{Follower, Kind, Step, oldest};
use dora_shm_testkit::ledger::Ledger;
use dora_shm_testkit::process::{Process, state_of};
use dora_shm_testkit::rng::Rng;
use dora_shm_testkit::roles::{self, DONE};
use dora_shm_testkit::signal::{self, description, format};
use dora_shm_testkit::{Flag, Name, PATIENCE, segments};
use rustix::process::Signal;

/// Duration of each test with random kills: 2.5 s, or `DORA_SHM_TORTURE_SECONDS`.
fn round() -> Duration {
    let seconds = std::env::var("DORA_SHM_TORTURE_SECONDS").map_or(2.5, |text| text.parse().expect("seconds"));
    Duration::from_secs_f64(seconds)
}

/// The least number of kills in each of them, on any machine.
const FEWEST: u64 = 20;

/// Ends a round once its time is over and it has enough results. A slow machine gets additional time, up to a limit.
struct Round {
    end: Instant,
}

impl Round {
    fn begin() -> Self {
        Self { end: Instant::now() + round() }
    }

    /// `shown` describes the results in the error if they are not `enough`.
    #[track_caller]
    fn goes_on(&self, enough: bool, shown: impl FnOnce() -> String) -> bool {
        let now = Instant::now();
        assert!(enough || now < self.end + PATIENCE, "too few results: {}", shown());
        !enough || now < self.end
    }
}

/// Progress that two threads share.
fn two_counts() -> [AtomicU64; 2] {
    [AtomicU64::new(0), AtomicU64::new(0)]
}

fn all_above(counts: &[AtomicU64], limit: u64) -> bool {
    counts.iter().all(|count| count.load(Ordering::Relaxed) > limit)
}

fn stream(name: &str) -> Writer {
    let mut writer = Writer::create(name, WriterOptions::default()).unwrap();
    writer.begin(&format(64), &description(""), 4).unwrap();
    writer
}

fn followers(name: &str, ledger: Ledger) -> [Follower; 2] {
    Follower::open_both(name, &ReaderOptions::default(), &ledger).unwrap()
}

/// Performs random actions of a writer.
fn write_at_random(writer: &mut Writer, rng: &mut Rng, times: u64) {
    let mut buffer = Vec::new();
    for _ in 0..times {
        signal::write_anything(writer, rng, &mut buffer).unwrap();
    }
}

/// Follows a stream in another thread until the flag is raised and everything up to the end has been read. `read`
/// receives the number of frames read so far.
fn follow(mut follower: Follower, stop: &Flag, read: &AtomicU64, total: impl Fn(&Follower) -> bool) -> Follower {
    let _stop = stop.raise_at_end();
    let mut deadline = None;
    loop {
        let _ = follower.wait(Duration::from_millis(20)).unwrap();
        let _ = follower.drain().unwrap();
        read.store(follower.ledger.read, Ordering::Relaxed);
        if stop.is_raised() {
            if total(&follower) {
                return follower;
            }
            let deadline = deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
            assert!(Instant::now() < *deadline, "{:?} {}", follower.ledger, follower.lost());
        }
    }
}

#[test]
fn writers_that_are_killed_at_any_moment_leave_streams_that_the_next_ones_continue() {
    let name = Name::new("writers");
    let stop = Flag::new();
    let total = std::sync::OnceLock::new();
    let read = two_counts();
    let mut kills = 0;
    std::thread::scope(|scope| {
        let _stop = stop.raise_at_end();
        let [frames, messages] = followers(&name, Ledger::default());
        let threads = [(frames, &read[0]), (messages, &read[1])].map(|(follower, read)| {
            let (stop, total) = (&stop, &total);
            scope.spawn(move || follow(follower, stop, read, |follower| total.get() == Some(&follower.position())))
        });
        let round = Round::begin();
        let mut rng = Rng::new(1);
        let mut longest = 9000;
        let mut read_before = 0;
        let enough = |kills| kills >= FEWEST && all_above(&read, 100);
        while round.goes_on(enough(kills), || format!("{kills} kills, read {read:?}")) && !stop.is_raised() {
            let seed = rng.below(1 << 40).to_string();
            let mut writer = roles::start("storm", &[&seed, &name, "keep-replaced"]);
            writer.expect("begins").unwrap();
            std::thread::sleep(Duration::from_micros(rng.below(longest)));
            writer.kill_and_wait().unwrap();
            kills += 1;
            // On a busy machine, all of them would otherwise die before they have written anything.
            let read_now = read[0].load(Ordering::Relaxed);
            if kills % 5 == 0 {
                longest = if read_now > read_before { longest } else { (2 * longest).min(500_000) };
                read_before = read_now;
            }
        }
        let mut writer = stream(&name);
        signal::write(&mut writer, 9).unwrap();
        total.set(writer.stream_position()).unwrap();
        stop.raise();
        for thread in threads {
            let mut follower = thread.join().unwrap();
            assert!(!follower.drain().unwrap());
        }
    });
    eprintln!("{kills} writers were killed");
}

#[test]
fn readers_that_are_killed_at_any_moment_leave_nothing_and_do_not_disturb_the_stream() {
    let name = Name::new("readers");
    let stop = Flag::new();
    let mut kills = 0;
    std::thread::scope(|scope| {
        let _stop = stop.raise_at_end();
        let writing = scope.spawn(|| {
            let _stop = stop.raise_at_end();
            let mut rng = Rng::new(2);
            let mut writer = stream(&name);
            let before = writer.stream_id();
            let mut own = followers(&name, Ledger::default()).map(|mut follower| {
                follower.drain().unwrap();
                follower
            });
            while !stop.is_raised() {
                write_at_random(&mut writer, &mut rng, 3);
                own.iter_mut().for_each(|follower| assert!(!follower.drain().unwrap()));
            }
            let position = writer.stream_position();
            assert!(own.iter().all(|follower| follower.position() == position));
            assert_eq!((writer.stream_id(), writer.warnings()), (before, Vec::new()));
            position
        });
        let round = Round::begin();
        let mut rng = Rng::new(3);
        while round.goes_on(kills >= FEWEST, || format!("{kills} kills")) && !stop.is_raised() {
            let mut readers = ["wait", "messages"].map(|kind| {
                let seed = rng.below(1 << 40).to_string();
                roles::start("follower", &[kind, &seed, &name])
            });
            readers.iter_mut().for_each(|reader| reader.expect("begins").unwrap());
            std::thread::sleep(Duration::from_micros(rng.below(5000)));
            for reader in readers {
                reader.kill_and_wait().unwrap();
                kills += 1;
            }
        }
        stop.raise();
        assert!(writing.join().unwrap() > 1000);
    });
    eprintln!("{kills} readers were killed");
}

#[test]
fn descriptions_replaced_by_a_dead_writer_are_removed_by_the_next_one() {
    let name = Name::new("replaced");
    let mut writer = roles::start("writer", &[&name]);
    writer.request_expecting("create keep-replaced", DONE).unwrap();
    writer.request_expecting("begin 4 64 4 first", DONE).unwrap();
    for key in 0..20 {
        writer.request_expecting(&format!("describe {key}"), DONE).unwrap();
    }
    // Before the writer removes the descriptions that it has kept.
    writer.send_line("die");
    writer.end_killed().unwrap();
    assert!(segments::of(&name).len() > 6, "expected kept descriptions");
    let writer = Writer::create(&name, WriterOptions::default()).unwrap();
    assert_eq!(writer.epoch(), 2);
    assert_eq!(segments::of(&name).len(), 6);
}

#[test]
fn a_zombie_is_dead_and_its_stream_is_taken_over() {
    let name = Name::new("zombie");
    let mut writing = roles::start_writer(&name, 64);
    writing.request_expecting("write 5", DONE).unwrap();
    let mut reader = Reader::open(&name, oldest()).unwrap();
    let mut frames = Frames::new();
    assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
    writing.kill();
    writing.wait_for_state('Z').unwrap();
    let started = Instant::now();
    assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Timeout(Liveness::Dead));
    assert!(started.elapsed() < PATIENCE, "the death is reported long before the wait's end");
    let mut writer = stream(&name);
    assert_eq!((writer.epoch(), state_of(writing.pid())), (2, Some('Z')));
    signal::write(&mut writer, 1).unwrap();
    drop(writer);
    writing.end_killed().unwrap();
}

#[test]
fn a_stopped_writer_is_idle_keeps_its_stream_and_continues() {
    let name = Name::new("stopped");
    let mut writing = roles::start_writer(&name, 64);
    writing.request_expecting("write 5", DONE).unwrap();
    let mut reader = Follower::of_frames(
        Reader::open(&name, oldest().idle_after(Duration::from_millis(1))).unwrap(),
        Ledger::default(),
    );
    reader.drain().unwrap();
    writing.signal(Signal::STOP);
    writing.wait_for_state('T').unwrap();
    assert_eq!(reader.wait(Duration::from_millis(300)).unwrap(), Wait::Timeout(Liveness::Idle));
    match Writer::create(&name, WriterOptions::default()) {
        Err(Error::Live { pid, .. }) => assert_eq!(pid, Some(writing.pid())),
        other => panic!("{other:?}"),
    }
    writing.send_line("write 1");
    writing.signal(Signal::CONT);
    writing.expect(DONE).unwrap();
    assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Ready);
    reader.drain().unwrap();
    assert_eq!((reader.ledger.read, reader.lost()), (6, 0));
    writing.end_well().unwrap();
    assert!(reader.drain().unwrap());
}

#[test]
fn of_six_contenders_for_a_name_never_two_own_it() {
    let name = Name::new("contenders");
    let token = std::env::temp_dir().join(format!("dora-shm-ring-token-{}", std::process::id()));
    std::fs::write(&token, "").unwrap();
    let stop = Flag::new();
    let (mut kills, mut owned) = (0, 0);
    let read = two_counts();
    std::thread::scope(|scope| {
        let _stop = stop.raise_at_end();
        let [frames, messages] = followers(&name, Ledger::default());
        let watchers = [(frames, &read[0]), (messages, &read[1])].map(|(follower, read)| {
            let stop = &stop;
            scope.spawn(move || follow(follower, stop, read, |_| true))
        });
        let mut rng = Rng::new(5);
        let start = |rng: &mut Rng| {
            let seed = rng.below(1 << 40).to_string();
            let mut contender = roles::start("contender", &[&seed, token.to_str().unwrap(), &name]);
            contender.expect("begins").unwrap();
            contender
        };
        let mut contenders: Vec<_> = (0..6).map(|_| start(&mut rng)).collect();
        let round = Round::begin();
        let enough = |kills, owned| kills >= FEWEST && owned > 10 && all_above(&read, 0);
        let shown = |kills, owned| format!("{kills} kills, {owned} times owned, read {read:?}");
        while round.goes_on(enough(kills, owned), || shown(kills, owned)) && !stop.is_raised() {
            let unlucky = rng.below(6) as usize;
            let contender = std::mem::replace(&mut contenders[unlucky], start(&mut rng));
            owned += kill_contender(contender);
            kills += 1;
        }
        owned += contenders.into_iter().map(kill_contender).sum::<u64>();
        stop.raise();
        for watcher in watchers {
            watcher.join().unwrap();
        }
    });
    std::fs::remove_file(token).unwrap();
    drop(stream(&name));
    eprintln!("{kills} contenders were killed, the stream was owned {owned} times");
}

/// Kills a contender. Returns how many times it had owned the stream.
fn kill_contender(mut contender: Process) -> u64 {
    contender.kill();
    let mut owned = 0;
    while let Some(line) = contender.read_line().unwrap() {
        assert_eq!(line, "owned");
        owned += 1;
    }
    contender.end_killed().unwrap();
    owned
}

#[test]
fn in_a_storm_of_restarts_no_reader_takes_one_streams_ring_for_anothers() {
    let name = Name::new("storm");
    let stop = Flag::new();
    let (seen_by, read) = (two_counts(), two_counts());
    std::thread::scope(|scope| {
        let _stop = stop.raise_at_end();
        let attaching: Vec<_> = (0..2)
            .map(|i| {
                let (stop, name, seen_by) = (&stop, &name, &seen_by[i]);
                scope.spawn(move || {
                    let _stop = stop.raise_at_end();
                    let mut seen = std::collections::BTreeSet::new();
                    while !stop.is_raised() {
                        let kind = [Kind::Wait, Kind::Messages][i];
                        let mut follower = Follower::open(name, kind, &oldest(), Ledger::anywhere()).unwrap();
                        let stream_id = follower.info().unwrap().stream_id;
                        if let Step::Read(_) = follower.step().unwrap() {
                            // All frames of this ring belong to the stream whose header named it.
                            let info = follower.info().unwrap();
                            assert!(info.stream_id.is_none() || info.stream_id == stream_id || stream_id.is_none());
                            if let Some(stream_id) = info.stream_id {
                                assert_eq!(follower.ledger.stream_id(), stream_id);
                            }
                            seen.insert(follower.ledger.stream_id());
                            seen_by.store(seen.len() as u64, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        // The remaining readers move from stream to stream; `Ledger` does not accept a mixture of two.
        let [frames, messages] = followers(&name, Ledger::default());
        let staying = [(frames, &read[0]), (messages, &read[1])].map(|(follower, read)| {
            let stop = &stop;
            scope.spawn(move || follow(follower, stop, read, |_| true))
        });
        let round = Round::begin();
        let mut streams = 0;
        let enough = |streams| streams > 20 && all_above(&seen_by, 1) && all_above(&read, 0);
        let shown = |streams| format!("{streams} streams, seen {seen_by:?}, read {read:?}");
        while round.goes_on(enough(streams), || shown(streams)) && !stop.is_raised() {
            let mut writer = stream(&name);
            for frames in [3, 1, 4, 1, 5] {
                signal::write(&mut writer, frames).unwrap();
            }
            drop(writer);
            streams += 1;
        }
        stop.raise();
        attaching.into_iter().for_each(|thread| thread.join().unwrap());
        for thread in staying {
            thread.join().unwrap();
        }
    });
}
