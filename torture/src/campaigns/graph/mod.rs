//! The nodes in real graphs, run by the real dora command line. Graph A floods a sink with messages and changes of its
//! settings. Graph B mirrors the stream and checks it. Readers outside of both graphs follow it. Meanwhile nodes and
//! daemons are killed or stopped.

mod listener;
mod place;
mod witness;

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use dora_shm_ring::{Liveness, Reader, ReaderOptions};
use dora_shm_testkit::PATIENCE;
use dora_shm_testkit::dora::{Engine, Machine};
use dora_shm_testkit::follower::Kind;
use dora_shm_testkit::process::Process;
use dora_shm_testkit::rng::Rng;
use dora_shm_testkit::segments::{self, Snapshot};

use crate::events::Mark;
use crate::fixture::{Fixture, Outcome, create_patiently};
use crate::role::Role;

use listener::Listener;
use place::{Place, Victim, until};
use witness::{Watch, Witness};

/// Length of the sink's queue of messages. dora keeps ten times as many before it drops some.
const QUEUE: u64 = 20;

/// Frames in the ring during the calm. Other rings are shorter.
const CALM_RING: u64 = 20_000;

/// Number of messages after which everything that was queued before the calm has arrived.
const SETTLING: u64 = 15 * QUEUE;

/// Number of consecutive messages during the calm, of which none may be missing.
const CALM_MESSAGES: u64 = 100;

/// Length of a round in a long run: the time between two ends of the graphs.
const ROUND: Duration = Duration::from_secs(25);

/// Time for an orderly end.
const END: Duration = Duration::from_secs(4);

/// Largest number of processes that only use the CPU.
const HOGS: usize = 4;

/// How the graphs of one round end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The daemon is killed.
    DaemonKilled,
    /// `dora stop` during the faults.
    Stopped,
    /// The faults end, the source calms down, everything must arrive, and then `dora stop`.
    Calm,
}

pub fn run(fixture: &Fixture) -> Outcome {
    let place = Place::new()?;
    let listener = Listener::open(place.sandbox.folder(), &fixture.counters)
        .map_err(|error| format!("the campaign's socket: {error}"))?;
    let of_main = [Kind::Wait, Kind::Poll, Kind::Messages, Kind::MessageViews];
    let of_main = of_main.map(|kind| Witness { kind, of_main: true });
    let witnesses = [&of_main[..], &[Witness { kind: Kind::Messages, of_main: false }]].concat();
    let watch = Watch::new(&witnesses);
    let other = format!("{}/other", fixture.name);
    let mut storm = Storm {
        fixture,
        place: &place,
        listener: &listener,
        watch: &watch,
        other: &other,
        rng: fixture.rng(1),
        sink: Victim::new("dora-shm-sink", "sink"),
        mirror: Victim::new("dora-shm-mirror", "mirror"),
        check: Victim::new("torture-check", "check"),
        hogs: Vec::new(),
        wrong_marks: Vec::new(),
        counts: Counts::default(),
    };
    std::thread::scope(|threads| {
        for (index, witness) in witnesses.iter().enumerate() {
            let name = if witness.of_main { &fixture.name } else { &other };
            let watch = &watch;
            threads.spawn(move || watch.follow(index, name, &fixture.counters));
        }
        threads.spawn(|| watch.come_and_go(&fixture.name, fixture.rng(2), &fixture.counters));
        if let Err(defect) = storm.run_rounds() {
            fixture.counters.defect(&defect);
        }
        watch.end();
    });
    if !fixture.counters.is_over() {
        storm.remove_dead_streams()?;
        storm.note();
    }
    drop(storm);
    drop(listener);
    if fixture.counters.is_over() {
        fixture.counters.note(format!("the graphs and their logs are in {}", place.sandbox.folder().display()));
        place.sandbox.kill_all();
        return Ok(());
    }
    place.sandbox.remove();
    Ok(())
}

#[derive(Default)]
struct Counts {
    daemons: u64,
    stops: u64,
    audits: u64,
    hogs: u64,
    /// The mirror's marks that were found correct.
    marks: u64,
}

struct Storm<'a> {
    fixture: &'a Fixture,
    place: &'a Place,
    listener: &'a Listener,
    watch: &'a Watch,
    other: &'a str,
    rng: Rng,
    sink: Victim,
    mirror: Victim,
    check: Victim,
    hogs: Vec<Process>,
    wrong_marks: Vec<String>,
    counts: Counts,
}

impl Storm<'_> {
    fn run_rounds(&mut self) -> Outcome {
        let time = self.fixture.budget.saturating_sub(END);
        let rounds = (time.as_secs_f64() / ROUND.as_secs_f64()).ceil().max(2.0) as u32;
        for round in 1..=rounds {
            let end = match round {
                _ if round == rounds => End::Calm,
                _ if round % 2 == 1 => End::DaemonKilled,
                _ => End::Stopped,
            };
            self.round(time * round / rounds, end)?;
            if self.fixture.counters.is_over() {
                break;
            }
        }
        Ok(())
    }

    /// Runs both graphs from their start to their end, and injects faults until the fixture's age is `until_age`.
    fn round(&mut self, until_age: Duration, end: End) -> Outcome {
        let mut engine = Engine::start(&self.place.dora, &self.place.sandbox, &[Machine::default()])?;
        let [a, b] = self.graphs();
        let (a, b) = (engine.start_graph("a", &a, &[])?, engine.start_graph("b", &b, &[])?);
        for victim in [&mut self.sink, &mut self.mirror, &mut self.check] {
            victim.comes(self.place)?;
        }
        while self.fixture.started.elapsed() < until_age && !self.fixture.counters.is_over() {
            self.one_fault()?;
            engine.check()?;
        }
        if self.fixture.counters.is_over() {
            return Ok(());
        }
        for victim in [&mut self.sink, &mut self.mirror, &mut self.check] {
            victim.comes(self.place)?;
        }
        match end {
            End::DaemonKilled => {
                engine.kill_daemons();
                self.place.wait_for_nodes_to_end()?;
                self.counts.daemons += 1;
                self.fixture.counters.fault();
                self.forget_victims();
                self.streams_ended()?;
            }
            End::Stopped => {
                self.forget_victims();
                engine.stop(&a)?;
                engine.stop(&b)?;
                self.counts.stops += 1;
                self.all_nodes_end()?;
                self.streams_ended()?;
            }
            End::Calm => {
                self.hogs.clear();
                self.calm()?;
                self.end_cleanly(&engine, &a, &b)?;
            }
        }
        self.judge_marks(true)
    }

    /// Accepts whatever happens to the victims' processes, since the graphs end.
    fn forget_victims(&mut self) {
        for victim in [&mut self.sink, &mut self.mirror, &mut self.check] {
            victim.forget();
        }
    }

    /// The YAML of graph A and of graph B.
    fn graphs(&mut self) -> [String; 2] {
        let [source, sink, mirror, check] = ["torture-source", "dora-shm-sink", "dora-shm-mirror", "torture-check"]
            .map(|name| self.place.program(name).display().to_string());
        let (socket, name, other, seed) =
            (self.listener.path().display(), &self.fixture.name, self.other, self.rng.next_u64());
        let a = format!(
            "nodes:
  - id: source
    path: {source}
    outputs: [data, settings]
    env: {{{socket_key}: {socket}, STREAM: {name}, OTHER_STREAM: {other}, SEED: \"{seed}\"}}

  - id: sink
    path: {sink}
    inputs:
      data: {{source: source/data, queue_size: {QUEUE}, queue_policy: backpressure}}
      settings: {{source: source/settings, queue_size: 1000, queue_policy: backpressure}}
    env: {{SHMEM_NAME: {name}, BUF_FRAMES: 500}}
    restart_policy: on-failure
",
            socket_key = crate::events::SOCKET,
        );
        let b = format!(
            "nodes:
  - id: mirror
    path: {mirror}
    # dora does not restart a node without an input.
    inputs: {{tick: {{source: dora/timer/secs/1, queue_size: 1}}}}
    outputs: [data]
    env: {{SHMEM_NAME: {name}}}
    restart_policy: on-failure

  - id: check
    path: {check}
    inputs:
      data: {{source: mirror/data, queue_size: 2000, queue_policy: backpressure}}
    env: {{{socket_key}: {socket}}}
    restart_policy: on-failure
",
            socket_key = crate::events::SOCKET,
        );
        [a, b]
    }

    fn one_fault(&mut self) -> Outcome {
        let counters = &self.fixture.counters;
        for victim in [&mut self.sink, &mut self.mirror, &mut self.check] {
            victim.poll(self.place)?;
        }
        self.judge_marks(false)?;
        match self.rng.below(12) {
            0..3 => counters.faults(self.sink.kill(self.place)?.into()),
            3 | 4 => counters.faults(self.mirror.kill(self.place)?.into()),
            5 => counters.faults(self.check.kill(self.place)?.into()),
            6 | 7 => self.audit()?,
            8 => {
                if let Some(_stopped) = self.mirror.stop(self.place)? {
                    counters.fault();
                    self.pass(self.longest_stop());
                }
            }
            9 | 10 => self.hogs_come_or_go()?,
            _ => {}
        }
        self.pass(Duration::from_millis(120));
        Ok(())
    }

    /// Compares the mirror's marks with the positions at which other readers found the messages. Only the death of a
    /// mirror may leave a gap that is not marked. `all`: every reader has read everything by now.
    fn judge_marks(&mut self, all: bool) -> Outcome {
        let read = self.watch.seen(true).iter().map(|(_, seen)| seen.last.map_or(0, |last| last.message)).min();
        let marks = self.listener.with(|reports| {
            let ready = |mark: &Mark| all || Some(mark.to) < read;
            let (ready, later): (Vec<_>, Vec<_>) = std::mem::take(&mut reports.marks).into_iter().partition(ready);
            reports.marks = later;
            ready
        });
        for mark in marks {
            match self.watch.chart.lost_before(&mark) {
                Some(lost) if lost == mark.lost => self.counts.marks += 1,
                Some(lost) => self.wrong_marks.push(format!("{mark:?}, expected {lost}")),
                None => {}
            }
        }
        let (jumps, kills) = (self.listener.with(|reports| reports.jumps.clone()), self.mirror.kills);
        if jumps.len() as u64 > kills || self.wrong_marks.len() as u64 > kills {
            return Err(format!(
                "the mirror was killed {kills} times, but more often than that its marks do not account for missing \
                 frames: {jumps:#?}, {:#?}",
                self.wrong_marks
            ));
        }
        Ok(())
    }

    /// Sleeps for a random time below `most`.
    fn pass(&mut self, most: Duration) {
        std::thread::sleep(Duration::from_micros(self.rng.below(most.as_micros() as u64)));
    }

    fn longest_stop(&self) -> Duration {
        if self.fixture.budget > Duration::from_secs(60) { Duration::from_secs(2) } else { Duration::from_millis(400) }
    }

    fn hogs_come_or_go(&mut self) -> Outcome {
        if self.hogs.is_empty() || self.hogs.len() < HOGS && self.rng.one_in(2) {
            self.hogs.push(self.fixture.start(Role::Hog, &[])?);
            self.counts.hogs += 1;
            self.fixture.counters.fault();
        } else {
            self.hogs.clear();
        }
        Ok(())
    }

    /// Stops the sink. Meanwhile its files give the number of frames, and every reader must reach the same number.
    fn audit(&mut self) -> Outcome {
        let Some(_stopped) = self.sink.stop(self.place)? else { return Ok(()) };
        self.fixture.counters.fault();
        self.account_with_files()?;
        self.counts.audits += 1;
        self.pass(self.longest_stop());
        Ok(())
    }

    /// Waits until all readers account for the frames that the files contain. No process may write meanwhile.
    fn account_with_files(&self) -> Outcome {
        for (of_main, name) in [(true, &*self.fixture.name), (false, self.other)] {
            let files = Snapshot::of(name);
            if !files.magic || files.closed {
                continue;
            }
            let total = files.total();
            until(&format!("readers of {name} account for all of {files:?}"), || {
                let all = self.watch.seen(of_main).iter().all(|(_, seen)| seen.position == total);
                Ok((all || self.fixture.counters.is_over()).then_some(()))
            })
            .map_err(|defect| format!("{defect}; they have reached {:?}", self.watch.seen(of_main)))?;
        }
        Ok(())
    }

    /// After all nodes have ended: neither stream has a writer, and all readers have accounted for all of both.
    fn streams_ended(&self) -> Outcome {
        for (of_main, name) in [(true, &*self.fixture.name), (false, self.other)] {
            let mut reader =
                Reader::open(name, ReaderOptions::default()).map_err(|error| format!("{name}: {error:?}"))?;
            let liveness = reader.liveness(PATIENCE).map_err(|error| format!("{name}: {error:?}"))?;
            match liveness {
                Liveness::Closed | Liveness::Absent => {}
                // A sink was killed while it wrote under this name. Its successor began under the first name.
                Liveness::Dead if !of_main => continue,
                _ => {
                    return Err(format!(
                        "all nodes have ended, and {name} is {liveness:?}; {}",
                        self.place.last_words("sink")
                    ));
                }
            }
            until(&format!("the end of {name}"), || {
                // The readers may have seen different ends: a reader that waits may miss a stream that ends at once.
                let ended = self.watch.seen(of_main).iter().all(|(_, seen)| seen.position == 0);
                Ok((ended || self.fixture.counters.is_over()).then_some(()))
            })
            .map_err(|defect| format!("{defect}; readers have reached {:?}", self.watch.seen(of_main)))?;
        }
        self.account_with_files()
    }

    /// Calms the source. After the messages that were queued by then, none may be missing.
    fn calm(&mut self) -> Outcome {
        until("a source receives the command to calm down", || Ok(self.listener.calm_the_source().then_some(())))?;
        let reached = |storm: &mut Self, what: &str, reached: &dyn Fn(&witness::Seen) -> bool| {
            until(what, || {
                for victim in [&mut storm.sink, &mut storm.mirror, &mut storm.check] {
                    victim.poll(storm.place)?;
                }
                let seen = storm.watch.seen(true);
                let all = seen.iter().all(|(_, seen)| reached(seen)) || storm.fixture.counters.is_over();
                Ok(all
                    .then(|| seen.iter().filter_map(|(_, seen)| seen.last).map(|last| last.message).max().unwrap_or(0)))
            })
            .map_err(|defect| format!("{defect}; readers have reached {:?}", storm.watch.seen(true)))
        };
        let message = |seen: &witness::Seen| seen.last.map_or(0, |last| last.message);
        let begun = reached(self, "all readers see the ring of the calm", &|seen| seen.ring >= CALM_RING)?;
        let settled =
            reached(self, "all readers have read what was queued", &|seen| message(seen) >= begun + SETTLING)?;
        reached(self, "all readers have read the messages of the calm", &|seen| {
            message(seen) >= settled + CALM_MESSAGES
        })?;
        let seen = self.watch.seen(true);
        if seen.iter().any(|(_, seen)| seen.whole_since > settled) && !self.fixture.counters.is_over() {
            return Err(format!("messages after {settled} are missing, although the source is calm: {seen:?}"));
        }
        Ok(())
    }

    /// `dora stop`: the stream is closed with everything that arrived before, and all readers have read all of it.
    /// Messages that the source sends after dora's stop event for the sink reach no reader.
    fn end_cleanly(&mut self, engine: &Engine<'_>, a: &str, b: &str) -> Outcome {
        let name = &self.fixture.name;
        let header = File::open(segments::header(name)).map_err(|error| format!("the header of {name}: {error}"))?;
        let newest = || self.watch.seen(true).iter().filter_map(|(_, seen)| seen.last).map(|frame| frame.message).max();
        let before = newest();
        self.listener.with(|reports| reports.last = None);
        self.sink.forget();
        engine.stop(a)?;
        self.counts.stops += 1;
        let sent = until("the source reports its last message", || Ok(self.listener.with(|reports| reports.last)))?;
        let mut total = [0; 8];
        until("the stream is closed", || {
            let mut state = [0; 4];
            let read = header.read_exact_at(&mut state, segments::header_at::STATE);
            read.and_then(|()| header.read_exact_at(&mut total, segments::header_at::FINAL_POSITION))
                .map_err(|error| error.to_string())?;
            Ok((u32::from_le_bytes(state) == segments::STATE_CLOSED).then_some(()))
        })?;
        let total = u64::from_le_bytes(total);
        until(&format!("readers account for all {total} frames and the end"), || {
            let all = self.watch.seen(true).iter().all(|(_, seen)| seen.position == 0 && seen.ended == Some(total));
            Ok((all || self.fixture.counters.is_over()).then_some(()))
        })
        .map_err(|defect| format!("{defect}; they have reached {:?}", self.watch.seen(true)))?;
        let last = newest().unwrap_or(0);
        let seen = self.watch.seen(true);
        let same = seen.iter().all(|(_, seen)| seen.last.is_some_and(|frame| frame.message == last));
        if !same || Some(last) < before || last > sent {
            return Err(format!(
                "message {before:?} had arrived before `dora stop`, and {sent} was the last one sent; readers have \
                 reached {seen:?}"
            ));
        }
        until(&format!("the mirror's consumer receives message {last}"), || {
            for victim in [&mut self.mirror, &mut self.check] {
                victim.poll(self.place)?;
            }
            Ok((self.listener.with(|reports| reports.newest) == Some(last) || self.fixture.counters.is_over())
                .then_some(()))
        })
        .map_err(|defect| format!("{defect}; it has reached {:?}", self.listener.with(|reports| reports.newest)))?;
        self.mirror.forget();
        self.check.forget();
        engine.stop(b)?;
        self.counts.stops += 1;
        self.all_nodes_end()
    }

    fn all_nodes_end(&self) -> Outcome {
        let programs = ["dora-shm-sink", "dora-shm-mirror", "torture-source", "torture-check"]
            .map(|name| self.place.program(name));
        self.place.wait_for_end("all nodes have ended after `dora stop`", |exe| programs.iter().any(|own| own == exe))
    }

    /// A stream whose writer was killed stays until the next writer of its name. Here the campaign is that writer.
    fn remove_dead_streams(&self) -> Outcome {
        let left = self.place.sandbox.processes();
        if !left.is_empty() {
            return Err(format!("processes are left: {left:?}"));
        }
        for name in [&*self.fixture.name, self.other] {
            if Snapshot::of(name).anchor {
                create_patiently(name).map_err(|error| format!("taking over {name}: {error:?}"))?.close();
            }
        }
        Ok(())
    }

    fn note(&self) {
        let Counts { daemons, stops, audits, hogs, marks } = self.counts;
        let victim = |victim: &Victim| format!("{} ({} restarts)", victim.kills, victim.restarts);
        let counters = &self.fixture.counters;
        counters.note(format!(
            "killed: sinks {}, mirrors {}, consumers {}, daemons {daemons}; stopped: sinks {audits}, mirrors {}; {hogs} CPU \
             hogs; {stops} `dora stop`",
            victim(&self.sink),
            victim(&self.mirror),
            victim(&self.check),
            self.mirror.stops
        ));
        let seen = self.watch.seen(true);
        let (missing, moves) = seen.first().map_or((0, 0), |(_, seen)| (seen.missing, seen.moves));
        let confirmed = self.watch.chart.confirmed.load(Ordering::Relaxed);
        let newcomers = self.watch.newcomers.load(Ordering::Relaxed);
        self.listener.with(|reports| {
            counters.note(format!(
                "{} messages sent, {missing} of them missing in the stream, since queues were full or the sink did not \
                 run; {} changes of settings and {} wrong ones sent, {moves} new rings seen",
                reports.messages, reports.documents, reports.refused
            ));
            counters.note(format!(
                "{} frames sent by the mirror, {} more marked as lost; {marks} of its marks agree with the other \
                 readers, {} times its death left a gap; {newcomers} readers attached and detached; {confirmed} frames \
                 found at the position where another reader had found them",
                reports.received,
                reports.marked,
                reports.jumps.len().max(self.wrong_marks.len())
            ));
        });
    }
}
