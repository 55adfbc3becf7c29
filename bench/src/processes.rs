//! Starts the processes of a measurement and ensures that they end.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use eyre::{WrapErr, bail, ensure};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::control::Control;

static INTERRUPTED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// After this call, Ctrl-C and SIGTERM end the current measurement, and what it made is removed. The processes have
/// their own groups, so that a terminal does not end them first.
pub fn catch_interrupts() -> eyre::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, INTERRUPTED.clone())?;
    }
    Ok(())
}

/// Whether there was an interrupt.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// How late an interrupt is noticed.
const INTERRUPT_SLICE: Duration = Duration::from_millis(500);
/// How long the other processes may take to notice that one has failed.
const TIME_TO_NOTICE: Duration = Duration::from_secs(3);

/// Processes that are killed when this is dropped, unless they have ended.
pub struct Processes {
    running: Vec<(String, Child)>,
    /// Receives a value for each process that has ended. One thread per process waits for that.
    ended: Receiver<()>,
    end: Sender<()>,
}

impl Default for Processes {
    fn default() -> Self {
        let (end, ended) = channel();
        Self { running: Vec::new(), ended, end }
    }
}

impl Processes {
    /// Starts another process.
    pub fn start(&mut self, name: &str, command: &mut Command) -> eyre::Result<&mut Child> {
        let child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .wrap_err_with(|| format!("cannot start the {name}"))?;
        let (end, pid) = (self.end.clone(), Pid::from_child(&child));
        std::thread::spawn(move || {
            wait_for_end(pid);
            // If the measurement has been given up, there is no receiver.
            let _ = end.send(());
        });
        self.running.push((name.to_owned(), child));
        Ok(&mut self.running.last_mut().expect("just pushed").1)
    }

    /// Sleeps until all processes have succeeded. The first one that fails is an error, and is reported to the others.
    pub fn wait(&mut self, control: &Control, patience: Duration) -> eyre::Result<()> {
        let mut deadline = Instant::now() + patience;
        let mut failure = None;
        while !self.running.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let names: Vec<_> = self.running.iter().map(|(name, _)| &**name).collect();
                let late = eyre::eyre!("the {} had not ended in time", names.join(" and the "));
                return Err(failure.unwrap_or(late));
            }
            self.sleep_until_one_ends(left);
            ensure!(!interrupted(), "interrupted");
            let mut index = 0;
            while index < self.running.len() {
                let (name, child) = &mut self.running[index];
                let Some(status) = child.try_wait()? else {
                    index += 1;
                    continue;
                };
                if !status.success() {
                    control.fail();
                    deadline = deadline.min(Instant::now() + TIME_TO_NOTICE);
                    failure.get_or_insert(eyre::eyre!("the {name} failed ({status})"));
                }
                self.running.swap_remove(index);
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Sleeps until a process has ended, an interrupt came, or `at_most` has passed. It does not poll, which would
    /// disturb the measurement.
    fn sleep_until_one_ends(&self, at_most: Duration) {
        let deadline = Instant::now() + at_most;
        while !interrupted() && Instant::now() < deadline && self.ended.recv_timeout(INTERRUPT_SLICE).is_err() {}
    }
}

/// Waits for a process without taking its status away from [`Child::try_wait`].
fn wait_for_end(pid: Pid) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while matches!(waitid(WaitId::Pid(pid), options), Err(rustix::io::Errno::INTR)) {}
}

impl Drop for Processes {
    fn drop(&mut self) {
        for (_, child) in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs one process that measures by itself, and returns what it printed. An interrupt is passed on: the process may
/// have started others, and ends them.
pub fn output_of(command: &mut Command) -> eyre::Result<String> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).spawn()?;
    let pid = Pid::from_child(&child);
    let ended = AtomicBool::new(false);
    let printed = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                if interrupted() {
                    // The process has not been waited for, so its id is still valid.
                    let _ = kill_process(pid, Signal::TERM);
                }
                std::thread::park_timeout(INTERRUPT_SLICE);
            }
        });
        let mut printed = Vec::new();
        let read = child.stdout.take().map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut printed));
        wait_for_end(pid);
        ended.store(true, Ordering::Relaxed);
        watcher.thread().unpark();
        read.map(|_| printed)
    });
    let status = child.wait()?;
    ensure!(!interrupted(), "interrupted");
    ensure!(status.success(), "{:?} failed ({status})", command.get_program());
    let Ok(text) = String::from_utf8(printed?) else { bail!("no UTF-8 was printed") };
    Ok(text)
}
