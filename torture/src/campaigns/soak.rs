//! Small frames in large chunks at full speed for the whole time. Several readers verify every frame.

use std::time::{Duration, Instant};

use dora_shm_ring::ReaderOptions;
use dora_shm_testkit::PATIENCE;
use dora_shm_testkit::follower::{Follower, Kind, Step};
use dora_shm_testkit::ledger::Ledger;
use dora_shm_testkit::process::{print_line, read_line};
use dora_shm_testkit::rng::Rng;
use dora_shm_testkit::signal;

use crate::counters::Counters;
use crate::fixture::{Fixture, Outcome, create_patiently};
use crate::role::{Role, input_ends};

/// Frames in the ring: with 2 MiB of samples the ring stays in the caches of most machines.
const RING_FRAMES: u64 = 65536;

pub fn run(fixture: &Fixture) -> Outcome {
    let mut rng = fixture.rng(1);
    // The readers start before the stream, so they must account for it from its first frame.
    let mut readers = Vec::new();
    for kind in ["poll", "wait", "message-views", "view"] {
        let mut reader = fixture.start(Role::FloodReader, &[kind, &fixture.name])?;
        reader.expect("begins")?;
        readers.push(reader);
    }
    let mut writer = fixture.start(Role::FloodWriter, &[&rng.next_u64().to_string(), &fixture.name])?;
    writer.expect("begins")?;
    while fixture.goes_on() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let seconds = fixture.started.elapsed().as_secs_f64();
    let frames = fixture.counters.counts().frames;
    writer.send_line("end");
    let total = writer.read_line()?.ok_or("the writer ended before the command to end")?;
    let mut lost = 0;
    for reader in &mut readers {
        reader.send_line(&total);
        let total_lost = reader.read_line()?.ok_or("a reader ended before it had accounted for all frames")?;
        lost += total_lost
            .parse::<u64>()
            .map_err(|_| format!("a reader printed {total_lost:?}, expected the number of lost frames"))?;
    }
    fixture.counters.lost(lost);
    for reader in readers {
        reader.end_well()?;
    }
    writer.end_well()?;
    let written = total.split(' ').nth(1).unwrap_or("?");
    fixture.counters.note(format!(
        "{written} frames written; {:.1} million frames checked a second by 4 readers",
        frames as f64 / seconds / 1e6
    ));
    Ok(())
}

pub fn flood(mut rng: Rng, name: &str) -> eyre::Result<()> {
    let mut writer = create_patiently(name)?;
    writer.begin(&signal::format(RING_FRAMES), &signal::description("writer"), 1024)?;
    print_line("begins");
    let order = input_line();
    let mut buffer = Vec::new();
    while order.lock().is_ok_and(|line| line.is_none()) {
        for _ in 0..64 {
            let frames = 256 << rng.below(5);
            if rng.one_in(2) {
                signal::write(&mut writer, frames)?;
            } else {
                signal::write_copy(&mut writer, frames, &mut buffer)?;
            }
        }
    }
    print_line(&format!("{} {}", writer.stream_id(), writer.stream_position()));
    // The stream stays open until all readers have read it to its end.
    let ended = input_ends();
    while !ended.load(std::sync::atomic::Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// The next line from the parent; `None` until it has arrived.
fn input_line() -> std::sync::Arc<std::sync::Mutex<Option<String>>> {
    let line = std::sync::Arc::new(std::sync::Mutex::new(None));
    let received = line.clone();
    std::thread::spawn(move || {
        let sent = read_line().unwrap_or_default();
        if let Ok(mut received) = received.lock() {
            *received = Some(sent);
        }
    });
    line
}

pub fn read_flood(kind: Kind, name: &str) -> eyre::Result<()> {
    let counters = Counters::of_role();
    let mut follower = Follower::open(name, kind, &ReaderOptions::default(), Ledger::default())?;
    print_line("begins");
    let order = input_line();
    let mut last_chance = None;
    loop {
        if let Err(defect) = read_some(&mut follower, kind, &counters) {
            counters.defect(&format!("{kind:?} reader: {defect}"));
        }
        let Some(total) = order.lock().ok().and_then(|line| line.clone()) else { continue };
        let place = follower.place();
        if total == format!("{} {}", place.stream_id, place.position) {
            break;
        }
        let deadline = *last_chance.get_or_insert_with(|| Instant::now() + PATIENCE);
        if Instant::now() > deadline {
            counters.defect(&format!(
                "{kind:?} reader: expected to reach {total} within {PATIENCE:?}, but it has reached {place:?}"
            ));
        }
    }
    counters.report_rest();
    print_line(&follower.lost().to_string());
    Ok(())
}

fn read_some(follower: &mut Follower, kind: Kind, counters: &Counters) -> Result<(), String> {
    if kind != Kind::Poll {
        follower.wait(Duration::from_millis(100))?;
    }
    for _ in 0..64 {
        match follower.step()? {
            Step::Read(frames) => counters.checked(frames),
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
