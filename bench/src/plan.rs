//! Which measurements are made, and in which order: in each round, every row, one after the other, under the same
//! conditions.

use clap::ValueEnum as _;

use crate::case::{Case, Entry};
use crate::measure::{Measured, measure};
use crate::probe::Class;
use crate::processes::interrupted;
use crate::report::aggregate::Results;
use crate::rows::Row;
use crate::series::{Series, SeriesEntry};
use crate::task::{Mode, PAYLOADS, RINGS, Task, rate_hz};

/// Fewest rounds of a run whose figures may be published.
pub const ROUNDS: usize = 5;
/// Rounds are added to a case until every row has its number of them in one class, but no more than this.
const MOST_ADDED: usize = 3;
/// Most measurements of a row in one round, until one is in the class of the others: the cores' distance changes by
/// itself within seconds, and rows are compared within one round and one class.
const ATTEMPTS: usize = 4;

/// What the command line asks for.
pub struct Plan {
    pub rounds: usize,
    /// Seconds of messages of a paced measurement, and seconds of a flat-out one.
    pub paced_s: f64,
    pub flat_out_s: f64,
    pub payloads: Vec<usize>,
    pub rings: Vec<usize>,
    pub rows: Vec<Box<dyn Row>>,
    pub series: Vec<Series>,
    pub quick: bool,
    pub cpus: (usize, usize),
}

impl Plan {
    /// Five rounds of everything, or one short one.
    pub fn new(quick: bool, rounds: Option<usize>, rows: Vec<Box<dyn Row>>, cpus: (usize, usize)) -> Self {
        let (default_rounds, paced_s, flat_out_s) = if quick { (1, 0.3, 0.1) } else { (ROUNDS, 0.5, 0.2) };
        let rounds = rounds.unwrap_or(default_rounds);
        Self {
            rounds,
            paced_s,
            flat_out_s,
            payloads: PAYLOADS.to_vec(),
            rings: RINGS.to_vec(),
            rows,
            series: Series::value_variants().to_vec(),
            quick,
            cpus,
        }
    }

    /// Whether there is a class in which every row of `case` has been measured in enough rounds. A median of fewer
    /// rounds, or of rounds in both classes, cannot be published.
    fn is_settled(&self, case: Case, entries: &[Entry]) -> bool {
        // A row that has always failed is not waited for.
        let is_there = |name: &&str| entries.iter().any(|entry| entry.row == *name && entry.case == case);
        let there = || self.rows.iter().map(|row| row.name()).filter(is_there);
        let rounds = |row: &str, class| {
            let same = |entry: &&Entry| entry.row == row && entry.case == case && entry.measured.class == class;
            entries.iter().filter(same).count()
        };
        let enough = |class| there().all(|name| rounds(name, class) >= self.rounds);
        [Class::Near, Class::Far].into_iter().any(enough)
    }

    fn task(&self, row: &dyn Row, case: Case, number: usize) -> Task {
        let messages = match case.mode {
            mode if mode.is_paced() => ((rate_hz(case.payload) as f64 * self.paced_s) as u64).max(20),
            // The stamps of more messages would need too much memory.
            Mode::AloneFlatOut => 1 << 18,
            _ => u64::MAX,
        };
        let mut task = Task {
            row: row.name().to_owned(),
            name: format!("dsb-{}-{number}", std::process::id()),
            mode: case.mode,
            payload: case.payload,
            ring: case.ring,
            warm_up: 0,
            messages,
            limit_ns: (self.flat_out_s * 1e9) as u64,
            writer_cpu: self.cpus.0,
            reader_cpu: self.cpus.1,
        };
        task.warm_up = row.warm_up(&task);
        task
    }
}

/// Everything that was measured, and what could not be.
#[derive(Default)]
pub struct Entries {
    pub entries: Vec<Entry>,
    pub series: Vec<SeriesEntry>,
    /// Sentences.
    pub failures: Vec<String>,
}

impl Entries {
    /// For reports.
    pub fn results(&self) -> Results<'_> {
        Results { entries: &self.entries, series: &self.series, failures: &self.failures }
    }
}

/// Runs the plan. A row that fails is reported, and the others continue.
pub fn run(plan: &Plan, mut progress: impl FnMut(&str)) -> Entries {
    let mut results = Entries::default();
    let mut number = 0;
    for round in 0..plan.rounds + MOST_ADDED {
        for &payload in &plan.payloads {
            for &ring in &plan.rings {
                for mode in Mode::ALL {
                    let case = Case { mode, payload, ring };
                    if round >= plan.rounds && (plan.quick || plan.is_settled(case, &results.entries)) {
                        continue;
                    }
                    for row in plan.rows.iter().filter(|row| row.modes().contains(&mode) && row.fits(payload, ring)) {
                        if interrupted() {
                            return results;
                        }
                        let name = row.name();
                        progress(&format!("round {} of {}: {name}, {case:?}", round + 1, plan.rounds));
                        match attempt(plan, &**row, case, usual_class(&results.entries), &mut number) {
                            Ok(measured) if measured.is_empty() => results.failures.push(format!(
                                "{name}, {case:?}, round {round}: the cores' distance changed in {ATTEMPTS} attempts"
                            )),
                            Ok(measured) => results.entries.extend(measured.into_iter().map(|measured| Entry {
                                row: name,
                                case,
                                round,
                                measured,
                            })),
                            Err(error) => results.failures.push(format!("{error:#}")),
                        }
                    }
                }
            }
        }
        for &series in plan.series.iter().filter(|_| round < plan.rounds) {
            if interrupted() {
                return results;
            }
            progress(&format!("round {} of {}: series {}", round + 1, plan.rounds, series.name()));
            match series.measure(round, plan.quick, plan.cpus) {
                Ok(points) => results.series.extend(points),
                Err(error) => results.failures.push(format!("series {}: {error:#}", series.name())),
            }
        }
    }
    results
}

/// The class in which most was measured so far.
fn usual_class(entries: &[Entry]) -> Option<Class> {
    let near = entries.iter().filter(|entry| entry.measured.class == Class::Near).count();
    let usual = if 2 * near >= entries.len() { Class::Near } else { Class::Far };
    (!entries.is_empty()).then_some(usual)
}

/// Measures a row until it was in the class `usual`, or often enough. Returns one measurement of each class that
/// occurred.
fn attempt(
    plan: &Plan,
    row: &dyn Row,
    case: Case,
    usual: Option<Class>,
    number: &mut usize,
) -> eyre::Result<Vec<Measured>> {
    let mut met: Vec<Measured> = Vec::new();
    for _ in 0..ATTEMPTS {
        *number += 1;
        let Some(measured) = measure(row, &plan.task(row, case, *number))? else { continue };
        let class = measured.class;
        if met.iter().all(|met| met.class != class) {
            met.push(measured);
        }
        if plan.quick || usual.is_none_or(|usual| usual == class) {
            break;
        }
    }
    Ok(met)
}
