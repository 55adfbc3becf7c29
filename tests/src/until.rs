//! Waiting for a condition, never for a time.

pub use dora_shm_testkit::logged::PATIENCE;
use dora_shm_testkit::until::until_within;

/// Calls `poll` until it returns a value.
///
/// # Panics
/// After [`PATIENCE`], with a message that contains `what`.
#[track_caller]
pub fn until<T>(what: &str, poll: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, poll)
}
