//! Names of streams.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::segments;

/// A stream's name that no other test and no other run uses. When it is dropped, nothing of the stream may be left in
/// shared memory. Whatever is left is removed, and the test fails if it has not failed before.
#[derive(Debug)]
pub struct Name(String);

impl Name {
    /// A name that contains `test`.
    pub fn new(test: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self(format!("test/{}/{number}-{test}", std::process::id()))
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
        let left = segments::of(&self.0);
        left.iter().for_each(|path| _ = std::fs::remove_file(path));
        assert!(left.is_empty() || std::thread::panicking(), "left in shared memory by {}: {left:?}", self.0);
    }
}
