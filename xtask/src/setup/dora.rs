//! The dora command line: of the release that the tests use, and of the oldest one that the nodes are tried with.

use std::path::PathBuf;

use eyre::bail;

use super::python::Environment;
use crate::workspace::{command, stdout_of};

/// The release that the tests use, as the command line names it.
const VERSION_LINE: &str = "dora-cli 1.1.0";
/// The oldest release that the nodes are tried with.
const OLDEST_LINE: &str = "dora-cli 1.0.1";

/// The dora command line: `DORA_BIN`, else the one on the PATH if its version fits, else one from PyPI in `.venv`.
pub fn cli() -> eyre::Result<PathBuf> {
    let version = |program: &PathBuf| stdout_of(command(program).arg("--version"));
    if let Some(chosen) = std::env::var_os("DORA_BIN").map(PathBuf::from) {
        match version(&chosen).as_deref() {
            Some(VERSION_LINE) => return Ok(chosen),
            Some(other) => bail!(
                "DORA_BIN={} reports {other:?}, expected {VERSION_LINE:?}; unset it or name a dora 1.1.0",
                chosen.display()
            ),
            None => bail!("DORA_BIN={} cannot be run; unset it or name a dora 1.1.0", chosen.display()),
        }
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("dora")).find(|program| program.is_file());
    if let Some(found) = on_path.filter(|program| version(program).as_deref() == Some(VERSION_LINE)) {
        return Ok(found);
    }
    installed(&super::DORA, VERSION_LINE)
}

/// The dora command line of the oldest release that the nodes are tried with, from PyPI.
pub fn oldest_cli() -> eyre::Result<PathBuf> {
    installed(&super::OLDEST_DORA, OLDEST_LINE)
}

fn installed(environment: &Environment, version_line: &str) -> eyre::Result<PathBuf> {
    let program = environment.ensure()?.with_file_name("dora");
    match stdout_of(command(&program).arg("--version")) {
        Some(found) if found == version_line => Ok(program),
        found => bail!("{} reports {found:?}, expected {version_line:?}", program.display()),
    }
}
