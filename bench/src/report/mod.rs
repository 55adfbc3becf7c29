//! What is reported of the results, and how: everything as JSON and on the terminal, and a page for people.

pub mod aggregate;
mod format;
mod json;
mod page;
mod shown;
mod svg;
pub mod table;
pub mod targets;

use std::fs;
use std::path::Path;

use eyre::WrapErr;
use rustix::fs::Access;

use crate::machine::Machine;
use crate::plan::Entries;
use aggregate::Results;
use targets::Verdict;

/// Creates `folder`, and checks that files can be written there.
pub fn prepare(folder: &Path) -> eyre::Result<()> {
    fs::create_dir_all(folder).wrap_err_with(|| format!("cannot create {}", folder.display()))?;
    let access = rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK);
    access.wrap_err_with(|| format!("cannot write into {}; --out names another folder", folder.display()))
}

/// Name of the file with everything that was measured.
pub const DATA: &str = "bench.json";

/// Writes everything that was measured into `folder`, as JSON.
pub fn save_data(folder: &Path, machine: &Machine, results: &Results<'_>, verdicts: &[Verdict]) -> eyre::Result<()> {
    write(&folder.join(DATA), &json::text(machine, results, verdicts)?)
}

/// Writes the page and its pictures into `folder`.
pub fn save_page(folder: &Path, machine: &Machine, results: &Results<'_>) -> eyre::Result<()> {
    let pictures = svg::draw(folder, results)?;
    write(&folder.join("README.md"), &page::text(machine, results, &pictures)?)
}

/// What [`save_data`] wrote.
pub fn load(file: &Path) -> eyre::Result<(Machine, Entries)> {
    let text = fs::read_to_string(file).wrap_err_with(|| format!("cannot read {}", file.display()))?;
    json::parse(&text).wrap_err_with(|| format!("{} does not hold a benchmark's data", file.display()))
}

fn write(path: &Path, text: &str) -> eyre::Result<()> {
    fs::write(path, text).wrap_err_with(|| format!("cannot write {}", path.display()))
}
