//! Everything, for programs.

use serde::Serialize;

use super::aggregate::{Results, SeriesPoint, Summary};
use super::targets::Verdict;
use crate::machine::Machine;
use crate::plan::Entry;
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
