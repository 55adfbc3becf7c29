//! A writer that wakes only while a reader holds a waiter lock (`SPEC.md`, "Wake only when readers wait"). The flag,
//! the service's poll and the reader's are the production code.
//!
//! The kernel's barrier in the writer's thread is modelled by a fence where it matters: between the writer's store of
//! the wake word and its load of the flag. The lock is loom's.

use std::sync::Arc;
use std::time::Instant;

use loom::sync::Mutex;
use loom::thread;

use super::memory::Header;
use crate::layout::header;
use crate::protocol::sync::{AtomicU32, AtomicU64, Ordering, fence};
use crate::protocol::wake::{AFTERWARDS, Listening, NotifyFlag, SLICE, WaiterLocks, WaiterWatch};
use crate::protocol::{self, HeaderWords};

/// Whether a waiter lock is held, as in the kernel's list of locks. The doorbell has no effect.
struct Locks(Mutex<bool>);

impl WaiterLocks for Locks {
    fn take(&self) -> bool {
        *self.0.lock().expect("no thread dies holding the lock") = true;
        true
    }

    fn are_held(&self) -> bool {
        *self.0.lock().expect("no thread dies holding the lock")
    }

    fn ring_doorbell(&self) {}

    fn barrier_in_other_threads(&self) {
        fence(Ordering::SeqCst);
    }
}

struct Stream {
    header: Header,
    committed: AtomicU32,
    waking: AtomicU32,
    flag: NotifyFlag,
    locks: Locks,
}

impl Stream {
    fn new(waking: bool) -> Arc<Self> {
        let word = AtomicU32::new(header::WAKING_NOT_FOR_WRITES);
        let flag = NotifyFlag::new(&word, waking, true);
        let locks = Locks(Mutex::new(false));
        Arc::new(Self { header: Header::new(), committed: AtomicU32::new(0), waking: word, flag, locks })
    }

    /// W8, W10 and W11.
    fn write(&self, barrier: bool) {
        self.committed.store(1, Ordering::Release);
        protocol::bump_after_write(&WriterHeader { stream: self, barrier });
    }

    /// The service thread: one poll, and another one after two seconds.
    fn serve(&self) {
        let mut watch = WaiterWatch::default();
        let now = Instant::now();
        for now in [now, now + AFTERWARDS] {
            if watch.poll(&self.flag, &self.waking, &self.locks, now) {
                self.header.wake_waiters();
            }
        }
    }

    /// Waits for the one frame, by R9. A slice does not end by itself, so a reader that sleeps past the write never
    /// wakes.
    fn read(&self) {
        let mut listening = Listening::default();
        loop {
            let wake = protocol::load_wake(&self.header);
            if self.committed.load(Ordering::Acquire) == 1 {
                return;
            }
            if listening.longest_sleep(&self.waking, &self.locks, Instant::now(), true) == SLICE {
                self.header.sleep(wake);
            } else {
                // The service has not noticed the lock yet, so this is the short sleep.
                thread::yield_now();
            }
        }
    }
}

/// The header as its writer sees it.
struct WriterHeader<'a> {
    stream: &'a Stream,
    barrier: bool,
}

impl HeaderWords for WriterHeader<'_> {
    fn wake(&self) -> &AtomicU32 {
        self.stream.header.wake()
    }

    fn state(&self) -> &AtomicU32 {
        self.stream.header.state()
    }

    fn generation(&self) -> &AtomicU32 {
        self.stream.header.generation()
    }

    fn final_position(&self) -> &AtomicU64 {
        self.stream.header.final_position()
    }

    fn wake_waiters(&self) {
        self.stream.header.wake_waiters();
    }

    fn wake_waiters_of_writes(&self) {
        if self.barrier {
            fence(Ordering::SeqCst);
        }
        if self.stream.flag.is_set() {
            self.wake_waiters();
        }
    }
}

fn explore(waking: bool, barrier: bool) {
    loom::model::Builder::new().check(move || {
        let stream = Stream::new(waking);
        let (writer, reader) = (stream.clone(), stream.clone());
        let writer = thread::spawn(move || writer.write(barrier));
        let reader = thread::spawn(move || reader.read());
        stream.serve();
        writer.join().expect("it only stores");
        reader.join().expect("it only loads");
    });
}

#[test]
fn a_reader_with_a_long_sleep_does_not_sleep_past_a_write_when_waking_begins() {
    explore(false, true);
}

#[test]
fn a_reader_with_a_long_sleep_does_not_sleep_past_a_write_when_waking_ends() {
    explore(true, true);
}

#[test]
fn without_the_barrier_a_reader_sleeps_past_a_write() {
    let found = std::panic::catch_unwind(|| explore(false, false))
        .expect_err("expected a reader that sleeps past the write in some order of events");
    let message = found.downcast_ref::<String>().expect("a panic with a message");
    assert!(message.contains("deadlock"), "{message}");
}
