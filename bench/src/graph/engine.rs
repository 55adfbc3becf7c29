//! dora's command line in its own folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use eyre::{OptionExt as _, WrapErr as _, bail, ensure};

use crate::control::Control;
use crate::processes::{Processes, interrupted};

/// Time limit for anything that takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder for the graphs of one measurement, what they print and what they note, and the processes that run.
pub struct Stage {
    folder: PathBuf,
    dora: PathBuf,
    programs: PathBuf,
    processes: Processes,
    control: Control,
}

impl Stage {
    /// Creates an empty folder.
    pub fn new(name: &str) -> eyre::Result<Self> {
        let variable = |name| {
            let path = std::env::var_os(name).map(PathBuf::from);
            path.ok_or_eyre(format!("{name} is not set; `cargo xtask bench` sets it"))
        };
        let (dora, programs) = (variable("DORA_BIN")?, variable("DORA_SHM_PROGRAMS")?);
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(folder.join("home")).wrap_err_with(|| format!("cannot create {}", folder.display()))?;
        Ok(Self { folder, dora, programs, processes: Processes::default(), control: Control::create(0)? })
    }

    /// A file of this folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// One of the project's programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// Starts `dora run` of a graph.
    pub fn graph(&mut self, name: &str, yaml: &str) -> eyre::Result<()> {
        let path = self.file(&format!("{name}.yml"));
        fs::write(&path, yaml).wrap_err_with(|| format!("cannot write {}", path.display()))?;
        let mut command = Command::new(&self.dora);
        command.arg("run").arg(path);
        self.start(name, &mut command)
    }

    /// Starts a process in this folder. `name` is the name of the process and of the file with its output.
    pub fn start(&mut self, name: &str, command: &mut Command) -> eyre::Result<()> {
        let log = File::create(self.log(name))?;
        command.current_dir(&self.folder).env("HOME", self.folder.join("home")).env("DORA_ZENOH_MULTICAST", "off");
        command.stdout(log.try_clone()?).stderr(Stdio::from(log));
        self.processes.start(name, command)?;
        Ok(())
    }

    /// Waits until a process has printed `text`.
    pub fn wait_for_line(&self, name: &str, text: &str) -> eyre::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.printed(name).contains(text) {
            ensure!(!interrupted(), "interrupted");
            if Instant::now() > deadline {
                bail!("{name} did not print {text:?} but:\n{}", self.printed(name));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Waits until all processes have succeeded.
    pub fn finish(&mut self) -> eyre::Result<()> {
        let ended = self.processes.wait(&self.control, PATIENCE);
        ended.wrap_err_with(|| {
            let logs = fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
            let logs = logs.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
            logs.map(|path| tail(&path)).collect::<String>()
        })
    }

    fn log(&self, name: &str) -> PathBuf {
        self.file(&format!("{name}.log"))
    }

    fn printed(&self, name: &str) -> String {
        fs::read_to_string(self.log(name)).unwrap_or_default()
    }
}

/// The last lines of a file.
fn tail(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(20)..].join("\n");
    format!("--- {}\n{last}\n", path.display())
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.processes = Processes::default();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
