//! A stream that is followed: its reader, what is known of it, and what of it has been read for the screen.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dora_shm_ring::{Description, Format, Frames, Info, Liveness, Reader, Start, ViewOutcome};

use super::controls::{Controls, Hold, Shown, View};
use super::scene::{AxisLine, Lane, NOTE_STAYS, PALETTE, Scene};
use crate::drawing::channels::Channels;
use crate::drawing::columns::Chosen;
use crate::drawing::history::{End, History, Window};
use crate::drawing::picture::{PictureFormat, Pixels};
use crate::drawing::range::{self, ValueRange};
use crate::open::Which;
use crate::units;

/// Longest window that is shown without being asked for, in seconds.
const LENGTH: f64 = 10.0;
/// As many channels are read, so that all are there at once whatever is chosen; of more, those on the screen.
const MOST_READ: usize = 1024;
/// Between two looks at what does not come with the frames: the state, the rate.
const REFRESH: Duration = Duration::from_millis(250);
/// Changes of generation that are gone through between two pictures.
const MOST_NEWS: usize = 64;
/// Rows of a lane, unless asked for otherwise.
const LANE_ROWS: usize = 2;

pub struct Session {
    which: Which,
    reader: Reader,
    pub info: Option<Info>,
    refreshed: Option<Instant>,
    note: Option<(String, Instant)>,
    /// What the last call said that failed; it is tried again.
    pub failure: Option<String>,
    pub stream: Option<Stream>,
    /// The last stream was closed, and there is no other yet.
    pub closed: bool,
}

/// One generation.
pub struct Stream {
    pub format: Format,
    description: Option<Arc<Description>>,
    generation: u32,
    pub channels: Channels,
    pub picture: Option<PictureFormat>,
    chosen: Vec<usize>,
    wanted: String,
    history: Option<History>,
    /// Of each channel on the screen, and of all in one.
    ranges: HashMap<usize, ValueRange>,
    pub common: Option<ValueRange>,
    frames: Frames,
    pixels: Option<(u64, Pixels)>,
    pub frame: u64,
}

impl Session {
    /// # Errors
    /// A sentence for the user: what is wrong with the stream, or that he may not read it.
    pub fn open(which: &Which) -> eyre::Result<Self> {
        let reader = which.open_or_wait(which.options(Start::Newest))?;
        Ok(Self {
            which: which.clone(),
            reader,
            info: None,
            refreshed: None,
            note: None,
            failure: None,
            stream: None,
            closed: false,
        })
    }

    pub fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    /// The stream together with its reader, for what needs both.
    pub fn with_stream<T>(&mut self, act: impl FnOnce(Option<&mut Stream>, &Reader) -> T) -> T {
        act(self.stream.as_mut(), &self.reader)
    }

    pub fn lost(&self) -> u64 {
        self.reader.lost()
    }

    pub fn name(&self) -> &str {
        &self.which.name
    }

    /// What has just happened, for a while.
    pub fn note(&self) -> Option<&str> {
        self.note.as_ref().filter(|(_, since)| since.elapsed() < NOTE_STAYS).map(|(note, _)| note.as_str())
    }

    fn say(&mut self, note: String) {
        self.note = Some((note, Instant::now()));
    }

    /// That there is no such stream, and which ones there are.
    pub fn absent(&self) -> String {
        self.which.absent()
    }

    pub fn state(&self) -> Liveness {
        match self.info.as_ref().map(|info| info.liveness) {
            Some(Liveness::Absent) | None if self.closed => Liveness::Closed,
            state => state.unwrap_or(Liveness::Absent),
        }
    }

    /// Follows the stream: passes what is new, its generations and its end. Whether there was any news.
    pub fn follow(&mut self) -> bool {
        let mut news = self.refresh();
        for _ in 0..MOST_NEWS {
            match self.reader.view(u64::MAX) {
                Ok(ViewOutcome::Frames(view)) => {
                    // Only passed here: what is shown is read by its positions.
                    self.reader.finish(view);
                    (news, self.closed) = (true, false);
                }
                Ok(ViewOutcome::Nothing) => break,
                Ok(ViewOutcome::Generation) => (news, self.closed) = (true, false),
                Ok(ViewOutcome::Closed) => {
                    (news, self.closed) = (true, true);
                    self.say("the stream was closed by its writer; waiting for the next one of the name".to_owned());
                }
                Err(error) => {
                    self.failure = Some(format!("{:#}", self.which.say::<()>(Err(error)).unwrap_err()));
                    return true;
                }
            }
            self.failure = None;
            news |= self.enter();
        }
        news |= self.enter();
        news
    }

    /// Takes in another generation, or another description of it.
    fn enter(&mut self) -> bool {
        let (Some(format), Some(generation)) = (self.reader.format().cloned(), self.reader.generation()) else {
            return false;
        };
        let description = self.reader.description().cloned();
        let same_ring =
            self.stream.as_ref().is_some_and(|stream| stream.generation == generation && stream.format == format);
        if let Some(stream) = self.stream.as_mut().filter(|_| same_ring) {
            let same = match (&stream.description, &description) {
                (Some(a), Some(b)) => Arc::ptr_eq(a, b),
                (a, b) => a.is_none() && b.is_none(),
            };
            if !same {
                stream.describe(description);
            }
            return !same;
        }
        if self.stream.is_some() {
            self.say(format!("generation {generation}: {}", units::format(&format)));
        }
        let mut stream = Stream {
            channels: Channels::new(&format, None),
            picture: None,
            format,
            description: None,
            generation,
            chosen: Vec::new(),
            wanted: String::new(),
            history: None,
            ranges: HashMap::new(),
            common: None,
            frames: Frames::new(),
            pixels: None,
            frame: 0,
        };
        stream.describe(description);
        self.stream = Some(stream);
        true
    }

    /// Looks at what does not come with the frames, now and then. Whether it is another than before.
    fn refresh(&mut self) -> bool {
        if self.refreshed.is_some_and(|at| at.elapsed() < REFRESH) {
            return false;
        }
        self.refreshed = Some(Instant::now());
        let told = |info: &Option<Info>| {
            let rate = info.as_ref().and_then(|info| info.measured_rate_hz).map(units::hertz);
            (info.as_ref().map(|info| info.liveness), rate)
        };
        let before = told(&self.info);
        let had_note = self.note.is_some();
        match self.reader.info() {
            Ok(info) => self.info = Some(info),
            Err(error) => self.failure = Some(format!("{:#}", self.which.say::<()>(Err(error)).unwrap_err())),
        }
        self.note.take_if(|(_, since)| since.elapsed() >= NOTE_STAYS);
        before != told(&self.info) || had_note != self.note.is_some()
    }

    /// Reads for the screen for about `budget`; whether there is more to read now.
    ///
    /// # Errors
    /// None that last: what the ring said is kept in [`failure`](Self::failure).
    pub fn read(&mut self, controls: &Controls, dots: usize, rows: usize, budget: Duration) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let view = stream.view(controls);
        let result = if view == View::Picture {
            stream.read_picture(&mut self.reader, controls).map(|()| false)
        } else {
            stream.read_plot(&mut self.reader, controls, dots, rows, budget)
        };
        match result {
            Ok(more) => more,
            Err(error) => {
                self.failure = Some(format!("{:#}", self.which.say::<()>(Err(error)).unwrap_err()));
                false
            }
        }
    }

    /// What keys go on from.
    pub fn shown(&mut self, controls: &Controls, rows: usize) -> Option<Shown> {
        let Self { stream, reader, .. } = self;
        let stream = stream.as_mut()?;
        let view = stream.view(controls);
        let held = reader.held();
        let per_page = stream.per_page(controls, rows);
        let history = stream.history.as_mut();
        let (mut oldest, mut newest, mut end, mut length) = (0.0, 0.0, 0.0, 1.0);
        if let Some(history) = history
            && !held.is_empty()
        {
            let spare = (held.end - held.start) / 50;
            newest = history.axis_at(reader, held.end - 1).ok().flatten().unwrap_or(history.end());
            oldest = history.axis_at(reader, held.start + spare).ok().flatten().unwrap_or(newest);
            (end, length) = (history.end(), history.window().length);
        }
        let step = if held.end > held.start + 1 { (newest - oldest) / (held.end - held.start) as f64 } else { 1e-3 };
        let longest = stream.ring_length(&held, newest - oldest).unwrap_or(3600.0);
        Some(Shown {
            view,
            can_be_picture: stream.picture.is_some(),
            end,
            length,
            oldest,
            newest,
            lengths: ((step * 8.0).max(1e-6), longest.max(step * 8.0)),
            frame: stream.frame,
            held,
            channels: stream.chosen.len(),
            per_page,
            most_per_page: most_per_page(rows),
        })
    }

    /// How the axis reads below the window that is shown.
    pub fn axis_line(&mut self) -> Option<AxisLine> {
        let Self { stream, reader, .. } = self;
        let stream = stream.as_mut()?;
        let description = stream.description.clone();
        let history = stream.history.as_mut()?;
        let end = history.end();
        let newest = match history.window().end {
            End::Newest => end,
            End::At(_) => {
                let last = reader.held().end.checked_sub(1)?;
                history.axis_at(reader, last).ok().flatten().unwrap_or(end)
            }
        };
        let to = end - newest;
        let unit = history.unit(description.as_deref()).to_owned();
        Some(AxisLine { from: to - history.window().length, to, unit })
    }
}

fn most_per_page(rows: usize) -> usize {
    rows.max(1)
}

impl Stream {
    fn describe(&mut self, description: Option<Arc<Description>>) {
        self.channels = Channels::new(&self.format, description.as_deref());
        self.picture = PictureFormat::of(&self.format, description.as_deref());
        self.description = description;
        self.pixels = None;
        // Labels that were chosen may be gone, or mean others.
        self.chosen = self.channels.choose(&self.wanted).unwrap_or_else(|_| (0..self.channels.count()).collect());
    }

    /// How it is drawn: as asked for where that is possible, else as suits it.
    pub fn view(&self, controls: &Controls) -> View {
        match (controls.view, self.picture) {
            (Some(View::Picture), None) | (None, None) => View::Traces,
            (None, Some(_)) => View::Picture,
            (Some(view), _) => view,
        }
    }

    /// Channels on a screen with so many rows.
    pub fn per_page(&self, controls: &Controls, rows: usize) -> usize {
        let count = self.chosen.len().max(1);
        match self.view(controls) {
            View::Overlay => count.min(MOST_READ),
            View::Heat => count.min(MOST_READ),
            _ => {
                let suits = count.min((rows / LANE_ROWS).max(1));
                controls.per_page.unwrap_or(suits).clamp(1, most_per_page(rows).min(count))
            }
        }
    }

    /// Which of the chosen channels are on the screen.
    pub fn page(&self, controls: &Controls, rows: usize) -> Range<usize> {
        let per_page = self.per_page(controls, rows);
        let top = controls.top.min(self.chosen.len().saturating_sub(per_page));
        top..(top + per_page).min(self.chosen.len())
    }

    pub fn chosen(&self) -> &[usize] {
        &self.chosen
    }

    fn read_plot(
        &mut self,
        reader: &mut Reader,
        controls: &Controls,
        dots: usize,
        rows: usize,
        budget: Duration,
    ) -> dora_shm_ring::Result<bool> {
        if self.wanted != controls.wanted {
            self.wanted.clone_from(&controls.wanted);
            self.chosen = self.channels.choose(&self.wanted).unwrap_or_else(|_| (0..self.channels.count()).collect());
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
        // The longest round one that the ring is sure to fill.
        let length = ring.min(longest);
        Ok(if length == longest { length } else { range::step(length * 0.4, 1) })
    }

    /// How long the ring is on the axis: as promised, else as the frames that are there say, which span `span`.
    fn ring_length(&self, held: &Range<u64>, span: f64) -> Option<f64> {
        let (frames, rate) = (self.format.frames() as f64, self.format.rate_hz());
        let there = (held.end - held.start) as f64;
        if rate > 0.0 && (there < 16.0 || (span * rate / there - 1.0).abs() < 0.5) {
            return Some(frames / rate);
        }
        (there >= 16.0 && span > 0.0).then(|| span / there * frames)
    }

    fn read_picture(&mut self, reader: &mut Reader, controls: &Controls) -> dora_shm_ring::Result<()> {
        let held = reader.held();
        if held.is_empty() {
            return Ok(());
        }
        let wanted = if let Hold::Frame(frame) = controls.hold { frame } else { held.end - 1 };
        let wanted = wanted.clamp(held.start, held.end - 1);
        let same = self.frames.frames() == 1 && self.frames.first() == wanted;
        if !same && self.pixels.as_ref().is_none_or(|(frame, _)| *frame != wanted) {
            // One that is overwritten meanwhile leaves the one before.
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

/// What a channel has in the window.
struct Extent {
    low: f64,
    high: f64,
    /// In the newest column: the middle of it.
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

/// The range for what is there now; as it was where it is not to follow, or there is nothing.
fn follow(before: Option<ValueRange>, auto: bool, extents: impl Iterator<Item = (f64, f64)>) -> Option<ValueRange> {
    let all = extents.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    match (before, all) {
        (Some(before), Some((low, high))) if auto => Some(before.followed(low, high)),
        (None, Some((low, high))) => Some(ValueRange::around(low, high)),
        (before, _) => before,
    }
}
