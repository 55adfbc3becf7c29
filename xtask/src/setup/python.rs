//! Private Python environments. Each is created once, and created again only if its requirements change.

use std::fs::{self, File};
use std::path::PathBuf;

use eyre::{WrapErr, bail};

use crate::workspace::{command, root, run, stdout_of, target_dir};

use super::debian;

/// One environment and its requirements.
pub struct Environment {
    /// Folder in the workspace's root.
    pub folder: &'static str,
    /// Requirements, installed with their dependencies.
    pub packages: &'static [&'static str],
    /// Requirements that are installed afterwards, without their dependencies.
    pub without_dependencies: &'static [&'static str],
}

impl Environment {
    /// Creates the environment unless it exists already. Returns the path of its Python.
    pub fn ensure(&self) -> eyre::Result<PathBuf> {
        // Two tasks that run at the same time must not build the same environment.
        fs::create_dir_all(target_dir())?;
        let lock = File::create(target_dir().join(format!("{}.lock", self.folder)))?;
        lock.lock().wrap_err("cannot lock the environment's folder")?;

        let folder = root().join(self.folder);
        let python = folder.join("bin/python");
        let stamp = folder.join("requirements.stamp");
        let wanted = format!("{}\n{:?}\n{:?}\n", folder.display(), self.packages, self.without_dependencies);
        let runs = stdout_of(command(&python).args(["-c", "print('runs')"])).as_deref() == Some("runs");
        if runs && fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            return Ok(python);
        }
        if folder.exists() {
            fs::remove_dir_all(&folder).wrap_err_with(|| format!("cannot remove the outdated {}", folder.display()))?;
        }
        run(command(base_python()?).args(["-m", "venv"]).arg(&folder))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(command(&python).args(pip).args(self.packages))?;
        if !self.without_dependencies.is_empty() {
            run(command(&python).args(pip).arg("--no-deps").args(self.without_dependencies))?;
        }
        fs::write(&stamp, wanted).wrap_err_with(|| format!("cannot write {}", stamp.display()))?;
        Ok(python)
    }
}

/// A Python that can create environments, of version 3.11 or later, as dora's packages require.
fn base_python() -> eyre::Result<&'static str> {
    const CANDIDATES: [&str; 5] = ["python3", "python3.11", "python3.12", "python3.13", "python3.14"];
    const QUESTION: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
    let fitting = || CANDIDATES.into_iter().find(|name| stdout_of(command(name).args(["-c", QUESTION])).is_some());
    if let Some(found) = fitting() {
        return Ok(found);
    }
    debian::install("python3-venv")?;
    match fitting() {
        Some(found) => Ok(found),
        None => bail!("none of {CANDIDATES:?} is a Python 3.11 or later with venv; install one and start again"),
    }
}
