//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// Time limit for anything that takes milliseconds on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The time between two checks of a condition. A shorter pause or a yield is not enough: valgrind runs one thread at a
/// time, and a thread that never sleeps keeps the others from making the condition true.
const PAUSE: Duration = Duration::from_millis(1);

/// Calls `poll` until it returns a value.
///
/// # Errors
/// The error of `poll`, or a sentence with `what` after `patience`.
pub fn try_until<T>(
    patience: Duration,
    what: &str,
    mut poll: impl FnMut() -> Result<Option<T>, String>,
) -> Result<T, String> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = poll()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            return Err(format!("gave up after {patience:?} waiting until {what}"));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Calls `poll` until it returns a value.
///
/// # Panics
/// After `patience`, with a message that contains `what`.
#[track_caller]
pub fn until_within<T>(patience: Duration, what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    try_until(patience, what, || Ok(poll())).unwrap_or_else(|sentence| panic!("{sentence}"))
}

/// Waits until `condition` holds.
///
/// # Panics
/// After [`PATIENCE`], with a message that contains `what`.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    until_within(PATIENCE, what, || condition().then_some(()));
}
