//! Makes `tests/vectors/streams` with real writers, and checks that what is committed is what they make.
//!
//! `DORA_SHM_VECTORS=write` (`cargo xtask vectors`) replaces the committed files instead.

#[path = "../common/mod.rs"]
mod common;

mod cases;
mod model;
mod samples;
mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use common::process::{Actor, argument};
use common::segments::{self, Bytes, footer_at, header_at, record_at, trailer_at};
use common::vectors::{PREFIX, Stage, folder};
use dora_shm_ring::{Chunk, Format, Times, Writer, WriterOptions};
use model::{Model, Room, STREAM_ID};
use story::{Case, Ring, Step};

const CREATED_NS: i64 = 1_700_000_000_000_000_000;
const MONO_NS: u64 = 1_000_000_007;
const WRITER_PID: u32 = 4242;

/// Files of a case by their path in its folder.
type Files = BTreeMap<String, Vec<u8>>;

#[test]
fn the_committed_vectors_are_what_the_writer_makes() {
    let stage = Stage::enter();
    let made: BTreeMap<&str, Files> = cases::all().iter().map(|case| (case.folder, make(&stage, case))).collect();
    if std::env::var("DORA_SHM_VECTORS").is_ok_and(|task| task == "write") {
        replace(&made);
    }
    let committed = common::vectors::cases();
    let (made_names, committed_names) =
        (made.keys().copied().collect::<BTreeSet<_>>(), committed.iter().map(String::as_str).collect());
    assert_eq!(made_names, committed_names, "folders; {REMEDY}");
    for (case, files) in &made {
        let committed = read(&folder().join(case));
        assert_eq!(files.keys().collect::<Vec<_>>(), committed.keys().collect::<Vec<_>>(), "{case}: files; {REMEDY}");
        for (file, bytes) in files {
            if let Some(difference) = difference(file, bytes, &committed[file]) {
                panic!("{case}/{file}: {difference}; {REMEDY}");
            }
        }
    }
}

const REMEDY: &str = "if the change is meant, `cargo xtask vectors` makes them anew";

/// Where two files differ. JSON counts by its value: the order of members depends on how serde_json is built.
fn difference(file: &str, made: &[u8], committed: &[u8]) -> Option<String> {
    if file.ends_with(".json") {
        let value = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
        let (made, committed) = (value(made), value(committed));
        let differs = |member: &&String| made[*member] != committed[*member];
        let members = made.as_object()?.keys().chain(committed.as_object()?.keys());
        let member = members.collect::<BTreeSet<_>>().into_iter().find(differs)?;
        return Some(format!("{member}: made {}, committed {}", made[member], committed[member]));
    }
    if made.len() != committed.len() {
        return Some(format!("made {} bytes, committed {}", made.len(), committed.len()));
    }
    let at = made.iter().zip(committed).position(|(made, committed)| made != committed)?;
    Some(format!("byte {at}: made {:#04x}, committed {:#04x}", made[at], committed[at]))
}

fn read(case: &Path) -> Files {
    let mut files = Files::new();
    for name in ["", "segments"] {
        for entry in fs::read_dir(case.join(name)).unwrap().map(Result::unwrap) {
            let path = Path::new(name).join(entry.file_name()).to_str().unwrap().to_owned();
            if entry.file_type().unwrap().is_file() {
                files.insert(path, fs::read(entry.path()).unwrap());
            }
        }
    }
    files
}

fn replace(made: &BTreeMap<&str, Files>) {
    for case in common::vectors::cases() {
        fs::remove_dir_all(folder().join(case)).unwrap();
    }
    for (case, files) in made {
        fs::create_dir_all(folder().join(case).join("segments")).unwrap();
        for (file, bytes) in files {
            fs::write(folder().join(case).join(file), bytes).unwrap();
        }
    }
}

fn make(stage: &Stage, case: &Case) -> Files {
    let stream = format!("{PREFIX}{}", case.stream);
    let taken = stage.take(&stream);
    let writer = play(case, &stream);
    let segments = capture(&stream);
    drop(writer);
    drop(taken);

    let model = Model::of(case);
    let ring = segments.get(&segments::ring(&stream, model.generation()));
    let ring = ring.unwrap_or_else(|| panic!("{}: no ring; there are {:?}", case.folder, segments.keys()));
    let trailer = Bytes(ring[ring.len() - trailer_at::LENGTH as usize..].to_vec());
    let room = Room {
        frames: trailer.u64(trailer_at::FRAMES as usize),
        records: trailer.u32(trailer_at::RECORDS as usize).into(),
    };
    let members = model.expected(case, &room);
    let lines: Vec<String> = members.iter().map(|(name, value)| format!("  \"{name}\": {value}")).collect();
    let expected = format!("{{\n{}\n}}\n", lines.join(",\n"));
    let segments = segments.into_iter().map(|(path, bytes)| {
        let name = path.file_name().unwrap().to_str().unwrap();
        (format!("segments/{name}"), bytes)
    });
    segments.chain([("expected.json".to_owned(), expected.into_bytes())]).collect()
}

/// Plays the story; gives the writer that lives at its end.
fn play(case: &Case, stream: &str) -> Option<Writer> {
    for (number, life) in case.steps.split_inclusive(Step::kills).enumerate() {
        if !life.last().is_some_and(Step::kills) {
            return Some(live(stream, life));
        }
        live_and_die(case, number, life);
    }
    let is_taken_over = matches!(case.steps.last(), Some(Step::Killed));
    is_taken_over.then(|| Writer::create(stream, WriterOptions::default()).unwrap())
}

/// A writer's life in this process, after which it still lives.
fn live(stream: &str, life: &[Step]) -> Writer {
    let mut writer = Writer::create(stream, WriterOptions::default()).unwrap();
    let (mut ring, mut chunk) = (None, 0);
    for step in life {
        match step {
            Step::Begin(next) | Step::KilledInBegin(_, next) => {
                let format = Format::new(next.dtype, next.frame_shape, next.rate_hz, next.frames).unwrap();
                writer.begin(&format, &next.described.description, next.first_chunk_frames).unwrap();
                (ring, chunk) = (Some(next), 0);
            }
            Step::Describe(described) => writer.describe(&described.description).unwrap(),
            Step::Chunk(frames) | Step::KilledInChunk(_, frames) => {
                write(&mut writer, ring.expect("it has begun"), chunk, *frames);
                chunk += 1;
            }
            Step::Killed | Step::KilledInClose => {}
        }
    }
    writer
}

fn write(writer: &mut Writer, ring: &Ring, chunk: u64, frames: u64) {
    let positions = writer.position()..writer.position() + frames;
    let samples: Vec<u8> = positions.clone().flat_map(|p| model::frame(ring, p)).flat_map(|(bytes, _)| bytes).collect();
    let times: Vec<f64> = positions.map(ring.time).collect();
    let send_ns = (ring.send_ns)(chunk);
    writer.write(&Chunk { samples: &samples, times: Times::Values(&times), send_ns }).unwrap();
}

/// A writer's life in a process of its own, to its death.
fn live_and_die(case: &Case, number: usize, life: &[Step]) {
    let (last, before) = life.split_last().expect("it is killed in a step");
    // The stop point may have been passed in steps of the same kind before.
    let passing = before.iter().filter(|step| std::mem::discriminant(*step) == kind_of(last)).count() + 1;
    let stop = last.stop().map(|label| ("DORA_SHM_STOP_AT", format!("{label}:{passing}")));
    let stop = stop.as_ref().map(|(name, value)| (*name, value.as_str()));
    Actor::start("a_writer_that_is_killed", &format!("{} {number}", case.folder), stop.as_slice()).end_killed();
}

/// The kind of step that `step` is when nobody is killed in it.
fn kind_of(step: &Step) -> std::mem::Discriminant<Step> {
    std::mem::discriminant(&match step {
        Step::KilledInChunk(_, frames) => Step::Chunk(*frames),
        Step::KilledInBegin(_, ring) => Step::Begin(ring.clone()),
        other => other.clone(),
    })
}

#[test]
#[ignore = "a role that another test plays in a process of its own"]
fn a_writer_that_is_killed() {
    let Some(argument) = argument() else { return };
    let (folder, number) = argument.split_once(' ').unwrap();
    let cases = cases::all();
    let case = cases.iter().find(|case| case.folder == folder).unwrap();
    let life = case.steps.split_inclusive(Step::kills).nth(number.parse().unwrap()).unwrap();
    let writer = live(&format!("{PREFIX}{}", case.stream), life);
    if matches!(life.last(), Some(Step::KilledInClose)) {
        drop(writer);
    }
    let stop = life.last().and_then(Step::stop);
    assert_eq!(stop, None, "it was to be killed before");
    let this = rustix::process::getpid();
    rustix::process::kill_process(this, rustix::process::Signal::KILL).unwrap();
}

/// The stream's segments under their public names, with fixed values where writers store what is different every time.
fn capture(stream: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = segments::of(stream).into_iter().filter(|path| path.extension().is_none());
    paths
        .map(|path| {
            let mut bytes = Bytes::of(&path);
            if path == segments::header(stream) {
                settle_header(&mut bytes);
            } else if (0..9).any(|generation| path == segments::ring(stream, generation)) {
                settle_ring(&mut bytes);
            } else {
                let footer = bytes.0.len() as u64 - footer_at::LENGTH;
                store(&mut bytes, footer + footer_at::STREAM_ID, &STREAM_ID.to_le_bytes());
            }
            (path, bytes.0)
        })
        .collect()
}

fn settle_header(header: &mut Bytes) {
    store(header, header_at::STREAM_ID, &STREAM_ID.to_le_bytes());
    store(header, header_at::CREATED_NS, &CREATED_NS.to_le_bytes());
    store(header, header_at::WRITER_PID, &WRITER_PID.to_le_bytes());
    // A writer that has taken over stops waking sleepers when it has seen that there are none.
    store(header, header_at::WAKING, &0u32.to_le_bytes());
}

fn settle_ring(ring: &mut Bytes) {
    let trailer = ring.0.len() as u64 - trailer_at::LENGTH;
    let number = |ring: &Bytes, offset| ring.u64((trailer + offset) as usize);
    let index = number(ring, trailer_at::INDEX_OFFSET);
    let records = u64::from(ring.u32((trailer + trailer_at::RECORDS) as usize));
    let reserved = number(ring, trailer_at::RESERVED_CHUNKS);
    for chunk in reserved.saturating_sub(records)..reserved {
        let mono_ns = index + record_at::LENGTH * (chunk % records) + record_at::MONO_NS;
        // A record that its writer did not come to is all zero.
        if ring.u64(mono_ns as usize) != 0 {
            store(ring, mono_ns, &(MONO_NS + 40_000_000 * chunk).to_le_bytes());
        }
    }
    store(ring, trailer + trailer_at::STREAM_ID, &STREAM_ID.to_le_bytes());
    store(ring, trailer + trailer_at::CREATED_NS, &CREATED_NS.to_le_bytes());
    store(ring, trailer + trailer_at::CREATED_MONO_NS, &MONO_NS.to_le_bytes());
}

fn store(segment: &mut Bytes, offset: u64, value: &[u8]) {
    segment.0[offset as usize..][..value.len()].copy_from_slice(value);
}
