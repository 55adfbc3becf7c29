//! SIGTERM, SIGINT and SIGHUP: exit cleanly. dora does not install a handler in a Rust node, so without this the signals
//! kill it at once.

use std::ffi::c_int;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

type Reaction = Box<dyn FnOnce() + Send>;

/// What the process does on a signal to terminate. Only the first signal counts: a terminal and a supervisor often send
/// two, and the second must not interrupt the clean exit.
#[derive(Clone)]
pub struct Termination {
    reaction: Arc<Mutex<Option<Reaction>>>,
}

impl Termination {
    /// Runs `reaction` on its own thread when the first signal comes. A signal that this process ignores stays ignored: its
    /// parent wants it so, as `nohup` does with SIGHUP.
    ///
    /// # Errors
    /// If the handler or the thread cannot be created.
    pub fn watch(reaction: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let termination = Self { reaction: Arc::new(Mutex::new(Some(Box::new(reaction)))) };
        let mut signals = Signals::new(handled())?;
        let watched = termination.clone();
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            for _ in signals.forever() {
                if let Some(reaction) = watched.replace(None) {
                    reaction();
                }
            }
        })?;
        Ok(termination)
    }

    /// Replaces the reaction, if no signal has come yet.
    pub fn instead(&self, reaction: impl FnOnce() + Send + 'static) {
        let mut current = self.reaction.lock().unwrap_or_else(PoisonError::into_inner);
        if current.is_some() {
            *current = Some(Box::new(reaction));
        }
    }

    fn replace(&self, reaction: Option<Reaction>) -> Option<Reaction> {
        std::mem::replace(&mut *self.reaction.lock().unwrap_or_else(PoisonError::into_inner), reaction)
    }
}

/// The signals to terminate that this process does not ignore.
fn handled() -> Vec<c_int> {
    let ignored = ignored_signals(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
    [SIGHUP, SIGTERM, SIGINT].into_iter().filter(|signal| !ignored.contains(signal)).collect()
}

/// The ignored signals in the text of `/proc/PID/status`: a mask in hexadecimal, with signal 1 as its lowest bit.
fn ignored_signals(status: &str) -> Vec<c_int> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    (1..=64).filter(|signal| mask >> (signal - 1) & 1 == 1).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::Duration;

    use signal_hook::low_level::raise;

    use super::*;

    #[test]
    fn only_the_first_signal_counts_and_runs_the_latest_reaction() {
        let (sender, reactions) = channel();
        let [first, second, third] = ["first", "second", "third"].map(|name| {
            let sender = sender.clone();
            move || {
                let _ = sender.send(name);
            }
        });
        // Those that ran these tests may ignore some, as `nohup` does.
        let handled = handled();
        let termination = Termination::watch(first).unwrap();
        termination.instead(second);
        raise(handled[0]).unwrap();
        assert_eq!(reactions.recv_timeout(Duration::from_secs(20)), Ok("second"));
        termination.instead(third);
        // The process survives further signals, and does not react to them.
        handled[1..].iter().for_each(|&signal| raise(signal).unwrap());
        drop(sender);
        assert_eq!(reactions.recv_timeout(Duration::from_secs(20)), Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn ignored_signals_are_those_of_the_processs_status() {
        let status = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000001003\nSigCgt:\t0000000000004000\n";
        assert_eq!(ignored_signals(status), [SIGHUP, SIGINT, 13]);
        assert!(ignored_signals("SigIgn:\tnonsense").is_empty() && ignored_signals("").is_empty());
    }
}
