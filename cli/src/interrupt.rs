//! Ctrl-C and similar signals: a long-running command ends cleanly.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

/// Whether the user has asked the command to end: by Ctrl-C, SIGTERM, SIGQUIT, or by closing the terminal. A second
/// request ends the process at once, without a clean end.
#[derive(Clone, Debug)]
pub struct Ending(Arc<AtomicBool>);

impl Ending {
    /// Listens from now on. When the user asks, `wake` is called on a thread of its own to end the command's wait
    /// ([`Interrupter::interrupt`](dora_shm_ring::Interrupter::interrupt)).
    ///
    /// # Errors
    /// If the handlers of the signals cannot be installed.
    pub fn listen(wake: impl Fn() + Send + 'static) -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        let signals = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];
        for signal in signals {
            // Registered before the one that sets the flag: it checks whether an earlier signal has set it.
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, asked.clone())?;
            signal_hook::flag::register(signal, asked.clone())?;
        }
        let mut signals = Signals::new(signals)?;
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || signals.forever().for_each(|_| wake()))?;
        Ok(Self(asked))
    }

    /// Whether the user has asked.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
