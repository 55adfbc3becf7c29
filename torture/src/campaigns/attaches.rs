//! Readers attach and detach thousands of times a second while the stream is constantly restarted. No reader may
//! mistake one stream's ring for another's.

use std::time::Duration;

use dora_shm_ring::{Error, ReaderOptions, Start};
use dora_shm_testkit::follower::{Follower, Kind, Step};
use dora_shm_testkit::ledger::Ledger;
use dora_shm_testkit::process::print_line;
use dora_shm_testkit::rng::Rng;
use dora_shm_testkit::signal;

use crate::counters::{Counters, FAULTS_MARK};
use crate::fixture::{Fixture, Outcome, create_patiently};
use crate::role::{Role, until_input_ends};

pub fn run(fixture: &Fixture) -> Outcome {
    // These readers stay attached and follow from stream to stream.
    fixture.among_followers(&[Kind::Wait, Kind::Messages], &Ledger::default(), |_| {
        let mut rng = fixture.rng(1);
        let mut seeds = || rng.next_u64().to_string();
        let restarter = fixture.start(Role::Restarter, &[&seeds(), &fixture.name])?;
        let attachers = [
            fixture.start(Role::Attacher, &[&seeds(), &fixture.name])?,
            fixture.start(Role::Attacher, &[&seeds(), &fixture.name])?,
        ];
        while fixture.goes_on() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let seconds = fixture.started.elapsed().as_secs_f64();
        for attacher in attachers {
            attacher.end_well()?;
        }
        restarter.end_well()?;
        let attaches = fixture.counters.counts().faults;
        fixture.counters.note(format!("{attaches} attaches, {:.0} a second", attaches as f64 / seconds));
        fixture.last_writer()
    })
}

pub fn restarter(mut rng: Rng, name: &str) -> eyre::Result<()> {
    until_input_ends(|| {
        let mut writer = create_patiently(name)?;
        for _ in 0..1 + rng.below(3) {
            writer.begin(&signal::random_format(&mut rng, 100), &signal::description("restart"), 4)?;
            for _ in 0..rng.below(6) {
                signal::write(&mut writer, rng.below(9))?;
            }
        }
        std::thread::sleep(Duration::from_micros(rng.below(800)));
        Ok(())
    })
}

pub fn attacher(mut rng: Rng, name: &str) -> eyre::Result<()> {
    let counters = Counters::of_role();
    let mut attaches = 0;
    until_input_ends(|| {
        if let Err(defect) = attach(&mut rng, name, &counters) {
            counters.defect(&defect);
        }
        attaches += 1;
        if attaches == 100 {
            print_line(&format!("{FAULTS_MARK}{attaches}"));
            attaches = 0;
        }
        Ok(())
    })?;
    print_line(&format!("{FAULTS_MARK}{attaches}"));
    counters.report_rest();
    Ok(())
}

fn attach(rng: &mut Rng, name: &str, counters: &Counters) -> Result<(), String> {
    let kind = *rng.pick(&Kind::ALL);
    let start = [Start::Oldest, Start::Newest, Start::Last(rng.below(20))][rng.below(3) as usize];
    let failed = |error: Error| format!("attaching as {kind:?} from {start:?}: {error:?}");
    let options = ReaderOptions::default().start(start);
    let mut follower = Follower::open(name, kind, &options, Ledger::anywhere()).map_err(failed)?;
    let before = follower.info().map_err(failed)?.stream_id;
    for _ in 0..rng.below(3) {
        match follower.step()? {
            Step::Read(frames) => counters.checked(frames),
            Step::Moved | Step::Closed => {}
            Step::Nothing => break,
        }
    }
    // All frames from this ring must belong to the stream whose header led to it.
    let read_of = follower.place().stream_id;
    let after = follower.info().map_err(failed)?.stream_id;
    if read_of != 0 && before.is_some() && before == after && before != Some(read_of) {
        return Err(format!("attached to {before:x?}, frames of {read_of:#x}"));
    }
    Ok(())
}
