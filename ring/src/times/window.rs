//! The least delay of the last two seconds or eight messages.

use std::collections::VecDeque;

use super::line::{Line, Point};
use super::{NS_PER_S, elapsed_s};

/// Messages that come within the same eighth of a second share a cell, which remembers the earliest of them.
const CELL_NS: u64 = NS_PER_S / 8;
const WINDOW_S: f64 = 2.0;
const WINDOW_MESSAGES: u64 = 8;
/// More than two seconds of cells. Cells of a window that is longer hold one message each.
const CELLS: usize = 20;
/// The newest lateness is the least of this long.
const NEWEST_S: f64 = 0.25;
/// A gap of more than this is a silence, after which a queue may come.
const SILENCE_S: f64 = 0.25;
/// A fall is measured over this long.
pub const FALL_S: f64 = 0.5;

#[derive(Clone, Copy, Debug)]
struct Cell {
    first_ns: u64,
    last_ns: u64,
    messages: u64,
    /// The message that was least late.
    best: Point,
    /// Frames of the longest message.
    longest: u64,
}

/// The newest messages, in cells.
#[derive(Clone, Debug)]
pub struct Window {
    closed: VecDeque<Cell>,
    open: Option<Cell>,
}

/// How late the messages of a whole window were, in seconds after a line.
#[derive(Clone, Copy, Debug)]
pub struct Lateness {
    /// The least of the window.
    pub least_s: f64,
    /// The largest least lateness of a cell.
    pub worst_cell_s: f64,
    /// The least of its last half second.
    pub recent_s: f64,
    /// The least of its last quarter of a second.
    pub newest_s: f64,
    /// By how much the newest is below what came half a second earlier or, if that was before a silence, below the latest
    /// of what came since.
    pub fall_s: f64,
    /// By how much the newest is below all that came half a second earlier or before.
    pub below_all_s: f64,
    /// The least late message.
    pub best: Point,
    /// The window's first message, or one before it.
    pub oldest_frame: u64,
}

impl Window {
    pub fn new() -> Self {
        Self { closed: VecDeque::with_capacity(CELLS), open: None }
    }

    /// Whether a message that comes now belongs into the next cell, so that the open one is to be closed.
    pub fn is_due(&self, now_ns: u64) -> bool {
        self.open.is_some_and(|cell| cell.first_ns / CELL_NS != now_ns / CELL_NS)
    }

    /// Closes the open cell, and returns its least late message.
    pub fn close(&mut self) -> Option<Point> {
        let cell = self.open.take()?;
        if self.closed.len() == CELLS {
            self.closed.pop_front();
        }
        self.closed.push_back(cell);
        Some(cell.best)
    }

    /// Adds a message to the open cell. `now_ns` never goes back, other than the message's own instant.
    pub fn add(&mut self, now_ns: u64, point: Point, frames: u64, line: &Line) {
        let new = Cell { first_ns: now_ns, last_ns: now_ns, messages: 0, best: point, longest: 0 };
        let cell = self.open.get_or_insert(new);
        cell.last_ns = now_ns;
        cell.messages += 1;
        cell.longest = cell.longest.max(frames);
        if line.lateness_s(&point) < line.lateness_s(&cell.best) {
            cell.best = point;
        }
    }

    /// Frames of the longest message in the window.
    pub fn longest(&self) -> u64 {
        self.closed.iter().chain(&self.open).map(|cell| cell.longest).max().unwrap_or(0)
    }

    /// Forgets what came before the newest half second.
    pub fn keep_recent(&mut self) {
        let Some(newest) = self.open.as_ref().or(self.closed.back()).map(|cell| cell.last_ns) else { return };
        self.closed.retain(|cell| elapsed_s(cell.last_ns, newest) < FALL_S);
    }

    /// How late the closed cells are; `None` until they fill a window.
    pub fn lateness(&self, line: &Line) -> Option<Lateness> {
        let newest = self.closed.back()?;
        let mut messages = 0;
        let mut found = Lateness {
            least_s: f64::INFINITY,
            worst_cell_s: f64::NEG_INFINITY,
            recent_s: f64::INFINITY,
            newest_s: f64::INFINITY,
            fall_s: 0.0,
            below_all_s: 0.0,
            best: newest.best,
            oldest_frame: newest.best.frame,
        };
        let (mut half_s, mut before_s) = (f64::INFINITY, f64::INFINITY);
        let (mut since_silence_s, mut unbroken, mut next_ns) = (f64::NEG_INFINITY, true, newest.first_ns);
        for cell in self.closed.iter().rev() {
            let late_s = line.lateness_s(&cell.best);
            let age_s = elapsed_s(cell.last_ns, newest.last_ns);
            if late_s < found.least_s {
                found.least_s = late_s;
                found.best = cell.best;
            }
            unbroken &= elapsed_s(cell.last_ns, next_ns) <= SILENCE_S;
            next_ns = cell.first_ns;
            if unbroken {
                since_silence_s = since_silence_s.max(late_s);
            }
            found.worst_cell_s = found.worst_cell_s.max(late_s);
            if age_s < NEWEST_S {
                found.newest_s = found.newest_s.min(late_s);
            }
            if age_s < FALL_S {
                found.recent_s = found.recent_s.min(late_s);
            } else {
                if half_s.is_infinite() && !unbroken {
                    half_s = late_s.max(since_silence_s);
                } else if half_s.is_infinite() || (unbroken && age_s < FALL_S + NEWEST_S) {
                    half_s = half_s.min(late_s);
                }
                before_s = before_s.min(late_s);
            }
            found.oldest_frame = cell.best.frame;
            messages += cell.messages;
            if messages >= WINDOW_MESSAGES && elapsed_s(cell.first_ns, newest.last_ns) >= WINDOW_S {
                found.fall_s = half_s - found.newest_s;
                found.below_all_s = before_s - found.newest_s;
                return Some(found);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::times::seconds::Seconds;

    /// The slow and obvious answer: the least lateness of the newest messages, as many as last two seconds and are
    /// eight, and of those that came up to `more_ns` before them.
    fn least_s(messages: &[(u64, Point)], line: &Line, more_ns: u64) -> f64 {
        let last_ns = messages.last().unwrap().0;
        let is_whole = |first: usize| messages.len() - first >= 8 && last_ns - messages[first].0 >= 2 * NS_PER_S;
        let first = (0..messages.len()).rfind(|first| is_whole(*first)).unwrap();
        let counted = messages.iter().filter(|message| message.0 + more_ns >= messages[first].0);
        counted.map(|message| line.lateness_s(&message.1)).fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn the_least_is_that_of_all_messages_of_two_seconds_or_eight_messages() {
        let line = Line::new(0, Seconds::from_ns(0), Seconds::period(1.0));
        let mut state = 1u64;
        let mut random = |limit: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % limit
        };
        for between_ms in [1, 10, 40, 200, 700, 3000] {
            let (mut window, mut messages, mut now_ns) = (Window::new(), Vec::new(), 0);
            for _ in 0..4000 {
                now_ns += random(2 * between_ms * 1_000_000);
                if window.is_due(now_ns) {
                    window.close();
                    if let Some(seen) = window.lateness(&line) {
                        // Whole cells, of which the first may begin up to an eighth of a second before.
                        let (more, fewer) = (least_s(&messages, &line, CELL_NS), least_s(&messages, &line, 0));
                        let recently = seen.least_s <= seen.recent_s && seen.recent_s <= seen.newest_s;
                        assert!(recently && (more..=fewer).contains(&seen.least_s), "{seen:?}, {more}, {fewer}");
                    }
                }
                let point = Point { frame: random(1000), came_ns: now_ns };
                messages.push((now_ns, point));
                window.add(now_ns, point, 1, &line);
            }
            assert!(window.lateness(&line).is_some(), "{between_ms} ms");
        }
    }
}
