//! Everything, for programs.

use serde::{Deserialize, Serialize};

use super::aggregate::{Results, SeriesPoint, Summary};
use super::targets::Verdict;
use crate::case::{Case, Entry};
use crate::machine::Machine;
use crate::measure::Measured;
use crate::plan::Entries;
use crate::rows;
use crate::series::SeriesEntry;

#[derive(Serialize)]
struct Document<'a> {
    machine: &'a Machine,
    /// Durations in nanoseconds, throughput in bytes a second.
    medians: Vec<Summary>,
    series: Vec<SeriesPoint>,
    targets: &'a [Verdict],
    failures: &'a [String],
    /// Every single measurement.
    rounds: &'a [Entry],
    series_rounds: &'a [SeriesEntry],
}

/// The document's text.
pub fn text(machine: &Machine, results: &Results<'_>, verdicts: &[Verdict]) -> eyre::Result<String> {
    let document = Document {
        machine,
        medians: results.summaries(),
        series: results.series_points(),
        targets: verdicts,
        failures: results.failures,
        rounds: results.entries,
        series_rounds: results.series,
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

/// What was measured; the rest of a document follows from it.
#[derive(Deserialize)]
struct Stored {
    machine: Machine,
    failures: Vec<String>,
    rounds: Vec<StoredEntry>,
    series_rounds: Vec<SeriesEntry>,
}

#[derive(Deserialize)]
struct StoredEntry {
    row: String,
    case: Case,
    round: usize,
    measured: Measured,
}

/// What a document's text was made of.
pub fn parse(text: &str) -> eyre::Result<(Machine, Entries)> {
    let Stored { machine, failures, rounds, series_rounds } = serde_json::from_str(text)?;
    let entry = |stored: StoredEntry| {
        let row = rows::find(&stored.row)?.name();
        Ok(Entry { row, case: stored.case, round: stored.round, measured: stored.measured })
    };
    let entries = rounds.into_iter().map(entry).collect::<eyre::Result<_>>()?;
    Ok((machine, Entries { entries, series: series_rounds, failures }))
}
