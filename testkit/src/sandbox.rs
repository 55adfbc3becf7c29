//! A private folder, and an environment that marks all processes that are started there, including their descendants.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal};

use crate::logged::LoggedProcess;

/// Environment variable that marks the processes of a sandbox.
const MARK: &str = "DORA_SHM_SANDBOX";

/// A folder and the processes that were started in it.
#[derive(Debug)]
pub struct Sandbox {
    folder: PathBuf,
    /// Whether each process leads a separate process group.
    has_groups: bool,
}

impl Sandbox {
    /// Creates a folder for `name`, which must be unique on this machine. Processes stay in this process's group and
    /// end with it.
    ///
    /// # Errors
    /// When the folder cannot be created.
    pub fn new(name: &str) -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("dora-shm-{name}"));
        fs::create_dir_all(folder.join("home"))?;
        Ok(Self { folder, has_groups: false })
    }

    /// Starts each process in a separate process group, which is killed with it.
    pub fn with_groups(self) -> Self {
        Self { has_groups: true, ..self }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Removes the folder.
    pub fn remove(&self) {
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// Writes a file in the folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn file(&self, name: &str, text: &str) -> io::Result<PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    /// A command that runs `program` in the folder, with an environment that is the same on every machine.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.folder)
            .env(MARK, &self.folder)
            .env("HOME", self.folder.join("home"))
            .env("RUST_BACKTRACE", "0")
            // With multicast, daemons of different tests would find each other.
            .env("DORA_ZENOH_MULTICAST", "off")
            // Published nodes behave differently if it is set.
            .env_remove("CI");
        command
    }

    /// Starts `command`, whose output goes to the file `<name>.log` of the folder.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, name: &str, command: &mut Command) -> Result<LoggedProcess, String> {
        let log = self.folder.join(format!("{name}.log"));
        let start = if self.has_groups { LoggedProcess::start_group } else { LoggedProcess::start };
        start(name, command, &log)
    }

    /// Every running process that was started here, and its program.
    pub fn processes(&self) -> Vec<(Pid, PathBuf)> {
        let mark = format!("{MARK}={}", self.folder.display());
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        pids.filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes())
        })
        .filter_map(|pid| Some((Pid::from_raw(pid)?, fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default())))
        .collect()
    }

    /// The running processes of `program`.
    pub fn processes_of(&self, program: &Path) -> Vec<Pid> {
        self.processes().into_iter().filter(|(_, exe)| exe == program).map(|(pid, _)| pid).collect()
    }

    /// Kills every process that was started here.
    pub fn kill_all(&self) {
        for (pid, _) in self.processes() {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }
}
