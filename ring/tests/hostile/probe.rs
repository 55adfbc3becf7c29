//! Watches what a probe of a stream asks for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use dora_shm_ring::*;
use dora_shm_testkit::{PATIENCE, probe};

/// Remembers the largest piece of memory that was asked for.
struct Watched;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system's allocator's.
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

/// No test here has a reason to ask for more at once: the rings are small, a description's JSON has at most 64 MiB.
const TOO_MUCH: usize = 65 << 20;

/// Probes a stream with readers of both kinds. The first error, which is one about the segments. Panics if that takes long,
/// or asks for much memory.
#[track_caller]
pub fn probe(name: &str) -> Option<Error> {
    let started = Instant::now();
    LARGEST.store(0, Ordering::Relaxed);
    let error = probe::all(name, &ReaderOptions::default()).err();
    if let Some(error) = &error {
        assert_about_segments(error);
    }
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest < TOO_MUCH, "{largest} bytes were asked for at once");
    // Not a matter of speed: sanitizers take ten times as long. A reader that is kept busy is so for ever.
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    error
}

#[track_caller]
pub fn assert_about_segments(error: &Error) {
    assert!(probe::is_about_segments(error), "{error:?}");
    assert!(error.to_string().len() < 2000, "{error}");
}
