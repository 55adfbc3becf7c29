//! The true rate, learned from the earliest arrivals of the last minute.

use std::collections::VecDeque;

use super::elapsed_s;
use super::line::{Line, Point};

/// A point is the earliest of the messages of at least this long.
const POINT_S: f64 = 0.5;
const POINTS: usize = 128;
/// Points and time that a slope needs.
const FEWEST: usize = 5;
const SHORTEST_S: f64 = 4.0;
/// Differences of the points that are never believed: instants are whole nanoseconds.
const RESOLUTION_S: f64 = 2e-6;

/// The earliest messages of the last minute or, if they are rare, of the last 128 messages or more.
#[derive(Clone, Debug)]
pub struct Slope {
    points: VecDeque<Point>,
    /// The point that is being made, and when it was begun.
    next: Option<(u64, Point)>,
    /// The lower hull of the points, as numbers of frames and seconds after a line; kept for its memory.
    hull: Vec<(f64, f64)>,
}

impl Slope {
    pub fn new() -> Self {
        Self { points: VecDeque::with_capacity(POINTS), next: None, hull: Vec::with_capacity(POINTS) }
    }

    pub fn clear(&mut self) {
        self.points.clear();
        self.next = None;
    }

    /// Adds the earliest message of a cell.
    pub fn add(&mut self, point: Point, line: &Line) {
        let (since_ns, best) = self.next.get_or_insert((point.came_ns, point));
        if line.lateness_s(&point) < line.lateness_s(best) {
            *best = point;
        }
        if elapsed_s(*since_ns, point.came_ns) < POINT_S {
            return;
        }
        let best = *best;
        // Two points of one frame have no slope. That cannot happen with messages of at least one frame.
        if self.points.back().is_none_or(|last| last.frame < best.frame) {
            if self.points.len() == POINTS {
                self.points.pop_front();
            }
            self.points.push_back(best);
        }
        self.next = None;
    }

    /// Moves what came before `frame` later: a jump of the line that is not the rate's.
    pub fn shift_before(&mut self, frame: u64, seconds: f64) {
        let ns = (seconds * 1e9) as i64;
        let next = self.next.iter_mut().map(|next| &mut next.1);
        for point in self.points.iter_mut().chain(next).filter(|point| point.frame < frame) {
            point.came_ns = point.came_ns.saturating_add_signed(ns);
        }
    }

    /// By how many seconds a frame the step differs from that of `line`: 0 if the points do not say that it differs.
    pub fn difference_s(&mut self, line: &Line) -> f64 {
        let (Some(first), Some(last)) = (self.points.front(), self.points.back()) else { return 0.0 };
        if self.points.len() < FEWEST || elapsed_s(first.came_ns, last.came_ns) < SHORTEST_S {
            return 0.0;
        }
        let place = |point: &Point| ((point.frame - first.frame) as f64, line.lateness_s(point));
        let frames = (last.frame - first.frame) as f64;
        let count = self.points.len() as f64;
        let (sum_x, sum_y) = self.points.iter().map(place).fold((0.0, 0.0), |sum, at| (sum.0 + at.0, sum.1 + at.1));
        // Delays only add. So the line below all points that is nearest to them all is the true one: that edge of
        // their lower hull that passes below their middle.
        self.hull.clear();
        for at in self.points.iter().map(place) {
            while let [.., a, b] = self.hull[..]
                && (b.1 - a.1) * (at.0 - a.0) >= (at.1 - a.1) * (b.0 - a.0)
            {
                self.hull.pop();
            }
            self.hull.push(at);
        }
        let middle = sum_x / count;
        let Some(edge) = self.hull.windows(2).find(|edge| edge[1].0 >= middle) else { return 0.0 };
        let slope = (edge[1].1 - edge[0].1) / (edge[1].0 - edge[0].0);
        let height = sum_y / count - (edge[0].1 + slope * (middle - edge[0].0));
        if (slope * frames).abs() > 3.0 * height * count / (count - 2.0) + RESOLUTION_S { slope } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::times::seconds::Seconds;

    /// The sum of the distances of all points from the line with this slope that touches them from below.
    fn distances(at: &[(f64, f64)], slope: f64) -> f64 {
        let least = at.iter().map(|at| at.1 - slope * at.0).fold(f64::INFINITY, f64::min);
        at.iter().map(|at| at.1 - slope * at.0 - least).sum()
    }

    #[test]
    fn the_slope_is_that_of_the_nearest_line_below_all_points() {
        let line = Line::new(0, Seconds::from_ns(0), Seconds::period(1.0));
        let mut state = 7u64;
        for _ in 0..200 {
            let mut slope = Slope::new();
            for i in 1..20u64 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                // The device is 2 % slow; delays are up to 10 ms.
                let came_ns = i * 1_020_000_000 + (state >> 33) % 10_000_000;
                slope.add(Point { frame: i, came_ns }, &line);
            }
            let at: Vec<_> = slope.points.iter().map(|point| (point.frame as f64, line.lateness_s(point))).collect();
            // The slow and obvious answer is among the slopes of all pairs.
            let pairs = at.iter().enumerate().flat_map(|(i, a)| at[..i].iter().map(move |b| (a.1 - b.1) / (a.0 - b.0)));
            let least = pairs.map(|slope| distances(&at, slope)).fold(f64::INFINITY, f64::min);
            let found = slope.difference_s(&line);
            assert!(found > 0.0 && (distances(&at, found) - least).abs() < 1e-9, "{found}, {least}");
        }
    }

    #[test]
    fn differences_within_the_noise_are_not_believed() {
        let line = Line::new(0, Seconds::from_ns(0), Seconds::period(1.0));
        let mut slope = Slope::new();
        for i in 1..100u64 {
            slope.add(Point { frame: i, came_ns: i * 1_000_000_000 + i % 7 * 3_000_000 }, &line);
            assert_eq!(slope.difference_s(&line), 0.0, "after {i} points");
        }
    }
}
