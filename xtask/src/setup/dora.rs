//! The dora command line, of the one release that our nodes work with.

use std::path::PathBuf;

use eyre::bail;

use crate::workspace::{command, stdout_of};

/// A node and the daemon must be of the same release.
const VERSION_LINE: &str = "dora-cli 1.1.0";

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
    let installed = super::DORA.ensure()?.with_file_name("dora");
    match version(&installed).as_deref() {
        Some(VERSION_LINE) => Ok(installed),
        found => bail!("{} reports {found:?}, expected {VERSION_LINE:?}", installed.display()),
    }
}
