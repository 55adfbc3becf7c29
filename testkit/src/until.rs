//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// How long anything may take that takes milliseconds on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The time between two checks of a condition. Neither less nor a mere yield: valgrind runs one thread at a time, and a
/// thread that never sleeps keeps the others from making the condition true.
const PAUSE: Duration = Duration::from_millis(1);

/// Checks until `look` returns something.
///
/// # Errors
/// The error of `look`, or a sentence with `what` when `patience` is over.
pub fn try_until<T>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<Option<T>, String>,
) -> Result<T, String> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            return Err(format!("gave up after {patience:?} waiting until {what}"));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Checks until `look` returns something.
///
/// # Panics
/// When `patience` is over; the message says `what` was awaited.
#[track_caller]
pub fn until_within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    try_until(patience, what, || Ok(look())).unwrap_or_else(|sentence| panic!("{sentence}"))
}

/// Waits until `condition` holds.
///
/// # Panics
/// When [`PATIENCE`] is over; the message says `what` was awaited.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    until_within(PATIENCE, what, || condition().then_some(()));
}
