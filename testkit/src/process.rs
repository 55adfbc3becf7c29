//! Child processes that a test starts, exchanges lines with, stops and kills. They end with the test.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::until::{PATIENCE, try_until};

/// A child process that exchanges lines with the test. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    /// Its name in errors: the command line.
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    output_reader: Option<JoinHandle<()>>,
    /// Time limit for each line and for the end.
    patience: Duration,
    ended: bool,
}

impl Process {
    /// Starts `command`, with which the test then exchanges lines.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self, String> {
        Self::start_filtered(command, Some)
    }

    /// Like [`start`](Self::start). A separate thread passes each line to `filter` as it arrives. If `filter` returns
    /// `None`, the test does not receive the line.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_filtered(
        command: &mut Command,
        mut filter: impl FnMut(String) -> Option<String> + Send + 'static,
    ) -> Result<Self, String> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{command:?} does not start: {error}"))?;
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = channel();
        let output_reader = std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok).filter_map(&mut filter) {
                // Without a receiver the lines are still read, so that the child does not block.
                let _ = sender.send(line);
            }
        });
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let name = words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        let (stdin, output_reader) = (child.stdin.take(), Some(output_reader));
        Ok(Self { name, child, stdin, lines, output_reader, patience: PATIENCE, ended: false })
    }

    /// Sets the time limit for each line and for the end, instead of [`PATIENCE`].
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Its process ID.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its stderr, if the command pipes it.
    pub fn stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    /// Sends a line. Does nothing if the process is dead.
    pub fn send_line(&mut self, line: &str) {
        if let Some(stdin) = &mut self.stdin {
            let _ = writeln!(stdin, "{line}").and_then(|()| stdin.flush());
        }
    }

    /// Closes its input.
    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// The next line; `None` when the process has closed its output.
    ///
    /// # Errors
    /// When no line arrives within its time limit.
    pub fn read_line(&mut self) -> Result<Option<String>, String> {
        match self.lines.recv_timeout(self.patience) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(format!("{} has printed nothing for {:?}", self.name, self.patience)),
        }
    }

    /// The next line, if it has arrived already.
    pub fn try_read_line(&mut self) -> Option<String> {
        self.lines.try_recv().ok()
    }

    /// Sends a line and returns the next line of the process; `None` if it ends instead.
    ///
    /// # Errors
    /// When no line arrives within its time limit.
    pub fn request(&mut self, line: &str) -> Result<Option<String>, String> {
        self.send_line(line);
        self.read_line()
    }

    /// Sends a line, after which the process must print `reply`.
    ///
    /// # Errors
    /// When it prints anything else, ends, or prints nothing within its time limit.
    pub fn request_expecting(&mut self, line: &str, reply: &str) -> Result<(), String> {
        match self.request(line)? {
            Some(found) if found == reply => Ok(()),
            found => Err(format!("after {line:?} {} printed {found:?}, expected {reply:?}", self.name)),
        }
    }

    /// Waits until it prints `line` and skips other lines. Returns `false` if it ends before.
    ///
    /// # Errors
    /// When no line arrives within its time limit.
    pub fn prints(&mut self, line: &str) -> Result<bool, String> {
        while let Some(found) = self.read_line()? {
            if found == line {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Waits until it prints `line`.
    ///
    /// # Errors
    /// When it ends before, or no line arrives within its time limit.
    pub fn expect(&mut self, line: &str) -> Result<(), String> {
        if self.prints(line)? {
            return Ok(());
        }
        Err(format!("{} ended before it printed {line:?}: {:?}", self.name, self.child.wait()))
    }

    /// Sends a signal. The child has not been waited for, so no other process can have its ID.
    pub fn signal(&self, signal: Signal) {
        // An error means that it has ended, which the caller notices by waiting.
        let _ = rustix::process::kill_process(Pid::from_child(&self.child), signal);
    }

    /// Sends SIGKILL without waiting for the child, which is a zombie until it is waited for.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
    }

    /// Closes its input and waits for its end.
    ///
    /// # Errors
    /// When it does not end within its time limit.
    pub fn end(mut self) -> Result<ExitStatus, String> {
        self.close_input();
        self.end_within(self.patience)
    }

    fn end_within(&mut self, patience: Duration) -> Result<ExitStatus, String> {
        let what = format!("{} ends", self.name);
        let child = &mut self.child;
        let status = try_until(patience, &what, || child.try_wait().map_err(|error| error.to_string()))?;
        self.ended = true;
        // Waits until all of its output has been filtered. A process that it left behind may keep the output open.
        if let Some(output_reader) = self.output_reader.take() {
            let _ = try_until(PATIENCE, "its output ends", || Ok(output_reader.is_finished().then_some(())));
        }
        Ok(status)
    }

    /// Closes its input and waits for its end, which must be a success.
    ///
    /// # Errors
    /// When it fails, or does not end within its time limit.
    pub fn end_well(mut self) -> Result<(), String> {
        self.close_input();
        let status = self.end_within(self.patience)?;
        if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", self.name)) }
    }

    /// Waits for its end, which must be by SIGKILL.
    ///
    /// # Errors
    /// When it ends in another way, or not within its time limit.
    pub fn end_killed(mut self) -> Result<(), String> {
        self.close_input();
        let status = self.end_within(self.patience)?;
        killed(&self.name, status)
    }

    /// Kills it, and waits for its end.
    ///
    /// # Errors
    /// When it ended in another way before.
    pub fn kill_and_wait(mut self) -> Result<(), String> {
        self.kill();
        self.end_killed()
    }

    /// Waits until it dies by SIGKILL, without closing its input. If it still lives after `patience`, kills it and
    /// returns `false`.
    ///
    /// # Errors
    /// When it ends in another way.
    pub fn dies_within(mut self, patience: Duration) -> Result<bool, String> {
        if let Ok(status) = self.end_within(patience) {
            return killed(&self.name, status).map(|()| true);
        }
        self.kill_and_wait().map(|()| false)
    }

    /// Waits until it is in `state`, a letter of `/proc/PID/stat`.
    ///
    /// # Errors
    /// When it is not in that state within [`PATIENCE`].
    pub fn wait_for_state(&self, state: char) -> Result<(), String> {
        let what = format!("{} is in state {state}", self.name);
        try_until(PATIENCE, &what, || Ok((state_of(self.pid()) == Some(state)).then_some(())))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn killed(name: &str, status: ExitStatus) -> Result<(), String> {
    let killed = status.signal() == Some(Signal::KILL.as_raw());
    if killed { Ok(()) } else { Err(format!("{name} ended with {status} before it was killed")) }
}

/// The state of a process, a letter of `/proc/PID/stat`; `None` if there is no such process.
pub fn state_of(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}

/// In a child: prints a line for the parent. Errors are ignored, since the parent may have ended.
pub fn print_line(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// In a child: the next line from the parent; `None` when the parent has closed the input.
pub fn read_line() -> Option<String> {
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim_end().to_owned()),
    }
}
