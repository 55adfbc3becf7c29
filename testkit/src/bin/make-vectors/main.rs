//! `make-vectors [--check]` generates the newest version of `tests/vectors/streams` with real writers, some of which are
//! killed on the way.
//!
//! Without an argument it replaces the committed files of that version. With `--check` it fails unless they are, byte for byte, what
//! the writers produce. `cargo xtask vectors` runs it.

mod cases;
mod model;
mod samples;
mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use dora_shm_ring::{Chunk, Format, Times, Writer, WriterOptions};
use dora_shm_testkit::process::Process;
use dora_shm_testkit::segments::{self, Bytes, trailer_at};
use dora_shm_testkit::settled;
use dora_shm_testkit::vectors::{self, CURRENT, PREFIX, Reservation, folder};
use model::{Model, Room};
use story::{Case, Ring, Step};

/// Files of a case by their path in its folder.
type Files = BTreeMap<String, Vec<u8>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        [] => {
            replace(&make_all());
            Ok(())
        }
        ["--check"] => check(&make_all()),
        [LIVE, case, number] => live_to_death(case, number.parse().expect("a number")),
        _ => Err(format!("expected no argument or --check, found {words:?}")),
    };
    if let Err(sentence) = outcome {
        eprintln!("make-vectors: {sentence}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// The first argument of a process that this program starts: a writer that is killed. The other arguments are the case
/// and the number of the life.
const LIVE: &str = "live";

fn make_all() -> BTreeMap<&'static str, Files> {
    let reservation = Reservation::wait();
    cases::all().iter().map(|case| (case.folder, make(&reservation, case))).collect()
}

/// Fails if the committed files differ from the generated ones.
fn check(made: &BTreeMap<&str, Files>) -> Result<(), String> {
    const REMEDY: &str = "if the change is intended, `cargo xtask vectors` regenerates the vectors";
    let committed = vectors::current_cases();
    let (made_names, committed_names): (BTreeSet<&str>, BTreeSet<&str>) =
        (made.keys().copied().collect(), committed.iter().map(String::as_str).collect());
    if made_names != committed_names {
        return Err(format!("the folders are {committed_names:?}, expected {made_names:?}; {REMEDY}"));
    }
    for (case, files) in made {
        let committed = read(&place(case));
        if !files.keys().eq(committed.keys()) {
            return Err(format!("{case} has {:?}, expected {:?}; {REMEDY}", committed.keys(), files.keys()));
        }
        for (file, bytes) in files {
            if let Some(difference) = difference(file, bytes, &committed[file]) {
                return Err(format!("{case}/{file}: {difference}; {REMEDY}"));
            }
        }
    }
    Ok(())
}

/// The first difference of two files. JSON is compared by value, since the order of members depends on serde_json's
/// features.
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

/// The folder of a case.
fn place(case: &str) -> PathBuf {
    folder().join(CURRENT).join(case)
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
    fs::create_dir_all(folder().join(CURRENT)).unwrap();
    for case in vectors::current_cases() {
        fs::remove_dir_all(place(&case)).unwrap();
    }
    for (case, files) in made {
        fs::create_dir_all(place(case).join("segments")).unwrap();
        for (file, bytes) in files {
            fs::write(place(case).join(file), bytes).unwrap();
        }
    }
}

fn make(reservation: &Reservation, case: &Case) -> Files {
    let stream = format!("{PREFIX}{}", case.stream);
    let taken = reservation.clear(&stream);
    let writer = play(case, &stream);
    let segments = capture(&stream);
    drop(writer);
    drop(taken);

    let model = Model::of(case);
    let ring = segments.get(&segments::ring(&stream, model.generation()));
    let ring = ring.unwrap_or_else(|| panic!("{}: no ring among the segments {:?}", case.folder, segments.keys()));
    let trailer = ring.trailer();
    let room = Room {
        frames: ring.u64(trailer + trailer_at::FRAMES),
        records: ring.u32(trailer + trailer_at::RECORDS).into(),
    };
    let members = model.expected(case, &room);
    let lines: Vec<String> = members.iter().map(|(name, value)| format!("  \"{name}\": {value}")).collect();
    let expected = format!("{{\n{}\n}}\n", lines.join(",\n"));
    let segments = segments.into_iter().map(|(path, bytes)| {
        let name = path.file_name().unwrap().to_str().unwrap();
        (format!("segments/{name}"), bytes.0)
    });
    segments.chain([("expected.json".to_owned(), expected.into_bytes())]).collect()
}

/// Plays the story. Returns the writer that lives at its end, if any.
fn play(case: &Case, stream: &str) -> Option<Writer> {
    for (number, life) in case.steps.split_inclusive(Step::kills).enumerate() {
        if !life.last().is_some_and(Step::kills) {
            return Some(live(stream, life));
        }
        live_and_die(case, number, life);
    }
    let is_taken_over = matches!(case.steps.last(), Some(Step::Killed));
    is_taken_over.then(|| Writer::create(stream, options()).unwrap())
}

/// Replaced rings are removed at once: whether they are kept for late readers depends on how fast the story is told.
fn options() -> WriterOptions {
    WriterOptions::default().young_rings(Duration::ZERO, Duration::ZERO)
}

/// Plays a writer's life in this process. The writer survives it.
fn live(stream: &str, life: &[Step]) -> Writer {
    let mut writer = Writer::create(stream, options()).unwrap();
    let (mut ring, mut chunk) = (None, 0);
    for step in life {
        match step {
            Step::Begin(next) | Step::KilledInBegin(_, next) => {
                let format = Format::new(next.dtype, next.frame_shape, next.rate_hz, next.frames).unwrap();
                let format = format.on_clock(next.clock);
                writer.begin(&format, &next.described.description, next.first_chunk_frames).unwrap();
                (ring, chunk) = (Some(next), 0);
            }
            Step::Describe(described) => writer.describe(&described.description).unwrap(),
            Step::Chunk(frames) | Step::KilledInChunk(_, frames) => {
                write(&mut writer, ring.expect("it has begun"), chunk, *frames);
                chunk += 1;
            }
            Step::Count([refused, dropped, gaps]) => {
                writer.count_refused(*refused);
                writer.count_dropped(*dropped);
                writer.count_gaps(*gaps);
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

/// Plays a writer's life, up to its death, in a separate process.
fn live_and_die(case: &Case, number: usize, life: &[Step]) {
    let (last, before) = life.split_last().expect("it is killed in a step");
    // Earlier steps of the same kind pass the failpoint as well.
    let passing = before.iter().filter(|step| std::mem::discriminant(*step) == kind_of(last)).count() + 1;
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.args([LIVE, case.folder, &number.to_string()]);
    if let Some(label) = last.stop() {
        command.env("DORA_SHM_FAILPOINT", format!("{label}:{passing}"));
    }
    Process::start(&mut command).and_then(Process::end_killed).expect("it is killed");
}

/// The kind of step that `step` would be if its writer survived.
fn kind_of(step: &Step) -> std::mem::Discriminant<Step> {
    std::mem::discriminant(&match step {
        Step::KilledInChunk(_, frames) => Step::Chunk(*frames),
        Step::KilledInBegin(_, ring) => Step::Begin(ring.clone()),
        other => other.clone(),
    })
}

/// Plays one life of a case, at the end of which this process is killed.
fn live_to_death(folder: &str, number: usize) -> Result<(), String> {
    let cases = cases::all();
    let case = cases.iter().find(|case| case.folder == folder).ok_or("no such case")?;
    let life = case.steps.split_inclusive(Step::kills).nth(number).ok_or("no such life")?;
    let writer = live(&format!("{PREFIX}{}", case.stream), life);
    if matches!(life.last(), Some(Step::KilledInClose)) {
        drop(writer);
    }
    if let Some(label) = life.last().and_then(Step::stop) {
        return Err(format!("the process passed the failpoint {label}, at which it should have died"));
    }
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    Err("the process survived SIGKILL".to_owned())
}

/// The stream's segments by their public names. Values that differ in every run are replaced with fixed ones.
fn capture(stream: &str) -> BTreeMap<PathBuf, Bytes> {
    let paths = segments::of(stream).into_iter().filter(|path| path.extension().is_none());
    paths
        .map(|path| {
            let mut bytes = Bytes::of(&path);
            if path == segments::header(stream) {
                settled::header(&mut bytes);
            } else if (0..9).any(|generation| path == segments::ring(stream, generation)) {
                settled::ring(&mut bytes);
            } else {
                settled::metadata(&mut bytes);
            }
            (path, bytes)
        })
        .collect()
}
