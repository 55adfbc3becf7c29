//! `dora-shm plot`: a picture of a stream, as a file.

pub mod file;
mod traces;

use std::path::Path;
use std::time::{Duration, Instant};

use dora_shm_ring::{Format, Frames, Liveness, Reader, Start, Wait};
use eyre::{WrapErr as _, bail, eyre};

use self::file::Kind;
use self::traces::{Gutter, Lane, Plot};
use crate::drawing::channels::Channels;
use crate::drawing::columns::Chosen;
use crate::drawing::picture::PictureFormat;
use crate::drawing::plot_data::{End, History, Window};
use crate::drawing::range::{self, ValueRange};
use crate::interrupt::Ending;
use crate::stream_arg::Which;
use crate::text::{printable, quoted};
use crate::{output, units};

/// Longest time that is drawn by default, in seconds.
const LENGTH: f64 = 10.0;
/// Interval between two checks of how much there is.
const POLL: Duration = Duration::from_millis(50);
/// Time after which the command prints that it waits.
const REPORT_AFTER: Duration = Duration::from_secs(1);
const WIDTH: u32 = 1100;
/// Pixels of a PNG per pixel of the drawing, for screens of high resolution.
const PNG_SCALE: f32 = 2.0;

/// The plot that the user wants.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// `None`: what is there, up to ten seconds.
    pub seconds: Option<f64>,
    /// How long to wait for the stream, and for as much of it as is wanted.
    pub wait: Duration,
    pub channels: String,
    /// Draw pictures as channels.
    pub as_traces: bool,
    pub size: Option<(u32, u32)>,
}

/// Draws the newest frames of a stream into a file.
///
/// # Errors
/// A sentence for the user.
pub fn run(which: &Which, path: &Path, wanted: &Wanted) -> eyre::Result<()> {
    let kind = Kind::of(path)?;
    let mut reader = which.open_or_wait(which.options(Start::Newest))?;
    let interrupter = reader.interrupter();
    let ending = Ending::listen(move || interrupter.interrupt()).wrap_err("cannot listen for signals")?;
    wait_for_frames(which, &mut reader, wanted, &ending)?;
    let format = reader.format().cloned().ok_or_else(|| eyre!("the stream has just been closed"))?;
    let description = reader.description().cloned();
    let picture = PictureFormat::of(&format, description.as_deref()).filter(|_| !wanted.as_traces);
    let bytes = match picture {
        Some(picture) => newest_picture(which, &mut reader, &picture, wanted, kind)?,
        None => newest_traces(which, &mut reader, &format, wanted, kind)?,
    };
    file::write(path, &bytes)
}

/// Waits until there is as much as is wanted, or until no more can come.
fn wait_for_frames(which: &Which, reader: &mut Reader, wanted: &Wanted, ending: &Ending) -> eyre::Result<()> {
    let began = Instant::now();
    let mut reported = false;
    loop {
        pass(which, reader)?;
        let held = reader.held();
        if !held.is_empty() && is_enough(which, reader, wanted)? {
            return Ok(());
        }
        let left = wanted.wait.saturating_sub(began.elapsed());
        if left.is_zero() && !held.is_empty() {
            return Ok(());
        }
        if left.is_zero() {
            let waited = units::duration(wanted.wait);
            match which.explained(reader.liveness(Duration::from_secs(1)))? {
                Liveness::Absent | Liveness::Closed => {
                    bail!("{} (waited {waited}; --wait changes that)", which.absent())
                }
                _ => bail!("stream {} has no frames yet (waited {waited}; --wait changes that)", quoted(&which.name)),
            }
        }
        if !reported && began.elapsed() >= REPORT_AFTER {
            reported = true;
            let what = if held.is_empty() { "waiting for" } else { "waiting for more of" };
            output::note(format!("{what} stream {} (Ctrl-C stops)", quoted(&which.name)));
        }
        let wait = which.explained(reader.wait(left.min(POLL)))?;
        if ending.is_asked() {
            bail!("stopped before there was enough to draw");
        }
        // No more frames will come.
        if !held.is_empty() && matches!(wait, Wait::Timeout(Liveness::Dead | Liveness::Closed)) {
            return Ok(());
        }
        if wait == Wait::Ready {
            // Thousands of messages a second must not wake it each time.
            std::thread::sleep(left.min(POLL));
        }
    }
}

/// Skips what is new, up to the newest generation.
fn pass(which: &Which, reader: &mut Reader) -> eyre::Result<()> {
    which.explained(reader.skip_to_newest()).map(|_| ())
}

/// Whether the ring has what is wanted, or cannot have more.
fn is_enough(which: &Which, reader: &mut Reader, wanted: &Wanted) -> eyre::Result<bool> {
    let held = reader.held();
    let description = reader.description().cloned();
    let Some(format) = reader.format().cloned() else { return Ok(false) };
    if PictureFormat::of(&format, description.as_deref()).is_some() && !wanted.as_traces {
        return Ok(true);
    }
    let is_full = held.start > 0 || held.end - held.start >= format.frames();
    let Some(seconds) = wanted.seconds else { return Ok(is_full || held.end - held.start >= 2) };
    Ok(is_full || span(which, reader, &format)? >= seconds)
}

/// Length on the axis of the frames in the ring.
fn span(which: &Which, reader: &mut Reader, format: &Format) -> eyre::Result<f64> {
    let mut history = glance(which, reader, format)?;
    let held = reader.held();
    let Some(newest) = held.end.checked_sub(1) else { return Ok(0.0) };
    // Not from the very oldest frame of a full ring: it may be overwritten before it has been read.
    let left_out = if held.start > 0 { (newest - held.start) / 16 } else { 0 };
    let whole = (newest - held.start) as f64 / (newest - held.start - left_out).max(1) as f64;
    let oldest = which.explained(history.axis_at(reader, held.start + left_out))?;
    let newest = which.explained(history.axis_at(reader, newest))?;
    Ok(newest.zip(oldest).map_or(0.0, |(newest, oldest)| (newest - oldest) * whole))
}

/// A history without channels, for the values of the axis.
fn glance(which: &Which, reader: &mut Reader, format: &Format) -> eyre::Result<History> {
    let window = Window { end: End::Newest, length: LENGTH, columns: 1 };
    let mut history = History::new(format, Chosen::new(&[], format.frame_samples() as usize), window);
    which.explained(history.read(reader, Duration::ZERO))?;
    Ok(history)
}

fn newest_picture(
    which: &Which,
    reader: &mut Reader,
    picture: &PictureFormat,
    wanted: &Wanted,
    kind: Kind,
) -> eyre::Result<Vec<u8>> {
    let mut frames = Frames::new();
    if which.explained(reader.latest(1, &mut frames))? == 0 {
        bail!("the newest picture was overwritten while it was read");
    }
    let (width, height) = match wanted.size {
        Some((width, height)) => picture.fit(width as usize, height as usize),
        None => (picture.width, picture.height),
    };
    file::of_pixels(&picture.pixels(&frames, width, height), kind)
}

fn newest_traces(
    which: &Which,
    reader: &mut Reader,
    format: &Format,
    wanted: &Wanted,
    kind: Kind,
) -> eyre::Result<Vec<u8>> {
    let description = reader.description().cloned();
    let channels = Channels::new(format, description.as_deref());
    let chosen = channels.choose(&wanted.channels)?;
    if chosen.len() > MOST_LANES {
        bail!("a picture has room for {MOST_LANES} channels, not for {}; choose some with --channels", chosen.len());
    }
    let unit = glance(which, reader, format)?.unit(description.as_deref()).to_owned();
    let there = span(which, reader, format)?;
    let longest = if unit == "s" { LENGTH } else { f64::INFINITY };
    let length = wanted.seconds.unwrap_or(longest).min(there);
    let length = if length > 0.0 { length } else { 1.0 };
    let (width, height) = wanted.size.unwrap_or((WIDTH, traces::height(chosen.len())));
    let names: Vec<(String, String)> = chosen
        .iter()
        .map(|&channel| (printable(&channels.label(channel)), printable(channels.unit(channel))))
        .collect();
    let gutter = Gutter::of(names.iter().flat_map(|(label, unit)| [label.as_str(), unit.as_str()]), width);
    let window = Window { end: End::Newest, length, columns: gutter.columns(width) };
    let mut history = History::new(format, Chosen::new(&chosen, channels.count()), window);
    // Reads what is there, but not without end while more comes.
    let until = Instant::now() + Duration::from_secs(20);
    while which.explained(history.read(reader, Duration::from_millis(200)))? && Instant::now() < until {}
    let lanes = names
        .into_iter()
        .enumerate()
        .map(|(place, (label, unit))| Lane {
            label,
            unit,
            place,
            range: extent(&history, place)
                .map_or(ValueRange { low: -1.0, high: 1.0 }, |(low, high)| ValueRange::around(low, high)),
        })
        .collect();
    let plot = Plot {
        title: printable(&which.name),
        subtitle: subtitle(format, reader, length, &unit),
        history: &history,
        lanes,
        gutter,
        from: -length,
        unit,
        width,
        height,
    };
    file::of_svg(plot.svg()?, kind, if wanted.size.is_some() { 1.0 } else { PNG_SCALE })
}

/// Most channels of a picture: more than a screen has rows would be illegible.
const MOST_LANES: usize = 1024;

fn extent(history: &History, place: usize) -> Option<(f64, f64)> {
    let columns = history.shown().filter_map(|column| history.columns().get(column));
    columns.filter_map(|column| column.extent(place)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

fn subtitle(format: &Format, reader: &Reader, length: f64, unit: &str) -> String {
    let mut parts = vec![units::format(format)];
    let measured = reader.info().ok().and_then(|info| info.measured_rate_hz);
    let rate = if format.rate_hz() > 0.0 { Some(format.rate_hz()) } else { measured };
    parts.extend(rate.map(units::hertz));
    parts.push(match unit {
        "s" => format!("the newest {}", range::seconds_text(length)),
        unit => format!("the newest {} {unit}", range::short(length)),
    });
    parts.join("  ·  ")
}
