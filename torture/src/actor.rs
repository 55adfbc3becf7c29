//! Processes of this very program that play a role, and are killed, stopped or simply listened to.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::follower::PATIENCE;
use crate::roles::Role;
use crate::tally::{DEFECT_MARK, FAULTS_MARK, FRAMES_MARK, Tally};

/// A child that plays a role. Killed when dropped.
pub struct Actor {
    role: Role,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    listener: Option<JoinHandle<()>>,
    ended: bool,
}

impl Actor {
    pub fn start(tally: &Arc<Tally>, role: Role, arguments: &[String]) -> Result<Self, String> {
        Self::start_with(tally, role, arguments, &[])
    }

    /// As [`start`](Self::start), with variables in its environment.
    pub fn start_with(
        tally: &Arc<Tally>,
        role: Role,
        arguments: &[String],
        environment: &[(&str, &str)],
    ) -> Result<Self, String> {
        let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
        command.arg("role").arg(role.word()).arg("--").args(arguments).envs(environment.iter().copied());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{command:?} does not start: {error}"))?;
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = channel();
        let tally = tally.clone();
        let listener = std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Some(frames) = line.strip_prefix(FRAMES_MARK).and_then(|number| number.parse().ok()) {
                    tally.checked(frames);
                } else if let Some(faults) = line.strip_prefix(FAULTS_MARK).and_then(|number| number.parse().ok()) {
                    tally.faults(faults);
                } else if let Some(defect) = line.strip_prefix(DEFECT_MARK) {
                    tally.defect(&format!("{}: {defect}", role.word()));
                } else {
                    let _ = sender.send(line);
                }
            }
        });
        Ok(Self { role, stdin: child.stdin.take(), child, lines, listener: Some(listener), ended: false })
    }

    /// Says a line. That the actor may be dead by now is fine.
    pub fn say(&mut self, line: &str) {
        if let Some(stdin) = &mut self.stdin {
            let _ = writeln!(stdin, "{line}").and_then(|()| stdin.flush());
        }
    }

    /// The next line; `None` when the process has ended.
    pub fn hear(&mut self) -> Result<Option<String>, String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(format!("{} says nothing for {PATIENCE:?}", self.role.word())),
        }
    }

    /// Waits until it tells `line`.
    pub fn expect(&mut self, line: &str) -> Result<(), String> {
        while let Some(told) = self.hear()? {
            if told == line {
                return Ok(());
            }
        }
        Err(format!("{} ended before it told {line:?}: {:?}", self.role.word(), self.child.wait()))
    }

    /// The child has not been waited for, so its number is still its own.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// SIGKILL, without waiting for the child: it is a zombie until its end is asked for.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
    }

    /// Waits for its end; its input is closed.
    fn end(&mut self) -> Result<ExitStatus, String> {
        self.stdin = None;
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait().map_err(|error| error.to_string())? {
                Some(status) => break status,
                None if Instant::now() > deadline => {
                    return Err(format!("{} does not end", self.role.word()));
                }
                None => std::thread::sleep(Duration::from_micros(300)),
            }
        };
        self.ended = true;
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
        Ok(status)
    }

    /// Waits for its end, which must be in order.
    pub fn end_well(mut self) -> Result<(), String> {
        let status = self.end()?;
        if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", self.role.word())) }
    }

    /// Waits for its end, which must be by SIGKILL.
    pub fn end_killed(mut self) -> Result<(), String> {
        let status = self.end()?;
        let killed = status.signal() == Some(9);
        if killed { Ok(()) } else { Err(format!("{} ended with {status} before it was killed", self.role.word())) }
    }

    /// As [`end_killed`](Self::end_killed), without closing its input first. `false`: it still lives after `patience`, and is killed.
    pub fn dies(mut self, patience: Duration) -> Result<bool, String> {
        let deadline = Instant::now() + patience;
        while self.child.try_wait().map_err(|error| error.to_string())?.is_none() {
            if Instant::now() > deadline {
                self.kill();
                self.end_killed()?;
                return Ok(false);
            }
            std::thread::sleep(Duration::from_micros(300));
        }
        self.end_killed()?;
        Ok(true)
    }

    /// Waits until the kernel says that the process is in `state` (a letter of /proc/PID/stat).
    pub fn comes_to(&self, state: char) -> Result<(), String> {
        let path = format!("/proc/{}/stat", self.child.id());
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stat = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
            let now = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
            if now == Some(state) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("{} is in state {now:?}, expected {state}", self.role.word()));
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
