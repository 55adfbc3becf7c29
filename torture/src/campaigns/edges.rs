//! The limits of numbers and sizes: counters that wrap around, a ring of one frame, chunks longer than the ring, frames
//! of 64 MiB.

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

type Prepared = Result<Writer, String>;

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

fn failed(error: dora_shm_ring::Error) -> String {
    format!("{error:?}")
}

/// Sets a dead stream's counters to just before they wrap, renames its segments accordingly, and continues the stream
/// under load.
fn wrap_round(fixture: &Fixture) -> Outcome {
    let mut writer = fixture.start(Role::Writer, &[&fixture.name])?;
    ["create", "begin 4 64 4 first", "write 5"].iter().try_for_each(|line| writer.request_expecting(line, DONE))?;
    writer.kill_and_wait()?;
    move_before_the_wrap(&fixture.name)?;
    fixture.counters.faults(4);
    let stream_id = segments::Snapshot::of(&fixture.name).stream_id;
    fixture.among_followers_from(&oldest(), &Kind::ALL, &Ledger::default(), |places| {
        places.all_reach(&fixture.counters, stream_id, 5)?;
        let mut writer = create_patiently(&fixture.name).map_err(failed)?;
        if (writer.stream_id(), writer.epoch(), writer.stream_position()) != (stream_id, 1, 5) {
            return Err(format!("the takeover after the last epoch gave epoch {}: {writer:?}", writer.epoch()));
        }
        let mut rng = fixture.rng(4);
        for generation in 0..4 {
            let key = signal::description(generation.to_string());
            writer.begin(&signal::format(16), &key, 4).map_err(failed)?;
            if writer.generation() != Some(generation) {
                return Err(format!("generation {:?} after the wrap, expected {generation}", writer.generation()));
            }
            for _ in 0..200 {
                signal::write(&mut writer, rng.below(5)).map_err(failed)?;
            }
            // Every reader waits by now. The wake-up must also work across the wrap of the wake word.
            let total = writer.stream_position();
            places.all_reach(&fixture.counters, stream_id, total)?;
            let header = Bytes::read(&segments::header(&fixture.name)).ok_or("the header is gone")?;
            if header.u32(header_at::META_GENERATION) != generation + 1 {
                return Err(format!(
                    "generation {generation} has description {}, expected {}",
                    header.u32(header_at::META_GENERATION),
                    generation + 1
                ));
            }
            let word = u32::MAX - rng.below(3) as u32;
            set_wake_word(&fixture.name, word)?;
            fixture.counters.fault();
            std::thread::sleep(Duration::from_millis(30));
            signal::write(&mut writer, 1).map_err(failed)?;
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

/// Checks that a wake-up ends each wait. A waiter that misses it finds the frame only at the end of its slice, a
/// quarter of a second later. A busy machine may be late as well, but not every time, so the shortest of eight delays
/// counts.
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
            signal::write(writer, 1).map_err(failed)?;
            let (wait, woken) = waiter.join().map_err(|_| "the waiter panicked".to_owned())??;
            match wait {
                Wait::Ready => Ok(woken.saturating_duration_since(written)),
                other => Err(format!("after a frame a wait returned {other:?}, expected Ready")),
            }
        })?;
        late = late.min(woken);
    }
    if late < Duration::from_millis(50) {
        Ok(())
    } else {
        Err(format!("the fastest of eight waiters woke {late:?} after a frame, expected less than 50 ms"))
    }
}

/// Sets a dead stream's counters to just before they wrap.
fn move_before_the_wrap(name: &str) -> Outcome {
    let failed = |error: std::io::Error| format!("moving {name:?} before the wrap: {error}");
    let (generation, meta_generation, epoch) = (u32::MAX - 1, u32::MAX, u32::MAX);
    let (header, ring, metadata) = (segments::header(name), segments::ring(name, 0), segments::metadata(name, 1));
    let bytes = Bytes::read(&ring).ok_or("the ring is gone")?;
    let trailer = bytes.trailer();
    let footer = Bytes::read(&metadata).ok_or("the description is gone")?.footer();
    patch(&ring, trailer + trailer_at::GENERATION, &generation.to_le_bytes()).map_err(failed)?;
    patch(&metadata, footer + footer_at::META_GENERATION, &meta_generation.to_le_bytes()).map_err(failed)?;
    let index = bytes.u64(trailer + trailer_at::INDEX_OFFSET);
    patch(&ring, index + record_at::META_GENERATION, &meta_generation.to_le_bytes()).map_err(failed)?;
    let moves = [(ring, segments::ring(name, generation)), (metadata, segments::metadata(name, meta_generation))];
    for (from, to) in moves {
        for (from, to) in [(anchor(&from), anchor(&to)), (from, to)] {
            std::fs::rename(&from, &to).map_err(|error| format!("{}: {error}", from.display()))?;
        }
    }
    patch(&header, header_at::META_GENERATION, &meta_generation.to_le_bytes()).map_err(failed)?;
    patch(&header, header_at::EPOCH, &epoch.to_le_bytes()).map_err(failed)?;
    patch(&header, header_at::WAKE, &(u32::MAX - 2).to_le_bytes()).map_err(failed)?;
    patch(&header, header_at::GENERATION, &generation.to_le_bytes()).map_err(failed)
}

fn write_for(fixture: &Fixture, time: Duration, writer: &mut Writer, mut frames: impl FnMut() -> u64) -> Outcome {
    let until = Instant::now() + time;
    let mut buffer = Vec::new();
    while Instant::now() < until && !fixture.counters.is_over() {
        for _ in 0..100 {
            let frames = frames();
            if frames.is_multiple_of(2) {
                signal::write(writer, frames).map_err(failed)?;
            } else {
                signal::write_copy(writer, frames, &mut buffer).map_err(failed)?;
            }
        }
        // Without a pause, readers of a ring of one frame would be lapped all the time and read nothing.
        std::thread::sleep(Duration::from_micros(50));
    }
    Ok(())
}

fn one_frame(fixture: &Fixture, places: &Places, time: Duration) -> Prepared {
    let mut writer = create_patiently(&fixture.name).map_err(failed)?;
    writer.begin(&signal::format(1), &signal::description("one"), 1).map_err(failed)?;
    let mut rng = fixture.rng(5);
    write_for(fixture, time, &mut writer, || rng.below(3))?;
    fixture.counters.fault();
    signal::write(&mut writer, 1).map_err(failed)?;
    places.all_reach(&fixture.counters, writer.stream_id(), writer.stream_position())?;
    Ok(writer)
}

fn long_chunks(fixture: &Fixture, places: &Places, time: Duration) -> Prepared {
    let mut writer = create_patiently(&fixture.name).map_err(failed)?;
    let mut rng = fixture.rng(6);
    for ring_frames in [1, 7, 200] {
        writer.begin(&signal::format_of(&[5], ring_frames), &signal::description("long"), 1).map_err(failed)?;
        write_for(fixture, time / 3, &mut writer, || ring_frames * rng.below(9) + rng.below(4))?;
        fixture.counters.fault();
    }
    // Readers of messages lose a message longer than the ring. They learn of the loss with the next message.
    signal::write(&mut writer, 1).map_err(failed)?;
    places.all_reach(&fixture.counters, writer.stream_id(), writer.stream_position())?;
    Ok(writer)
}

fn large_frames(fixture: &Fixture, places: &Places) -> Prepared {
    let mut writer = create_patiently(&fixture.name).map_err(failed)?;
    for ring_frames in [1, 2] {
        writer.begin(&signal::format_of(&[8 << 20], ring_frames), &signal::description("large"), 1).map_err(failed)?;
        for _ in 0..3 {
            signal::write(&mut writer, 1).map_err(failed)?;
            places.all_reach(&fixture.counters, writer.stream_id(), writer.stream_position())?;
        }
        fixture.counters.fault();
    }
    Ok(writer)
}
