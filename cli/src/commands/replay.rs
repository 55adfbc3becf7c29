//! `dora-shm replay`: a recording into a stream.

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use dora_shm_ring::{Writer, WriterOptions};
use eyre::WrapErr as _;

use crate::exit::Exit;
use crate::interrupt::Ending;
use crate::output;
use crate::progress::Progress;
use crate::recording::{Pace, Part, Pause, Played, Player, RecordingReader};
use crate::text::quoted;
use crate::units;

/// Interval between two checks of the stream's names while there is nothing to write.
const MAINTAIN: Duration = Duration::from_secs(1);

/// Writes a recording back into a stream, at its own pace
///
/// Writes message by message, with the times, descriptions, generations and send times that were recorded. Frames that
/// the recorder lost leave a gap in the times, but not in the positions. The command closes the stream at the end, or
/// on Ctrl-C.
#[derive(clap::Args)]
pub struct Arguments {
    /// Recording that `dora-shm record` made
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Name of the stream to write; refused if it has a live writer
    #[arg(long = "as", value_name = "NAME")]
    name: String,

    /// Recorded seconds per second: 2 is twice as fast; `inf` or 0 is as fast as possible
    #[arg(long, value_name = "X", default_value = "1", value_parser = parse_speed)]
    speed: f64,

    /// Repeat until Ctrl-C; times and send times keep increasing
    #[arg(long = "loop")]
    looped: bool,

    /// Longest pause between two messages, in recorded time
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration)]
    max_gap: Option<Duration>,

    /// How long the stream exists before its first message and after its last, so that readers find it; with `--speed
    /// inf` also before each further generation
    #[arg(long, value_name = "TIME", default_value = "300ms", value_parser = units::parse_duration)]
    hold: Duration,

    /// Do not show progress
    #[arg(short, long)]
    quiet: bool,
}

fn parse_speed(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix(['x', 'X']).unwrap_or(text);
    match number.parse() {
        Ok(0.0) => Ok(f64::INFINITY),
        Ok(speed) if speed > 0.0 => Ok(speed),
        _ => Err("expected a number above 0, such as 2 or 0.5, or `inf`".to_owned()),
    }
}

pub fn run(arguments: &Arguments) -> eyre::Result<Exit> {
    // A file that is not a recording, or is empty, must not create a stream.
    let mut recording = RecordingReader::open(&arguments.file)?;
    let Some(first) = recording.next()? else {
        let notice = recording.cut_notice().unwrap_or_else(|| format!("{} is empty", arguments.file.display()));
        output::note(format_args!("{notice}; nothing to replay"));
        return Ok(Exit::Done);
    };
    let options = WriterOptions::default().max_ring_bytes(i64::MAX as u64).keep_replaced(true);
    let writer = Writer::create(&arguments.name, options)?;
    let thread = std::thread::current();
    let ending = Ending::listen(move || thread.unpark())?;
    let read = Rc::new(Cell::new(0));
    let pause = Intermission {
        name: quoted(&arguments.name),
        ending: ending.clone(),
        progress: Progress::new(arguments.quiet),
        maintained: Instant::now(),
        read: read.clone(),
        bytes: std::fs::metadata(&arguments.file).map_or(0, |metadata| metadata.len()),
    };
    let pace =
        Pace { speed: arguments.speed, max_gap: arguments.max_gap.unwrap_or(Duration::MAX), hold: arguments.hold };
    let mut player = Player::new(writer, pace, pause);
    let mut next = Some(first);
    let result = loop {
        let going = match play(&mut player, &mut recording, next.take(), &read) {
            Ok(going) if going && arguments.looped => player.end_round().map_err(eyre::Report::new),
            Ok(going) => {
                let ended = if going { player.end_round().map(|_| false) } else { Ok(false) };
                ended.map_err(eyre::Report::new)
            }
            Err(error) => Err(error),
        };
        match going {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
        recording = match RecordingReader::open(&arguments.file) {
            Ok(again) => again,
            Err(error) => break Err(error),
        };
    };
    let notice = recording.cut_notice();
    let played = player.close();
    result.wrap_err_with(|| summary(arguments, &played))?;
    if !arguments.quiet {
        notice.into_iter().for_each(output::note);
        output::note(summary(arguments, &played));
    }
    Ok(Exit::Done)
}

/// Plays `first` and what comes after it. Returns `false` if the user wants to end.
fn play(
    player: &mut Player<Intermission>,
    recording: &mut RecordingReader,
    first: Option<Part>,
    read: &Cell<u64>,
) -> eyre::Result<bool> {
    let mut part = first;
    loop {
        let Some(next) = part.take().map_or_else(|| recording.next(), |part| Ok(Some(part)))? else { return Ok(true) };
        read.set(recording.offset());
        let going = match next {
            Part::Generation(generation) => player.begin(generation)?,
            Part::Batch(batch) => player.play(&batch)?,
        };
        if !going {
            return Ok(false);
        }
    }
}

fn summary(arguments: &Arguments, played: &Played) -> String {
    let generations = match played.generations {
        1 => String::new(),
        generations => format!(" in {generations} generations"),
    };
    let lost = match played.lost {
        0 => String::new(),
        lost => format!("; {} frames had been lost when it was recorded", units::count(lost)),
    };
    format!(
        "{} as stream {}: {} messages with {} frames{generations} replayed{lost}",
        arguments.file.display(),
        quoted(&arguments.name),
        units::count(played.messages),
        units::count(played.frames),
    )
}

/// The pause between two messages: sleep, progress, and maintenance of the stream's names.
struct Intermission {
    name: String,
    ending: Ending,
    progress: Progress,
    maintained: Instant,
    /// How much of the file has been read, and how much there is.
    read: Rc<Cell<u64>>,
    bytes: u64,
}

impl Pause for Intermission {
    fn pause(&mut self, writer: &mut Writer, until: Instant, played: &Played, at: Duration) -> bool {
        loop {
            if self.ending.is_asked() {
                return false;
            }
            if self.maintained.elapsed() >= MAINTAIN {
                self.maintained = Instant::now();
                // A failure is retried, and the next write reports it.
                let _ = writer.maintain();
                writer.warnings().iter().for_each(|warning| self.progress.note(&warning.to_string()));
            }
            let percent = 100 * self.read.get().min(self.bytes) / self.bytes.max(1);
            self.progress.show(|| {
                let (messages, frames) = (units::count(played.messages), units::count(played.frames));
                format!(
                    "{}: {}, {percent}% of the file, {messages} messages, {frames} frames",
                    self.name,
                    units::duration(at)
                )
            });
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            // The thread for signals ends this wait at once.
            std::thread::park_timeout(left.min(Duration::from_millis(250)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_a_number_above_0_or_as_fast_as_possible() {
        assert_eq!((parse_speed("2"), parse_speed("0.5x")), (Ok(2.0), Ok(0.5)));
        assert_eq!((parse_speed("0"), parse_speed("inf")), (Ok(f64::INFINITY), Ok(f64::INFINITY)));
        for bad in ["-1", "nan", "fast", ""] {
            assert!(parse_speed(bad).is_err(), "{bad}");
        }
    }
}
