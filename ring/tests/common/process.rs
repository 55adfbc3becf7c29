//! Other processes that talk with their parent in lines: roles, each of them a test of this very program, and programs
//! of other kinds.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use super::{PATIENCE, wait_until};

const ARGUMENT: &str = "DORA_SHM_RING_TEST_ROLE";
/// What a role's lines begin with that are meant for the other side: the test harness prints lines of its own.
const MARK: &str = "@ ";

/// A child that plays a role. Killed when dropped.
pub struct Actor {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What the lines that it tells begin with.
    mark: &'static str,
}

impl Actor {
    /// Starts the test `role` (marked `#[ignore]`) as another process.
    #[track_caller]
    pub fn start(role: &str, argument: &str, environment: &[(&str, &str)]) -> Self {
        Self::start_by(Command::new(std::env::current_exe().unwrap()), role, argument, environment)
    }

    /// As [`start`](Self::start), by a command that runs another program: that program and its arguments, to which ours
    /// are added.
    #[track_caller]
    pub fn start_by(mut command: Command, role: &str, argument: &str, environment: &[(&str, &str)]) -> Self {
        command.args(["--exact", role, "--nocapture", "--include-ignored", "--test-threads=1"]);
        command.env(ARGUMENT, argument).envs(environment.iter().copied());
        Self::spawn(&mut command, MARK)
    }

    /// Starts a program that is no test of ours: it tells every line of its output.
    #[track_caller]
    pub fn program(command: &mut Command) -> Self {
        Self::spawn(command, "")
    }

    #[track_caller]
    fn spawn(command: &mut Command, mark: &'static str) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { stdin: child.stdin.take(), child, lines, mark }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its stderr, when the command piped it.
    pub fn stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().expect("stderr is piped")
    }

    /// Says a line. That the actor may be dead by now is fine.
    pub fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("not closed yet");
        let _ = writeln!(stdin, "{line}").and_then(|()| stdin.flush());
    }

    /// The next line as it stands, of the harness, too; `None` when the process has ended.
    #[track_caller]
    pub fn hear_raw(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the process says nothing"),
        }
    }

    /// The next line if it is there already.
    pub fn overhear(&mut self) -> Option<String> {
        self.lines.try_recv().ok()
    }

    /// The next line that it told; `None` when the process has ended.
    #[track_caller]
    pub fn hear(&mut self) -> Option<String> {
        loop {
            // The harness leaves its own lines unfinished.
            if let Some((_, told)) = self.hear_raw()?.split_once(self.mark) {
                return Some(told.to_owned());
            }
        }
    }

    /// Waits until it tells `line`; whether it did, or ended before.
    #[track_caller]
    pub fn tells(&mut self, line: &str) -> bool {
        loop {
            match self.hear() {
                Some(told) if told == line => return true,
                Some(_) => {}
                None => return false,
            }
        }
    }

    #[track_caller]
    pub fn expect(&mut self, line: &str) {
        assert!(self.tells(line), "the process ended before it told {line:?}");
    }

    /// Waits until it stops at the point `label` (`src/protocol/failpoint.rs`), whose line no role tells.
    #[track_caller]
    pub fn stops_at(&mut self, label: &str) {
        let stopped = |line: String| line.split_whitespace().last() == Some(label);
        while !stopped(self.hear_raw().unwrap_or_else(|| panic!("the process ended before {label}"))) {}
    }

    /// The child has not been waited for, so its number is still its own.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id() as i32).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// SIGKILL, without waiting for the child: it is a zombie until [`end`](Self::end) or the drop.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Waits for its end. Its input is closed.
    #[track_caller]
    pub fn end(mut self) -> ExitStatus {
        self.stdin = None;
        let mut status = None;
        wait_until("the process ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.expect("it has ended")
    }

    /// Waits for its end, which must be in order.
    #[track_caller]
    pub fn end_well(self) {
        let status = self.end();
        assert!(status.success(), "{status}");
    }

    /// Waits for its end, which must be by SIGKILL.
    #[track_caller]
    pub fn end_killed(self) {
        let status = self.end();
        assert_eq!(status.signal(), Some(9), "{status}");
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In a role: what the parent gave it. `None` without a parent (`cargo test -- --include-ignored`): then there is nothing
/// to play.
pub fn argument() -> Option<String> {
    std::env::var(ARGUMENT).ok()
}

/// In a role: tells the parent a line.
pub fn tell(line: &str) {
    let mut stdout = std::io::stdout().lock();
    // A parent that is gone needs no news.
    let _ = writeln!(stdout, "{MARK}{line}").and_then(|()| stdout.flush());
}

/// In a role: the next line that the parent says; `None` when it has closed our input.
pub fn listen() -> Option<String> {
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim_end().to_owned()),
    }
}
