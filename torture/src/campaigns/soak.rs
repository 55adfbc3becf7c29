//! Small frames in large chunks at full speed, for as long as there is time, every frame verified by several readers.

use std::time::{Duration, Instant};

use dora_shm_ring::ReaderOptions;

use crate::book::Book;
use crate::dice::Dice;
use crate::follower::{Follower, Kind, PATIENCE, Step};
use crate::roles::{Role, input_ends, listen};
use crate::scene::{Outcome, Scene, create_patiently};
use crate::signal;
use crate::tally::{Tally, tell};

/// 2 MiB of samples: a ring that stays in the caches of most machines.
const RING_FRAMES: u64 = 65536;

pub fn run(scene: &Scene) -> Outcome {
    let mut dice = scene.dice(1);
    // There before the stream: they have to account for its first frame.
    let mut drinkers = Vec::new();
    for kind in ["poll", "wait", "message-views", "view"] {
        let mut drinker = scene.actor(Role::Drinker, &[kind, &scene.name])?;
        drinker.expect("begins")?;
        drinkers.push(drinker);
    }
    let mut torrent = scene.actor(Role::Torrent, &[&dice.roll().to_string(), &scene.name])?;
    torrent.expect("begins")?;
    while scene.goes_on() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let seconds = scene.started.elapsed().as_secs_f64();
    let frames = scene.tally.count().frames;
    torrent.say("end");
    let total = torrent.hear()?.ok_or("the torrent ended before it was told to")?;
    let mut lost = 0;
    for drinker in &mut drinkers {
        drinker.say(&total);
        let told = drinker.hear()?.ok_or("a drinker ended before it had accounted for all")?;
        lost += told.parse::<u64>().map_err(|_| format!("a drinker says {told:?}"))?;
    }
    scene.tally.lost(lost);
    for drinker in drinkers {
        drinker.end_well()?;
    }
    torrent.end_well()?;
    let written = total.split(' ').nth(1).unwrap_or("?");
    scene.tally.note(format!(
        "{written} frames written; {:.1} million frames checked a second by 4 readers",
        frames as f64 / seconds / 1e6
    ));
    Ok(())
}

pub fn torrent(mut dice: Dice, name: &str) -> eyre::Result<()> {
    let mut writer = create_patiently(name)?;
    writer.begin(&signal::format(4, RING_FRAMES), &signal::description("torrent"), 1024)?;
    tell("begins");
    let told = input_line();
    let mut buffer = Vec::new();
    while told.lock().is_ok_and(|line| line.is_none()) {
        for _ in 0..64 {
            let frames = 256 << dice.below(5);
            if dice.one_in(2) {
                signal::write(&mut writer, frames)?;
            } else {
                signal::write_copy(&mut writer, frames, &mut buffer)?;
            }
        }
    }
    tell(&format!("{} {}", writer.stream_id(), writer.stream_position()));
    // The stream stays until everybody has read it to its end.
    let ended = input_ends();
    while !ended.load(std::sync::atomic::Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// The next line from the parent, as soon as it comes.
fn input_line() -> std::sync::Arc<std::sync::Mutex<Option<String>>> {
    let line = std::sync::Arc::new(std::sync::Mutex::new(None));
    let told = line.clone();
    std::thread::spawn(move || {
        let heard = listen().unwrap_or_default();
        if let Ok(mut told) = told.lock() {
            *told = Some(heard);
        }
    });
    line
}

pub fn drinker(kind: Kind, name: &str) -> eyre::Result<()> {
    let tally = Tally::of_role();
    let mut follower = Follower::open(name, kind, &ReaderOptions::default(), Book::default())?;
    tell("begins");
    let told = input_line();
    let mut last_chance = None;
    loop {
        if let Err(defect) = drink(&mut follower, kind, &tally) {
            tally.defect(&format!("{kind:?} reader: {defect}"));
        }
        let Some(total) = told.lock().ok().and_then(|line| line.clone()) else { continue };
        let place = follower.place();
        if total == format!("{} {}", place.stream_id, place.position) {
            break;
        }
        let deadline = *last_chance.get_or_insert_with(|| Instant::now() + PATIENCE);
        if Instant::now() > deadline {
            tally.defect(&format!("{kind:?} reader: expected to come to {total}, is at {place:?}"));
        }
    }
    tally.tell_rest();
    tell(&follower.lost().to_string());
    Ok(())
}

fn drink(follower: &mut Follower, kind: Kind, tally: &Tally) -> Result<(), String> {
    if kind != Kind::Poll {
        follower.wait(Duration::from_millis(100))?;
    }
    for _ in 0..64 {
        match follower.step()? {
            Step::Read(frames) => tally.checked(frames),
            Step::Moved => {}
            Step::Closed => return Err("the stream was closed".to_owned()),
            Step::Nothing => {
                std::thread::yield_now();
                break;
            }
        }
    }
    Ok(())
}
