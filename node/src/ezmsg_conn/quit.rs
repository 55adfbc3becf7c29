//! "quit" from a listener, which may come before the event loop runs.

use std::sync::{Arc, Mutex, PoisonError};

use dora_shm_node_kit::events::Stopper;

/// Carries "quit" from the connection to the event loop.
#[derive(Clone, Default)]
pub struct Quit {
    shared: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    asked: bool,
    stopper: Option<Stopper>,
}

impl Quit {
    /// Stops what [`Quit::stops`] has set or will set. Returns whether this is the first time.
    pub fn ask(&self) -> bool {
        let mut state = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stopper) = &state.stopper {
            stopper.stop();
        }
        !std::mem::replace(&mut state.asked, true)
    }

    /// Sets what is to stop.
    pub fn stops(&self, stopper: Stopper) {
        let mut state = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if state.asked {
            stopper.stop();
        }
        state.stopper = Some(stopper);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quit_stops_whether_it_comes_before_the_event_loop_or_after() {
        for early in [true, false] {
            let (quit, stopper) = (Quit::default(), Stopper::default());
            if early {
                assert!(quit.ask());
            }
            quit.stops(stopper.clone());
            assert_eq!(stopper.is_stopped(), early);
            assert_eq!(quit.ask(), !early);
            assert!(stopper.is_stopped());
        }
    }
}
