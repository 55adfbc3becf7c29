//! The crash table of `SPEC.md`: a writer is killed after each of its stores; readers and the next writer see what the
//! table states, every position is accounted for, and nothing is left behind.
//!
//! The failpoints are recorded from a run that steps through all of them. That run is compared with the sources, so
//! that a new failpoint is covered without being listed here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use dora_shm_ring::*;
use dora_shm_testkit::crash_table::{Death, Keeps, Next, ON_AN_ERROR, Row, labels_in_the_sources};
use dora_shm_testkit::follower::{Follower, Kind, Step as Read, oldest};
use dora_shm_testkit::ledger::Ledger;
use dora_shm_testkit::process::Process;
use dora_shm_testkit::roles::{self, DONE};
use dora_shm_testkit::segments::{self, Bytes, Snapshot, header_at};
use dora_shm_testkit::signal::{self, description, format};
use dora_shm_testkit::{Name, PATIENCE};

/// The steps of the writer that dies.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Create(Keeps),
    /// A ring of this shape, with the description of this name.
    Begin(&'static [u64], &'static str),
    Write(u64),
    Describe(&'static str),
    /// States totals of what was not written.
    Count,
    Close,
}

const RING_FRAMES: u64 = 16;

/// The descriptions, in the order in which they are published.
const KEYS: [&str; 3] = ["one", "two", "three"];

/// Wraps around the ring, writes an empty message and one longer than the ring, and starts generations with a new
/// description and with the old one.
const STEPS: [Step; 15] = [
    Step::Create(Keeps::None),
    Step::Begin(&[4], "one"),
    Step::Write(5),
    Step::Count,
    Step::Write(5),
    Step::Write(0),
    Step::Write(9),
    Step::Describe("two"),
    Step::Write(3),
    Step::Begin(&[2, 2], "three"),
    Step::Write(20),
    Step::Write(5),
    Step::Begin(&[4], "three"),
    Step::Write(7),
    Step::Close,
];

/// After this many steps, readers attach to the ring.
const READERS_COME: usize = 2;

impl Step {
    /// The line that makes the role `writer` perform this step.
    fn line(&self) -> String {
        match self {
            Self::Create(keeps) => format!("create {}", keeps.option()),
            Self::Begin(shape, key) => {
                let shape = shape.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
                format!("begin {shape} {RING_FRAMES} 4 {key}")
            }
            Self::Write(frames) => format!("write {frames}"),
            Self::Describe(key) => format!("describe {key}"),
            Self::Count => "count 7 8 9".to_owned(),
            Self::Close => "close".to_owned(),
        }
    }
}

/// Takes over, or finishes and creates, and closes.
const NEXT_STEPS: [Step; 2] = [Step::Create(Keeps::None), Step::Close];

/// One passing of a failpoint.
#[derive(Clone, Debug)]
struct Passing {
    label: String,
    /// How many times the label was passed, including this one.
    count: usize,
    step: usize,
}

/// The failpoints that a writer passes during these steps, in order.
fn trace(steps: &[Step], name: &str) -> Vec<Passing> {
    let mut writer = roles::start_with("writer", &[name], &[("DORA_SHM_FAILPOINT_MODE", "step")]);
    let mut passings = Vec::new();
    let mut counts = BTreeMap::new();
    for (step, does) in steps.iter().enumerate() {
        writer.send_line(&does.line());
        while let Some(label) = writer.read_line().unwrap().filter(|line| line != DONE) {
            let count = counts.entry(label.clone()).and_modify(|count| *count += 1).or_insert(1);
            passings.push(Passing { label, count: *count, step });
            writer.send_line("go on");
        }
    }
    writer.end_well().unwrap();
    let labels = labels_in_the_sources();
    assert!(passings.iter().all(|passing| labels.contains(&passing.label)), "{passings:?}");
    passings
}

/// What the stores before a death imply.
#[derive(Clone, Debug, Default)]
struct Expected {
    /// Whether the header has its magic and its anchor. If not, nothing of the stream exists.
    made: bool,
    public: bool,
    epoch: u32,
    generations: u32,
    metas: usize,
    /// How many of these applied to a frame, or are the only one that is left.
    described: usize,
    /// How many there were at the newest frame, or at the ring's beginning, if that description is left.
    of_frames: usize,
    /// Frames committed in the whole stream.
    committed: u64,
    /// Those committed before the current generation.
    base: u64,
    /// Frames whose slots may have been overwritten, including by a write that was not completed.
    reserved: u64,
    closed: bool,
    /// Both names of the current ring were removed.
    ring_removed: bool,
}

impl Expected {
    fn pass(&mut self, label: &str, step: Option<Step>) {
        match (label, step) {
            ("C4", _) => *self = Self { made: true, epoch: 1, ..Self::default() },
            ("C6", _) => self.public = true,
            ("T2-epoch", _) => self.epoch += 1,
            ("M3", _) => self.metas += 1,
            ("M5-half", _) => self.described = self.metas,
            ("M5" | "W7", _) => self.of_frames = self.metas,
            // Links it again if it has one name left.
            ("T4", _) => (self.public, self.described) = (true, self.of_frames),
            ("S8", _) => {
                (self.described, self.of_frames) = (self.metas, self.metas);
                self.generations += 1;
                (self.base, self.reserved) = (self.committed, self.committed);
            }
            ("W2", Some(Step::Write(frames))) => self.reserved = self.committed + frames,
            ("W8", Some(Step::Write(frames))) => self.committed += frames,
            ("K3", _) => self.closed = true,
            ("K6", _) => self.public = false,
            ("K7", _) => self.made = false,
            _ => {}
        }
    }

    fn of_the_first_writer(steps: &[Step], passed: &[Passing]) -> Self {
        let mut expected = Self::default();
        passed.iter().for_each(|passing| expected.pass(&passing.label, Some(steps[passing.step])));
        expected
    }

    /// Whether the next writer continues this stream.
    fn goes_on(&self) -> bool {
        self.made && !self.closed && !self.ring_removed
    }

    fn is_dead(&self) -> bool {
        self.made && self.public && !self.closed
    }

    /// Frames that a new reader can still read.
    fn readable(&self) -> u64 {
        self.committed - self.base.max(self.reserved.saturating_sub(RING_FRAMES)).min(self.committed)
    }
}

/// A frames reader and a message reader.
fn followers(name: &str, options: &ReaderOptions, ledger: &Ledger) -> [Follower; 2] {
    Follower::open_both(name, options, ledger).unwrap()
}

struct Readers {
    /// Opened before the stream existed, and not polled since.
    early: [Follower; 2],
    /// Opened when the stream had its first ring, and not polled since. `None` if the writer died before.
    attached: Vec<Follower>,
}

/// Starts a writer that dies at a passing, and makes it perform its steps.
fn start_doomed(name: &str, at: &Passing) -> Process {
    let point = format!("{}:{}", at.label, at.count);
    roles::start_with("writer", &[name], &[("DORA_SHM_FAILPOINT", &point)])
}

/// Runs the first writer until it dies.
fn run_and_kill(name: &str, steps: &[Step], at: &Passing) -> Readers {
    let early = followers(name, &ReaderOptions::default(), &Ledger::default());
    let mut writer = start_doomed(name, at);
    let mut attached = Vec::new();
    for (i, step) in steps.iter().enumerate() {
        if i == READERS_COME {
            attached.extend(followers(name, &oldest(), &Ledger::default()));
        }
        match writer.request(&step.line()).unwrap() {
            Some(answer) => assert_eq!(answer, DONE),
            None => {
                writer.end_killed().unwrap();
                return Readers { early, attached };
            }
        }
    }
    panic!("the writer did not die at {at:?}");
}

/// Checks the row of the crash table. Returns what the next writer does.
fn check_row(name: &str, label: &str, before: Snapshot) -> Next {
    let row = Row::of(label).unwrap_or_else(|| panic!("{label} has no row"));
    let left = segments::of(name).iter().map(|path| path.display().to_string()).collect();
    let death = Death { name, before, now: Snapshot::of(name), left };
    (row.check)(&death).unwrap_or_else(|error| panic!("killed after {label}: {error}; {:?}", death.now));
    // Every event passes W10, including the close.
    if death.now.closed { Next::FinishThenCreate } else { row.next }
}

fn check_attached(attached: &mut [Follower], old: &Expected) {
    for reader in attached {
        let closed = reader.drain().unwrap();
        assert_eq!(closed, old.closed, "{old:?}");
        if closed {
            assert_eq!(reader.ledger.read + reader.lost(), old.committed, "{old:?} {:?}", reader.ledger);
        } else {
            assert_eq!(reader.position(), old.committed, "{old:?} {:?}", reader.ledger);
            assert_eq!(reader.liveness().unwrap(), Liveness::Dead);
        }
    }
}

fn check_early(early: &mut [Follower], now: &Expected) {
    for reader in early {
        reader.drain().unwrap();
        if now.is_dead() && now.generations > 0 {
            assert_eq!(reader.position(), now.committed, "{now:?} {:?}", reader.ledger);
        } else {
            assert_eq!((reader.ledger.read, reader.lost()), (0, 0), "{now:?}");
        }
        assert_eq!(
            reader.liveness().unwrap(),
            if now.is_dead() { Liveness::Dead } else { Liveness::Absent },
            "{now:?}"
        );
    }
}

fn check_newcomers(name: &str, now: &Expected) {
    for mut reader in followers(name, &oldest(), &Ledger::anywhere()) {
        let info = reader.info().unwrap();
        if !now.is_dead() {
            assert_eq!(info.liveness, Liveness::Absent, "{now:?}");
            assert_eq!(reader.step().unwrap(), Read::Nothing);
            continue;
        }
        assert_eq!(info.liveness, Liveness::Dead, "{now:?}");
        assert_eq!(info.epoch, Some(now.epoch));
        let rings = if now.ring_removed { 0 } else { now.generations };
        assert_eq!(info.generation, rings.checked_sub(1));
        if rings == 0 {
            assert_eq!(reader.step().unwrap(), Read::Nothing);
            continue;
        }
        assert_eq!(info.stream_position, now.committed);
        let key = reader.description().map(|description| &*description.key);
        assert_eq!(key, Some(KEYS[now.described - 1]), "{now:?}");
        reader.drain().unwrap();
        assert_eq!(reader.lost(), 0, "frames overwritten before the reader was opened do not count as lost");
        let read = reader.ledger.read;
        match reader.kind() {
            // Only whole messages.
            Kind::Messages => assert!(read <= now.readable(), "{read} {now:?}"),
            _ => assert_eq!(read, now.readable(), "{now:?}"),
        }
        assert!(read == 0 || reader.ledger.next() == now.committed);
    }
}

/// The next writer continues the stream or creates a new one. Attached and new readers account for every frame, and
/// nothing is left after its close.
fn check_next_writer(name: &str, now: &Expected, readers: &mut Readers) {
    let dead = now.goes_on().then(|| Bytes::of(&segments::anchor(&segments::header(name))));
    let mut writer = Writer::create(name, WriterOptions::default()).unwrap();
    match dead {
        Some(dead) => {
            let stream_id = dead.u64(header_at::STREAM_ID);
            assert_eq!((writer.stream_id(), writer.epoch()), (stream_id, now.epoch + 1), "taken over; {now:?}");
            assert_eq!(writer.stream_position(), now.committed);
        }
        None => assert_eq!((writer.epoch(), writer.stream_position()), (1, 0), "created; {now:?}"),
    }
    let ring_left = now.goes_on() && now.generations > 0;
    // The dead ring stays readable until the next generation begins, with the description of its frames.
    for mut reader in followers(name, &oldest(), &Ledger::anywhere()) {
        assert_eq!(reader.info().unwrap().generation, ring_left.then(|| now.generations - 1));
        let key = reader.description().map(|description| &*description.key);
        assert_eq!(key, ring_left.then(|| KEYS[now.of_frames - 1]), "{now:?}");
        reader.drain().unwrap();
        assert_eq!(reader.lost(), 0);
    }
    writer.begin(&format(RING_FRAMES), &description("next"), 4).unwrap();
    assert_eq!(writer.generation(), Some(if ring_left { now.generations } else { 0 }));
    signal::write(&mut writer, 6).unwrap();
    let total = writer.stream_position();
    for reader in readers.attached.iter_mut().chain(&mut readers.early) {
        // The old stream may just have been finished.
        while reader.drain().unwrap() {}
        assert_eq!(reader.position(), total, "{now:?} {:?}", reader.ledger);
        assert!(reader.ledger.read >= 6);
    }
    for mut reader in followers(name, &oldest(), &Ledger::anywhere()) {
        reader.drain().unwrap();
        assert_eq!((reader.ledger.read, reader.ledger.next(), reader.lost()), (6, total, 0));
    }
    signal::write(&mut writer, 2).unwrap();
    writer.close();
    for reader in readers.attached.iter_mut().chain(&mut readers.early) {
        let before = reader.ledger.read + reader.lost();
        assert!(reader.drain().unwrap());
        assert_eq!(reader.ledger.read + reader.lost(), before + 2);
    }
    let left = segments::of(name);
    assert!(left.is_empty(), "{left:?} after {now:?}");
}

/// The next writer closes the stream as it found it.
fn check_next_writer_that_only_closes(name: &str, now: &Expected, readers: &mut Readers) {
    drop(Writer::create(name, WriterOptions::default()).unwrap());
    let left = segments::of(name);
    assert!(left.is_empty(), "{left:?} after {now:?}");
    for reader in &mut readers.attached {
        while reader.drain().unwrap() {}
        assert_eq!(reader.ledger.read + reader.lost(), now.committed, "{now:?} {:?}", reader.ledger);
        assert_eq!(reader.liveness().unwrap(), Liveness::Absent);
    }
}

/// A reader of a dead stream sleeps for its whole timeout, and reports the death once.
fn check_sleep(readers: &mut [Follower]) {
    for reader in readers {
        assert_eq!(reader.wait(PATIENCE).unwrap(), Wait::Timeout(Liveness::Dead));
        let started = Instant::now();
        let asleep = Duration::from_millis(300);
        assert_eq!(reader.wait(asleep).unwrap(), Wait::Timeout(Liveness::Dead));
        assert!(started.elapsed() >= asleep);
    }
}

#[test]
fn a_writer_may_die_after_any_store() {
    let trace = {
        let name = Name::new("trace");
        trace(&STEPS, &name)
    };
    let passed: BTreeSet<String> = trace.iter().map(|passing| passing.label.clone()).collect();
    let unreached: Vec<String> = labels_in_the_sources().difference(&passed).cloned().collect();
    // The next writer's failpoints have their own test.
    let of_next_writers = ["T1", "T2", "T2-epoch", "T2-zeros", "T3", "T3-half", "T3-metadata", "T4", "T5"];
    let of_young_rings = ["K5-kept", "kept", "kept-half"];
    let of_spared_descriptions = ["S11-spared"];
    let others = of_next_writers.iter().chain(&of_young_rings).chain(&of_spared_descriptions).chain([&ON_AN_ERROR]);
    let others: BTreeSet<String> = others.map(|label| (*label).to_owned()).collect();
    assert!(unreached.iter().eq(&others), "no writer is killed at these failpoints: {unreached:?}");

    for i in 0..trace.len() {
        die(&STEPS, &trace, i);
    }
}

/// Kills a writer at `trace[i]`. Checks what readers see, and the next writer.
fn die(steps: &[Step], trace: &[Passing], i: usize) {
    let at = &trace[i];
    let name = Name::new(&format!("die/{}/{}", at.label, at.count));
    let now = Expected::of_the_first_writer(steps, &trace[..=i]);
    let mut readers = run_and_kill(&name, steps, at);
    let keeps_rings = steps[0] == Step::Create(Keeps::Eight);
    if !(keeps_rings && at.label == "S11") {
        let next = check_row(&name, &at.label, Snapshot::default());
        assert_eq!(next == Next::TakeOver, now.goes_on(), "{now:?}");
    }
    check_attached(&mut readers.attached, &now);
    check_early(&mut readers.early, &now);
    check_newcomers(&name, &now);
    // A half-committed message or a half-finished change could keep a reader busy without progress.
    if at.count == 1 && ["W2", "W7", "W9", "S7", "S9", "M3"].contains(&at.label.as_str()) {
        check_sleep(&mut readers.attached);
    }
    check_next_writer(&name, &now, &mut readers);
    if at.count == 1 {
        let mut readers = run_and_kill(&name, steps, at);
        check_next_writer_that_only_closes(&name, &now, &mut readers);
    }
}

/// Ten generations, of which eight can be kept, all described alike.
const YOUNG: [Step; 22] = {
    let mut steps = [Step::Begin(&[4], "one"); 22];
    steps[0] = Step::Create(Keeps::Eight);
    let mut i = 2;
    while i < 22 {
        steps[i] = Step::Write(i as u64 % 5 + 1);
        i += 2;
    }
    steps[21] = Step::Close;
    steps
};

#[test]
fn a_writer_that_keeps_young_rings_may_die_after_any_store() {
    let trace = {
        let name = Name::new("young-trace");
        trace(&YOUNG, &name)
    };
    let is_special = |at: &&Passing| ["K5-kept", "kept", "kept-half"].contains(&at.label.as_str());
    let passed = |label| trace.iter().filter(|at| at.label == label).count();
    assert_eq!((passed("kept"), passed("kept-half"), passed("K5-kept")), (1, 1, 8), "{trace:?}");
    let mut seen = BTreeMap::new();
    for (i, at) in trace.iter().enumerate() {
        // The first eight generations are alike.
        let count = seen.entry((at.label.as_str(), trace[i].step > 16)).or_insert(0);
        *count += 1;
        if is_special(&at) || *count == 1 {
            die(&YOUNG, &trace, i);
        }
    }
}

#[test]
fn a_writer_may_die_while_its_service_removes_a_young_ring() {
    for label in ["kept-half", "kept"] {
        let name = Name::new(&format!("expired/{label}"));
        let at = Passing { label: label.to_owned(), count: 1, step: 0 };
        let mut readers = followers(&name, &ReaderOptions::default(), &Ledger::default());
        let mut writer = start_doomed(&name, &at);
        for step in [Step::Create(Keeps::Briefly), Step::Begin(&[4], "one"), Step::Write(5), Step::Begin(&[4], "two")] {
            // It may have died after the last step already.
            let _ = writer.request(&step.line()).unwrap();
        }
        assert!(writer.dies_within(PATIENCE).unwrap(), "the ring was never removed");
        assert_eq!(check_row(&name, label, Snapshot::default()), Next::TakeOver);
        for reader in &mut readers {
            // Its name is gone in both cases.
            assert!(!reader.drain().unwrap());
            assert_eq!((reader.ledger.read, reader.lost(), reader.position()), (0, 5, 5));
        }
        let writer = Writer::create(&name, WriterOptions::default()).unwrap();
        assert_eq!((writer.epoch(), segments::of(&name).len()), (2, 6));
        drop(writer);
        assert!(readers.iter_mut().all(|reader| reader.drain().unwrap() && reader.lost() == 5));
    }
}

/// Lets a writer perform these steps until it dies at `label`.
fn die_at(name: &str, steps: &[Step], label: &str) {
    let mut writer = start_doomed(name, &Passing { label: label.to_owned(), count: 1, step: 0 });
    let dies = steps.iter().any(|step| writer.request(&step.line()).unwrap().is_none());
    assert!(dies, "the writer did not die at {label}");
    writer.end_killed().unwrap();
}

#[test]
fn the_description_of_a_dead_writers_frames_stays_until_the_next_generation() {
    let first = {
        let name = Name::new("spared-trace");
        trace(&STEPS, &name)
    };
    let passing = |label, count| first.iter().position(|at| at.label == label && at.count == count).unwrap();
    // The frames are described as "two", and the header names "three" already.
    for at in &first[passing("M3", 3)..passing("S8", 2)] {
        let name = Name::new(&format!("spared/{}", at.label));
        let names = || segments::Names::of(&segments::metadata(&name, 2));
        run_and_kill(&name, &STEPS, at);
        let next_steps = [NEXT_STEPS[0], Step::Begin(&[4], "next")];
        for label in ["T3", "T5", "S5", "M3", "S7"] {
            die_at(&name, &next_steps, label);
            assert_eq!(names(), segments::Names::BOTH, "killed at {} and {label}", at.label);
            for reader in followers(&name, &oldest(), &Ledger::anywhere()) {
                assert_eq!(reader.description().unwrap().key, "two");
            }
        }
        if at.label == "M3" {
            die_at(&name, &next_steps, "S11-spared");
            assert_eq!(names(), segments::Names::ANCHOR);
            check_row(&name, "S11-spared", Snapshot::default());
        }
        let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
        writer.begin(&format(RING_FRAMES), &description("last"), 4).unwrap();
        assert_eq!((names(), segments::of(&name).len()), (segments::Names::NONE, 6));
    }
}

/// The last passing of each label: deaths that leave the next writer different states.
fn last_passings(trace: &[Passing]) -> Vec<usize> {
    let last: BTreeMap<&str, usize> = trace.iter().enumerate().map(|(i, at)| (at.label.as_str(), i)).collect();
    last.into_values().collect()
}

/// Removes both names of the current ring, which attached readers still map.
fn remove_ring(name: &str, now: &Expected, readers: &mut Readers) {
    check_attached(&mut readers.attached, now);
    let public = segments::ring(name, now.generations - 1);
    std::fs::remove_file(segments::anchor(&public)).unwrap();
    std::fs::remove_file(public).unwrap();
}

/// Kills a writer at `trace[i]`, and the next writer at each of its failpoints up to the one where it owns the stream.
/// Returns these failpoints.
fn die_twice(trace_of_first: &[Passing], i: usize, ring_removed: bool) -> BTreeSet<String> {
    let first = &trace_of_first[i];
    let old = Expected { ring_removed, ..Expected::of_the_first_writer(&STEPS, &trace_of_first[..=i]) };
    let die_first = |name: &str| {
        let mut readers = run_and_kill(name, &STEPS, first);
        if ring_removed {
            remove_ring(name, &old, &mut readers);
        }
        readers
    };
    let second = {
        let name = Name::new(&format!("twice/{}", first.label));
        die_first(&name);
        let mut passings = trace(&NEXT_STEPS, &name);
        let own = passings.iter().position(|passing| ["C6", "T5"].contains(&passing.label.as_str()));
        passings.truncate(own.expect("the writer acquired the stream") + 1);
        passings
    };
    for (j, at) in second.iter().enumerate() {
        let name = Name::new(&format!("twice/{}/{}/{}", first.label, at.label, at.count));
        let mut readers = die_first(&name);
        let before = Snapshot::of(&name);
        let mut writer = start_doomed(&name, at);
        assert_eq!(writer.request(&NEXT_STEPS[0].line()).unwrap(), None, "the writer did not die at {at:?}");
        writer.end_killed().unwrap();

        // Attached readers see the old stream. If that has ended, another may have begun.
        let passed = || second[..=j].iter().map(|passing| passing.label.as_str());
        let mut old = old.clone();
        passed().take_while(|label| *label != "C4").for_each(|label| old.pass(label, None));
        let mut now = old.clone();
        passed().skip_while(|label| *label != "C4").for_each(|label| now.pass(label, None));
        if !ring_removed {
            let next = check_row(&name, &at.label, before);
            assert_eq!(next == Next::TakeOver, now.goes_on(), "{now:?}");
        }
        check_attached(&mut readers.attached, &old);
        check_newcomers(&name, &now);
        check_next_writer(&name, &now, &mut readers);
    }
    second.into_iter().map(|passing| passing.label).collect()
}

#[test]
fn the_next_writer_may_die_after_any_store_while_it_takes_over_or_begins_anew() {
    let first = {
        let name = Name::new("first-trace");
        trace(&STEPS, &name)
    };
    let mut passed = BTreeSet::new();
    for i in last_passings(&first) {
        passed.append(&mut die_twice(&first, i, false));
    }
    for label in [
        "T1",
        "T2-epoch",
        "T2-zeros",
        "T2",
        "T3-half",
        "T3-metadata",
        "T3",
        "T4",
        "T5",
        "K5",
        "K6",
        "K7",
        "C0",
        "C1",
        "C2",
        "C3",
        "C4",
        "C5",
        "C6",
    ] {
        assert!(passed.contains(label), "no writer was killed at {label}, only at {passed:?}");
    }
}

#[test]
fn the_next_writer_may_die_while_it_finishes_a_stream_whose_ring_is_gone() {
    let first = {
        let name = Name::new("finish-trace");
        trace(&STEPS, &name)
    };
    let mut passed = BTreeSet::new();
    for label in ["W8", "S7", "M3"] {
        let i = first.iter().rposition(|passing| passing.label == label).unwrap();
        passed.append(&mut die_twice(&first, i, true));
    }
    for label in ["K2", "K3", "K4", "K5", "K6", "K7", "C0", "C6"] {
        assert!(passed.contains(label), "no writer was killed at {label}, only at {passed:?}");
    }
}

/// Lets a writer perform its steps until it stops at `label`.
fn take_steps(writer: &mut Process, steps: &[Step], label: &str) {
    for step in steps {
        let answer = writer.request(&step.line()).unwrap().expect("it lives");
        if answer == label {
            return;
        }
        assert_eq!(answer, DONE);
    }
    panic!("the writer did not stop at {label}");
}

/// Lets a stopped writer continue to the failpoint `label`.
fn continue_to(writer: &mut Process, label: &str) {
    while writer.request("go on").unwrap().expect("it lives") != label {}
}

#[test]
fn the_next_generations_description_is_not_taken_for_that_of_the_old_ones_frames() {
    let name = Name::new("early");
    // The third description is published with the second generation, which the header does not name yet.
    let environment = [("DORA_SHM_FAILPOINT_MODE", "step"), ("DORA_SHM_FAILPOINT", "M3:3")];
    let mut writer = roles::start_with("writer", &[&name], &environment);
    STEPS[..READERS_COME].iter().for_each(|step| writer.request_expecting(&step.line(), DONE).unwrap());
    let by_frames = || Reader::open(&name, oldest()).unwrap();
    let mut attached = by_frames();
    let mut behind = by_frames();
    let key = |reader: &Reader| (reader.description().unwrap().key.clone(), reader.description_missed());
    assert_eq!(key(&attached), ("one".to_owned(), false));
    take_steps(&mut writer, &STEPS[READERS_COME..], "M3");
    let mut frames = Frames::new();
    let mut newcomer = by_frames();
    for reader in [&mut attached, &mut newcomer] {
        while reader.read(&mut frames, 3).unwrap().is_data() {
            assert_eq!(key(reader), ("two".to_owned(), false));
        }
        assert!(matches!(reader.wait(Duration::ZERO).unwrap(), Wait::Timeout(_)));
    }
    let by_message = MessageReader::open(&name, oldest()).unwrap();
    assert_eq!(by_message.description().unwrap().key, "two");
    // From S8 on, it does.
    continue_to(&mut writer, "S10");
    for reader in [&mut attached, &mut newcomer] {
        assert_eq!(reader.read(&mut frames, 3).unwrap(), Outcome::Generation);
        assert_eq!(key(reader), ("three".to_owned(), false));
    }
    // A reader that begins at the old frames now gets their description, which is removed after this.
    assert!(behind.read(&mut frames, 3).unwrap().is_data());
    assert_eq!((frames.generation(), key(&behind)), (0, ("two".to_owned(), false)));
    writer.kill_and_wait().unwrap();
    drop(Writer::create(&name, WriterOptions::default()).unwrap());
}

#[test]
fn a_message_reader_that_attaches_between_the_two_commits_of_a_message_gets_that_message() {
    let name = Name::new("between");
    // The second message's record is committed, and its frames are not.
    let environment = [("DORA_SHM_FAILPOINT_MODE", "step"), ("DORA_SHM_FAILPOINT", "W7:2")];
    let mut writer = roles::start_with("writer", &[&name], &environment);
    take_steps(&mut writer, &STEPS, "W7");
    let mut newest = MessageReader::open(&name, ReaderOptions::default()).unwrap();
    let mut last = MessageReader::open(&name, ReaderOptions::default().start(Start::Last(1))).unwrap();
    assert!(matches!(newest.wait(Duration::ZERO).unwrap(), Wait::Timeout(_)));
    let mut skipping = MessageReader::open(&name, oldest()).unwrap();
    assert_eq!(skipping.skip_to_newest().unwrap(), Outcome::Data(5));
    assert_eq!(skipping.skip_to_newest().unwrap(), Outcome::Nothing);
    assert!(matches!(skipping.wait(Duration::ZERO).unwrap(), Wait::Timeout(_)));
    continue_to(&mut writer, "W8");
    let mut message = Message::new();
    assert!(skipping.next(&mut message).unwrap().is_data());
    assert_eq!((message.info().chunk, message.info().first, message.info().lost), (1, 5, 0));
    assert!(newest.next(&mut message).unwrap().is_data());
    assert_eq!((message.info().chunk, message.info().first, message.info().frames), (1, 5, 5));
    assert!(last.next(&mut message).unwrap().is_data());
    assert_eq!((message.info().chunk, message.info().first), (0, 0));
    writer.kill_and_wait().unwrap();
    drop(Writer::create(&name, WriterOptions::default()).unwrap());
}

#[test]
fn a_message_whose_writer_died_between_its_two_commits_does_not_hold_up_a_skipping_reader() {
    let name = Name::new("between-skip");
    let environment = [("DORA_SHM_FAILPOINT_MODE", "step"), ("DORA_SHM_FAILPOINT", "W7:2")];
    let mut dying = roles::start_with("writer", &[&name], &environment);
    take_steps(&mut dying, &STEPS, "W7");
    dying.kill_and_wait().unwrap();
    let mut reader = MessageReader::open(&name, oldest()).unwrap();
    assert_eq!(reader.skip_to_newest().unwrap(), Outcome::Data(5));
    assert_eq!(reader.skip_to_newest().unwrap(), Outcome::Nothing);
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    assert_eq!(reader.skip_to_newest().unwrap(), Outcome::Nothing);
    writer.begin(&format(RING_FRAMES), &description("next"), 4).unwrap();
    signal::write(&mut writer, 3).unwrap();
    assert_eq!(reader.skip_to_newest().unwrap(), Outcome::Generation);
    assert_eq!((reader.generation(), reader.lag().frames, reader.lost()), (Some(1), 0, 0));
}
