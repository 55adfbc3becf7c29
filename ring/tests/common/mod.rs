//! What several integration tests need: names that are checked at the end, waits, signals whose every frame says where
//! it belongs, books that must balance, and other processes.

#![allow(dead_code, reason = "each test program uses its part")]

pub mod process;
pub mod segments;
pub mod signal;
pub mod source;
pub mod stage;
pub mod vectors;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take that takes milliseconds when all is well.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks of a wait. Not less, and not a mere yield: under valgrind, which lets one thread run at a time, one
/// that never sleeps keeps those from running whom it waits for.
const PAUSE: Duration = Duration::from_millis(1);

/// A stream's name that no other test and no other run uses. When dropped at the end of a test that passed, nothing of
/// the stream may be left in shared memory; after a failure what is left is removed.
pub struct Name(String);

impl Name {
    pub fn new(test: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(format!("ring-test/{}/{number}-{test}", std::process::id()))
    }
}

impl std::ops::Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for path in segments::of(&self.0) {
                let _ = std::fs::remove_file(path);
            }
            return;
        }
        let left = segments::of(&self.0);
        assert!(left.is_empty(), "left in shared memory by {}: {left:?}", self.0);
    }
}

/// Waits until `condition` holds: the one way to wait in these tests for what sends no news.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "gave up waiting: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Tells threads to stop, also when the one that tells them panics.
#[derive(Default)]
pub struct Flag(AtomicBool);

pub struct RaiseAtEnd<'a>(&'a Flag);

impl Flag {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub fn raise_at_end(&self) -> RaiseAtEnd<'_> {
        RaiseAtEnd(self)
    }
}

impl Drop for RaiseAtEnd<'_> {
    fn drop(&mut self) {
        self.0.raise();
    }
}

/// A small generator of numbers that look random, the same for the same seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        signal::mix(self.0) % limit
    }
}
