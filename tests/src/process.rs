//! A real process: in a group of its own, with its output in a file, and never outliving the test.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::until::{PATIENCE, until_within};

/// A started process and the file with its output. Dropping it kills its whole group.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; what it prints goes to `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Self {
        let file = File::create(log).expect("the test's folder is writable");
        let copy = file.try_clone().expect("a file can be duplicated");
        let child = command.stdin(Stdio::null()).stdout(file).stderr(copy).process_group(0).spawn();
        let child = child.unwrap_or_else(|error| panic!("cannot start {name} ({command:?}): {error}"));
        Self { name: name.to_owned(), child, log: log.to_owned() }
    }

    /// Its process id, which is its group's too.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has printed so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it has not ended within [`PATIENCE`].
    pub fn wait(&mut self) -> ExitStatus {
        self.wait_within(PATIENCE)
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it has not ended within `patience`.
    pub fn wait_within(&mut self, patience: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        until_within(patience, &what, || self.ended())
    }

    /// Waits for its end and for success.
    ///
    /// # Panics
    /// When it fails, or does not end within [`PATIENCE`].
    pub fn succeed(&mut self) {
        let status = self.wait();
        assert!(status.success(), "{} failed ({status}):\n{}", self.name, self.log());
    }

    /// Waits until it has printed `text`, and gives the first line with it.
    ///
    /// # Panics
    /// When it ends without, or does not within [`PATIENCE`].
    pub fn wait_for_line(&mut self, text: &str) -> String {
        let what = format!("{} printing {text:?}", self.name);
        until_within(PATIENCE, &what, || {
            // In this order: what it printed just before its end is in the file when its end is seen.
            let ended = self.ended();
            let found = self.line(text);
            assert!(found.is_some() || ended.is_none(), "{} ended ({ended:?}) without {text:?}", self.name);
            found
        })
    }

    /// The first complete line printed so far that holds `text`.
    pub fn line(&self, text: &str) -> Option<String> {
        let log = self.log();
        let complete = &log[..log.rfind('\n').map_or(0, |end| end + 1)];
        complete.lines().find(|line| line.contains(text)).map(str::to_owned)
    }

    /// Sends `signal` to the process alone: dora's command line takes two interrupts for haste.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        // An error says that it has ended already, which the caller learns by waiting.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            let _ = rustix::process::kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}
