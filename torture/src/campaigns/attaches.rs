//! Readers that attach and detach a thousand times a second while the stream is restarted all the time. None of them may
//! take one stream's ring for another's.

use std::time::Duration;

use dora_shm_ring::{Error, ReaderOptions, Start};

use crate::book::Book;
use crate::dice::Dice;
use crate::follower::{ALL_KINDS, Follower, Kind, Step};
use crate::roles::{Role, until_input_ends};
use crate::scene::{Outcome, Scene, create_patiently};
use crate::signal;
use crate::tally::{FAULTS_MARK, Tally, tell};

pub fn run(scene: &Scene) -> Outcome {
    // Those that stay go from stream to stream.
    scene.among_followers(&[Kind::Wait, Kind::Messages], &Book::default(), |_| {
        let mut dice = scene.dice(1);
        let mut seeds = || dice.roll().to_string();
        let restarter = scene.actor(Role::Restarter, &[&seeds(), &scene.name])?;
        let attachers = [
            scene.actor(Role::Attacher, &[&seeds(), &scene.name])?,
            scene.actor(Role::Attacher, &[&seeds(), &scene.name])?,
        ];
        while scene.goes_on() {
            std::thread::sleep(Duration::from_millis(20));
        }
        let seconds = scene.started.elapsed().as_secs_f64();
        for attacher in attachers {
            attacher.end_well()?;
        }
        restarter.end_well()?;
        let attaches = scene.tally.count().faults;
        scene.tally.note(format!("{attaches} attaches, {:.0} a second", attaches as f64 / seconds));
        scene.last_writer()
    })
}

pub fn restarter(mut dice: Dice, name: &str) -> eyre::Result<()> {
    until_input_ends(|| {
        let mut writer = create_patiently(name)?;
        for _ in 0..1 + dice.below(3) {
            writer.begin(&signal::random_format(&mut dice, 100), &signal::description("restart"), 4)?;
            for _ in 0..dice.below(6) {
                signal::write(&mut writer, dice.below(9))?;
            }
        }
        std::thread::sleep(Duration::from_micros(dice.below(800)));
        Ok(())
    })
}

pub fn attacher(mut dice: Dice, name: &str) -> eyre::Result<()> {
    let tally = Tally::of_role();
    let mut attaches = 0;
    until_input_ends(|| {
        if let Err(defect) = attach(&mut dice, name, &tally) {
            tally.defect(&defect);
        }
        attaches += 1;
        if attaches == 100 {
            tell(&format!("{FAULTS_MARK}{attaches}"));
            attaches = 0;
        }
        Ok(())
    })?;
    tell(&format!("{FAULTS_MARK}{attaches}"));
    tally.tell_rest();
    Ok(())
}

fn attach(dice: &mut Dice, name: &str, tally: &Tally) -> Result<(), String> {
    let kind = *dice.pick(&ALL_KINDS);
    let start = [Start::Oldest, Start::Newest, Start::Last(dice.below(20))][dice.below(3) as usize];
    let told = |error: Error| format!("attaching as {kind:?} from {start:?}: {error:?}");
    let options = ReaderOptions::default().start(start);
    let mut follower = Follower::open(name, kind, &options, Book::anywhere()).map_err(told)?;
    let before = follower.info().map_err(told)?.stream_id;
    for _ in 0..dice.below(3) {
        match follower.step()? {
            Step::Read(frames) => tally.checked(frames),
            Step::Moved | Step::Closed => {}
            Step::Nothing => break,
        }
    }
    // All that came of this ring is of the stream whose header led to it.
    let read_of = follower.place().stream_id;
    let after = follower.info().map_err(told)?.stream_id;
    if read_of != 0 && before.is_some() && before == after && before != Some(read_of) {
        return Err(format!("attached to {before:x?}, frames of {read_of:#x}"));
    }
    Ok(())
}
