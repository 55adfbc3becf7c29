//! Format changes as fast as a writer can begin generations, with readers that follow and readers that attach
//! meanwhile.

use std::time::Duration;

use dora_shm_ring::Writer;
use dora_shm_testkit::follower::Kind;
use dora_shm_testkit::ledger::Ledger;
use dora_shm_testkit::process::print_line;
use dora_shm_testkit::rng::Rng;
use dora_shm_testkit::signal;
use rustix::process::Signal;

use crate::counters::FAULTS_MARK;
use crate::fixture::{Fixture, Outcome, create_patiently};
use crate::role::{Role, input_ends};

pub fn run(fixture: &Fixture) -> Outcome {
    fixture.among_followers(&Kind::ALL, &Ledger::default(), |_| {
        let mut rng = fixture.rng(1);
        let mut changer = fixture.start(Role::Changer, &[&rng.next_u64().to_string(), &fixture.name])?;
        changer.expect("begins")?;
        let mut newcomers = Vec::new();
        while fixture.goes_on() {
            // Newcomers live only briefly, so that many attach in the middle of a change.
            let kind = rng.pick(&Kind::ALL).word();
            newcomers.push(fixture.start(Role::Reader, &[kind, &rng.next_u64().to_string(), &fixture.name])?);
            std::thread::sleep(Duration::from_millis(rng.below(60)));
            if newcomers.len() > 2 {
                let mut newcomer = newcomers.remove(0);
                newcomer.kill();
                newcomer.end_killed()?;
            }
            if rng.one_in(50) {
                changer.signal(Signal::STOP);
                std::thread::sleep(Duration::from_millis(rng.below(30)));
                changer.signal(Signal::CONT);
            }
        }
        for mut newcomer in newcomers {
            newcomer.kill();
            newcomer.end_killed()?;
        }
        let seconds = fixture.started.elapsed().as_secs_f64();
        changer.end_well()?;
        let changes = fixture.counters.counts().faults;
        fixture
            .counters
            .note(format!("{changes} generations and descriptions, {:.0} a second", changes as f64 / seconds));
        fixture.last_writer()
    })
}

/// The role that changes formats. In half of the cases it exits without closing, so that the last writer takes over.
pub fn changer(mut rng: Rng, name: &str) -> eyre::Result<()> {
    let mut writer = create_patiently(name)?;
    change(&mut writer, &mut rng)?;
    print_line("begins");
    let ended = input_ends();
    let mut changes = 0;
    while !ended.load(std::sync::atomic::Ordering::Relaxed) {
        change(&mut writer, &mut rng)?;
        changes += 1;
        if changes == 100 {
            print_line(&format!("{FAULTS_MARK}{changes}"));
            changes = 0;
        }
    }
    print_line(&format!("{FAULTS_MARK}{changes}"));
    if rng.one_in(2) {
        std::process::exit(0);
    }
    Ok(())
}

fn change(writer: &mut Writer, rng: &mut Rng) -> dora_shm_ring::Result<()> {
    if rng.one_in(5) && writer.generation().is_some() {
        writer.describe(&signal::description(rng.next_u64().to_string()))?;
    } else {
        let key = signal::description(rng.below(3).to_string());
        writer.begin(&signal::random_format(rng, 100), &key, 1 + rng.below(20))?;
    }
    for _ in 0..rng.below(4) {
        signal::write(writer, rng.below(30))?;
    }
    Ok(())
}
