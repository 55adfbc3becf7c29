//! The edges of what numbers and sizes may be: counters that wrap round, a ring of one frame, chunks longer than the ring,
//! frames of 64 MiB.

use std::time::{Duration, Instant};

use dora_shm_ring::{ReaderOptions, Wait, Writer};
use dora_shm_testkit::PATIENCE;
use dora_shm_testkit::follower::{Follower, Kind, oldest};
use dora_shm_testkit::ledger::Ledger;
use dora_shm_testkit::roles::DONE;
use dora_shm_testkit::segments;
use dora_shm_testkit::segments::{Bytes, anchor, footer_at, header_at, patch, record_at, trailer_at};
use dora_shm_testkit::signal;

use crate::fixture::{Fixture, Outcome, create_patiently};
use crate::follow::Places;
use crate::role::Role;

type Told = Result<Writer, String>;

pub fn run(fixture: &Fixture) -> Outcome {
    let mut rounds = 0;
    while rounds == 0 || fixture.goes_on() {
        wrap_round(fixture)?;
        fixture
            .among_followers(&Kind::ALL, &Ledger::default(), |places| one_frame(fixture, places, fixture.part(4)))?;
        fixture
            .among_followers(&Kind::ALL, &Ledger::default(), |places| long_chunks(fixture, places, fixture.part(3)))?;
        let kinds = [Kind::Wait, Kind::View, Kind::MessageViews];
        fixture.among_followers(&kinds, &Ledger::default(), |places| large_frames(fixture, places))?;
        rounds += 1;
        if fixture.counters.is_over() {
            break;
        }
    }
    fixture.counters.note(format!("{rounds} rounds of wraps, one-frame rings, long chunks and 64 MiB frames"));
    Ok(())
}

fn told(error: dora_shm_ring::Error) -> String {
    format!("{error:?}")
}

/// A dead stream's numbers are set to just before they wrap, and its segments renamed to fit; then it goes on under load.
fn wrap_round(fixture: &Fixture) -> Outcome {
    let mut writer = fixture.start(Role::Writer, &[&fixture.name])?;
    ["create", "begin 4 64 4 first", "write 5"].iter().try_for_each(|line| writer.ask_for(line, DONE))?;
    writer.kill_and_wait()?;
    move_before_the_wrap(&fixture.name)?;
    fixture.counters.faults(4);
    let stream_id = segments::Snapshot::of(&fixture.name).stream_id;
    fixture.among_followers_from(&oldest(), &Kind::ALL, &Ledger::default(), |places| {
        places.all_reach(&fixture.counters, stream_id, 5)?;
        let mut writer = create_patiently(&fixture.name).map_err(told)?;
        if (writer.stream_id(), writer.epoch(), writer.stream_position()) != (stream_id, 1, 5) {
            return Err(format!("taken over with epoch {} after the last: {writer:?}", writer.epoch()));
        }
        let mut rng = fixture.rng(4);
        for generation in 0..4 {
            let key = signal::description(generation.to_string());
            writer.begin(&signal::format(16), &key, 4).map_err(told)?;
            if writer.generation() != Some(generation) {
                return Err(format!("generation {:?} after the wrap, expected {generation}", writer.generation()));
            }
            for _ in 0..200 {
                signal::write(&mut writer, rng.below(5)).map_err(told)?;
            }
            // Each is asleep by now: its wake-up must come across the wrap of the wake word, too.
            let total = writer.stream_position();
            places.all_reach(&fixture.counters, stream_id, total)?;
            let header = Bytes::read(&segments::header(&fixture.name)).ok_or("the header is gone")?;
            if header.u32(header_at::META_GENERATION) != generation + 1 {
                return Err(format!(
                    "description {} of generation {generation}",
                    header.u32(header_at::META_GENERATION)
                ));
            }
            let word = u32::MAX - rng.below(3) as u32;
            set_wake_word(&fixture.name, word)?;
            fixture.counters.fault();
            std::thread::sleep(Duration::from_millis(30));
            signal::write(&mut writer, 1).map_err(told)?;
            places.all_reach(&fixture.counters, stream_id, total + 1)?;
        }
        waiters_wake_at_once(fixture, &mut writer)?;
        places.all_reach(&fixture.counters, stream_id, writer.stream_position())?;
        Ok(writer)
    })
}

fn set_wake_word(name: &str, word: u32) -> Outcome {
    patch(&segments::header(name), header_at::WAKE, &word.to_le_bytes()).map_err(|error| error.to_string())
}

/// A forgotten waiter finds the frame with its next slice, a quarter of a second later. A machine with other things to do
/// is late, too, but not every time.
fn waiters_wake_at_once(fixture: &Fixture, writer: &mut Writer) -> Outcome {
    let mut late = Duration::MAX;
    for _ in 0..8 {
        set_wake_word(&fixture.name, u32::MAX)?;
        let mut reader = Follower::open(&fixture.name, Kind::Wait, &ReaderOptions::default(), Ledger::anywhere())
            .map_err(|error| format!("{error:?}"))?;
        let woken = std::thread::scope(|scope| {
            let waiter = scope.spawn(|| reader.wait(PATIENCE).map(|wait| (wait, Instant::now())));
            std::thread::sleep(Duration::from_millis(60));
            let written = Instant::now();
            signal::write(writer, 1).map_err(told)?;
            let (wait, woken) = waiter.join().map_err(|_| "the waiter panicked".to_owned())??;
            match wait {
                Wait::Ready => Ok(woken.saturating_duration_since(written)),
                other => Err(format!("a waiter got {other:?} of a frame")),
            }
        })?;
        late = late.min(woken);
    }
    if late < Duration::from_millis(50) { Ok(()) } else { Err(format!("waiters wake {late:?} after a frame at best")) }
}

/// Sets a dead stream's numbers to just before they wrap.
fn move_before_the_wrap(name: &str) -> Outcome {
    let told = |error: std::io::Error| format!("moving {name:?} before the wrap: {error}");
    let (generation, meta_generation, epoch) = (u32::MAX - 1, u32::MAX, u32::MAX);
    let (header, ring, metadata) = (segments::header(name), segments::ring(name, 0), segments::metadata(name, 1));
    let bytes = Bytes::read(&ring).ok_or("the ring is gone")?;
    let trailer = bytes.trailer();
    let footer = Bytes::read(&metadata).ok_or("the description is gone")?.footer();
    patch(&ring, trailer + trailer_at::GENERATION, &generation.to_le_bytes()).map_err(told)?;
    patch(&metadata, footer + footer_at::META_GENERATION, &meta_generation.to_le_bytes()).map_err(told)?;
    let index = bytes.u64(trailer + trailer_at::INDEX_OFFSET);
    patch(&ring, index + record_at::META_GENERATION, &meta_generation.to_le_bytes()).map_err(told)?;
    let moves = [(ring, segments::ring(name, generation)), (metadata, segments::metadata(name, meta_generation))];
    for (from, to) in moves {
        for (from, to) in [(anchor(&from), anchor(&to)), (from, to)] {
            std::fs::rename(&from, &to).map_err(|error| format!("{}: {error}", from.display()))?;
        }
    }
    patch(&header, header_at::META_GENERATION, &meta_generation.to_le_bytes()).map_err(told)?;
    patch(&header, header_at::EPOCH, &epoch.to_le_bytes()).map_err(told)?;
    patch(&header, header_at::WAKE, &(u32::MAX - 2).to_le_bytes()).map_err(told)?;
    patch(&header, header_at::GENERATION, &generation.to_le_bytes()).map_err(told)
}

fn write_for(fixture: &Fixture, time: Duration, writer: &mut Writer, mut frames: impl FnMut() -> u64) -> Outcome {
    let until = Instant::now() + time;
    let mut buffer = Vec::new();
    while Instant::now() < until && !fixture.counters.is_over() {
        for _ in 0..100 {
            let frames = frames();
            if frames.is_multiple_of(2) {
                signal::write(writer, frames).map_err(told)?;
            } else {
                signal::write_copy(writer, frames, &mut buffer).map_err(told)?;
            }
        }
        // Lapped all the time, a reader of one frame would see none.
        std::thread::sleep(Duration::from_micros(50));
    }
    Ok(())
}

fn one_frame(fixture: &Fixture, places: &Places, time: Duration) -> Told {
    let mut writer = create_patiently(&fixture.name).map_err(told)?;
    writer.begin(&signal::format(1), &signal::description("one"), 1).map_err(told)?;
    let mut rng = fixture.rng(5);
    write_for(fixture, time, &mut writer, || rng.below(3))?;
    fixture.counters.fault();
    signal::write(&mut writer, 1).map_err(told)?;
    places.all_reach(&fixture.counters, writer.stream_id(), writer.stream_position())?;
    Ok(writer)
}

fn long_chunks(fixture: &Fixture, places: &Places, time: Duration) -> Told {
    let mut writer = create_patiently(&fixture.name).map_err(told)?;
    let mut rng = fixture.rng(6);
    for ring_frames in [1, 7, 200] {
        writer.begin(&signal::format_of(&[5], ring_frames), &signal::description("long"), 1).map_err(told)?;
        write_for(fixture, time / 3, &mut writer, || ring_frames * rng.below(9) + rng.below(4))?;
        fixture.counters.fault();
    }
    // A message longer than the ring is lost to readers of messages; the next one tells them.
    signal::write(&mut writer, 1).map_err(told)?;
    places.all_reach(&fixture.counters, writer.stream_id(), writer.stream_position())?;
    Ok(writer)
}

fn large_frames(fixture: &Fixture, places: &Places) -> Told {
    let mut writer = create_patiently(&fixture.name).map_err(told)?;
    for ring_frames in [1, 2] {
        writer.begin(&signal::format_of(&[8 << 20], ring_frames), &signal::description("large"), 1).map_err(told)?;
        for _ in 0..3 {
            signal::write(&mut writer, 1).map_err(told)?;
            places.all_reach(&fixture.counters, writer.stream_id(), writer.stream_position())?;
        }
        fixture.counters.fault();
    }
    Ok(writer)
}
