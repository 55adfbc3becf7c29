//! Names of the stream's segments are removed while its writer lives: public names, anchors, or both. The writer
//! restores the names, and creates rings and headers that lost both names again. Attached readers lose nothing without
//! a report of the loss.

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

/// Here a chunk that was prepared for one stream may be written into the next. A reader of views does not learn that a
/// stream has ended. The readers of these kinds can distinguish the two streams.
const KINDS: [Kind; 4] = [Kind::Wait, Kind::Poll, Kind::Messages, Kind::MessageViews];

pub fn run(fixture: &Fixture) -> Outcome {
    let ledger = Ledger::default().with_late_stamps();
    fixture.among_followers(&KINDS, &ledger, |places| {
        let failed = |error| format!("the writer: {error:?}");
        let mut writer = create_patiently(&fixture.name).map_err(failed)?;
        writer.begin(&signal::format(4000), &signal::description(""), 4).map_err(failed)?;
        signal::write(&mut writer, 5).map_err(failed)?;
        // No reader can attach to a stream that lost its names before the reader came.
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
        // The writer restores what was removed last, or creates it again.
        let deadline = Instant::now() + PATIENCE;
        loop {
            writer.maintain().map_err(failed)?;
            signal::write(&mut writer, 1).map_err(failed)?;
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
                return Err(format!(
                    "after {PATIENCE:?} the names are not restored: {now:?}; shared memory contains {:?}",
                    segments::listing()
                ));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(writer)
    })
}

/// Writes all the time. A call whose names are removed in the middle may fail with an error of the system or of the
/// name. Later calls must soon succeed again.
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
                    return Err(format!("no call has succeeded for {PATIENCE:?}: {error:?}"));
                }
                // A restart that failed half-way has left no ring. The next call that repairs names begins one.
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
        .note(format!("{restarts} restarts after the header had lost both names, {refused} calls failed meanwhile"));
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

/// The writer checks its names four times a second, so a new reader finds the stream soon.
fn newcomers_find_it(fixture: &Fixture) -> Outcome {
    let failed = |error| format!("attaching while names are removed: {error:?}");
    let mut reader = Reader::open(&fixture.name, oldest()).map_err(failed)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let _ = reader.wait(Duration::from_millis(50)).map_err(failed)?;
        if reader.format().is_some() || fixture.counters.is_over() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let liveness = reader.liveness(PATIENCE).map_err(failed)?;
            return Err(format!(
                "a new reader could not attach within {PATIENCE:?}; it sees the stream as {liveness:?}"
            ));
        }
    }
}
