//! Ctrl-C and its like: a command that runs for long ends in order.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

/// Whether the user has asked the command to end: by Ctrl-C, SIGTERM, SIGQUIT, or by closing the terminal. Who asks twice does not
/// want to wait for an end in order: the process ends at once.
#[derive(Clone, Debug)]
pub struct Ending(Arc<AtomicBool>);

impl Ending {
    /// Listens from now on; `wake` is called when the user asks, on a thread of its own, to end whatever sleeps
    /// ([`Interrupter::interrupt`](dora_shm_ring::Interrupter::interrupt)).
    ///
    /// # Errors
    /// When the system does not let us listen.
    pub fn listen(wake: impl Fn() + Send + 'static) -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        let signals = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];
        for signal in signals {
            // Before the one that sets the flag: it looks whether that was set by an earlier signal.
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
