//! A stream that is followed: its reader, what is known of it, and what has been read for the screen.

use std::time::{Duration, Instant};

use dora_shm_ring::{EventKind, Info, Liveness, Outcome, Reader, Start, Wait};

use super::controls::{Controls, Hold, Shown, View};
use super::generation::Generation;
use super::scene::{AxisLine, NOTE_STAYS};
use crate::drawing::plot_data::End;
use crate::stream_arg::Which;
use crate::units;

/// Interval between two snapshots of what does not come with the frames: the state and the rate.
const REFRESH: Duration = Duration::from_millis(250);
/// Most changes of generation that are followed between two pictures.
const MOST_UPDATES: usize = 64;

pub struct Session {
    which: Which,
    reader: Reader,
    pub info: Option<Info>,
    refreshed: Option<Instant>,
    note: Option<(String, Instant)>,
    /// The error of the last call that failed; it is retried.
    pub failure: Option<String>,
    pub generation: Option<Generation>,
    /// Whether the last stream was closed, and there is no other yet.
    pub closed: bool,
    /// Whether the user has been notified that the stream continues beyond what is held.
    goes_on: bool,
}

impl Session {
    /// # Errors
    /// A sentence for the user: what is wrong with the stream, or that it may not be read.
    pub fn open(which: &Which) -> eyre::Result<Self> {
        let reader = which.open_or_wait(which.options(Start::Newest))?;
        // The reader reports no event for the generation with which it begins.
        let generation = Generation::of(&reader);
        Ok(Self {
            which: which.clone(),
            reader,
            info: None,
            refreshed: None,
            note: None,
            failure: None,
            generation,
            closed: false,
            goes_on: false,
        })
    }

    pub fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    /// The generation together with its reader, for what needs both.
    pub fn with_generation<T>(&mut self, act: impl FnOnce(Option<&mut Generation>, &Reader) -> T) -> T {
        act(self.generation.as_mut(), &self.reader)
    }

    pub fn lost(&self) -> u64 {
        self.reader.lost()
    }

    pub fn name(&self) -> &str {
        &self.which.name
    }

    /// A note on what has just happened; `None` after a while.
    pub fn note(&self) -> Option<&str> {
        self.note.as_ref().filter(|(_, since)| since.elapsed() < NOTE_STAYS).map(|(note, _)| note.as_str())
    }

    fn set_note(&mut self, note: String) {
        self.note = Some((note, Instant::now()));
    }

    /// A sentence that there is no such stream, with those that exist.
    pub fn absent(&self) -> String {
        self.which.absent()
    }

    pub fn state(&self) -> Liveness {
        match self.info.as_ref().map(|info| info.liveness) {
            Some(Liveness::Absent) | None if self.closed => Liveness::Closed,
            state => state.unwrap_or(Liveness::Absent),
        }
    }

    /// Follows the stream: skips new frames, and handles new generations and the end. Returns whether anything changed.
    /// While a picture is held, does not go beyond its generation.
    pub fn follow(&mut self, held: bool) -> bool {
        let mut changed = self.refresh();
        for _ in 0..MOST_UPDATES {
            // With no more than the unread frames requested, the reader does not move to the next generation.
            let most = if held { self.reader.unread() } else { u64::MAX };
            match self.reader.view(most) {
                Ok(Outcome::Data(view)) => {
                    // Only skipped here: what is shown is read by its positions. By a view, since `skip` moves a lapped
                    // reader half a ring on and counts frames as lost that are still held.
                    self.reader.finish(view);
                    (changed, self.closed) = (true, false);
                }
                Ok(Outcome::Nothing) => break,
                Ok(Outcome::Generation | Outcome::Closed) => changed = true,
                Err(error) => {
                    self.failure = Some(format!("{:#}", self.which.explained::<()>(Err(error)).unwrap_err()));
                    return true;
                }
            }
            self.failure = None;
            self.take_events();
        }
        changed |= self.take_events();
        let goes_on = held && self.goes_on_elsewhere();
        if goes_on && !self.goes_on {
            self.set_note("the stream has changed meanwhile; press space to see how".to_owned());
            changed = true;
        }
        self.goes_on = goes_on;
        changed
    }

    /// Whether something other than a frame of this generation comes next.
    fn goes_on_elsewhere(&mut self) -> bool {
        self.reader.unread() == 0
            && matches!(self.reader.wait(Duration::ZERO), Ok(Wait::Ready))
            // Excludes a frame that has just come.
            && self.reader.unread() == 0
    }

    /// Handles the reader's events: a new generation or description, the stream's end. Returns whether there were any.
    fn take_events(&mut self) -> bool {
        let mut changed = false;
        while let Some(event) = self.reader.next_event() {
            changed = true;
            match event.kind {
                EventKind::NewGeneration => {
                    let before = std::mem::replace(&mut self.generation, Generation::of(&self.reader));
                    self.closed = false;
                    if let (Some(_), Some(generation), Some(number)) = (before, &self.generation, event.generation) {
                        self.set_note(format!("generation {number}: {}", units::format(&generation.format)));
                    }
                }
                EventKind::NewDescription => {
                    if let Some(generation) = &mut self.generation {
                        generation.describe(event.description);
                    }
                }
                EventKind::WriterGone { orderly: true } => {
                    self.closed = true;
                    self.set_note(
                        "the stream was closed by its writer; waiting for the next stream of this name".to_owned(),
                    );
                }
                EventKind::WriterGone { orderly: false } | EventKind::WriterRestarted => {}
            }
        }
        changed
    }

    /// Takes a snapshot, now and then, of what does not come with the frames. Returns whether it changed.
    fn refresh(&mut self) -> bool {
        if self.refreshed.is_some_and(|at| at.elapsed() < REFRESH) {
            return false;
        }
        self.refreshed = Some(Instant::now());
        let shown = |info: &Option<Info>| {
            let rate = info.as_ref().and_then(|info| info.measured_rate_hz).map(units::hertz);
            (info.as_ref().map(|info| info.liveness), rate)
        };
        let before = shown(&self.info);
        let had_note = self.note.is_some();
        match self.reader.info() {
            Ok(info) => self.info = Some(info),
            Err(error) => self.failure = Some(format!("{:#}", self.which.explained::<()>(Err(error)).unwrap_err())),
        }
        self.note.take_if(|(_, since)| since.elapsed() >= NOTE_STAYS);
        before != shown(&self.info) || had_note != self.note.is_some()
    }

    /// Reads for the screen for about `budget`. Returns whether there is more to read now. An error is kept in
    /// [`failure`](Self::failure).
    pub fn read(&mut self, controls: &Controls, dots: usize, rows: usize, budget: Duration) -> bool {
        let Some(generation) = &mut self.generation else { return false };
        let view = generation.view(controls);
        let result = if view == View::Picture {
            generation.read_picture(&mut self.reader, controls).map(|()| false)
        } else {
            generation.read_plot(&mut self.reader, controls, dots, rows, budget)
        };
        match result {
            Ok(more) => more,
            Err(error) => {
                self.failure = Some(format!("{:#}", self.which.explained::<()>(Err(error)).unwrap_err()));
                false
            }
        }
    }

    /// The state on which keys act.
    pub fn shown(&mut self, controls: &Controls, rows: usize) -> Option<Shown> {
        let Self { generation, reader, .. } = self;
        let generation = generation.as_mut()?;
        let view = generation.view(controls);
        let held = reader.held();
        let per_page = generation.per_page(controls, rows);
        let history = generation.history.as_mut();
        let (mut oldest, mut newest, mut end, mut length) = (0.0, 0.0, 0.0, 1.0);
        if let Some(history) = history
            && !held.is_empty()
        {
            let spare = (held.end - held.start) / 50;
            newest = history.axis_at(reader, held.end - 1).ok().flatten().unwrap_or(history.end());
            oldest = history.axis_at(reader, held.start + spare).ok().flatten().unwrap_or(newest);
            // The requested window, even if it has not been read yet: keys may come faster than pictures.
            end = if let Hold::At(end) = controls.hold { end } else { history.end() };
            length = controls.length.unwrap_or(history.window().length);
        }
        let frame = if let Hold::Frame(frame) = controls.hold { frame } else { generation.frame };
        let step = if held.end > held.start + 1 { (newest - oldest) / (held.end - held.start) as f64 } else { 1e-3 };
        let longest = generation.ring_length(&held, newest - oldest).unwrap_or(3600.0);
        Some(Shown {
            view,
            can_be_picture: generation.picture.is_some(),
            end,
            length,
            oldest,
            newest,
            lengths: ((step * 8.0).max(1e-6), longest.max(step * 8.0)),
            frame,
            held,
            channels: generation.chosen().len(),
            per_page,
            most_per_page: rows.max(1),
        })
    }

    /// The axis below the window that is shown.
    pub fn axis_line(&mut self) -> Option<AxisLine> {
        let Self { generation, reader, .. } = self;
        let generation = generation.as_mut()?;
        let description = generation.description.clone();
        let history = generation.history.as_mut()?;
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
