//! Processes that are killed, stopped and forked while data flow, and processes that want the same name.

#[path = "../common/mod.rs"]
mod common;
mod forks;
mod handles;

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::process::{Actor, argument, listen, tell};
use common::signal::{self, Account, Follower, description, format, format_as};
use common::{Dice, Flag, Name, PATIENCE, wait_until};
use dora_shm_ring::*;
use rustix::process::Signal;

/// How long each of the tests with random kills goes on: 2.5 s, or what `DORA_SHM_TORTURE_SECONDS` says.
fn round() -> Duration {
    let seconds = std::env::var("DORA_SHM_TORTURE_SECONDS").map_or(2.5, |text| text.parse().expect("seconds"));
    Duration::from_secs_f64(seconds)
}

/// Kills, at least, in each of them, however slow the machine is.
const FEWEST: u64 = 20;

/// Whether a round is over: its time, and what it has to show. Where a machine is so slow that the one comes before the
/// other, it goes on; not for ever.
struct Round {
    end: Instant,
}

impl Round {
    fn begin() -> Self {
        Self { end: Instant::now() + round() }
    }

    /// `shown` tells what there is to show when it is not `enough`.
    #[track_caller]
    fn goes_on(&self, enough: bool, shown: impl FnOnce() -> String) -> bool {
        let now = Instant::now();
        assert!(enough || now < self.end + PATIENCE, "no more than this: {}", shown());
        !enough || now < self.end
    }
}

/// What two threads tell of their progress.
fn two_counts() -> [AtomicU64; 2] {
    [AtomicU64::new(0), AtomicU64::new(0)]
}

fn all_above(counts: &[AtomicU64], limit: u64) -> bool {
    counts.iter().all(|count| count.load(Ordering::Relaxed) > limit)
}

fn oldest() -> ReaderOptions {
    ReaderOptions::default().start(Start::Oldest)
}

fn stream(name: &str) -> Writer {
    stream_with(name, WriterOptions::default())
}

fn stream_with(name: &str, options: WriterOptions) -> Writer {
    let mut writer = Writer::create(name, options).unwrap();
    writer.begin(&format(64), &description(""), 4).unwrap();
    writer
}

fn followers(name: &str, account: &Account) -> [Follower; 2] {
    let options = ReaderOptions::default();
    [
        Follower::frames(Reader::open(name, options.clone()).unwrap(), account.clone()),
        Follower::messages(MessageReader::open(name, options).unwrap(), account.clone()),
    ]
}

/// Everything a writer does, in any order, until it is killed.
fn write_at_random(writer: &mut Writer, dice: &mut Dice, times: u64) {
    for _ in 0..times {
        match dice.below(41) {
            0 => writer.begin(&format(32 + dice.below(100)), &description("format"), 4).unwrap(),
            1 => writer.begin(&format_as(&[2, 2], 50), &description("shape"), 4).unwrap(),
            2 => writer.describe(&description(&dice.below(1000).to_string())).unwrap(),
            3 => writer.maintain().unwrap(),
            5 => {
                for _ in 0..dice.below(12) {
                    writer.describe(&description(&dice.below(1000).to_string())).unwrap();
                }
            }
            4 => signal::write(writer, dice.below(200)),
            _ => signal::write(writer, dice.below(9)),
        }
    }
}

#[test]
#[ignore = "a role: a writer that is killed"]
fn the_writer() {
    let Some(told) = argument() else { return };
    let (seed, name) = told.split_once(' ').unwrap();
    let mut dice = Dice::new(seed.parse().unwrap());
    tell("begins");
    loop {
        let keep_replaced = dice.below(2) == 0;
        let mut writer = stream_with(name, WriterOptions::default().keep_replaced(keep_replaced));
        let times = 50 + dice.below(400);
        write_at_random(&mut writer, &mut dice, times);
    }
}

/// Follows a stream in another thread until the flag is raised and everything up to the end has been read. `read` is told
/// how many frames that were by then.
fn follow(mut follower: Follower, stop: &Flag, read: &AtomicU64, total: impl Fn(&Follower) -> bool) -> Follower {
    let _stop = stop.raise_at_end();
    let mut deadline = None;
    loop {
        let _ = follower.wait(Duration::from_millis(20)).unwrap();
        let _ = follower.drain();
        read.store(follower.account().read, Ordering::Relaxed);
        if stop.is_raised() {
            if total(&follower) {
                return follower;
            }
            let deadline = deadline.get_or_insert_with(|| Instant::now() + PATIENCE);
            assert!(Instant::now() < *deadline, "{:?} {}", follower.account(), follower.lost());
        }
    }
}

#[test]
fn writers_that_are_killed_at_any_moment_leave_streams_that_the_next_go_on_with() {
    let name = Name::new("writers");
    let stop = Flag::new();
    let total = std::sync::OnceLock::new();
    let read = two_counts();
    let mut kills = 0;
    std::thread::scope(|scope| {
        let _stop = stop.raise_at_end();
        let [frames, messages] = followers(&name, &Account::default());
        let threads = [(frames, &read[0]), (messages, &read[1])].map(|(follower, read)| {
            let (stop, total) = (&stop, &total);
            scope.spawn(move || follow(follower, stop, read, |follower| total.get() == Some(&follower.accounted())))
        });
        let round = Round::begin();
        let mut dice = Dice::new(1);
        let mut longest = 9000;
        let mut read_before = 0;
        let enough = |kills| kills >= FEWEST && all_above(&read, 100);
        while round.goes_on(enough(kills), || format!("{kills} kills, read {read:?}")) && !stop.is_raised() {
            let mut actor = Actor::start("the_writer", &format!("{} {}", dice.below(1 << 40), &*name), &[]);
            actor.expect("begins");
            std::thread::sleep(Duration::from_micros(dice.below(longest)));
            actor.kill();
            actor.end_killed();
            kills += 1;
            // On a busy machine all of them would die before they have written anything.
            let read_now = read[0].load(Ordering::Relaxed);
            if kills % 5 == 0 {
                longest = if read_now > read_before { longest } else { (2 * longest).min(500_000) };
                read_before = read_now;
            }
        }
        let mut writer = stream(&name);
        signal::write(&mut writer, 9);
        total.set(writer.stream_position()).unwrap();
        stop.raise();
        for thread in threads {
            let mut follower = thread.join().unwrap();
            assert!(!follower.drain());
        }
    });
    eprintln!("{kills} writers were killed");
}

#[test]
#[ignore = "a role: a reader that is killed"]
fn the_reader() {
    let Some(name) = argument() else { return };
    let mut followers = followers(&name, &Account::anywhere());
    tell("begins");
    loop {
        for follower in &mut followers {
            let _ = follower.wait(Duration::from_millis(1)).unwrap();
            follower.drain();
        }
    }
}

#[test]
fn readers_that_are_killed_at_any_moment_leave_nothing_and_disturb_nobody() {
    let name = Name::new("readers");
    let stop = Flag::new();
    let mut kills = 0;
    std::thread::scope(|scope| {
        let _stop = stop.raise_at_end();
        let writing = scope.spawn(|| {
            let _stop = stop.raise_at_end();
            let mut dice = Dice::new(2);
            let mut writer = stream(&name);
            let before = writer.stream_id();
            let mut own = followers(&name, &Account::default()).map(|mut follower| {
                follower.drain();
                follower
            });
            while !stop.is_raised() {
                write_at_random(&mut writer, &mut dice, 3);
                own.iter_mut().for_each(|follower| assert!(!follower.drain()));
            }
            let position = writer.stream_position();
            assert!(own.iter().all(|follower| follower.accounted() == position));
            assert_eq!((writer.stream_id(), writer.warnings()), (before, Vec::new()));
            position
        });
        let round = Round::begin();
        let mut dice = Dice::new(3);
        while round.goes_on(kills >= FEWEST, || format!("{kills} kills")) && !stop.is_raised() {
            let mut actors: Vec<_> = (0..2).map(|_| Actor::start("the_reader", &name, &[])).collect();
            for actor in &mut actors {
                actor.expect("begins");
            }
            std::thread::sleep(Duration::from_micros(dice.below(5000)));
            for mut actor in actors {
                actor.kill();
                actor.end_killed();
                kills += 1;
            }
        }
        stop.raise();
        assert!(writing.join().unwrap() > 1000);
    });
    eprintln!("{kills} readers were killed");
}

/// Writes a frame at each line, and lives until its input ends.
#[test]
#[ignore = "a role: a writer that obeys"]
fn the_obedient_writer() {
    let Some(name) = argument() else { return };
    let mut writer = stream(&name);
    signal::write(&mut writer, 5);
    tell("written");
    while listen().is_some() {
        signal::write(&mut writer, 1);
        tell("written");
    }
}

/// Replaces descriptions in a burst, and is killed while the last of them are still kept.
#[test]
#[ignore = "a role: a writer that describes"]
fn the_describing_writer() {
    let Some(name) = argument() else { return };
    let mut writer = stream_with(&name, WriterOptions::default().keep_replaced(true));
    for key in 0..20 {
        writer.describe(&description(&key.to_string())).unwrap();
    }
    rustix::process::kill_process(rustix::process::getpid(), Signal::KILL).unwrap();
}

#[test]
fn descriptions_that_a_dead_writer_had_replaced_are_removed_by_the_next_one() {
    let name = Name::new("replaced");
    Actor::start("the_describing_writer", &name, &[]).end_killed();
    assert!(common::segments::of(&name).len() > 6, "nothing was kept");
    let writer = Writer::create(&name, WriterOptions::default()).unwrap();
    assert_eq!(writer.epoch(), 2);
    assert_eq!(common::segments::of(&name).len(), 6);
}

fn state_of(pid: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().trim_start().chars().next().unwrap()
}

#[test]
fn a_zombie_is_dead_and_its_stream_is_taken_over() {
    let name = Name::new("zombie");
    let mut actor = Actor::start("the_obedient_writer", &name, &[]);
    actor.expect("written");
    let mut reader = Reader::open(&name, oldest()).unwrap();
    let mut frames = Frames::new();
    assert!(reader.read(&mut frames, u64::MAX).unwrap().is_data());
    actor.kill();
    wait_until("it is a zombie", || state_of(actor.pid()) == 'Z');
    let started = Instant::now();
    assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Quiet(Liveness::Dead));
    assert!(started.elapsed() < PATIENCE, "the death is told long before the wait's end");
    let mut writer = stream(&name);
    assert_eq!((writer.epoch(), state_of(actor.pid())), (2, 'Z'));
    signal::write(&mut writer, 1);
    drop(writer);
    actor.end_killed();
}

#[test]
fn a_stopped_writer_is_idle_keeps_its_stream_and_goes_on() {
    let name = Name::new("stopped");
    let mut actor = Actor::start("the_obedient_writer", &name, &[]);
    actor.expect("written");
    let mut reader = Follower::frames(
        Reader::open(&name, oldest().idle_after(Duration::from_millis(1))).unwrap(),
        Account::default(),
    );
    reader.drain();
    actor.signal(Signal::STOP);
    wait_until("it is stopped", || state_of(actor.pid()) == 'T');
    assert_eq!(reader.wait(Duration::from_millis(300)).unwrap(), Wait::Quiet(Liveness::Idle));
    match Writer::create(&name, WriterOptions::default()) {
        Err(Error::Live { pid, .. }) => assert_eq!(pid, Some(actor.pid())),
        other => panic!("{other:?}"),
    }
    actor.say("one more");
    actor.signal(Signal::CONT);
    actor.expect("written");
    assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Ready);
    reader.drain();
    assert_eq!((reader.account().read, reader.lost()), (6, 0));
    actor.end_well();
    assert!(reader.drain());
}

/// Wants the name all the time; whenever it has it, nobody else may.
#[test]
#[ignore = "a role: one of several that want the same name"]
fn the_contender() {
    let Some(told) = argument() else { return };
    let mut parts = told.splitn(3, ' ');
    let mut dice = Dice::new(parts.next().unwrap().parse().unwrap());
    // Opened before the stream's lock: a dying process gives up what it opened first, first.
    let token = std::fs::File::open(parts.next().unwrap()).unwrap();
    let name = parts.next().unwrap();
    let hold = |operation| rustix::fs::flock(token.as_fd(), operation);
    tell("begins");
    loop {
        match Writer::create(name, WriterOptions::default()) {
            Ok(mut writer) => {
                if hold(rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
                    tell("two owners");
                    return;
                }
                writer.begin(&format(64), &description(""), 4).unwrap();
                let times = dice.below(30);
                write_at_random(&mut writer, &mut dice, times);
                tell("owned");
                hold(rustix::fs::FlockOperation::Unlock).unwrap();
            }
            Err(Error::Live { .. }) => std::thread::yield_now(),
            Err(error) => {
                tell(&format!("{error:?}"));
                return;
            }
        }
    }
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
        let [frames, messages] = followers(&name, &Account::default());
        let watchers = [(frames, &read[0]), (messages, &read[1])].map(|(follower, read)| {
            let stop = &stop;
            scope.spawn(move || follow(follower, stop, read, |_| true))
        });
        let mut dice = Dice::new(5);
        let start = |dice: &mut Dice| {
            let mut actor =
                Actor::start("the_contender", &format!("{} {} {}", dice.below(1 << 40), token.display(), &*name), &[]);
            actor.expect("begins");
            actor
        };
        let mut contenders: Vec<_> = (0..6).map(|_| start(&mut dice)).collect();
        let round = Round::begin();
        let enough = |kills, owned| kills >= FEWEST && owned > 10 && all_above(&read, 0);
        let shown = |kills, owned| format!("{kills} kills, {owned} times owned, read {read:?}");
        while round.goes_on(enough(kills, owned), || shown(kills, owned)) && !stop.is_raised() {
            let unlucky = dice.below(6) as usize;
            let mut actor = std::mem::replace(&mut contenders[unlucky], start(&mut dice));
            actor.kill();
            owned += said(&mut actor);
            actor.end_killed();
            kills += 1;
        }
        for mut actor in contenders {
            actor.kill();
            owned += said(&mut actor);
            actor.end_killed();
        }
        stop.raise();
        for watcher in watchers {
            watcher.join().unwrap();
        }
    });
    std::fs::remove_file(token).unwrap();
    drop(stream(&name));
    eprintln!("{kills} contenders were killed, the stream was owned {owned} times");
}

/// How many times a contender owned the stream before it was killed.
fn said(actor: &mut Actor) -> u64 {
    let mut owned = 0;
    while let Some(line) = actor.hear() {
        assert_eq!(line, "owned");
        owned += 1;
    }
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
                        let account = Account::anywhere();
                        let mut follower = if i == 0 {
                            Follower::frames(Reader::open(name, oldest()).unwrap(), account)
                        } else {
                            Follower::messages(MessageReader::open(name, oldest()).unwrap(), account)
                        };
                        let stream_id = follower.info().stream_id;
                        if follower.read(u64::MAX).unwrap().is_data() {
                            // All that comes of this ring is of the stream whose header led to it.
                            let info = follower.info();
                            assert!(info.stream_id.is_none() || info.stream_id == stream_id || stream_id.is_none());
                            if let Some(stream_id) = info.stream_id {
                                assert_eq!(follower.account().stream_id, stream_id);
                            }
                            seen.insert(follower.account().stream_id);
                            seen_by.store(seen.len() as u64, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        // Those that stay go from stream to stream; `Account` does not let two of them mix.
        let [frames, messages] = followers(&name, &Account::default());
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
                signal::write(&mut writer, frames);
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
