//! A private place for one test: a folder, names of streams, processes, and nothing left when it ends.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use dora_shm_ring::{SHM_DIR, shorten};
use rustix::process::{Pid, Signal};

use crate::process::Process;
use crate::until::until;

/// Environment variable by which all processes of a test, also those that dora starts, are known.
const MARK: &str = "DORA_SHM_STAGE";

/// Generations looked at for what a stream left; no test makes more.
const GENERATIONS: u32 = 64;

/// Everything one test owns. When it is dropped, its processes must be gone and its streams removed.
pub struct Stage {
    name: String,
    folder: PathBuf,
    streams: RefCell<Vec<String>>,
}

impl Stage {
    /// A place for the test `name`, which must be unique in this test program.
    ///
    /// # Panics
    /// When the folder cannot be made.
    pub fn new(name: &str) -> Self {
        let name = format!("{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(format!("dora-shm-{name}"));
        fs::create_dir_all(folder.join("home")).expect("a folder for the test");
        Self { name, folder, streams: RefCell::default() }
    }

    /// The test's own folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A stream's name that no other test uses. It must be gone when the test ends.
    pub fn stream(&self, word: &str) -> String {
        let name = format!("test/{}/{word}", self.name);
        self.adopt(&name);
        name
    }

    /// Takes over a stream's name that a node chose. It must be gone when the test ends.
    pub fn adopt(&self, stream: &str) {
        self.streams.borrow_mut().push(stream.to_owned());
    }

    /// Writes a file in the test's folder.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, text).expect("the test's folder is writable");
        path
    }

    /// `program` in the test's folder, with an environment that is the same at every desk.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.folder)
            .env(MARK, &self.name)
            .env("HOME", self.folder.join("home"))
            .env("RUST_BACKTRACE", "0")
            // Daemons of tests that run at the same time would find each other.
            .env("DORA_ZENOH_MULTICAST", "off")
            // Published nodes behave differently under it.
            .env_remove("CI");
        command
    }

    /// Starts `command` as `name`, which is also the name of its log.
    pub fn start(&self, name: &str, command: &mut Command) -> Process {
        Process::start(name, command, &self.folder.join(format!("{name}.log")))
    }

    /// Ids of this test's running processes of `program`, wherever in its graphs they are.
    pub fn processes_of(&self, program: &Path) -> Vec<u32> {
        let ours = self.processes();
        ours.into_iter()
            .filter(|pid| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program))
            .collect()
    }

    /// Waits until exactly one process of `program` runs, and gives its id.
    pub fn the_process_of(&self, program: &Path) -> u32 {
        until(&format!("one process of {}", program.display()), || match self.processes_of(program)[..] {
            [pid] => Some(pid),
            _ => None,
        })
    }

    /// Kills the process `pid`, which must be one of this test's.
    ///
    /// # Panics
    /// When it is not, or is gone already.
    pub fn kill(&self, pid: u32, signal: Signal) {
        assert!(self.processes().contains(&pid), "process {pid} is none of this test's");
        let pid = Pid::from_raw(pid.cast_signed()).expect("a process id is not 0");
        rustix::process::kill_process(pid, signal).expect("a process of ours can be killed");
    }

    /// Segments of this test's streams that are in shared memory now.
    pub fn segments(&self) -> Vec<String> {
        let names = self.streams.borrow().iter().flat_map(|stream| segment_names(stream)).collect::<Vec<_>>();
        names.into_iter().filter(|name| Path::new(SHM_DIR).join(name).exists()).collect()
    }

    fn processes(&self) -> Vec<u32> {
        let mark = format!("{MARK}={}", self.name);
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        pids.filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes())
        })
        .collect()
    }

    /// Nodes end a moment after the command line that started them.
    fn processes_that_stay(&self) -> Vec<u32> {
        let start = Instant::now();
        loop {
            let left = self.processes();
            if left.is_empty() || start.elapsed() > Duration::from_secs(15) {
                return left;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        if failed {
            print_logs(&self.folder);
        }
        let processes = self.processes_that_stay();
        for &pid in &processes {
            self.kill(pid, Signal::KILL);
        }
        let segments = self.segments();
        for segment in &segments {
            let _ = fs::remove_file(Path::new(SHM_DIR).join(segment));
        }
        let _ = fs::remove_dir_all(&self.folder);
        if !failed {
            assert!(processes.is_empty(), "processes still ran at the end of the test: {processes:?}");
            assert!(segments.is_empty(), "segments were left in shared memory: {segments:?}");
        }
    }
}

fn segment_names(stream: &str) -> Vec<String> {
    let rings = (0..GENERATIONS).map(|generation| format!("{stream}/buffer{generation}"));
    let metadata = (1..GENERATIONS).map(|generation| format!("{stream}/meta{generation}"));
    let long = std::iter::once(stream.to_owned()).chain(rings).chain(metadata);
    long.flat_map(|name| {
        let public = shorten(&name);
        [format!("{public}.anchor"), public]
    })
    .collect()
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

/// Our processes' output and dora's logs of its nodes.
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
