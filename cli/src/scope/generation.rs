//! The generation on the screen: its channels or pictures, and what has been read of it.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use dora_shm_ring::{Description, Format, Frames, Reader};

use super::controls::{Controls, Hold, View};
use super::scene::{Lane, PALETTE, Scene};
use crate::drawing::channels::Channels;
use crate::drawing::columns::Chosen;
use crate::drawing::picture::{PictureFormat, Pixels};
use crate::drawing::plot_data::{End, History, Window};
use crate::drawing::range::{self, ValueRange};

/// Longest window by default, in seconds.
const LENGTH: f64 = 10.0;
/// Up to this many channels, all are read, so that any choice is shown at once; otherwise only those on the screen.
const MOST_READ: usize = 1024;
/// Rows of a lane by default.
const LANE_ROWS: usize = 2;

/// One generation of one writer, as far as it has been read.
pub struct Generation {
    pub format: Format,
    pub description: Option<Arc<Description>>,
    pub channels: Channels,
    pub picture: Option<PictureFormat>,
    chosen: Vec<usize>,
    wanted: String,
    pub history: Option<History>,
    /// The range of each channel on the screen, and the common one of the overlay.
    ranges: HashMap<usize, ValueRange>,
    common: Option<ValueRange>,
    frames: Frames,
    pixels: Option<(u64, Pixels)>,
    /// Position of the picture that is shown.
    pub frame: u64,
}

impl Generation {
    /// The reader's generation, if there is one.
    pub fn of(reader: &Reader) -> Option<Self> {
        let format = reader.format()?.clone();
        let mut generation = Self {
            channels: Channels::new(&format, None),
            picture: None,
            format,
            description: None,
            chosen: Vec::new(),
            wanted: String::new(),
            history: None,
            ranges: HashMap::new(),
            common: None,
            frames: Frames::new(),
            pixels: None,
            frame: 0,
        };
        generation.describe(reader.description().cloned());
        Some(generation)
    }

    /// Sets the description of the frames.
    pub fn describe(&mut self, description: Option<Arc<Description>>) {
        self.channels = Channels::new(&self.format, description.as_deref());
        self.picture = PictureFormat::of(&self.format, description.as_deref());
        self.description = description;
        self.pixels = None;
        self.choose();
    }

    fn choose(&mut self) {
        // Chosen labels may be gone, or belong to other channels.
        self.chosen = self.channels.choose(&self.wanted).unwrap_or_else(|_| (0..self.channels.count()).collect());
    }

    /// How the stream is drawn: as requested if that is possible, otherwise as suits it.
    pub fn view(&self, controls: &Controls) -> View {
        match (controls.view, self.picture) {
            (Some(View::Picture), None) | (None, None) => View::Traces,
            (None, Some(_)) => View::Picture,
            (Some(view), _) => view,
        }
    }

    /// Channels on a screen with `rows` rows.
    pub fn per_page(&self, controls: &Controls, rows: usize) -> usize {
        let count = self.chosen.len().max(1);
        match self.view(controls) {
            View::Overlay => count.min(MOST_READ),
            View::Heat => count.min(MOST_READ),
            _ => {
                let suits = count.min((rows / LANE_ROWS).max(1));
                controls.per_page.unwrap_or(suits).clamp(1, rows.max(1).min(count))
            }
        }
    }

    /// The range of the chosen channels that are on the screen.
    pub fn page(&self, controls: &Controls, rows: usize) -> Range<usize> {
        let per_page = self.per_page(controls, rows);
        let top = controls.top.min(self.chosen.len().saturating_sub(per_page));
        top..(top + per_page).min(self.chosen.len())
    }

    pub fn chosen(&self) -> &[usize] {
        &self.chosen
    }

    /// Reads for a plot of `dots` columns and `rows` rows for about `budget`. Returns whether there is more to read.
    pub fn read_plot(
        &mut self,
        reader: &mut Reader,
        controls: &Controls,
        dots: usize,
        rows: usize,
        budget: Duration,
    ) -> dora_shm_ring::Result<bool> {
        if self.wanted != controls.wanted {
            self.wanted.clone_from(&controls.wanted);
            self.choose();
        }
        let count = self.channels.count();
        let read: Vec<usize> =
            if count <= MOST_READ { (0..count).collect() } else { self.chosen[self.page(controls, rows)].to_vec() };
        let chosen = Chosen::new(&read, count);
        let end = if let Hold::At(end) = controls.hold { End::At(end) } else { End::Newest };
        let length = match (controls.length, &self.history) {
            (Some(length), _) => length,
            (None, Some(history)) => history.window().length,
            (None, None) => self.suitable_length(reader)?,
        };
        let window = Window { end, length, columns: dots };
        let history = match &mut self.history {
            Some(history) if *history.chosen() == chosen => history,
            history => history.insert(History::new(&self.format, chosen, window)),
        };
        history.show(reader, window)?;
        history.read(reader, budget)
    }

    fn suitable_length(&mut self, reader: &mut Reader) -> dora_shm_ring::Result<f64> {
        let held = reader.held();
        let mut history = History::new(
            &self.format,
            Chosen::new(&[], self.channels.count()),
            Window { end: End::Newest, length: LENGTH, columns: 1 },
        );
        history.read(reader, Duration::ZERO)?;
        let span = match held.end.checked_sub(2) {
            Some(last) => {
                let newest = history.axis_at(reader, last + 1)?.unwrap_or(0.0);
                newest - history.axis_at(reader, held.start + (last - held.start) / 16)?.unwrap_or(newest)
            }
            None => 0.0,
        };
        let unit = history.unit(self.description.as_deref());
        let longest = if unit == "s" { LENGTH } else { f64::INFINITY };
        let ring = self.ring_length(&held, span).unwrap_or(LENGTH);
        // The longest round time that the ring is certain to fill.
        let length = ring.min(longest);
        Ok(if length == longest { length } else { range::step(length * 0.4, 1) })
    }

    /// Length of the ring on the axis: by the stated rate, or else by the frames in it, which span `span`.
    pub fn ring_length(&self, held: &Range<u64>, span: f64) -> Option<f64> {
        let (frames, rate) = (self.format.frames() as f64, self.format.rate_hz());
        let there = (held.end - held.start) as f64;
        if rate > 0.0 && (there < 16.0 || (span * rate / there - 1.0).abs() < 0.5) {
            return Some(frames / rate);
        }
        (there >= 16.0 && span > 0.0).then(|| span / there * frames)
    }

    /// Reads the picture that is to be shown, if it has changed.
    pub fn read_picture(&mut self, reader: &mut Reader, controls: &Controls) -> dora_shm_ring::Result<()> {
        let held = reader.held();
        if held.is_empty() {
            return Ok(());
        }
        let wanted = if let Hold::Frame(frame) = controls.hold { frame } else { held.end - 1 };
        let wanted = wanted.clamp(held.start, held.end - 1);
        let same = self.frames.frames() == 1 && self.frames.first() == wanted;
        if !same && self.pixels.as_ref().is_none_or(|(frame, _)| *frame != wanted) {
            // If it is overwritten meanwhile, the picture before stays.
            let mut frames = std::mem::take(&mut self.frames);
            if reader.read_at(wanted..wanted + 1, &mut frames)? == 1 {
                self.frame = wanted;
                self.pixels = None;
            }
            self.frames = frames;
        }
        Ok(())
    }

    /// The frame as a picture of at most `width` x `height` pixels; `None` before there is one.
    pub fn pixels(&mut self, width: usize, height: usize) -> Option<&Pixels> {
        let format = self.picture?;
        let (width, height) = format.fit(width, height);
        let fits = |pixels: &Pixels| (pixels.width, pixels.height) == (width, height);
        if !self.pixels.as_ref().is_some_and(|(frame, pixels)| *frame == self.frame && fits(pixels)) {
            if self.frames.is_empty() {
                return None;
            }
            self.pixels = Some((self.frame, format.pixels(&self.frames, width, height)));
        }
        self.pixels.as_ref().map(|(_, pixels)| pixels)
    }

    /// Lanes for the channels on the screen, with ranges that follow what is in the window.
    pub fn scene(&mut self, reader: &Reader, controls: &Controls, rows: usize) -> Option<Scene<'_>> {
        let page = self.page(controls, rows);
        let view = self.view(controls);
        let history = self.history.as_ref()?;
        let overlay = view == View::Overlay;
        let on_screen: Vec<(usize, usize)> = self.chosen[page]
            .iter()
            .filter_map(|&channel| history.chosen().place_of(channel).map(|place| (channel, place)))
            .collect();
        let extents = extents(history, &on_screen);
        self.common =
            follow(self.common, controls.auto, extents.iter().flatten().map(|extent| (extent.low, extent.high)));
        let widest = extents.iter().flatten().map(|extent| extent.high - extent.low).fold(0.0, f64::max);
        let mut lanes = Vec::with_capacity(on_screen.len());
        for (index, ((channel, place), extent)) in on_screen.iter().zip(&extents).enumerate() {
            let before = self.ranges.get(channel).copied();
            let wanted = extent.iter().map(|extent| {
                if !controls.shared || widest == 0.0 {
                    return (extent.low, extent.high);
                }
                let middle = extent.low + (extent.high - extent.low) / 2.0;
                (middle - widest / 2.0, middle + widest / 2.0)
            });
            let range = follow(before, controls.auto, wanted);
            if let Some(range) = range {
                self.ranges.insert(*channel, range);
            }
            let range = if overlay { self.common } else { range }.unwrap_or(ValueRange { low: -1.0, high: 1.0 });
            lanes.push(Lane {
                label: self.channels.label(*channel),
                unit: self.channels.unit(*channel).to_owned(),
                place: *place,
                range: range.magnified(controls.gain),
                value: extent.as_ref().map(|extent| extent.last),
                colour: PALETTE[index % PALETTE.len()],
            });
        }
        let gone_columns = history.gone_columns(reader.held());
        Some(Scene { history, lanes, overlay, gone_columns })
    }
}

/// The values of a channel in the window.
struct Extent {
    low: f64,
    high: f64,
    /// The middle of the newest column.
    last: f64,
}

fn extents(history: &History, channels: &[(usize, usize)]) -> Vec<Option<Extent>> {
    let mut extents: Vec<Option<Extent>> = channels.iter().map(|_| None).collect();
    for column in history.shown().filter_map(|column| history.columns().get(column)) {
        for (extent, (_, place)) in extents.iter_mut().zip(channels) {
            let Some((low, high)) = column.extent(*place) else { continue };
            let last = low + (high - low) / 2.0;
            *extent = Some(match extent.take() {
                Some(before) => Extent { low: before.low.min(low), high: before.high.max(high), last },
                None => Extent { low, high, last },
            });
        }
    }
    extents
}

/// The range for `extents`; unchanged if it is not to follow them, or if there are none.
fn follow(before: Option<ValueRange>, auto: bool, extents: impl Iterator<Item = (f64, f64)>) -> Option<ValueRange> {
    let all = extents.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    match (before, all) {
        (Some(before), Some((low, high))) if auto => Some(before.followed(low, high)),
        (None, Some((low, high))) => Some(ValueRange::around(low, high)),
        (before, _) => before,
    }
}
