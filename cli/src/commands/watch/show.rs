//! How `watch` prints: one line that is rewritten, a new line each time, or JSON.

use std::io::{self, Write};
use std::time::Duration;

use dora_shm_ring::Info;
use dora_shm_ring::internal::unix_ns;
use serde::Serialize;

use super::changes::Event;
use super::meter::Reading;
use crate::{output, state_word, text, units};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One line that is rewritten, on a terminal.
    Live,
    /// A new line each time.
    Lines,
    Json,
}

impl Form {
    pub fn choose(json: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        match (json, output::is_terminal() && !dumb) {
            (true, _) => Self::Json,
            (false, true) => Self::Live,
            (false, false) => Self::Lines,
        }
    }

    /// Time between two lines by default.
    pub fn interval(self) -> Duration {
        match self {
            Self::Live => Duration::from_millis(500),
            Self::Lines | Self::Json => Duration::from_secs(1),
        }
    }
}

/// A line of JSON.
#[derive(Serialize)]
struct Object<'a> {
    event: &'a str,
    time_s: f64,
    name: &'a str,
    generation: Option<u32>,
    pid: Option<u32>,
    #[serde(flatten)]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

#[derive(Serialize)]
struct Status {
    state: &'static str,
    rate_hz: f64,
    messages_hz: Option<f64>,
    bytes_per_s: f64,
    position: u64,
    frames: u64,
    lost: u64,
    refused: Option<u64>,
    dropped: Option<u64>,
    gaps: Option<u64>,
    empty: Option<u64>,
    lag_frames: u64,
    lag_s: f64,
    latency_min_s: Option<f64>,
    latency_median_s: Option<f64>,
    latency_max_s: Option<f64>,
}

impl Status {
    fn new(info: &Info, reading: &Reading) -> Self {
        Self {
            state: info.liveness.name(),
            rate_hz: reading.rate_hz,
            // ezmsg does not record where a message ends.
            messages_hz: info.ezmsg.is_none().then_some(reading.messages_hz),
            bytes_per_s: reading.bytes_per_s,
            position: info.position,
            frames: reading.read,
            lost: reading.lost,
            refused: info.counted.map(|counted| counted.refused),
            dropped: info.counted.map(|counted| counted.dropped),
            gaps: info.counted.map(|counted| counted.gaps),
            empty: info.ezmsg.is_none().then_some(reading.empty),
            lag_frames: reading.lag.frames,
            lag_s: reading.lag.time.as_secs_f64(),
            latency_min_s: reading.latency.map(|latency| latency.min.as_secs_f64()),
            latency_median_s: reading.latency.map(|latency| latency.median.as_secs_f64()),
            latency_max_s: reading.latency.map(|latency| latency.max.as_secs_f64()),
        }
    }
}

pub struct Screen {
    form: Form,
    /// Whether the terminal shows a live line, with the cursor behind it.
    has_line: bool,
}

impl Screen {
    pub fn new(form: Form) -> Self {
        Self { form, has_line: false }
    }

    /// Prints the state and the figures.
    ///
    /// # Errors
    /// Those of writing, as for the other functions here.
    pub fn status(&mut self, info: &Info, reading: &Reading, elapsed: Duration) -> io::Result<()> {
        let mut out = output::stdout();
        match self.form {
            Form::Json => self.object(&mut out, "status", info, Some(Status::new(info, reading)), None)?,
            Form::Lines => writeln!(out, "{:>7.1}s  {}", elapsed.as_secs_f64(), line(info, reading, usize::MAX))?,
            Form::Live => {
                // Some terminals wrap a line that fills the last column.
                let columns = output::columns().saturating_sub(1);
                write!(out, "\r{}\x1b[K", line(info, reading, columns))?;
                self.has_line = true;
            }
        }
        out.flush()
    }

    /// Prints an event.
    pub fn event(&mut self, info: &Info, event: &Event) -> io::Result<()> {
        let mut out = output::stdout();
        match self.form {
            Form::Json => self.object(&mut out, event.kind, info, None, Some(&event.text))?,
            Form::Lines | Form::Live => {
                self.make_room(&mut out)?;
                writeln!(out, "{}", event.text)?;
            }
        }
        out.flush()
    }

    /// Prints that there is no such stream yet: in JSON as an event, otherwise on stderr, since it is not a result.
    pub fn absent(&mut self, info: &Info, sentence: &str) -> io::Result<()> {
        match self.form {
            Form::Json => self.event(info, &Event { kind: "absent", text: sentence.to_owned() }),
            Form::Lines | Form::Live => {
                output::note(sentence);
                Ok(())
            }
        }
    }

    /// Moves the cursor to the beginning of a line.
    pub fn end(&mut self) -> io::Result<()> {
        let mut out = output::stdout();
        if std::mem::take(&mut self.has_line) {
            writeln!(out)?;
        }
        out.flush()
    }

    /// Erases the live line; the next one comes below what is printed now.
    fn make_room(&mut self, out: &mut impl Write) -> io::Result<()> {
        if std::mem::take(&mut self.has_line) { write!(out, "\r\x1b[K") } else { Ok(()) }
    }

    fn object(
        &self,
        out: &mut impl Write,
        event: &str,
        info: &Info,
        status: Option<Status>,
        text: Option<&str>,
    ) -> io::Result<()> {
        let time_s = unix_ns() as f64 * 1e-9;
        let (name, generation, pid) = (&*info.name, info.generation, info.writer_pid);
        output::json_line(out, &Object { event, time_s, name, generation, pid, status, text })
    }
}

/// The line for people, in at most `columns` columns. If there is not enough room, what `info` shows too is left out
/// first.
fn line(info: &Info, reading: &Reading, columns: usize) -> String {
    let word = format!("{:<7}", info.liveness.name());
    let room = columns.saturating_sub(word.len());
    let mut forms = (0..=MOST_BRIEF).map(|brevity| parts(info, reading, brevity));
    let rest = forms.find(|parts| text::width(parts) <= room).unwrap_or_else(|| parts(info, reading, MOST_BRIEF));
    let rest = text::shortened(&rest, room);
    let style = state_word::style(info.liveness);
    format!("{style}{}{style:#}{rest}", text::shortened(&word, columns))
}

/// The briefest of the forms of [`parts`], with every figure that only this line shows.
const MOST_BRIEF: u8 = 4;

fn parts(info: &Info, reading: &Reading, brevity: u8) -> String {
    let latency = reading.latency.map_or_else(
        || "-".to_owned(),
        |latency| match brevity {
            MOST_BRIEF.. => units::duration(latency.median),
            _ => format!("{} (max {})", units::duration(latency.median), units::duration(latency.max)),
        },
    );
    let lag = match (reading.lag.frames, brevity) {
        (0, _) => "0".to_owned(),
        (frames, ..3) => format!("{}, {}", units::counted(frames, "frame"), units::duration(reading.lag.time)),
        (frames, _) => format!("{}, {}", units::count(frames), units::duration(reading.lag.time)),
    };
    let (rate, throughput) = (units::hertz(reading.rate_hz), units::bytes_per_second(reading.bytes_per_s));
    let mut parts = match brevity {
        ..3 => vec![format!("{rate:>9}"), format!("{throughput:>11}")],
        _ => vec![rate, throughput],
    };
    parts.extend([format!("lag {lag}"), format!("lost {}", units::count(reading.lost)), format!("latency {latency}")]);
    // What no reader gets, in every form: a stream that looks healthy by its frames alone may lack half of them.
    let counted = info.counted.unwrap_or_default();
    let unseen = [(counted.refused, "refused"), (counted.dropped, "dropped"), (counted.gaps, "gaps")];
    for (count, what) in unseen.into_iter().chain([(reading.empty, "empty")]) {
        if count > 0 {
            parts.push(format!("{what} {}", units::count(count)));
        }
    }
    if brevity < 2 {
        parts.push(info.generation.map_or_else(|| "no ring".to_owned(), |generation| format!("gen {generation}")));
    }
    if brevity < 1 {
        parts.push(format!("at {}", units::count(info.position)));
    }
    format!("  {}", parts.join("  "))
}
