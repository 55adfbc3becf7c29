//! `dora-shm record`: a stream into a file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use dora_shm_ring::{Format, Liveness, Reader, Start, Wait, monotonic_ns};
use eyre::{WrapErr as _, bail, eyre};
use serde::Serialize;

use crate::ending::Ending;
use crate::exit::Exit;
use crate::open::{WAIT_SLICE, Which};
use crate::output;
use crate::progress::Progress;
use crate::recording::{Counts, End, Limits, Recorder, RecordingWriter, Step, StepError};
use crate::text::quoted;
use crate::units;

/// Records a stream into a file
///
/// Takes the stream's messages as they were written, from now on, with their times, descriptions, send times and losses,
/// from one generation and writer to the next, until the stream is closed, a limit is reached, or Ctrl-C. A stream that is
/// not there yet is waited for, and then taken from its first frame. The file is made of Arrow IPC streams; what it holds
/// can be read at any moment, also after a kill or on a full disk.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,

    /// File to record into
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Record into a file that exists: what it holds is gone
    #[arg(long)]
    force: bool,

    /// Also take what is in the ring already: messages of the last TIME (`5s`), or `all`
    #[arg(long, value_name = "TIME", value_parser = PreRoll::parse)]
    pre_roll: Option<PreRoll>,

    /// Stop after this time (`10s`, `5min`), counted from when the stream is there; what the pre-roll takes is extra
    #[arg(long = "for", value_name = "TIME", value_parser = units::parse_duration)]
    duration: Option<Duration>,

    /// Longest time to wait for the stream [default: as long as it takes]
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration)]
    wait: Option<Duration>,

    /// Stop before the file is larger than this (`500MB`, `2GiB`)
    #[arg(long, value_name = "SIZE", value_parser = units::parse_bytes)]
    max_bytes: Option<u64>,

    /// When the stream is closed, wait for the next one of the name and go on
    #[arg(long)]
    follow: bool,

    /// Print what was recorded as JSON on stdout
    #[arg(long)]
    json: bool,

    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

/// How much of what is in the ring already is taken, too.
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
    // A file that may not grow further is an error of the call that would let it, not the end of this process.
    signal_hook::flag::register(nix::libc::SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    let mut reader = which.open_messages_or_wait(which.options(start(arguments)?))?;
    let writer = RecordingWriter::new(create(&arguments.output, arguments.force)?);
    let interrupter = reader.interrupter();
    let ending = Ending::listen(move || interrupter.interrupt())?;
    let limits = Limits { max_bytes: arguments.max_bytes, duration: arguments.duration, follow: arguments.follow };
    let mut recorder = which.say(Recorder::new(&which.name, &reader, writer, limits))?;
    let mut progress = Progress::new(arguments.quiet);
    if which.say(reader.liveness(WAIT_SLICE))? == Liveness::Absent {
        progress.say(&format!("{}; waiting for it (Ctrl-C ends)", which.absent()));
    }
    let mut told = None;
    let began = Instant::now();
    let ended = loop {
        let is_there = recorder.counts().generations > 0 || reader.format().is_some();
        let left = arguments.wait.filter(|_| !is_there).map(|wait| wait.saturating_sub(began.elapsed()));
        if ending.is_asked() || left.is_some_and(|left| left.is_zero()) {
            break Ok(End::Interrupted);
        }
        match recorder.step(&mut reader).and_then(|step| recorder.write_if_due().map(|()| step)) {
            Ok(Step::Ended(end)) => break Ok(end),
            Ok(Step::Taken) => told = None,
            Ok(Step::Nothing) => {
                let slice = recorder.due_in().into_iter().chain(left).fold(WAIT_SLICE, Duration::min);
                match which.say(reader.wait(slice)) {
                    Ok(Wait::Quiet(liveness)) => told = Some(liveness),
                    Ok(Wait::Ready | Wait::Interrupted) => {}
                    Err(error) => break Err(error),
                }
            }
            Err(StepError::Stream(error)) => break which.say(Err(error)),
            Err(error) => return Err(explain(arguments, error, recorder.bytes())),
        }
        // That it is waited for has been said.
        if recorder.counts().generations > 0 {
            progress.show(|| progress_line(&which.name, &recorder, told));
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
    let (info, now) = (which.say(reader.info())?, monotonic_ns());
    let Some(ring_frames) = info.format.as_ref().map(Format::frames) else { return Ok(Start::Newest) };
    // Of a ring that goes round, the oldest frames are just being overwritten.
    let oldest = match info.position.checked_sub(ring_frames) {
        None | Some(0) => 0,
        Some(overwritten) => overwritten + (ring_frames / 16).max(1),
    };
    if info.ezmsg.is_some() {
        // Nobody knows when its messages were written, or which they were; its frames have times.
        let frames = match pre_roll {
            PreRoll::All => info.position,
            PreRoll::Span(span) => which.say(reader.frames_within(span.as_secs_f64()))?,
        };
        return Ok(Start::Last(frames.min(info.position - oldest.min(info.position))));
    }
    let mut messages = Vec::new();
    reader.messages(oldest..info.position, &mut messages);
    let from_ns = match pre_roll {
        PreRoll::All => 0,
        PreRoll::Span(span) => now.saturating_sub(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)),
    };
    let first = messages.iter().find(|message| message.first >= oldest && message.mono_ns >= from_ns);
    // Counted from the newest message, the first one of all would be missed for one that comes meanwhile.
    if first.is_some_and(|first| first.chunk == 0) {
        return Ok(Start::Oldest);
    }
    Ok(Start::Last(first.map_or(0, |first| info.chunks.saturating_sub(first.chunk))))
}

/// The file, empty and ours.
fn create(path: &Path, force: bool) -> eyre::Result<File> {
    let name = path.display();
    let mut options = OpenOptions::new();
    let options = options.write(true).create(force).create_new(!force);
    let file = options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => eyre!("{name} exists; choose another file, or replace it by --force"),
        _ => eyre!("cannot make {name}: {error}"),
    })?;
    // A device or a pipe is nobody's alone, and has no length.
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Ok(file);
    }
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => bail!("another process records into {name} right now; choose another file"),
        // Not every file system has locks.
        Ok(()) | Err(TryLockError::Error(_)) => {}
    }
    if force {
        file.set_len(0).wrap_err_with(|| format!("cannot empty {name}"))?;
    }
    Ok(file)
}

/// Removes a file in which there is nothing, and was nothing.
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
                io::ErrorKind::FileTooLarge => "the file may not be larger: ",
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
        Some(Liveness::Waiting) => "; its writer has begun no ring yet",
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
            Self::Interrupted => "ended when asked to",
            Self::Size => "ended at its largest size",
            Self::Duration => "ended after its time",
            Self::Closed => "ended with the stream",
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
