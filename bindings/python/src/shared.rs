//! A handle of the library in a Python object: closed at most once, and used by one thread at a time.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use dora_shm_ring::{Error, Interrupter};
use pyo3::prelude::*;

use crate::errors::{named, raise};

/// Pause between two tries of a thread that gives others priority.
const PAUSE: Duration = Duration::from_micros(200);

/// How long a call may take.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Less time than it takes to let another thread run.
    Moments,
    /// Long enough to let other Python threads run meanwhile.
    Long,
}

impl Takes {
    /// How long it takes to copy that many bytes.
    pub fn to_copy(bytes: usize) -> Self {
        // A thread that releases the interpreter may have to wait for a switch interval of 5 ms to get it back.
        const MOMENTS_BYTES: usize = 32 << 10;
        if bytes > MOMENTS_BYTES { Takes::Long } else { Takes::Moments }
    }
}

pub struct Shared<T> {
    /// The kind of handle, for messages.
    what: &'static str,
    value: Mutex<Option<T>>,
    /// Threads that wait for the value.
    queued: AtomicU32,
    /// Another thread was using the value when this process was forked off, so it stays locked forever.
    stuck: AtomicBool,
    interrupter: Option<Interrupter>,
}

impl<T: Send> Shared<T> {
    pub fn new(what: &'static str, value: T, interrupter: Option<Interrupter>) -> Self {
        let value = Mutex::new(Some(value));
        Self { what, value, queued: AtomicU32::new(0), stuck: AtomicBool::new(false), interrupter }
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Option<T>>> {
        match self.value.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Calls `f` once no other thread uses the value; with `None` if it is closed.
    fn call<R: Send>(&self, py: Python<'_>, takes: Takes, f: impl FnOnce(&mut Option<T>) -> R + Send) -> PyResult<R> {
        if self.stuck.load(Ordering::Relaxed) {
            let what = self.what;
            let message = format!("another thread was using this {what} when the process was forked; open a new one");
            return Err(named(py, "ForkedError", message));
        }
        if takes == Takes::Moments
            && let Some(mut value) = self.try_lock()
        {
            return Ok(f(&mut value));
        }
        Ok(py.detach(|| {
            let mut value = self.try_lock().unwrap_or_else(|| {
                self.queued.fetch_add(1, Ordering::SeqCst);
                if let Some(interrupter) = &self.interrupter {
                    interrupter.interrupt();
                }
                let value = self.lock();
                self.queued.fetch_sub(1, Ordering::SeqCst);
                value
            });
            f(&mut value)
        }))
    }

    fn closed(&self, py: Python<'_>) -> PyErr {
        named(py, "ClosedError", format!("this {} is closed", self.what))
    }

    /// Calls `f` once no other thread uses the value.
    pub fn with<R: Send>(&self, py: Python<'_>, takes: Takes, f: impl FnOnce(&mut T) -> R + Send) -> PyResult<R> {
        self.call(py, takes, |value| value.as_mut().map(f))?.ok_or_else(|| self.closed(py))
    }

    /// As [`with`](Self::with), for calls that can fail.
    pub fn try_with<R: Send>(
        &self,
        py: Python<'_>,
        takes: Takes,
        f: impl FnOnce(&mut T) -> Result<R, Error> + Send,
    ) -> PyResult<R> {
        self.with(py, takes, f)?.map_err(|error| raise(py, error))
    }

    /// Calls `f` if the value becomes free within `slice`; waiting threads go first. `None`: it did not.
    pub fn with_patience<R: Send>(
        &self,
        py: Python<'_>,
        slice: Duration,
        f: impl FnOnce(&mut T) -> Result<R, Error> + Send,
    ) -> PyResult<Option<R>> {
        let found = py.detach(|| {
            let deadline = Instant::now() + slice;
            loop {
                if self.queued.load(Ordering::SeqCst) == 0
                    && let Some(mut value) = self.try_lock()
                {
                    return Some(value.as_mut().map(f));
                }
                if Instant::now() >= deadline {
                    return None;
                }
                std::thread::sleep(PAUSE);
            }
        });
        match found {
            None => Ok(None),
            Some(None) => Err(self.closed(py)),
            Some(Some(result)) => result.map(Some).map_err(|error| raise(py, error)),
        }
    }

    /// Drops the value, unless it was dropped before.
    pub fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, Takes::Long, |value| drop(value.take()))
    }

    /// In a forked child: records whether another thread of the parent was using the value.
    pub fn after_fork(&self) {
        self.stuck.store(self.try_lock().is_none(), Ordering::Relaxed);
        self.queued.store(0, Ordering::SeqCst);
    }

    /// Whether it is closed; `None` while another thread uses it, which means that it is open.
    pub fn is_closed(&self) -> Option<bool> {
        self.try_lock().map(|value| value.is_none())
    }
}
