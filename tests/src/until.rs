//! Waiting for a condition, never for a time.

pub use dora_shm_testkit::logged::PATIENCE;
use dora_shm_testkit::until::until_within;

/// Checks until `look` returns something, for as long as [`PATIENCE`] lasts.
///
/// # Panics
/// When it has not by then; `what` says what was awaited.
#[track_caller]
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look)
}
