//! Job control: stops as a shell expects, with the terminal restored meanwhile.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Signal, getpgrp, kill_process_group};
use signal_hook::consts::{SIGCONT, SIGTSTP, SIGTTOU};
use signal_hook::iterator::Signals;

/// A signal of job control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The process is asked to stop.
    Stop,
    /// The process continues after a stop of any kind; other programs may have used the terminal meanwhile.
    Continued,
}

/// Listens for the signals of job control.
pub struct JobControl {
    /// Whether this process itself sent the next SIGTSTP.
    ours: Arc<AtomicBool>,
}

impl JobControl {
    /// Listens from now on; `notify` is called on a thread of its own.
    ///
    /// # Errors
    /// If the handlers of the signals cannot be installed.
    pub fn listen(notify: impl Fn(Change) + Send + 'static) -> io::Result<Self> {
        let ours = Arc::new(AtomicBool::new(false));
        let mut signals = Signals::new([SIGTSTP, SIGCONT])?;
        let sent = ours.clone();
        std::thread::Builder::new().name("job".to_owned()).spawn(move || {
            for signal in signals.forever() {
                if signal == SIGCONT {
                    notify(Change::Continued);
                } else if !sent.swap(false, Ordering::Relaxed) {
                    notify(Change::Stop);
                }
            }
        })?;
        Ok(Self { ours })
    }

    /// Stops what a key of the terminal would stop: this process, and those that wait for it, such as cargo or sudo.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn stop_all(&self) -> io::Result<()> {
        self.ours.store(true, Ordering::Relaxed);
        kill_process_group(getpgrp(), Signal::TSTP)?;
        stop()
    }
}

/// Stops this process until it is continued; returns at once if there is no shell that could continue it.
///
/// # Errors
/// If the system refuses.
pub fn stop() -> io::Result<()> {
    // SIGTSTP has a handler. SIGTTOU has none, and by default it also stops a process, unless its group is orphaned.
    signal_hook::low_level::raise(SIGTTOU)
}
