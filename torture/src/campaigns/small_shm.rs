//! A shared memory of 64 MB is full before a stream begins, and fills and empties while frames flow. The writer returns
//! an error that gives both numbers, it does not end with SIGBUS, and the stream continues when there is space again.

use std::io::Write as _;
use std::time::{Duration, Instant};

use dora_shm_ring::{Error, Writer, WriterOptions};
use dora_shm_testkit::PATIENCE;
use dora_shm_testkit::follower::Kind;
use dora_shm_testkit::ledger::Ledger;
use dora_shm_testkit::rng::Rng;
use dora_shm_testkit::segments;
use dora_shm_testkit::signal;

use crate::fixture::{Fixture, Outcome};

const MIB: u64 = 1 << 20;

pub fn run(fixture: &Fixture) -> Outcome {
    full_before(fixture)?;
    fixture.among_followers(&Kind::ALL, &Ledger::default(), |_| {
        let mut rng = fixture.rng(1);
        let mut writer =
            Writer::create(&fixture.name, WriterOptions::default()).map_err(|error| format!("{error:?}"))?;
        let mut counts = Counts::default();
        begin_patiently(&mut writer, &mut rng, &mut counts)?;
        while fixture.goes_on() {
            one_event(fixture, &mut writer, &mut rng, &mut counts)?;
        }
        // There is space again: any ring that fits can be begun.
        empty();
        begin_patiently(&mut writer, &mut rng, &mut counts)?;
        signal::write(&mut writer, 9).map_err(|error| format!("with space again: {error:?}"))?;
        let Counts { begun, refused, restarts, filled } = counts;
        fixture.counters.note(format!(
            "filled {filled} times; {begun} rings begun, {restarts} of them by a restart in the space of the old ring, \
             {refused} refused for lack of space"
        ));
        Ok(writer)
    })
}

#[derive(Default)]
struct Counts {
    begun: u64,
    refused: u64,
    restarts: u64,
    filled: u64,
}

fn ballast() -> std::path::PathBuf {
    segments::path("ballast")
}

/// Fills the free space except for `spare` bytes.
fn fill_up(spare: u64) -> Outcome {
    let failed = |error: std::io::Error| format!("filling shared memory: {error}");
    let mut file = std::fs::File::options().create(true).append(true).open(ballast()).map_err(failed)?;
    let room = rustix::fs::statvfs("/dev/shm").map_err(|errno| failed(errno.into()))?;
    if room.f_blocks * room.f_frsize > 64 * MIB {
        return Err("/dev/shm has more than 64 MiB, so it is not the campaign's private one".to_owned());
    }
    let free = room.f_bavail * room.f_frsize;
    let page = [1; 4096];
    for _ in 0..free.saturating_sub(spare) / 4096 {
        match file.write_all(&page) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => break,
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}

fn empty() {
    let _ = std::fs::remove_file(ballast());
}

fn full_before(fixture: &Fixture) -> Outcome {
    fill_up(0)?;
    fixture.counters.fault();
    match Writer::create(&fixture.name, WriterOptions::default()) {
        Err(Error::NoSpace { needed: 4096, free }) if free < 4096 => {}
        other => return Err(format!("in a full shared memory: {other:?}")),
    }
    if segments::listing() != ["ballast"] {
        return Err(format!("the refused writer left {:?}", segments::listing()));
    }
    // Space for the header only.
    empty();
    fill_up(8 * 4096)?;
    let mut writer = Writer::create(&fixture.name, WriterOptions::default()).map_err(|error| format!("{error:?}"))?;
    let format = signal::format(100_000);
    match writer.begin(&format, &signal::description(""), 4) {
        Err(Error::NoSpace { needed, free }) if free < needed => {}
        other => return Err(format!("with space for a header only: {other:?}")),
    }
    empty();
    writer.begin(&format, &signal::description(""), 4).map_err(|error| format!("with space again: {error:?}"))?;
    signal::write(&mut writer, 10).map_err(|error| format!("{error:?}"))?;
    // Every reserved page belongs to the writer, even if the memory is full later.
    fill_up(0)?;
    for _ in 0..30 {
        signal::write(&mut writer, 5000).map_err(|error| format!("{error:?}"))?;
    }
    fixture.counters.fault();
    drop(writer);
    empty();
    let left = segments::listing();
    if left.is_empty() { Ok(()) } else { Err(format!("the writer left {left:?}")) }
}

/// The format of a ring of some MB. Some of these rings are too large to fit together with a second one.
fn some_format(rng: &mut Rng) -> dora_shm_ring::Format {
    let megabytes = [1, 4, 12, 25, 40][rng.below(5) as usize];
    let words = 4 + rng.below(500);
    signal::format_of(&[words], (megabytes * MIB / (8 * words + 8)).max(1))
}

/// Begins a ring. There must be space for it within a moment, when readers have detached from the old one.
fn begin_patiently(writer: &mut Writer, rng: &mut Rng, counts: &mut Counts) -> Outcome {
    let deadline = Instant::now() + PATIENCE;
    let format = some_format(rng);
    loop {
        match writer.begin(&format, &signal::description("with room"), 4) {
            Ok(()) => {
                counts.begun += 1;
                return Ok(());
            }
            Err(Error::NoSpace { .. }) if Instant::now() < deadline => {
                counts.refused += 1;
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(error) => {
                return Err(format!(
                    "beginning a ring with enough space: {error:?}; shared memory contains {:?}",
                    segments::listing()
                ));
            }
        }
    }
}

fn one_event(fixture: &Fixture, writer: &mut Writer, rng: &mut Rng, counts: &mut Counts) -> Outcome {
    match rng.below(30) {
        0 => {
            fill_up(rng.below(8) * rng.below(MIB))?;
            fixture.counters.fault();
            counts.filled += 1;
        }
        1 | 2 => empty(),
        3 | 4 => {
            let before = (writer.stream_id(), writer.generation(), writer.stream_position());
            match writer.begin(&some_format(rng), &signal::description(rng.below(9).to_string()), 4) {
                Ok(()) => {
                    counts.begun += 1;
                    counts.restarts += u64::from(writer.stream_id() != before.0);
                }
                Err(error @ Error::NoSpace { needed, .. }) => {
                    counts.refused += 1;
                    if !error.to_string().contains(&needed.to_string()) {
                        return Err(format!("the error does not contain the needed size {needed}: {error}"));
                    }
                    let kept = (writer.stream_id(), writer.generation(), writer.stream_position()) == before;
                    if !kept && writer.generation().is_some() {
                        return Err(format!("a refused begin changed {before:?} to {writer:?}"));
                    }
                }
                Err(error) => return Err(format!("beginning a ring: {error:?}")),
            }
        }
        5 => match writer.describe(&signal::description(rng.next_u64().to_string())) {
            Ok(()) | Err(Error::NoSpace { .. }) => {}
            // After a restart whose ring does not fit yet.
            Err(Error::NoGeneration) if writer.generation().is_none() => {}
            Err(error) => return Err(format!("describing: {error:?}")),
        },
        _ => {}
    }
    if writer.generation().is_none() {
        // The restart did not find enough space, since readers stayed attached to the old ring for too long.
        empty();
        return begin_patiently(writer, rng, counts);
    }
    for _ in 0..rng.below(20) {
        signal::write(writer, rng.below(200)).map_err(|error| format!("writing: {error:?}"))?;
    }
    Ok(())
}
