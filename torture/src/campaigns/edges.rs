//! The edges of what numbers and sizes may be: counters that wrap round, a ring of one frame, chunks longer than the ring,
//! frames of 64 MiB.

use std::time::{Duration, Instant};

use dora_shm_ring::{ReaderOptions, Wait, Writer};

use crate::actor::Actor;
use crate::book::Book;
use crate::follower::{ALL_KINDS, Follower, Kind, PATIENCE, Places, oldest};
use crate::roles::Role;
use crate::scene::{Outcome, Scene, create_patiently};
use crate::segments::{self, Bytes, FOOTER_BYTES, TRAILER_BYTES, anchor, header_at, patch, trailer_at};
use crate::signal;

type Told = Result<Writer, String>;

pub fn run(scene: &Scene) -> Outcome {
    let mut rounds = 0;
    while rounds == 0 || scene.goes_on() {
        wrap_round(scene)?;
        scene.among_followers(&ALL_KINDS, &Book::default(), |places| one_frame(scene, places, scene.part(4)))?;
        scene.among_followers(&ALL_KINDS, &Book::default(), |places| long_chunks(scene, places, scene.part(3)))?;
        let kinds = [Kind::Wait, Kind::View, Kind::MessageViews];
        scene.among_followers(&kinds, &Book::default(), |places| large_frames(scene, places))?;
        rounds += 1;
        if scene.tally.is_over() {
            break;
        }
    }
    scene.tally.note(format!("{rounds} rounds of wraps, one-frame rings, long chunks and 64 MiB frames"));
    Ok(())
}

fn told(error: dora_shm_ring::Error) -> String {
    format!("{error:?}")
}

/// A dead stream's numbers are set to just before they wrap, and its segments renamed to fit; then it goes on under load.
fn wrap_round(scene: &Scene) -> Outcome {
    let mut scribe = scene.actor(Role::Scribe, &[&scene.name])?;
    scribe.expect("begins")?;
    scribe.say("5");
    scribe.expect("5")?;
    die_before_the_wrap(&scene.name, scribe)?;
    scene.tally.faults(4);
    let stream_id = segments::Snapshot::of(&scene.name).stream_id;
    scene.among_followers_from(&oldest(), &ALL_KINDS, &Book::default(), |places| {
        places.all_reach(&scene.tally, stream_id, 5)?;
        let mut writer = create_patiently(&scene.name).map_err(told)?;
        if (writer.stream_id(), writer.epoch(), writer.stream_position()) != (stream_id, 1, 5) {
            return Err(format!("taken over with epoch {} after the last: {writer:?}", writer.epoch()));
        }
        let mut dice = scene.dice(4);
        for generation in 0..4 {
            let key = signal::description(generation.to_string());
            writer.begin(&signal::format(4, 16), &key, 4).map_err(told)?;
            if writer.generation() != Some(generation) {
                return Err(format!("generation {:?} after the wrap, expected {generation}", writer.generation()));
            }
            for _ in 0..200 {
                signal::write(&mut writer, dice.below(5)).map_err(told)?;
            }
            // Each is asleep by now: its wake-up must come across the wrap of the wake word, too.
            let total = writer.stream_position();
            places.all_reach(&scene.tally, stream_id, total)?;
            let header = Bytes::of(&segments::header(&scene.name)).ok_or("the header is gone")?;
            if header.u32(header_at::META_GENERATION) != generation + 1 {
                return Err(format!(
                    "description {} of generation {generation}",
                    header.u32(header_at::META_GENERATION)
                ));
            }
            let word = (u32::MAX - dice.below(3) as u32).to_le_bytes();
            patch(&segments::header(&scene.name), header_at::WAKE, &word)?;
            scene.tally.fault();
            std::thread::sleep(Duration::from_millis(30));
            signal::write(&mut writer, 1).map_err(told)?;
            places.all_reach(&scene.tally, stream_id, total + 1)?;
        }
        sleepers_wake_at_once(scene, &mut writer)?;
        places.all_reach(&scene.tally, stream_id, writer.stream_position())?;
        Ok(writer)
    })
}

/// A forgotten sleeper finds the frame with its next slice, a quarter of a second later. A machine with other things to do
/// is late, too, but not every time.
fn sleepers_wake_at_once(scene: &Scene, writer: &mut Writer) -> Outcome {
    let mut late = Duration::MAX;
    for _ in 0..8 {
        patch(&segments::header(&scene.name), header_at::WAKE, &u32::MAX.to_le_bytes())?;
        let mut reader = Follower::open(&scene.name, Kind::Wait, &ReaderOptions::default(), Book::anywhere())
            .map_err(|error| format!("{error:?}"))?;
        let woken = std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| reader.wait(PATIENCE).map(|wait| (wait, Instant::now())));
            std::thread::sleep(Duration::from_millis(60));
            let written = Instant::now();
            signal::write(writer, 1).map_err(told)?;
            let (wait, woken) = sleeper.join().map_err(|_| "the sleeper panicked".to_owned())??;
            match wait {
                Wait::Ready => Ok(woken.saturating_duration_since(written)),
                other => Err(format!("a sleeper is told {other:?} of a frame")),
            }
        })?;
        late = late.min(woken);
    }
    if late < Duration::from_millis(50) { Ok(()) } else { Err(format!("sleepers wake {late:?} after a frame at best")) }
}

fn die_before_the_wrap(name: &str, mut scribe: Actor) -> Outcome {
    scribe.kill();
    scribe.end_killed()?;
    let (generation, meta_generation, epoch) = (u32::MAX - 1, u32::MAX, u32::MAX);
    let (header, ring, metadata) = (segments::header(name), segments::ring(name, 0), segments::metadata(name, 1));
    let bytes = Bytes::of(&ring).ok_or("the ring is gone")?;
    let trailer = bytes.0.len() as u64 - TRAILER_BYTES;
    let footer = Bytes::of(&metadata).ok_or("the description is gone")?.0.len() as u64 - FOOTER_BYTES;
    patch(&ring, trailer + trailer_at::GENERATION, &generation.to_le_bytes())?;
    patch(&metadata, footer + 24, &meta_generation.to_le_bytes())?;
    let index = bytes.u64(trailer + trailer_at::INDEX_OFFSET);
    patch(&ring, index + 32, &meta_generation.to_le_bytes())?;
    let moves = [(ring, segments::ring(name, generation)), (metadata, segments::metadata(name, meta_generation))];
    for (from, to) in moves {
        for (from, to) in [(anchor(&from), anchor(&to)), (from, to)] {
            std::fs::rename(&from, &to).map_err(|error| format!("{}: {error}", from.display()))?;
        }
    }
    patch(&header, header_at::META_GENERATION, &meta_generation.to_le_bytes())?;
    patch(&header, header_at::EPOCH, &epoch.to_le_bytes())?;
    patch(&header, header_at::WAKE, &(u32::MAX - 2).to_le_bytes())?;
    patch(&header, header_at::GENERATION, &generation.to_le_bytes())
}

fn write_for(scene: &Scene, time: Duration, writer: &mut Writer, mut frames: impl FnMut() -> u64) -> Outcome {
    let until = Instant::now() + time;
    let mut buffer = Vec::new();
    while Instant::now() < until && !scene.tally.is_over() {
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

fn one_frame(scene: &Scene, places: &Places, time: Duration) -> Told {
    let mut writer = create_patiently(&scene.name).map_err(told)?;
    writer.begin(&signal::format(4, 1), &signal::description("one"), 1).map_err(told)?;
    let mut dice = scene.dice(5);
    write_for(scene, time, &mut writer, || dice.below(3))?;
    scene.tally.fault();
    signal::write(&mut writer, 1).map_err(told)?;
    places.all_reach(&scene.tally, writer.stream_id(), writer.stream_position())?;
    Ok(writer)
}

fn long_chunks(scene: &Scene, places: &Places, time: Duration) -> Told {
    let mut writer = create_patiently(&scene.name).map_err(told)?;
    let mut dice = scene.dice(6);
    for ring_frames in [1, 7, 200] {
        writer.begin(&signal::format(5, ring_frames), &signal::description("long"), 1).map_err(told)?;
        write_for(scene, time / 3, &mut writer, || ring_frames * dice.below(9) + dice.below(4))?;
        scene.tally.fault();
    }
    // A message longer than the ring is lost to readers of messages; the next one tells them.
    signal::write(&mut writer, 1).map_err(told)?;
    places.all_reach(&scene.tally, writer.stream_id(), writer.stream_position())?;
    Ok(writer)
}

fn large_frames(scene: &Scene, places: &Places) -> Told {
    let mut writer = create_patiently(&scene.name).map_err(told)?;
    for ring_frames in [1, 2] {
        writer.begin(&signal::format(8 << 20, ring_frames), &signal::description("large"), 1).map_err(told)?;
        for _ in 0..3 {
            signal::write(&mut writer, 1).map_err(told)?;
            places.all_reach(&scene.tally, writer.stream_id(), writer.stream_position())?;
        }
        scene.tally.fault();
    }
    Ok(writer)
}
