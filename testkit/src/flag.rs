//! A flag that ends threads.

use std::sync::atomic::{AtomicBool, Ordering};

/// A request to threads to stop. With [`raise_at_end`](Self::raise_at_end) it is raised even if the requesting thread
/// panics.
#[derive(Debug, Default)]
pub struct Flag(AtomicBool);

impl Flag {
    /// A flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag for good.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the flag is raised.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// A guard that raises the flag when it is dropped.
    pub fn raise_at_end(&self) -> RaiseAtEnd<'_> {
        RaiseAtEnd(self)
    }
}

/// Raises a [`Flag`] when dropped.
#[derive(Debug)]
pub struct RaiseAtEnd<'a>(&'a Flag);

impl Drop for RaiseAtEnd<'_> {
    fn drop(&mut self) {
        self.0.raise();
    }
}
