//! The part of a stream that a plot shows, as columns: read from the ring in steps of bounded work, newest first, so
//! that neither a burst nor a long window delays the screen.

use std::ops::Range;
use std::time::{Duration, Instant};

use dora_shm_ring::{Axis, Description, Dtype, Format, Frames, Reader, Result};

use super::columns::{Chosen, Columns};
use super::numbers::{self, Visitor};

/// Bytes that are copied and examined between two checks of the clock.
const BLOCK_BYTES: u64 = if cfg!(test) { 160 } else { 512 << 10 };
/// If more than this is new, the newest frames are read before the older ones.
const MOST_BLOCKS_BEHIND: u64 = 8;
/// A step back in time by more than this many seconds begins a new sequence (a recording that is played in a loop). A
/// smaller one is the jitter of send times.
const STEP_BACK: f64 = 1.0;
/// After this many steps back, times are not used as the axis.
const MOST_STEPS_BACK: u32 = 4;
/// This many frames show whether their times rise.
const FRAMES_TO_JUDGE_BY: u64 = 64;

/// The source of a frame's place on the axis.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Clock {
    Times,
    /// Times are not numbers or do not rise; the rate gives the distance between frames.
    Rate(f64),
    /// Only the order of frames is known.
    Frames,
}

/// Where a window ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// At the newest frame, wherever that is.
    Newest,
    /// At this value of the axis.
    At(f64),
}

/// The part of the stream that is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    pub end: End,
    /// Length on the axis: seconds, or frames if nothing else is known.
    pub length: f64,
    pub columns: usize,
}

/// The columns of a window, and how far they have been read.
pub struct History {
    dtype: Dtype,
    rate_hz: f64,
    frame_bytes: u64,
    chosen: Chosen,
    columns: Columns,
    clock: Clock,
    judged_by: u64,
    steps_back: u32,
    window: Window,
    /// The window's columns.
    shown: Range<i64>,
    /// Positions that have been read, without gaps as far as they belong to the window.
    covered: Range<u64>,
    /// Whether nothing older is in the ring, or belongs to the window.
    oldest_reached: bool,
    /// Whether nothing newer can belong to the window.
    newest_reached: bool,
    /// Axis values of the covered frames at both ends.
    oldest: f64,
    newest: f64,
    block: Frames,
    runs: Vec<(i64, Range<usize>)>,
}

impl History {
    pub fn new(format: &Format, chosen: Chosen, window: Window) -> Self {
        Self {
            dtype: format.dtype(),
            rate_hz: format.rate_hz(),
            frame_bytes: format.frame_bytes(),
            columns: Columns::new(chosen.len(), window.columns),
            chosen,
            clock: Clock::Times,
            judged_by: 0,
            steps_back: 0,
            window,
            shown: 0..0,
            covered: 0..0,
            oldest_reached: false,
            newest_reached: false,
            oldest: f64::NAN,
            newest: f64::NAN,
            block: Frames::new(),
            runs: Vec::new(),
        }
    }

    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    pub fn chosen(&self) -> &Chosen {
        &self.chosen
    }

    /// The window's columns, oldest first.
    pub fn shown(&self) -> Range<i64> {
        self.shown.clone()
    }

    /// The axis value at the right edge of the window.
    pub fn end(&self) -> f64 {
        self.shown.end as f64 * self.column_length()
    }

    pub fn window(&self) -> Window {
        self.window
    }

    fn column_length(&self) -> f64 {
        self.window.length / self.window.columns.max(1) as f64
    }

    fn column_of(&self, at: f64) -> i64 {
        // Saturates if a writer's times are beyond all columns.
        (at / self.column_length()).floor() as i64
    }

    /// Unit of the axis.
    pub fn unit<'a>(&self, description: Option<&'a Description>) -> &'a str {
        if self.clock == Clock::Frames {
            return "frames";
        }
        let axis = description.and_then(|description| description.axes.get(description.buffered_axis()?));
        match (self.clock, axis) {
            (Clock::Times, Some(Axis::Linear { unit, .. } | Axis::Coord { unit, .. })) if !unit.is_empty() => unit,
            _ => "s",
        }
    }

    /// Whether a line may join two neighbouring columns: there is no break between their frames.
    pub fn joined(&self, before: (u64, i64), after: (u64, i64)) -> bool {
        let silence = (after.1 - before.1 - 1) as f64 * self.column_length();
        let is_pause = self.clock == Clock::Times && self.rate_hz > 0.0 && silence > 0.25 + 10.0 / self.rate_hz;
        after.0 <= before.0 && !is_pause
    }

    /// How many columns at the window's start are of frames that have been overwritten.
    pub fn gone_columns(&self, held: Range<u64>) -> usize {
        if !self.oldest_reached || held.start == 0 {
            return 0;
        }
        let is_there = |column: &i64| self.columns.get(*column).is_some();
        match self.shown.clone().find(is_there) {
            // Its first frame is newer than the ring's oldest, so nothing came before it.
            Some(first) if self.columns.get(first).is_some_and(|column| column.first > held.start) => 0,
            Some(first) => (first - self.shown.start) as usize,
            None => self.window.columns,
        }
    }

    /// Sets what is shown; keeps what has already been read of it.
    pub fn show(&mut self, reader: &mut Reader, window: Window) -> Result<()> {
        if window == self.window {
            return Ok(());
        }
        let same_columns = window.columns == self.window.columns && window.length == self.window.length;
        self.window = window;
        if !same_columns {
            self.columns = Columns::new(self.chosen.len(), window.columns);
        }
        let End::At(end) = window.end else {
            if same_columns && !self.covered.is_empty() {
                self.newest_reached = false;
            } else {
                // With another length of columns, their numbers stand for other times.
                self.shown = 0..0;
                self.restart(reader.held().end);
            }
            return Ok(());
        };
        let last = self.column_of(end);
        let shown = last.saturating_sub(window.columns as i64 - 1)..last.saturating_add(1);
        let before = std::mem::replace(&mut self.shown, shown.clone());
        if same_columns && self.keep_covered(&before) {
            return Ok(());
        }
        let position = match self.clock {
            Clock::Times => reader.position_at(shown.end as f64 * self.column_length()),
            Clock::Rate(_) | Clock::Frames => {
                let held = reader.held();
                ((shown.end as f64 * self.column_length() / self.step()) as u64).clamp(held.start, held.end)
            }
        };
        self.restart(position);
        self.newest_reached = position < reader.held().end;
        Ok(())
    }

    /// Keeps what is still covered after the window has moved by less than its width. `false`: nothing is.
    fn keep_covered(&mut self, before: &Range<i64>) -> bool {
        let common = before.start.max(self.shown.start)..before.end.min(self.shown.end);
        let there = |column| self.columns.get(column);
        let (Some(first), Some(last)) = (common.clone().find_map(there), common.rev().find_map(there)) else {
            return false;
        };
        // Frames outside the common columns were read, too, but their columns have been given to other windows.
        let kept = self.covered.start.max(first.first)..self.covered.end.min(last.end);
        if self.shown.end != before.end {
            // If nothing lay beyond the new edge, the next frames may lie before it.
            self.newest_reached = self.shown.end < before.end && kept.end < self.covered.end;
        }
        if self.shown.start < before.start {
            self.oldest_reached = false;
        }
        self.covered = kept;
        // They may be those of frames that are not covered any more.
        (self.oldest, self.newest) = (f64::NAN, f64::NAN);
        !self.covered.is_empty()
    }

    /// Reads on from `position`, backwards first. The columns stay: reading a frame twice changes nothing.
    fn restart(&mut self, position: u64) {
        self.covered = position..position;
        (self.oldest_reached, self.newest_reached) = (false, false);
        (self.oldest, self.newest) = (f64::NAN, f64::NAN);
    }

    /// Reads for about `budget`, one block at least. Returns whether there is more to read now.
    pub fn read(&mut self, reader: &mut Reader, budget: Duration) -> Result<bool> {
        let until = Instant::now() + budget;
        self.judge_times(reader)?;
        let block = (BLOCK_BYTES / self.frame_bytes).max(1);
        let held = reader.held();
        let follows = self.window.end == End::Newest;
        if self.covered.end > held.end {
            self.restart(held.end);
        }
        if follows
            && (self.covered.is_empty()
                || held.end - self.covered.end > block * MOST_BLOCKS_BEHIND
                || self.covered.end < held.start)
        {
            self.restart(held.end);
        }
        while !self.newest_reached && self.covered.end < held.end {
            let to = held.end.min(self.covered.end.saturating_add(block));
            self.read_forwards(reader, self.covered.end..to)?;
            if Instant::now() >= until {
                return Ok(true);
            }
        }
        while !self.oldest_reached {
            let from = self.covered.start.saturating_sub(block);
            self.read_backwards(reader, from..self.covered.start)?;
            self.oldest_reached |= self.covered.start <= reader.held().start;
            if Instant::now() >= until {
                return Ok(!self.oldest_reached);
            }
        }
        Ok(false)
    }

    /// Decides whether times can be the axis; repeated until there are enough frames to decide.
    fn judge_times(&mut self, reader: &mut Reader) -> Result<()> {
        let held = reader.held();
        let frames = held.end - held.start;
        if self.judged_by >= FRAMES_TO_JUDGE_BY || frames <= self.judged_by {
            return Ok(());
        }
        self.judged_by = frames;
        // Not the very oldest frame, which may be overwritten before it has been read.
        let (newest, older) = (self.time_at(reader, held.end - 1)?, self.time_at(reader, held.start + frames / 16)?);
        let (Some(newest), Some(older)) = (newest, older) else { return Ok(()) };
        let rises = newest.is_finite() && older.is_finite() && (frames < 2 || newest > older);
        self.set_clock(if rises { Clock::Times } else { self.positions_as_clock() });
        Ok(())
    }

    fn positions_as_clock(&self) -> Clock {
        if self.rate_hz > 0.0 { Clock::Rate(1.0 / self.rate_hz) } else { Clock::Frames }
    }

    fn set_clock(&mut self, clock: Clock) {
        if clock != self.clock {
            self.clock = clock;
            self.columns.clear();
            self.shown = 0..0;
            self.restart(0);
        }
    }

    fn time_at(&mut self, reader: &mut Reader, position: u64) -> Result<Option<f64>> {
        reader.read_at(position..position + 1, &mut self.block)?;
        Ok(self.block.times().first().copied())
    }

    /// The axis value of a frame, if the ring still has it.
    pub fn axis_at(&mut self, reader: &mut Reader, position: u64) -> Result<Option<f64>> {
        match self.clock {
            Clock::Times => self.time_at(reader, position),
            Clock::Rate(_) | Clock::Frames => {
                Ok(reader.held().contains(&position).then_some(position as f64 * self.step()))
            }
        }
    }

    fn step(&self) -> f64 {
        if let Clock::Rate(step) = self.clock { step } else { 1.0 }
    }

    /// The axis value of frame `i` of the block.
    fn at(&self, i: usize) -> f64 {
        match self.clock {
            Clock::Times => self.block.times()[i],
            Clock::Rate(_) | Clock::Frames => (self.block.first() + i as u64) as f64 * self.step(),
        }
    }

    fn read_forwards(&mut self, reader: &mut Reader, positions: Range<u64>) -> Result<()> {
        reader.read_at(positions.clone(), &mut self.block)?;
        if self.block.is_empty() {
            // All of it has been overwritten.
            self.covered.end = positions.end;
            return Ok(());
        }
        if self.block.first() > positions.start && self.covered.is_empty() {
            self.covered.start = self.block.first();
        }
        let follows = self.window.end == End::Newest;
        self.runs.clear();
        let frames = self.block.times().len();
        let mut end = frames;
        for i in 0..frames {
            let at = self.at(i);
            if self.newest - at > STEP_BACK && self.clock == Clock::Times {
                self.step_back(self.block.first() + i as u64);
                if self.clock != Clock::Times {
                    return Ok(());
                }
                self.runs.clear();
            }
            if at.is_nan() {
                continue;
            }
            let column = self.column_of(at);
            if column >= self.shown.end || self.shown.is_empty() {
                if !follows {
                    (end, self.newest_reached) = (i, true);
                    break;
                }
                self.shown = column.saturating_sub(self.window.columns as i64 - 1)..column.saturating_add(1);
            }
            (self.newest, self.oldest) = (at, if self.oldest.is_nan() { at } else { self.oldest });
            self.extend_runs(column, i);
        }
        self.covered.end = self.block.first() + end as u64;
        self.add_runs();
        Ok(())
    }

    /// Times begin again at `position`: discards what came before.
    fn step_back(&mut self, position: u64) {
        self.steps_back += 1;
        if self.steps_back >= MOST_STEPS_BACK {
            return self.set_clock(self.positions_as_clock());
        }
        self.columns.clear();
        self.restart(position);
        self.oldest_reached = true;
        self.shown = 0..0;
    }

    fn read_backwards(&mut self, reader: &mut Reader, positions: Range<u64>) -> Result<()> {
        reader.read_at(positions.clone(), &mut self.block)?;
        if self.block.is_empty() {
            self.oldest_reached = true;
            return Ok(());
        }
        self.runs.clear();
        let mut from = 0;
        for i in (0..self.block.times().len()).rev() {
            let at = self.at(i);
            if at - self.oldest > STEP_BACK && self.clock == Clock::Times {
                (from, self.oldest_reached) = (i + 1, true);
                break;
            }
            if at.is_nan() {
                continue;
            }
            (self.oldest, self.newest) = (at, if self.newest.is_nan() { at } else { self.newest });
            let column = self.column_of(at);
            if self.shown.is_empty() || (self.window.end == End::Newest && column >= self.shown.end) {
                self.shown = column.saturating_sub(self.window.columns as i64 - 1)..column.saturating_add(1);
            }
            if column < self.shown.start {
                self.oldest_reached = true;
            }
            if self.shown.contains(&column) {
                self.extend_runs(column, i);
            }
        }
        // Overwritten frames lie before the first one of the block.
        self.oldest_reached |= self.block.first() > positions.start;
        self.covered.start = self.block.first() + from as u64;
        self.add_runs();
        Ok(())
    }

    /// Adds frame `i` to the last run if it continues that, in either direction.
    fn extend_runs(&mut self, column: i64, i: usize) {
        match self.runs.last_mut() {
            Some((last, run)) if *last == column && run.end == i => run.end = i + 1,
            Some((last, run)) if *last == column && run.start == i + 1 => run.start = i,
            _ => self.runs.push((column, i..i + 1)),
        }
    }

    fn add_runs(&mut self) {
        struct Add<'a>(&'a mut Columns, &'a Chosen, &'a [(i64, Range<usize>)], u64, usize);
        impl Visitor for Add<'_> {
            type Result = ();

            fn visit<T: Copy>(self, samples: &[T], number: impl Fn(T) -> f64 + Copy) {
                let Self(columns, chosen, runs, first, frame) = self;
                for (column, run) in runs {
                    let positions = first + run.start as u64..first + run.end as u64;
                    columns.add(*column, positions, &samples[run.start * frame..run.end * frame], chosen, number);
                }
            }
        }
        // Drops columns that left the window while the block was read.
        let shown = self.shown.clone();
        self.runs.retain(|(column, _)| shown.contains(column));
        let frame = self.frame_bytes as usize / self.dtype.size();
        let add = Add(&mut self.columns, &self.chosen, &self.runs, self.block.first(), frame);
        numbers::visit(&self.block, self.dtype, add);
    }
}

#[cfg(test)]
mod tests;
