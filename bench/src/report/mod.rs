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
use rustix::fs::Access;

use crate::machine::Machine;
use crate::rows::Row;
use aggregate::Results;
use targets::Verdict;

/// Makes `folder`, and sees whether files can be written there.
pub fn prepare(folder: &Path) -> eyre::Result<()> {
    fs::create_dir_all(folder).wrap_err_with(|| format!("cannot create {}", folder.display()))?;
    let access = rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK);
    access.wrap_err_with(|| format!("cannot write into {}; --out names another folder", folder.display()))
}

/// Writes the JSON, the pictures and the page into `folder`.
pub fn save(
    folder: &Path,
    machine: &Machine,
    rows: &[Box<dyn Row>],
    results: &Results<'_>,
    verdicts: &[Verdict],
) -> eyre::Result<()> {
    let pictures = svg::draw(folder, results)?;
    let page = markdown::text(machine, rows, results, verdicts, &pictures)?;
    for (file, text) in [("bench.json", json::text(machine, results, verdicts)?), ("README.md", page)] {
        let path = folder.join(file);
        fs::write(&path, text).wrap_err_with(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
