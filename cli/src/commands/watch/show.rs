//! How `watch` prints: one line written over and over, a line each time, or JSON.

use std::io::{self, Write};
use std::time::Duration;

use dora_shm_ring::{Info, unix_ns};
use serde::Serialize;

use super::changes::Event;
use super::meter::Reading;
use crate::{output, state, text, units};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A line that is written over, on a terminal.
    Live,
    /// A line each time.
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

    /// Between two lines, unless the user says otherwise.
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
    says: Option<&'a str>,
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
            // ezmsg does not say where one ends.
            messages_hz: info.ezmsg.is_none().then_some(reading.messages_hz),
            bytes_per_s: reading.bytes_per_s,
            position: info.position,
            frames: reading.read,
            lost: reading.lost,
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
    /// A live line stands on the terminal, and the cursor behind it.
    has_line: bool,
}

impl Screen {
    pub fn new(form: Form) -> Self {
        Self { form, has_line: false }
    }

    /// How the stream does.
    ///
    /// # Errors
    /// Those of writing; this holds for all that follows.
    pub fn status(&mut self, info: &Info, reading: &Reading, elapsed: Duration) -> io::Result<()> {
        let mut out = output::stdout();
        match self.form {
            Form::Json => self.object(&mut out, "status", info, Some(Status::new(info, reading)), None)?,
            Form::Lines => writeln!(out, "{:>7.1}s  {}", elapsed.as_secs_f64(), line(info, reading, usize::MAX))?,
            Form::Live => {
                // A line that fills the last column makes some terminals go on in the next.
                let columns = output::columns().saturating_sub(1);
                write!(out, "\r{}\x1b[K", line(info, reading, columns))?;
                self.has_line = true;
            }
        }
        out.flush()
    }

    /// What happened.
    pub fn event(&mut self, info: &Info, event: &Event) -> io::Result<()> {
        let mut out = output::stdout();
        match self.form {
            Form::Json => self.object(&mut out, event.kind, info, None, Some(&event.says))?,
            Form::Lines | Form::Live => {
                self.make_room(&mut out)?;
                writeln!(out, "{}", event.says)?;
            }
        }
        out.flush()
    }

    /// That the stream is not there yet: no result, but good to know.
    pub fn absent(&mut self, info: &Info, says: &str) -> io::Result<()> {
        match self.form {
            Form::Json => self.event(info, &Event { kind: "absent", says: says.to_owned() }),
            Form::Lines | Form::Live => {
                output::note(says);
                Ok(())
            }
        }
    }

    /// Leaves the cursor at the beginning of a line.
    pub fn end(&mut self) -> io::Result<()> {
        let mut out = output::stdout();
        if std::mem::take(&mut self.has_line) {
            writeln!(out)?;
        }
        out.flush()
    }

    /// A live line goes; the next one stands below what is written now.
    fn make_room(&mut self, out: &mut impl Write) -> io::Result<()> {
        if std::mem::take(&mut self.has_line) { write!(out, "\r\x1b[K") } else { Ok(()) }
    }

    fn object(
        &self,
        out: &mut impl Write,
        event: &str,
        info: &Info,
        status: Option<Status>,
        says: Option<&str>,
    ) -> io::Result<()> {
        let time_s = unix_ns() as f64 * 1e-9;
        let (name, generation, pid) = (&*info.name, info.generation, info.writer_pid);
        output::json_line(out, &Object { event, time_s, name, generation, pid, status, says })
    }
}

/// The line for people, in at most so many columns: what is told elsewhere, too, goes first where they are few.
fn line(info: &Info, reading: &Reading, columns: usize) -> String {
    let word = format!("{:<7}", info.liveness.name());
    let room = columns.saturating_sub(word.len());
    let mut forms = (0..=MOST_BRIEF).map(|brevity| parts(info, reading, brevity));
    let rest = forms.find(|parts| text::width(parts) <= room).unwrap_or_else(|| parts(info, reading, MOST_BRIEF));
    let rest = text::shortened(&rest, room);
    let style = state::style(info.liveness);
    format!("{style}{}{style:#}{rest}", text::shortened(&word, columns))
}

/// The briefest of the forms in which [`parts`] tells how a stream does, with all that no other line tells in it.
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
    if brevity < 2 {
        parts.push(info.generation.map_or_else(|| "no ring".to_owned(), |generation| format!("gen {generation}")));
    }
    if brevity < 1 {
        parts.push(format!("at {}", units::count(info.position)));
    }
    format!("  {}", parts.join("  "))
}
