//! Job control: stops as a shell wants it, with the terminal given back meanwhile.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Signal, getpgrp, kill_process_group};
use signal_hook::consts::{SIGCONT, SIGTSTP, SIGTTOU};
use signal_hook::iterator::Signals;

/// What somebody outside has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Wants the process to stop.
    Stop,
    /// Has let it go on, after a stop of whatever kind: on a terminal that others have used.
    Continued,
}

/// Listens for the signals of job control.
pub struct JobControl {
    /// The next one was sent by this process.
    ours: Arc<AtomicBool>,
}

impl JobControl {
    /// Listens from now on; `tell` is called on a thread of its own.
    ///
    /// # Errors
    /// When the system does not let us listen.
    pub fn listen(tell: impl Fn(Change) + Send + 'static) -> io::Result<Self> {
        let ours = Arc::new(AtomicBool::new(false));
        let mut signals = Signals::new([SIGTSTP, SIGCONT])?;
        let sent = ours.clone();
        std::thread::Builder::new().name("job".to_owned()).spawn(move || {
            for signal in signals.forever() {
                if signal == SIGCONT {
                    tell(Change::Continued);
                } else if !sent.swap(false, Ordering::Relaxed) {
                    tell(Change::Stop);
                }
            }
        })?;
        Ok(Self { ours })
    }

    /// Stops what a key of the terminal would stop: this process, and those that wait for it, such as cargo or sudo.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn stop_all(&self) -> io::Result<()> {
        self.ours.store(true, Ordering::Relaxed);
        kill_process_group(getpgrp(), Signal::TSTP)?;
        stop()
    }
}

/// Stops this process until somebody lets it go on; at once where there is no shell that could.
///
/// # Errors
/// When the system refuses.
pub fn stop() -> io::Result<()> {
    // SIGTSTP is listened for. This one is not, and the system does the same with it: it stops a process, unless its group
    // is an orphan.
    signal_hook::low_level::raise(SIGTTOU)
}
