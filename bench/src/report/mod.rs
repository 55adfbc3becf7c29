//! What is told of the results, and how.

pub mod aggregate;
mod format;
mod json;
mod markdown;
mod svg;
pub mod table;
pub mod targets;

use std::fs;
use std::path::Path;

use eyre::WrapErr;

use crate::machine::Machine;
use crate::rows::Row;
use aggregate::Results;
use targets::Verdict;

/// Writes the JSON, the pictures and the page into `folder`.
pub fn save(
    folder: &Path,
    machine: &Machine,
    rows: &[Box<dyn Row>],
    results: &Results<'_>,
    verdicts: &[Verdict],
) -> eyre::Result<()> {
    fs::create_dir_all(folder).wrap_err_with(|| format!("cannot create {}", folder.display()))?;
    let pictures = svg::draw(folder, results)?;
    let page = markdown::text(machine, rows, results, verdicts, &pictures)?;
    for (file, text) in [("bench.json", json::text(machine, results, verdicts)?), ("README.md", page)] {
        let path = folder.join(file);
        fs::write(&path, text).wrap_err_with(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
