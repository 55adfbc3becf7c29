//! A writer that wakes only while somebody holds a waiter lock: `SPEC.md`, "Wake only when readers wait".
//!
//! The kernel's barrier in the writer's thread is modelled by a fence where it can matter, between the wake word's store and
//! the question. The lock is one of loom's.

use std::sync::Arc;

use loom::sync::atomic::AtomicBool;
use loom::sync::{Condvar, Mutex};
use loom::thread;

use crate::protocol::sync::{AtomicU32, Ordering, fence};

struct Stream {
    committed: AtomicU32,
    wake: AtomicU32,
    waking: AtomicU32,
    /// F, the writer's own.
    wanted: AtomicBool,
    /// Whether a sleeper's lock is held: the kernel's list of locks.
    lock: Mutex<bool>,
    queue: Mutex<()>,
    sleepers: Condvar,
}

impl Stream {
    fn new(waking: bool) -> Arc<Self> {
        Arc::new(Self {
            committed: AtomicU32::new(0),
            wake: AtomicU32::new(0),
            waking: AtomicU32::new(waking.into()),
            wanted: AtomicBool::new(waking),
            lock: Mutex::new(false),
            queue: Mutex::new(()),
            sleepers: Condvar::new(),
        })
    }

    /// FUTEX_WAKE.
    fn wake_all(&self) {
        let _queue = self.queue.lock().expect("nobody dies holding it");
        self.sleepers.notify_all();
    }

    /// W8, W10 and W11.
    fn write(&self, barrier: bool) {
        self.committed.store(1, Ordering::Release);
        self.wake.store(1, Ordering::Release);
        if barrier {
            fence(Ordering::SeqCst);
        }
        if self.wanted.load(Ordering::Relaxed) {
            self.wake_all();
        }
    }

    fn is_locked(&self) -> bool {
        *self.lock.lock().expect("nobody dies holding it")
    }

    /// F1.
    fn begin(&self) {
        self.wanted.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.waking.store(1, Ordering::Release);
        self.wake_all();
    }

    /// F2, when the time has come.
    fn end(&self) {
        self.waking.store(0, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.is_locked() {
            self.waking.store(1, Ordering::Release);
        } else {
            self.wanted.store(false, Ordering::Relaxed);
        }
    }

    /// Waits for the one frame, by R9. A slice does not end by itself: who sleeps past the write sleeps for good.
    fn read(&self) {
        *self.lock.lock().expect("nobody dies holding it") = true;
        loop {
            let wake = self.wake.load(Ordering::Acquire);
            if self.committed.load(Ordering::Acquire) == 1 {
                return;
            }
            if self.waking.load(Ordering::Acquire) == 1 {
                let queue = self.queue.lock().expect("nobody dies holding it");
                if self.wake.load(Ordering::Relaxed) == wake {
                    drop(self.sleepers.wait(queue));
                }
            } else {
                // Not noticed yet: the short sleep.
                thread::yield_now();
            }
        }
    }
}

fn explore(waking: bool, barrier: bool) {
    loom::model::Builder::new().check(move || {
        let stream = Stream::new(waking);
        let (writer, reader) = (stream.clone(), stream.clone());
        let writer = thread::spawn(move || writer.write(barrier));
        let reader = thread::spawn(move || reader.read());
        // The service thread: as if two seconds had passed without a lock, then an ordinary look.
        if waking {
            stream.end();
        }
        if !stream.wanted.load(Ordering::Relaxed) && stream.is_locked() {
            stream.begin();
        }
        writer.join().expect("it only stores");
        reader.join().expect("it only loads");
    });
}

#[test]
fn who_is_promised_to_be_woken_does_not_sleep_past_a_write_when_waking_begins() {
    explore(false, true);
}

#[test]
fn who_is_promised_to_be_woken_does_not_sleep_past_a_write_when_waking_ends() {
    explore(true, true);
}

#[test]
fn without_the_barrier_a_reader_sleeps_past_a_write() {
    let found = std::panic::catch_unwind(|| explore(false, false)).expect_err("no order of events shows it");
    let said = found.downcast_ref::<String>().expect("a panic with a message");
    assert!(said.contains("deadlock"), "{said}");
}
