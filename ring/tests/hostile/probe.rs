//! Limits the memory that a probe of a stream may allocate.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use dora_shm_ring::*;
use dora_shm_testkit::{PATIENCE, probe};

/// Records the largest allocation.
struct Watched;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all calls are forwarded to the system's allocator.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(start, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// No test here needs a larger allocation: the rings are small, and a description's JSON has at most 64 MiB.
const TOO_MUCH: usize = 65 << 20;

/// Probes a stream with readers of both kinds. Returns the first error, which must be one about the segments. Panics if
/// the probe takes long or allocates much memory.
#[track_caller]
pub fn probe(name: &str) -> Option<Error> {
    let started = Instant::now();
    LARGEST.store(0, Ordering::Relaxed);
    let error = probe::all(name, &ReaderOptions::default()).err();
    if let Some(error) = &error {
        assert_about_segments(error);
    }
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest < TOO_MUCH, "{largest} bytes were allocated at once");
    // Independent of the machine's speed: sanitizers take ten times as long, and a reader that is kept busy never
    // returns.
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    error
}

#[track_caller]
pub fn assert_about_segments(error: &Error) {
    assert!(probe::is_about_segments(error), "{error:?}");
    assert!(error.to_string().len() < 2000, "{error}");
}
