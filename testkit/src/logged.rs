//! Processes whose output goes to a file, in which a test waits for lines.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::until::try_until;

/// Time limit for a graph, a node or a command of dora, for tasks that take a second or two on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Number of a log's lines in an error.
const LAST_LINES: usize = 12;

/// A started process and the file with its output. Killed when dropped.
#[derive(Debug)]
pub struct LoggedProcess {
    name: String,
    child: Child,
    log: PathBuf,
    /// Whether it leads a process group, which is killed with it.
    leads_group: bool,
}

impl LoggedProcess {
    /// Starts `command`, whose output goes to `log`. It stays in this process's group and ends with that group.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{name} does not start: {error}: {command:?}");
        let file = File::create(log).map_err(failed)?;
        let copy = file.try_clone().map_err(failed)?;
        let child = command.stdin(Stdio::null()).stdout(file).stderr(copy).spawn();
        let child = child.map_err(|error| format!("{name} does not start: {error}: {command:?}"))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned(), leads_group: false })
    }

    /// Like [`start`](Self::start), in a new process group, which is killed with it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_group(name: &str, command: &mut Command, log: &Path) -> Result<Self, String> {
        let mut started = Self::start(name, command.process_group(0), log)?;
        started.leads_group = true;
        Ok(started)
    }

    /// Its name in errors.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process ID.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its output so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The last lines of its output so far.
    pub fn last_lines(&self) -> String {
        last_lines(&self.log)
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it has not ended within [`PATIENCE`].
    pub fn wait(&mut self) -> Result<ExitStatus, String> {
        self.wait_within(PATIENCE)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it has not ended within `patience`.
    pub fn wait_within(&mut self, patience: Duration) -> Result<ExitStatus, String> {
        let what = format!("{} ends", self.name);
        try_until(patience, &what, || Ok(self.ended()))
    }

    /// Waits for its end, which must be a success.
    ///
    /// # Errors
    /// When it fails, or does not end within [`PATIENCE`].
    pub fn succeed(&mut self) -> Result<(), String> {
        let status = self.wait()?;
        if status.success() { Ok(()) } else { Err(format!("{} failed ({status}):\n{}", self.name, self.log())) }
    }

    /// Waits until it has printed `text`. Returns the first line that contains it.
    ///
    /// # Errors
    /// When it ends before, or does not print it within [`PATIENCE`].
    pub fn wait_for_line(&mut self, text: &str) -> Result<String, String> {
        let what = format!("{} prints {text:?}", self.name);
        try_until(PATIENCE, &what, || {
            // The order matters: the file contains the last lines only once the end has been seen.
            let ended = self.ended();
            let found = self.line(text);
            match ended {
                Some(status) if found.is_none() => {
                    Err(format!("{} ended ({status}) without {text:?}:\n{}", self.name, self.last_lines()))
                }
                _ => Ok(found),
            }
        })
    }

    /// The first complete line printed so far that contains `text`.
    pub fn line(&self, text: &str) -> Option<String> {
        let log = self.log();
        let complete = &log[..log.rfind('\n').map_or(0, |end| end + 1)];
        complete.lines().find(|line| line.contains(text)).map(str::to_owned)
    }

    /// Sends `signal` to the process alone, not to its group: dora's command line treats a second interrupt as a
    /// request to end at once.
    pub fn signal(&self, signal: Signal) {
        // An error means that it has ended, which the caller notices by waiting.
        let _ = rustix::process::kill_process(Pid::from_child(&self.child), signal);
    }

    /// Kills it and waits for its end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for LoggedProcess {
    fn drop(&mut self) {
        if self.ended().is_none() {
            if self.leads_group {
                let _ = rustix::process::kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            }
            self.kill();
        }
    }
}

/// The last lines of a log.
pub fn last_lines(log: &Path) -> String {
    let text = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n    ")
}
