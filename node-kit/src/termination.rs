//! SIGTERM and SIGINT: exit cleanly. dora does not install a handler in a Rust node, so without this the signals kill
//! it at once.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

type Reaction = Box<dyn FnOnce() + Send>;

/// What the process does on a signal to terminate. Only the first signal counts: a terminal and a supervisor often send
/// two, and the second must not interrupt the clean exit.
#[derive(Clone)]
pub struct Termination {
    reaction: Arc<Mutex<Option<Reaction>>>,
}

impl Termination {
    /// Runs `reaction` on its own thread when the first signal comes.
    ///
    /// # Errors
    /// If the handler or the thread cannot be created.
    pub fn watch(reaction: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let termination = Self { reaction: Arc::new(Mutex::new(Some(Box::new(reaction)))) };
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
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
        let termination = Termination::watch(first).unwrap();
        termination.instead(second);
        raise(SIGTERM).unwrap();
        assert_eq!(reactions.recv_timeout(Duration::from_secs(20)), Ok("second"));
        termination.instead(third);
        // The process survives a second signal, and does not react to it.
        raise(SIGINT).unwrap();
        drop(sender);
        assert_eq!(reactions.recv_timeout(Duration::from_secs(20)), Err(RecvTimeoutError::Disconnected));
    }
}
