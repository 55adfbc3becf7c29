//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// How long anything may take that takes a second or two on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks. Short against everything that is waited for.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks until `look` gives something.
///
/// # Panics
/// When it has not within `patience`; `what` says what was waited for.
pub fn until_within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < patience, "waited {patience:?} in vain: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Looks until `look` gives something, for as long as [`PATIENCE`] lasts.
///
/// # Panics
/// When it has not by then.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look)
}
