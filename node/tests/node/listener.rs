//! A real Python listener, and the table of the strings that it must receive.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use dora_shm_testkit::process::Process;
use serde_json::Value;

/// A script or a table of these tests.
pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conn").join(name)
}

/// A socket's path that no other test uses.
pub fn socket(test: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("dora-shm-conn-{}-{test}", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

/// `listener.py` at a path. Dropped, it is killed and its socket removed.
pub struct Listener {
    process: Process,
    path: PathBuf,
}

impl Listener {
    pub fn start(path: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new("python3");
        command.arg(file("listener.py")).arg(path).args(arguments);
        let process = Process::start(&mut command).expect("python3 runs");
        let mut listener = Self { process, path: path.to_owned() };
        listener.expect(&["listening"]);
        listener
    }

    /// Gives the script a command.
    pub fn send_line(&mut self, line: &str) {
        self.process.send_line(line);
    }

    /// The next line that it prints.
    pub fn read_line(&mut self) -> String {
        self.process.read_line().unwrap().expect("the listener runs")
    }

    /// Checks that it prints these lines next.
    pub fn expect(&mut self, lines: &[&str]) {
        for line in lines {
            assert_eq!(self.read_line(), *line);
        }
    }

    /// The lines that it prints up to and including `last`.
    pub fn until(&mut self, last: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line| line != last) {
            let line = self.process.read_line().unwrap_or_else(|error| panic!("{error}; {lines:?}"));
            lines.push(line.unwrap_or_else(|| panic!("the listener ended without {last:?}: {lines:?}")));
        }
        lines
    }

    /// Ends the script, and removes its socket.
    pub fn leave(mut self) {
        self.send_line("leave");
        while self.process.read_line().unwrap().is_some() {}
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The lines that the listener prints for `strings`.
pub fn printed_for(strings: &[&str]) -> Vec<String> {
    strings.iter().map(|string| format!("got {string}")).collect()
}

/// The table of steps.
pub fn steps() -> Value {
    serde_json::from_slice(&fs::read(file("steps.json")).unwrap()).unwrap()
}
