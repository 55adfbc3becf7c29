//! Medians over rounds, and ratios. A ratio is made within one round and one class of the cores' distance; then the
//! median is taken.

use serde::Serialize;

use crate::case::{Case, Entry};
use crate::measure::{Figure, Measured};
use crate::probe::Class;
use crate::series::{Point, Series, SeriesEntry};
use crate::statistics::{Spread, median};
use crate::task::Mode;

/// A row's medians over the rounds in which the cores were that far apart.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Summary {
    pub row: &'static str,
    pub case: Case,
    pub class: Class,
    /// Rounds.
    pub rounds: usize,
    pub round_trip_ns: f64,
    /// Messages that did not arrive, in all rounds.
    pub missed: u64,
    pub write: Option<Spread>,
    pub seen: Option<Spread>,
    pub read: Option<Spread>,
    pub through: Option<Spread>,
    pub bytes_per_second: Option<f64>,
}

/// One row against another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// Rounds in which both were measured in this class.
    pub rounds: usize,
    /// Median over them of one's figure over the other's.
    pub ratio: f64,
    /// Median over them of the difference.
    pub difference: f64,
}

/// A series' point, as the median over rounds.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct SeriesPoint {
    pub series: Series,
    /// The class of most rounds; the others are left out. `None`: the class changed in all rounds, and all are
    /// included.
    pub class: Option<Class>,
    pub round_trip_ns: f64,
    pub rounds: usize,
    pub point: Point,
}

/// Everything that was measured.
#[derive(Clone, Copy)]
pub struct Results<'a> {
    pub entries: &'a [Entry],
    pub series: &'a [SeriesEntry],
    pub failures: &'a [String],
}

impl Results<'_> {
    /// All medians, in the order of the cases and, within one, of the rows.
    pub fn summaries(&self) -> Vec<Summary> {
        let mut keys: Vec<(Case, &'static str, Class)> = Vec::new();
        for case in self.cases() {
            for entry in self.entries.iter().filter(|entry| entry.case == case) {
                for class in [Class::Near, Class::Far] {
                    let key = (case, entry.row, class);
                    if entry.measured.class == class && !keys.contains(&key) {
                        keys.push(key);
                    }
                }
            }
        }
        keys.into_iter().filter_map(|(case, row, class)| self.summary(row, case, class)).collect()
    }

    /// The cases that were measured, sorted.
    pub fn cases(&self) -> Vec<Case> {
        let mut cases: Vec<Case> = self.entries.iter().map(|entry| entry.case).collect();
        cases.sort();
        cases.dedup();
        cases
    }

    /// The classes that occurred.
    pub fn classes(&self) -> Vec<Class> {
        let seen = |class: &Class| self.entries.iter().any(|entry| entry.measured.class == *class);
        [Class::Near, Class::Far].into_iter().filter(seen).collect()
    }

    fn of(&self, row: &str, case: Case, class: Class) -> Vec<&Entry> {
        let fits = |entry: &&Entry| entry.row == row && entry.case == case && entry.measured.class == class;
        self.entries.iter().filter(fits).collect()
    }

    /// A row's medians; `None` if it was not measured under these conditions.
    pub fn summary(&self, row: &str, case: Case, class: Class) -> Option<Summary> {
        let entries = self.of(row, case, class);
        let first = entries.first()?;
        let spread = |of: fn(&Measured) -> Option<Spread>| {
            let spreads: Vec<Spread> = entries.iter().filter_map(|entry| of(&entry.measured)).collect();
            Some(Spread {
                p50_ns: median(spreads.iter().map(|spread| spread.p50_ns))?,
                p99_ns: median(spreads.iter().map(|spread| spread.p99_ns))?,
                max_ns: median(spreads.iter().map(|spread| spread.max_ns))?,
            })
        };
        Some(Summary {
            row: first.row,
            case,
            class,
            rounds: entries.len(),
            round_trip_ns: median(entries.iter().flat_map(|entry| entry.measured.round_trip_ns))?,
            missed: entries.iter().map(|entry| entry.measured.missed(case.mode)).sum(),
            write: spread(|measured| measured.write),
            seen: spread(|measured| measured.seen),
            read: spread(|measured| measured.read),
            through: spread(|measured| measured.through),
            bytes_per_second: median(entries.iter().filter_map(|entry| entry.measured.bytes_per_second)),
        })
    }

    /// A row's median over all rounds, rings and distances.
    pub fn figure_in_any_class(&self, row: &str, figure: Figure, mode: Mode, payload: usize) -> Option<f64> {
        let fits = |entry: &&Entry| entry.row == row && entry.case.mode == mode && entry.case.payload == payload;
        median(self.entries.iter().filter(fits).filter_map(|entry| entry.measured.figure(figure)))
    }

    /// `row` against `other`; `None` if there is no round in which both were measured under these conditions.
    pub fn compare(&self, row: &str, other: &str, case: Case, class: Class, figure: Figure) -> Option<Compared> {
        let others = self.of(other, case, class);
        let pairs: Vec<(f64, f64)> = self
            .of(row, case, class)
            .iter()
            .filter_map(|entry| {
                let other = others.iter().find(|other| other.round == entry.round)?;
                Some((entry.measured.figure(figure)?, other.measured.figure(figure)?))
            })
            .collect();
        Some(Compared {
            rounds: pairs.len(),
            ratio: median(pairs.iter().map(|(one, other)| one / other))?,
            difference: median(pairs.iter().map(|(one, other)| one - other))?,
        })
    }

    /// The points of all series, in their order.
    pub fn series_points(&self) -> Vec<SeriesPoint> {
        let mut points: Vec<SeriesPoint> = Vec::new();
        for entry in self.series {
            let same = |point: &Point| point.line == entry.point.line && point.x == entry.point.x;
            if points.iter().any(|known| known.series == entry.series && same(&known.point)) {
                continue;
            }
            let all = || self.series.iter().filter(|other| other.series == entry.series && same(&other.point));
            let rounds = |class| all().filter(|other| other.class == Some(class)).count();
            let class = if rounds(Class::Far) > rounds(Class::Near) { Class::Far } else { Class::Near };
            let class = (rounds(class) > 0).then_some(class);
            let these: Vec<&SeriesEntry> = all().filter(|other| class.is_none() || other.class == class).collect();
            let value = median(these.iter().map(|other| other.point.value)).unwrap_or(f64::NAN);
            let round_trip_ns = median(these.iter().flat_map(|other| other.round_trip_ns)).unwrap_or(f64::NAN);
            let point = Point { value, ..entry.point.clone() };
            points.push(SeriesPoint { series: entry.series, class, round_trip_ns, rounds: these.len(), point });
        }
        points
    }

    /// One value of a series.
    pub fn series_value(&self, series: Series, line: &str, x: f64) -> Option<f64> {
        let points = self.series_points();
        let found = points.iter().find(|p| p.series == series && p.point.line == line && p.point.x == x)?;
        Some(found.point.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: Case = Case { mode: Mode::AlonePaced, payload: 1024, ring: 1 << 24 };

    fn entry(row: &'static str, round: usize, class: Class, write_ns: f64) -> Entry {
        let write = Some(Spread { p50_ns: write_ns, p99_ns: 2.0 * write_ns, max_ns: 3.0 * write_ns });
        let measured = Measured {
            class,
            round_trip_ns: [100.0, 120.0],
            sent: 10,
            received: 0,
            bytes_per_second: None,
            write,
            seen: None,
            read: None,
            through: None,
        };
        Entry { row, case: CASE, round, measured }
    }

    #[test]
    fn ratios_are_made_within_a_round_and_a_class() {
        let entries = [
            entry("a", 0, Class::Near, 20.0),
            entry("b", 0, Class::Near, 10.0),
            entry("a", 1, Class::Near, 80.0),
            entry("b", 1, Class::Near, 20.0),
            // The cores' distance changed between the two, so there is no ratio.
            entry("a", 2, Class::Near, 7.0),
            entry("b", 2, Class::Far, 1.0),
        ];
        let results = Results { entries: &entries, series: &[], failures: &[] };
        let near = results.compare("a", "b", CASE, Class::Near, Figure::Write);
        assert_eq!(near, Some(Compared { rounds: 2, ratio: 3.0, difference: 35.0 }));
        assert_eq!(results.compare("a", "b", CASE, Class::Far, Figure::Write), None);
        assert_eq!(results.compare("a", "b", CASE, Class::Near, Figure::Seen), None);
        let summary = results.summary("a", CASE, Class::Near).unwrap();
        assert_eq!((summary.rounds, summary.round_trip_ns), (3, 110.0));
        assert_eq!(summary.write, Some(Spread { p50_ns: 20.0, p99_ns: 40.0, max_ns: 60.0 }));
        assert_eq!(results.summaries().len(), 3);
    }

    #[test]
    fn a_series_point_is_the_median_over_rounds() {
        let entry = |round, value| SeriesEntry {
            series: Series::Chunk,
            round,
            class: Some(Class::Near),
            round_trip_ns: [100.0; 2],
            point: Point { line: "l".into(), x: 4.0, x_unit: "frames".into(), value, unit: "ns".into() },
        };
        // Rounds in the other class, or in both, do not count.
        let far = SeriesEntry { class: Some(Class::Far), ..entry(3, 80.0) };
        let changed = SeriesEntry { class: None, ..entry(4, 90.0) };
        let series = [entry(0, 5.0), entry(1, 9.0), entry(2, 6.0), far, changed];
        let results = Results { entries: &[], series: &series, failures: &[] };
        assert_eq!(results.series_value(Series::Chunk, "l", 4.0), Some(6.0));
        assert_eq!(results.series_value(Series::Chunk, "l", 8.0), None);
        assert_eq!(results.series_points()[0].rounds, 3);
    }
}
