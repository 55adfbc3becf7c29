//! Format after format, as fast as a writer can begin generations, with readers that follow and readers that come.

use std::time::Duration;

use dora_shm_ring::Writer;
use rustix::process::Signal;

use crate::book::Book;
use crate::dice::Dice;
use crate::follower::ALL_KINDS;
use crate::roles::{Role, input_ends};
use crate::scene::{Outcome, Scene, create_patiently};
use crate::signal;
use crate::tally::{FAULTS_MARK, tell};

pub fn run(scene: &Scene) -> Outcome {
    scene.among_followers(&ALL_KINDS, &Book::default(), |_| {
        let mut dice = scene.dice(1);
        let mut changer = scene.actor(Role::Changer, &[&dice.roll().to_string(), &scene.name])?;
        changer.expect("begins")?;
        let mut newcomers = Vec::new();
        while scene.goes_on() {
            // Newcomers live for a moment: each attaches in the middle of a change.
            let kind = *dice.pick(&["wait", "poll", "view", "messages", "message-views"]);
            newcomers.push(scene.actor(Role::Reader, &[kind, &dice.roll().to_string(), &scene.name])?);
            std::thread::sleep(Duration::from_millis(dice.below(60)));
            if newcomers.len() > 2 {
                let mut newcomer = newcomers.remove(0);
                newcomer.kill();
                newcomer.end_killed()?;
            }
            if dice.one_in(50) {
                changer.signal(Signal::STOP);
                std::thread::sleep(Duration::from_millis(dice.below(30)));
                changer.signal(Signal::CONT);
            }
        }
        for mut newcomer in newcomers {
            newcomer.kill();
            newcomer.end_killed()?;
        }
        let seconds = scene.started.elapsed().as_secs_f64();
        changer.end_well()?;
        let changes = scene.tally.count().faults;
        scene.tally.note(format!("{changes} generations and descriptions, {:.0} a second", changes as f64 / seconds));
        scene.last_writer()
    })
}

/// The role that changes formats. It ends without closing: the last writer takes over.
pub fn changer(mut dice: Dice, name: &str) -> eyre::Result<()> {
    let mut writer = create_patiently(name)?;
    change(&mut writer, &mut dice)?;
    tell("begins");
    let ended = input_ends();
    let mut changes = 0;
    while !ended.load(std::sync::atomic::Ordering::Relaxed) {
        change(&mut writer, &mut dice)?;
        changes += 1;
        if changes == 100 {
            tell(&format!("{FAULTS_MARK}{changes}"));
            changes = 0;
        }
    }
    tell(&format!("{FAULTS_MARK}{changes}"));
    if dice.one_in(2) {
        std::process::exit(0);
    }
    Ok(())
}

fn change(writer: &mut Writer, dice: &mut Dice) -> dora_shm_ring::Result<()> {
    if dice.one_in(5) && writer.generation().is_some() {
        writer.describe(&signal::description(dice.roll().to_string()))?;
    } else {
        let key = signal::description(dice.below(3).to_string());
        writer.begin(&signal::random_format(dice, 100), &key, 1 + dice.below(20))?;
    }
    for _ in 0..dice.below(4) {
        signal::write(writer, dice.below(30))?;
    }
    Ok(())
}
