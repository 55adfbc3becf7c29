//! A private place for one test: a folder, names of streams and processes, of which nothing may be left at the end.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use dora_shm_testkit::logged::LoggedProcess;
use dora_shm_testkit::sandbox::Sandbox;
use dora_shm_testkit::segments;
use dora_shm_testkit::until::try_until;
use rustix::process::{Pid, Signal};

use crate::until::until;

/// Time limit for nodes to end after the command line that started them.
const END: Duration = Duration::from_secs(15);

/// Everything that one test owns. When it is dropped, its processes must have ended and its streams must be removed.
pub struct Stage {
    name: String,
    sandbox: Sandbox,
    streams: RefCell<Vec<String>>,
}

impl Stage {
    /// A place for the test `name`, which must be unique in this test program.
    ///
    /// # Panics
    /// When the folder cannot be created.
    pub fn new(name: &str) -> Self {
        let name = format!("{name}-{}", std::process::id());
        let sandbox = Sandbox::new(&name).expect("a folder for the test").with_groups();
        Self { name, sandbox, streams: RefCell::default() }
    }

    /// The folder and the environment.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// The test's folder.
    pub fn folder(&self) -> &Path {
        self.sandbox.folder()
    }

    /// A stream's name that no other test uses. The stream must be removed when the test ends.
    pub fn stream(&self, word: &str) -> String {
        let name = format!("test/{}/{word}", self.name);
        self.adopt(&name);
        name
    }

    /// Adds a stream's name that a node chose. The stream must be removed when the test ends.
    pub fn adopt(&self, stream: &str) {
        self.streams.borrow_mut().push(stream.to_owned());
    }

    /// Writes a file in the test's folder.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        self.sandbox.file(name, text).expect("the test's folder is writable")
    }

    /// A command that runs `program` in the test's folder, with an environment that is the same on every machine.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        self.sandbox.command(program)
    }

    /// Starts `command` as `name`, which is also the name of its log.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn start(&self, name: &str, command: &mut Command) -> LoggedProcess {
        self.sandbox.start(name, command).unwrap_or_else(|sentence| panic!("{sentence}"))
    }

    /// This test's running processes of `program`, in any of its graphs.
    pub fn processes_of(&self, program: &Path) -> Vec<Pid> {
        self.sandbox.processes_of(program)
    }

    /// Waits until exactly one process of `program` runs.
    #[track_caller]
    pub fn the_process_of(&self, program: &Path) -> Pid {
        until(&format!("one process of {} runs", program.display()), || match self.processes_of(program)[..] {
            [pid] => Some(pid),
            _ => None,
        })
    }

    /// Sends a signal to `pid`, which must be one of this test's processes.
    ///
    /// # Panics
    /// When it is not, or has ended already.
    pub fn kill(&self, pid: Pid, signal: Signal) {
        assert!(
            self.sandbox.processes().iter().any(|&(own, _)| own == pid),
            "process {pid:?} does not belong to this test"
        );
        rustix::process::kill_process(pid, signal).expect("a process of this test can be signalled");
    }

    /// The segments of this test's streams that are in shared memory.
    pub fn segments(&self) -> Vec<PathBuf> {
        self.streams.borrow().iter().flat_map(|stream| segments::of(stream)).collect()
    }

    /// The processes that still run some time after the command line that started them has ended.
    fn processes_that_stay(&self) -> Vec<(Pid, PathBuf)> {
        let ended = || Ok(self.sandbox.processes().is_empty().then_some(()));
        let _ = try_until(END, "all processes have ended", ended);
        self.sandbox.processes()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        if failed {
            print_logs(self.folder());
        }
        let processes = self.processes_that_stay();
        self.sandbox.kill_all();
        let segments = self.segments();
        for segment in &segments {
            let _ = fs::remove_file(segment);
        }
        self.sandbox.remove();
        if !failed {
            assert!(processes.is_empty(), "processes still ran at the end of the test: {processes:?}");
            assert!(segments.is_empty(), "segments were left in shared memory: {segments:?}");
        }
    }
}

fn print_logs(folder: &Path) {
    let mut logs = logs_below(folder);
    logs.sort();
    for log in logs {
        let text = String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(60)..];
        eprintln!("--- {} (last {} lines of {})\n{}", log.display(), tail.len(), lines.len(), tail.join("\n"));
    }
}

/// The logs of this test's processes and dora's logs of its nodes.
fn logs_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => logs_below(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "log" || extension == "jsonl"))
        .collect()
}
