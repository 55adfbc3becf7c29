//! Private Python environments, made once and used again while what they hold is unchanged.

use std::fs::{self, File};
use std::path::PathBuf;

use eyre::{WrapErr, bail};

use crate::workspace::{answer, command, root, run, target_dir};

use super::debian;

/// One environment and what is installed in it.
pub struct Environment {
    /// Folder in the workspace's root.
    pub folder: &'static str,
    /// Requirements, installed with their dependencies.
    pub packages: &'static [&'static str],
    /// Requirements of which only the package itself is installed, afterwards.
    pub without_dependencies: &'static [&'static str],
}

impl Environment {
    /// Makes the environment unless it is there already; gives its Python.
    pub fn ensure(&self) -> eyre::Result<PathBuf> {
        // Two tasks at once must not build the same environment.
        fs::create_dir_all(target_dir())?;
        let lock = File::create(target_dir().join(format!("{}.lock", self.folder)))?;
        lock.lock().wrap_err("cannot lock the environment's folder")?;

        let folder = root().join(self.folder);
        let python = folder.join("bin/python");
        let stamp = folder.join("requirements.stamp");
        let wanted = format!("{}\n{:?}\n{:?}\n", folder.display(), self.packages, self.without_dependencies);
        let runs = answer(command(&python).args(["-c", "print('runs')"])).as_deref() == Some("runs");
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

/// A Python of 3.11 or later (which dora's packages ask for) that can make environments.
fn base_python() -> eyre::Result<&'static str> {
    const CANDIDATES: [&str; 5] = ["python3", "python3.11", "python3.12", "python3.13", "python3.14"];
    const QUESTION: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
    let fitting = || CANDIDATES.into_iter().find(|name| answer(command(name).args(["-c", QUESTION])).is_some());
    if let Some(found) = fitting() {
        return Ok(found);
    }
    debian::install("python3-venv")?;
    match fitting() {
        Some(found) => Ok(found),
        None => bail!("no Python of 3.11 or later with venv among {CANDIDATES:?}; install one and start again"),
    }
}
