//! `dora-shm record`: a stream into a file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use dora_shm_ring::internal::monotonic_ns;
use dora_shm_ring::{Format, Liveness, Reader, Start, Wait};
use eyre::{WrapErr as _, bail, eyre};
use serde::Serialize;

use crate::exit::Exit;
use crate::interrupt::Ending;
use crate::output;
use crate::progress::Progress;
use crate::recording::{Counts, End, Limits, Recorder, RecordingWriter, Step, StepError};
use crate::stream_arg::{WAIT_SLICE, Which};
use crate::text::quoted;
use crate::units;

/// Records a stream into a file
///
/// Records every message from now on as it was written, with its times, description, send time and losses, through all
/// generations and writers, until the stream is closed, a limit is reached, or Ctrl-C. If the stream does not exist
/// yet, the command waits for it and records it from its first frame. The file consists of Arrow IPC streams, and can
/// be read at any moment, also after a kill or on a full disk.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,

    /// File to record into
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Overwrite an existing file
    #[arg(long)]
    force: bool,

    /// Also record what is already in the ring: messages of the last TIME (`5s`), or `all`
    #[arg(long, value_name = "TIME", value_parser = PreRoll::parse)]
    pre_roll: Option<PreRoll>,

    /// Stop after this time (`10s`, `5min`), counted from when the stream is there; the pre-roll comes on top
    #[arg(long = "for", value_name = "TIME", value_parser = units::parse_duration)]
    duration: Option<Duration>,

    /// Longest time to wait for the stream [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration)]
    wait: Option<Duration>,

    /// Stop before the file grows larger than this (`500MB`, `2GiB`)
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes)]
    max_bytes: Option<u64>,

    /// When the stream is closed, wait for the next one of the same name and continue
    #[arg(long)]
    follow: bool,

    /// Print what was recorded as one line of JSON on stdout
    #[arg(long)]
    json: bool,

    /// Do not show progress
    #[arg(short, long)]
    quiet: bool,
}

/// How much of what is already in the ring is recorded, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PreRoll {
    All,
    Span(Duration),
}

impl PreRoll {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "all" { Ok(Self::All) } else { units::parse_duration(text).map(Self::Span) }
    }
}

pub fn run(arguments: &Arguments) -> eyre::Result<Exit> {
    let which = &arguments.which;
    // With a handler for SIGXFSZ, a write beyond the limit of file sizes fails. Without one, it kills the process.
    signal_hook::flag::register(nix::libc::SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    let mut reader = which.open_messages_or_wait(which.options(start(arguments)?))?;
    let writer = RecordingWriter::new(create(&arguments.output, arguments.force)?);
    let interrupter = reader.interrupter();
    let ending = Ending::listen(move || interrupter.interrupt())?;
    let limits = Limits { max_bytes: arguments.max_bytes, duration: arguments.duration, follow: arguments.follow };
    let mut recorder = which.explained(Recorder::new(&which.name, &reader, writer, limits))?;
    let mut progress = Progress::new(arguments.quiet);
    if which.explained(reader.liveness(WAIT_SLICE))? == Liveness::Absent {
        progress.note(&format!("{}; waiting for it (Ctrl-C stops)", which.absent()));
    }
    let mut state = None;
    let began = Instant::now();
    let ended = loop {
        let is_there = recorder.counts().generations > 0 || reader.format().is_some();
        let left = arguments.wait.filter(|_| !is_there).map(|wait| wait.saturating_sub(began.elapsed()));
        if ending.is_asked() || left.is_some_and(|left| left.is_zero()) {
            break Ok(End::Interrupted);
        }
        match recorder.step(&mut reader).and_then(|step| recorder.write_if_due().map(|()| step)) {
            Ok(Step::Ended(end)) => break Ok(end),
            Ok(Step::Taken) => state = None,
            Ok(Step::Nothing) => {
                let slice = recorder.due_in().into_iter().chain(left).fold(WAIT_SLICE, Duration::min);
                match which.explained(reader.wait(slice)) {
                    Ok(Wait::Timeout(liveness)) => state = Some(liveness),
                    Ok(Wait::Ready | Wait::Interrupted) => {}
                    Err(error) => break Err(error),
                }
            }
            Err(StepError::Stream(error)) => break which.explained(Err(error)),
            Err(error) => return Err(explain(arguments, error, recorder.bytes())),
        }
        // Before that, the note that the command waits stays visible.
        if recorder.counts().generations > 0 {
            progress.show(|| progress_line(&which.name, &recorder, state));
        }
    };
    drop(progress);
    let bytes_before = recorder.bytes();
    let (counts, bytes) = recorder.finish(&reader).map_err(|error| explain(arguments, error, bytes_before))?;
    if counts.generations == 0 {
        remove(arguments);
        ended?;
        let name = quoted(&which.name);
        match arguments.wait.filter(|_| !ending.is_asked()) {
            Some(wait) => bail!("nothing was recorded: stream {name} did not come within {}", units::duration(wait)),
            None => bail!("nothing was recorded: stream {name} never came"),
        }
    }
    let end = ended.wrap_err_with(|| summary(arguments, &counts, bytes))?;
    if !arguments.quiet || counts.lost > 0 {
        output::note(format_args!("{}; {}", summary(arguments, &counts, bytes), end.sentence()));
    }
    if arguments.json {
        let mut out = output::stdout();
        output::json_line(&mut out, &Recorded::new(arguments, &counts, bytes, end))?;
        out.flush()?;
    }
    Ok(if counts.lost > 0 { Exit::Incomplete } else { Exit::Done })
}

/// Where in the stream the recording begins.
fn start(arguments: &Arguments) -> eyre::Result<Start> {
    let which = &arguments.which;
    let Some(pre_roll) = arguments.pre_roll else { return Ok(Start::Newest) };
    let mut reader: Reader = which.open_or_wait(which.options(Start::Newest))?;
    let (info, now) = (which.explained(reader.info())?, monotonic_ns());
    let Some(ring_frames) = info.format.as_ref().map(Format::frames) else { return Ok(Start::Newest) };
    // In a full ring, the writer is about to overwrite the oldest frames.
    let oldest = match info.position.checked_sub(ring_frames) {
        None | Some(0) => 0,
        Some(overwritten) => overwritten + (ring_frames / 16).max(1),
    };
    if info.ezmsg.is_some() {
        // ezmsg records neither messages nor when they were written, but its frames have times.
        let frames = match pre_roll {
            PreRoll::All => info.position,
            PreRoll::Span(span) => which.explained(reader.frames_within(span.as_secs_f64()))?,
        };
        return Ok(Start::Last(frames.min(info.position - oldest.min(info.position))));
    }
    let mut messages = Vec::new();
    // With the empty messages behind the newest frame.
    reader.messages(oldest..info.position.saturating_add(1), &mut messages);
    let from_ns = match pre_roll {
        PreRoll::All => 0,
        PreRoll::Span(span) => now.saturating_sub(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)),
    };
    let first = messages.iter().find(|message| message.first >= oldest && message.mono_ns >= from_ns);
    // `Last` counts from the newest message: if one came meanwhile, the first message of all would be missed.
    if first.is_some_and(|first| first.chunk == 0) {
        return Ok(Start::Oldest);
    }
    Ok(Start::Last(first.map_or(0, |first| info.chunks.saturating_sub(first.chunk))))
}

/// Opens the file, which is then empty and locked by this process.
fn create(path: &Path, force: bool) -> eyre::Result<File> {
    let name = path.display();
    let mut options = OpenOptions::new();
    let options = options.write(true).create(force).create_new(!force);
    let file = options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => eyre!("{name} already exists; choose another file, or replace it with --force"),
        _ => eyre!("cannot create {name}: {error}"),
    })?;
    // A device or a pipe may be shared, and has no length.
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Ok(file);
    }
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => bail!("another process is recording into {name}; choose another file"),
        // Not every file system has locks.
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    if force {
        file.set_len(0).wrap_err_with(|| format!("cannot truncate {name}"))?;
    }
    Ok(file)
}

/// Removes the file, which is empty, unless it may have existed before.
fn remove(arguments: &Arguments) {
    if !arguments.force {
        let _ = std::fs::remove_file(&arguments.output);
    }
}

fn explain(arguments: &Arguments, error: StepError, bytes: u64) -> eyre::Report {
    match error {
        StepError::Stream(error) => eyre::Report::new(error),
        StepError::File(error) => {
            let hint = match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk is full: ",
                io::ErrorKind::FileTooLarge => "the limit of file sizes is reached: ",
                _ => "",
            };
            let written = match bytes {
                0 => {
                    remove(arguments);
                    "nothing was written".to_owned()
                }
                bytes => format!("the {} written before can be read", units::bytes(bytes)),
            };
            eyre!("cannot write {}: {hint}{error}; {written}", arguments.output.display())
        }
    }
}

fn seconds(counts: &Counts) -> f64 {
    counts.span.map_or(0.0, |(first, last)| last.saturating_sub(first) as f64 * 1e-9)
}

fn progress_line(name: &str, recorder: &Recorder, state: Option<Liveness>) -> String {
    let counts = recorder.counts();
    let state = match state {
        Some(Liveness::Dead) => "; its writer died, waiting for the next one",
        Some(Liveness::Absent) => "; waiting for the next stream",
        Some(Liveness::Idle) => "; idle",
        Some(Liveness::Waiting) => "; its writer has not begun a ring yet",
        _ => "",
    };
    format!(
        "{}: {}, {}, {} messages, {} frames, {} lost{state}",
        quoted(name),
        units::seconds(seconds(counts)),
        units::bytes(recorder.bytes()),
        units::count(counts.messages),
        units::count(counts.frames),
        units::count(counts.lost),
    )
}

fn summary(arguments: &Arguments, counts: &Counts, bytes: u64) -> String {
    let lost = match counts.lost {
        0 => "none lost".to_owned(),
        lost => format!("{} LOST (the ring was overwritten before they were read)", units::count(lost)),
    };
    let generations = match counts.generations {
        1 => String::new(),
        generations => format!(" in {generations} generations"),
    };
    format!(
        "{}: {} of stream {}, {} messages with {} frames{generations}, {lost}, {}",
        arguments.output.display(),
        units::seconds(seconds(counts)),
        quoted(&arguments.which.name),
        units::count(counts.messages),
        units::count(counts.frames),
        units::bytes(bytes),
    )
}

impl End {
    fn sentence(self) -> &'static str {
        match self {
            Self::Interrupted => "stopped by the user",
            Self::Size => "stopped at --max-bytes",
            Self::Duration => "stopped after --for",
            Self::Closed => "the stream was closed",
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Recorded<'a> {
    file: &'a Path,
    stream: &'a str,
    bytes: u64,
    generations: u64,
    messages: u64,
    frames: u64,
    lost: u64,
    seconds: f64,
    end: End,
}

impl<'a> Recorded<'a> {
    fn new(arguments: &'a Arguments, counts: &Counts, bytes: u64, end: End) -> Self {
        let Counts { generations, messages, frames, lost, .. } = *counts;
        let (file, stream) = (arguments.output.as_path(), arguments.which.name.as_str());
        Self { file, stream, bytes, generations, messages, frames, lost, seconds: seconds(counts), end }
    }
}
