//! A real Python listener, and the table of the strings that it must receive.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use serde_json::Value;

use crate::PATIENCE;

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
    child: Child,
    lines: Receiver<String>,
    path: PathBuf,
}

impl Listener {
    pub fn start(path: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new("python3");
        command.arg(file("listener.py")).arg(path).args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 runs");
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let listener = Self { child, lines, path: path.to_owned() };
        listener.expect(&["listening"]);
        listener
    }

    /// Gives the script a command.
    pub fn command(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").expect("the listener runs");
    }

    /// The next line that it prints.
    pub fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line from the listener")
    }

    /// Checks that it prints these lines next.
    pub fn expect(&self, lines: &[&str]) {
        for line in lines {
            assert_eq!(self.line(), *line);
        }
    }

    /// The lines that it prints up to and including `last`.
    pub fn until(&self, last: &str) -> Vec<String> {
        let (mut lines, end) = (Vec::new(), Instant::now() + PATIENCE);
        while lines.last().is_none_or(|line| line != last) {
            assert!(Instant::now() < end, "no {last:?} in {lines:?}");
            lines.push(self.line());
        }
        lines
    }

    /// Ends the script, and removes its socket.
    pub fn leave(mut self) {
        self.command("leave");
        self.child.wait().unwrap();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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
