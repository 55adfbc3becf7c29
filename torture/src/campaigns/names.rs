//! Somebody removes names of the stream's segments while its writer lives: public names, anchors, both. Names come back,
//! rings and headers that lost both are made anew, and those who are attached lose nothing that they are not told of.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dora_shm_ring::{Reader, Writer};
use dora_shm_testkit::PATIENCE;
use dora_shm_testkit::follower::{Kind, oldest};
use dora_shm_testkit::ledger::Ledger;
use dora_shm_testkit::segments;
use dora_shm_testkit::segments::{Names, Snapshot, anchor};
use dora_shm_testkit::signal;

use crate::fixture::{Fixture, Outcome, create_patiently};

/// A reader of views is not told when a stream ends, and a chunk that was made for one stream may come into the next
/// here: these readers can tell the two apart.
const KINDS: [Kind; 4] = [Kind::Wait, Kind::Poll, Kind::Messages, Kind::MessageViews];

pub fn run(fixture: &Fixture) -> Outcome {
    let ledger = Ledger::default().with_late_stamps();
    fixture.among_followers(&KINDS, &ledger, |places| {
        let told = |error| format!("the writer: {error:?}");
        let mut writer = create_patiently(&fixture.name).map_err(told)?;
        writer.begin(&signal::format(4000), &signal::description(""), 4).map_err(told)?;
        signal::write(&mut writer, 5).map_err(told)?;
        // Nobody can come to a stream that has lost its names before.
        places.all_reach(&fixture.counters, writer.stream_id(), 5)?;
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let vandal = scope.spawn(|| {
                let vandalized = vandalize(fixture);
                stop.store(true, Ordering::Relaxed);
                vandalized
            });
            let written = keep_writing(fixture, &mut writer, &stop);
            vandal.join().map_err(|_| "the vandal panicked".to_owned())?.and(written)
        })?;
        // What was removed last comes back, or is made anew by the writer.
        let deadline = Instant::now() + PATIENCE;
        loop {
            writer.maintain().map_err(told)?;
            signal::write(&mut writer, 1).map_err(told)?;
            let now = Snapshot::of(&fixture.name);
            let whole = now.generation.is_some_and(|generation| {
                [segments::ring(&fixture.name, generation), segments::metadata(&fixture.name, now.meta_generation)]
                    .iter()
                    .all(|public| Names::of(public) == Names::BOTH)
            });
            if now.public && now.anchor && whole && now.stream_id == writer.stream_id() {
                break;
            }
            if Instant::now() > deadline {
                return Err(format!("names did not come back: {now:?}, in memory {:?}", segments::listing()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(writer)
    })
}

/// Writes all the time. A call that finds its names gone in the middle may fail, with an error of the system or of the
/// name; it must succeed again soon.
fn keep_writing(fixture: &Fixture, writer: &mut Writer, stop: &AtomicBool) -> Outcome {
    let mut rng = fixture.rng(2);
    let mut buffer = Vec::new();
    let (mut failing, mut refused, mut restarts) = (None::<Instant>, 0u64, 0u64);
    let mut stream_id = writer.stream_id();
    while !stop.load(Ordering::Relaxed) && !fixture.counters.is_over() {
        match signal::write_anything(writer, &mut rng, &mut buffer) {
            Ok(()) => failing = None,
            Err(error) => {
                refused += 1;
                let since = *failing.get_or_insert_with(Instant::now);
                if since.elapsed() > PATIENCE {
                    return Err(format!("for {PATIENCE:?} no call succeeds: {error:?}"));
                }
                // A restart that failed half-way has left no ring: it is begun by the next call that mends.
                let _ = writer.maintain();
            }
        }
        if writer.stream_id() != stream_id {
            stream_id = writer.stream_id();
            restarts += 1;
        }
        if rng.one_in(20) {
            std::thread::sleep(Duration::from_micros(rng.below(500)));
        }
    }
    fixture
        .counters
        .note(format!("{restarts} restarts after the header had lost both names, {refused} calls refused meanwhile"));
    Ok(())
}

fn remove(path: &Path) -> bool {
    std::fs::remove_file(path).is_ok()
}

fn vandalize(fixture: &Fixture) -> Outcome {
    let mut rng = fixture.rng(3);
    while fixture.goes_on() {
        let now = Snapshot::of(&fixture.name);
        let header = segments::header(&fixture.name);
        let ring = segments::ring(&fixture.name, now.generation.unwrap_or(0));
        let metadata = segments::metadata(&fixture.name, now.meta_generation);
        let public = [&header, &header, &ring, &metadata][rng.below(4) as usize];
        let removed = match rng.below(8) {
            0 => u64::from(remove(public)) + u64::from(remove(&anchor(public))),
            1 => u64::from(remove(&anchor(public))) + u64::from(remove(public)),
            2..4 => u64::from(remove(&anchor(public))),
            4 => [&header, &ring, &metadata].iter().map(|public| u64::from(remove(public))).sum(),
            _ => u64::from(remove(public)),
        };
        fixture.counters.faults(removed);
        if rng.one_in(10) {
            newcomers_find_it(fixture)?;
        } else {
            std::thread::sleep(Duration::from_millis(rng.below(120)));
        }
    }
    Ok(())
}

/// Names are looked at four times a second: whoever comes finds the stream soon after.
fn newcomers_find_it(fixture: &Fixture) -> Outcome {
    let told = |error| format!("attaching while names go: {error:?}");
    let mut reader = Reader::open(&fixture.name, oldest()).map_err(told)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let _ = reader.wait(Duration::from_millis(50)).map_err(told)?;
        if reader.format().is_some() || fixture.counters.is_over() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let liveness = reader.liveness(PATIENCE).map_err(told)?;
            return Err(format!("for {PATIENCE:?} nobody can attach; to newcomers the stream is {liveness:?}"));
        }
    }
}
