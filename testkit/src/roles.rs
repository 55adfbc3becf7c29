//! What a separate process does to a stream: the roles of the program `dora-shm-role`.
//!
//! | role | arguments | what it does |
//! |---|---|---|
//! | `writer` | name | obeys commands: `create`, `begin`, `write`, `describe`, ... ([`writer`]) |
//! | `reader` | name | obeys commands: `open`, `read`, `wait` ([`reader`]) |
//! | `source` | name, frames, chunk, `int64` or `float32` | obeys commands: `write`, `begin`, `close` ([`source`]) |
//! | `storm` | seed, name, options of `create` | does everything that a writer can do, until it is killed |
//! | `follower` | kind, seed, name | follows the stream and checks it until it is killed |
//! | `intruder` | name | tries to write, remove and take over the stream, as a user who has no permission |
//! | `contender` | seed, token file, name | tries all the time to own the name, until it is killed |
//!
//! Roles that obey print one line for each line of their input. They end when their input ends. A writer then closes
//! its stream.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use dora_shm_ring::{Error, Frames, Reader, ReaderOptions, Start, Writer, WriterOptions};
use rustix::fs::{FlockOperation, Mode, fcntl_lock};
use rustix::process::{Signal, getpid, kill_process, umask};

use crate::follower::{Follower, Kind, Step, oldest};
use crate::ledger::Ledger;
use crate::process::{Process, print_line, read_line};
use crate::programs::role_program;
use crate::rng::Rng;
use crate::segments;
use crate::signal;
use crate::source::{Samples, Source};
use crate::until::PATIENCE;

/// The line that a role prints after a command that succeeded.
pub const DONE: &str = "done";

type Played = Result<(), String>;

/// Starts a role in a separate process.
///
/// # Panics
/// When the program cannot be built or started.
#[track_caller]
pub fn start(role: &str, arguments: &[&str]) -> Process {
    start_with(role, arguments, &[])
}

/// Like [`start`], with additional environment variables.
///
/// # Panics
/// When the program cannot be built or started.
#[track_caller]
pub fn start_with(role: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Process {
    let mut command = Command::new(role_program());
    command.arg(role).args(arguments).envs(environment.iter().copied());
    Process::start(&mut command).unwrap_or_else(|sentence| panic!("{sentence}"))
}

/// Starts a writer in a separate process, whose stream has a ring of `frames` frames of the [`signal`].
///
/// # Panics
/// When the stream cannot be created.
#[track_caller]
pub fn start_writer(name: &str, frames: u64) -> Process {
    let mut writer = start("writer", &[name]);
    for line in ["create".to_owned(), format!("begin 4 {frames} 4 first")] {
        writer.request_expecting(&line, DONE).unwrap_or_else(|sentence| panic!("{sentence}"));
    }
    writer
}

/// Creates a stream with five frames whose writer is then killed. Returns the writer's process ID.
///
/// # Panics
/// When the stream cannot be created.
#[track_caller]
pub fn leave_dead_stream(name: &str, ring_frames: u64) -> u32 {
    let mut writer = start_writer(name, ring_frames);
    let died = writer.request_expecting("write 5", DONE);
    let pid = writer.pid();
    died.and_then(|()| writer.kill_and_wait()).unwrap_or_else(|sentence| panic!("{sentence}"));
    pid
}

/// Plays the role that a program's arguments name.
///
/// # Errors
/// A sentence that describes the failure, or the arguments if they do not name a role.
pub fn play(arguments: &[String]) -> Played {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["writer", name] => writer(name),
        ["reader", name] => reader(name),
        ["source", name, frames, chunk, samples] => source(name, number(frames)?, number(chunk)?, samples),
        ["storm", seed, name, ref options @ ..] => storm(&mut Rng::new(number(seed)?), name, options),
        ["follower", kind, seed, name] => follow(kind.parse()?, &mut Rng::new(number(seed)?), name, |_| {}),
        ["intruder", name] => intrude(name),
        ["contender", seed, token, name] => contend(&mut Rng::new(number(seed)?), Path::new(token), name),
        _ => Err(format!("{words:?} is not a role with its arguments")),
    }
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{word:?} is not a number of the expected type"))
}

fn octal(word: &str) -> Result<u32, String> {
    u32::from_str_radix(word, 8).map_err(|_| format!("{word:?} is not an octal number"))
}

fn sentence(error: Error) -> String {
    format!("{error:?}")
}

fn open<T>(handle: &mut Option<T>) -> Result<&mut T, String> {
    handle.as_mut().ok_or_else(|| "no stream is open".to_owned())
}

/// Obeys commands until the input ends. Prints an error as the response to its command.
fn obey(mut one: impl FnMut(&[&str]) -> Result<String, String>) -> Played {
    while let Some(line) = read_line() {
        let words: Vec<&str> = line.split(' ').collect();
        print_line(&one(&words).unwrap_or_else(|error| format!("failed: {error}")));
    }
    Ok(())
}

/// A writer that obeys commands.
///
/// | command | what it does |
/// |---|---|
/// | `create OPTIONS` | creates the stream. Options: an octal mode; `keep-replaced`; `bytes=MOST`; `young=W,K`, in ms |
/// | `umask MODE` | sets the umask |
/// | `begin SHAPE FRAMES CHUNK KEY` | begins a ring; the shape is `4` or `2,2` |
/// | `write FRAMES` | writes a message of the [`signal`] |
/// | `describe KEY` | replaces the description |
/// | `count REFUSED DROPPED GAPS` | states totals of what was not written |
/// | `close` | closes the stream |
/// | `die` | kills this process |
///
/// # Errors
/// None. Errors of commands are printed, as `failed: Error`.
pub fn writer(name: &str) -> Played {
    let mut writer: Option<Writer> = None;
    obey(|words| {
        match *words {
            ["create", ref options @ ..] => {
                writer = Some(Writer::create(name, writer_options(options)?).map_err(sentence)?);
            }
            ["umask", mode] => _ = umask(Mode::from_raw_mode(octal(mode)?)),
            ["begin", shape, frames, chunk, key] => {
                let shape: Vec<u64> = shape.split(',').map(number).collect::<Result<_, _>>()?;
                let format = signal::format_of(&shape, number(frames)?);
                open(&mut writer)?.begin(&format, &signal::description(key), number(chunk)?).map_err(sentence)?;
            }
            ["write", frames] => signal::write(open(&mut writer)?, number(frames)?).map_err(sentence)?,
            ["describe", key] => open(&mut writer)?.describe(&signal::description(key)).map_err(sentence)?,
            ["count", refused, dropped, gaps] => {
                let writer = open(&mut writer)?;
                writer.count_refused(number(refused)?);
                writer.count_dropped(number(dropped)?);
                writer.count_gaps(number(gaps)?);
            }
            ["close"] => writer = None,
            ["die"] => _ = kill_process(getpid(), Signal::KILL),
            _ => return Err(format!("{words:?} is not a command for a writer")),
        }
        Ok(DONE.to_owned())
    })
}

fn writer_options(words: &[&str]) -> Result<WriterOptions, String> {
    let mut options = WriterOptions::default();
    for word in words.iter().flat_map(|words| words.split(' ')) {
        options = match word.strip_prefix("young=").map(|times| times.split_once(',')) {
            Some(Some((within, keeps))) => {
                options.young_rings(Duration::from_millis(number(within)?), Duration::from_millis(number(keeps)?))
            }
            Some(None) => return Err(format!("{word:?} has no two times")),
            None if word == "keep-replaced" => options.keep_replaced(true),
            None => match word.strip_prefix("bytes=") {
                Some(bytes) => options.max_ring_bytes(number(bytes)?),
                None => options.mode(octal(word)?),
            },
        };
    }
    Ok(options)
}

/// A reader that obeys commands.
///
/// | command | what it does |
/// |---|---|
/// | `open` | attaches at the oldest frame |
/// | `read FRAMES` | reads at most this number of frames and prints the outcome, such as `Data(5)` |
/// | `wait MILLISECONDS` | waits once and prints the result |
///
/// # Errors
/// None. Errors of commands are printed, as `failed: Error`.
pub fn reader(name: &str) -> Played {
    let mut reader: Option<Reader> = None;
    let mut frames = Frames::new();
    obey(|words| {
        match *words {
            ["open"] => reader = Some(Reader::open(name, oldest()).map_err(sentence)?),
            ["read", most] => {
                let outcome = open(&mut reader)?.read(&mut frames, number(most)?).map_err(sentence)?;
                return Ok(format!("{outcome:?}"));
            }
            ["wait", milliseconds] => {
                let timeout = Duration::from_millis(number(milliseconds)?);
                return Ok(format!("{:?}", open(&mut reader)?.wait(timeout).map_err(sentence)?));
            }
            _ => return Err(format!("{words:?} is not a command for a reader")),
        }
        Ok(DONE.to_owned())
    })
}

/// A [`Source`] that obeys commands. It first prints `begins`.
///
/// | command | what it does |
/// |---|---|
/// | `write FRAMES` | writes a message |
/// | `begin FRAMES CHUNK FIRST` | begins the next generation ([`Source::begin`]) |
/// | `close` | closes the stream |
///
/// # Errors
/// When the arguments are wrong. Errors of commands are printed.
///
/// # Panics
/// When the stream cannot be written.
pub fn source(name: &str, frames: u64, chunk: u64, samples: &str) -> Played {
    let samples = match samples {
        "int64" => Samples::Int64,
        "float32" => Samples::Float32,
        _ => return Err(format!("{samples:?} is neither int64 nor float32")),
    };
    let mut source = Some(Source::of(samples, name, frames, chunk));
    print_line("begins");
    obey(|words| {
        match *words {
            ["write", frames] => open(&mut source)?.write(number(frames)?),
            ["begin", frames, chunk, first] => {
                open(&mut source)?.begin(number(frames)?, number(chunk)?, number(first)?);
            }
            ["close"] => source = None,
            _ => return Err(format!("{words:?} is not a command for a source")),
        }
        Ok(DONE.to_owned())
    })
}

/// Like [`Writer::create`], but retries until the last thread of a dead writer has ended, at most for [`PATIENCE`].
///
/// # Errors
/// Those of [`Writer::create`].
pub fn create_patiently(name: &str, options: &WriterOptions) -> dora_shm_ring::Result<Writer> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match Writer::create(name, options.clone()) {
            Err(Error::Live { .. }) if Instant::now() < deadline => std::thread::sleep(Duration::from_micros(200)),
            result => return result,
        }
    }
}

/// Creates the stream repeatedly, and does everything that a writer can do. Prints `begins` when the first ring has
/// begun. `options` are those of the command `create` ([`writer`]); with `keep-replaced`, only about every second writer
/// keeps replaced descriptions.
///
/// # Errors
/// When the writer fails, or an option is wrong.
pub fn storm(rng: &mut Rng, name: &str, options: &[&str]) -> Played {
    let options = writer_options(options)?;
    let mut buffer = Vec::new();
    let mut has_begun = false;
    loop {
        let keep_replaced = options.keep_replaced && rng.one_in(2);
        let options = options.clone().keep_replaced(keep_replaced);
        let mut writer = create_patiently(name, &options).map_err(sentence)?;
        let format = signal::random_format(rng, signal::RANDOM_FRAMES);
        writer.begin(&format, &signal::description(""), 4).map_err(sentence)?;
        if !std::mem::replace(&mut has_begun, true) {
            print_line("begins");
        }
        for _ in 0..50 + rng.below(400) {
            signal::write_anything(&mut writer, rng, &mut buffer).map_err(sentence)?;
        }
    }
}

/// Follows the stream without end, from a random start, and checks it. Prints `begins` when the reader is open. Calls
/// `checked` with the number of frames of each read.
///
/// # Errors
/// When a frame or a loss is wrong.
pub fn follow(kind: Kind, rng: &mut Rng, name: &str, mut checked: impl FnMut(u64)) -> Played {
    let start = [Start::Oldest, Start::Newest, Start::Last(rng.below(50))][rng.below(3) as usize];
    let options = ReaderOptions::default().start(start);
    let wrong = |error: String| format!("{kind:?} reader from {start:?}: {error}");
    let mut follower =
        Follower::open(name, kind, &options, Ledger::anywhere()).map_err(|error| wrong(sentence(error)))?;
    print_line("begins");
    loop {
        follower.wait(Duration::from_millis(rng.below(20))).map_err(wrong)?;
        for _ in 0..64 {
            match follower.step().map_err(wrong)? {
                Step::Read(frames) => checked(frames),
                Step::Moved | Step::Closed => {}
                Step::Nothing => break,
            }
        }
    }
}

/// Tries all the time to own the name. An owner of the name also locks the token, writes, and prints `owned`.
///
/// # Errors
/// When two processes own the name, or the writer fails.
pub fn contend(rng: &mut Rng, token: &Path, name: &str) -> Played {
    // A record lock of the process: a dying process loses it when the file is closed. The stream's lock belongs to an open
    // file, and lasts until the kernel has released that, which is always later.
    let opened = std::fs::File::options().write(true).open(token);
    let token = opened.map_err(|error| format!("{}: {error}", token.display()))?;
    let mut buffer = Vec::new();
    print_line("begins");
    loop {
        match Writer::create(name, WriterOptions::default()) {
            Ok(mut writer) => {
                if fcntl_lock(&token, FlockOperation::NonBlockingLockExclusive).is_err() {
                    print_line("two owners");
                    return Err("two owners".to_owned());
                }
                writer.begin(&signal::format(64), &signal::description(""), 4).map_err(sentence)?;
                for _ in 0..rng.below(30) {
                    signal::write_anything(&mut writer, rng, &mut buffer).map_err(sentence)?;
                }
                print_line("owned");
                fcntl_lock(&token, FlockOperation::Unlock).map_err(|errno| errno.to_string())?;
            }
            Err(Error::Live { .. }) => std::thread::yield_now(),
            Err(error) => {
                print_line(&sentence(error));
                return Err("the name is neither free nor owned by a live writer".to_owned());
            }
        }
    }
}

/// The line that an intruder prints after an attempt that was refused.
pub const REFUSED: &str = "PermissionDenied";

/// Tries to open each segment for writing, to remove it, and to become the stream's writer. Prints the result of each
/// attempt: `done`, or the kind of the error.
///
/// # Errors
/// None. Errors are printed.
pub fn intrude(name: &str) -> Played {
    let outcome =
        |result: std::io::Result<()>| result.map_or_else(|error| format!("{:?}", error.kind()), |()| DONE.to_owned());
    for path in segments::of(name) {
        print_line(&outcome(segments::open(&path).map(|_| ())));
        print_line(&outcome(std::fs::remove_file(&path)));
    }
    let created = Writer::create(name, WriterOptions::default());
    print_line(if created.is_ok() { DONE } else { REFUSED });
    Ok(())
}
