//! A handle of the library in a Python object: closed at most once, and one thread at a time.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use dora_shm_ring::{Error, Interrupter};
use pyo3::prelude::*;

use crate::errors::{named, raise};

/// Pause between two tries of a thread that lets others go first.
const PAUSE: Duration = Duration::from_micros(200);

/// How long a call may take.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Less than letting another thread run would.
    Moments,
    /// Long enough that other threads of Python run meanwhile.
    Long,
}

impl Takes {
    /// Copying so many bytes.
    pub fn to_copy(bytes: usize) -> Self {
        // A thread that lets go of the interpreter may get it back only after a switch interval of 5 ms.
        const MOMENTS_BYTES: usize = 32 << 10;
        if bytes > MOMENTS_BYTES { Takes::Long } else { Takes::Moments }
    }
}

pub struct Shared<T> {
    /// What it is, for messages.
    what: &'static str,
    value: Mutex<Option<T>>,
    /// Threads that stand in line.
    queued: AtomicU32,
    /// A thread had it when this process was forked off: nobody will ever give it back.
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

    /// Calls `f` when no other thread has the value, with the value or, when it is closed, without.
    fn call<R: Send>(&self, py: Python<'_>, takes: Takes, f: impl FnOnce(&mut Option<T>) -> R + Send) -> PyResult<R> {
        if self.stuck.load(Ordering::Relaxed) {
            let what = self.what;
            let message = format!("another thread was using this {what} when the process was forked; make a new one");
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

    /// Calls `f` when no other thread has the value.
    pub fn with<R: Send>(&self, py: Python<'_>, takes: Takes, f: impl FnOnce(&mut T) -> R + Send) -> PyResult<R> {
        self.call(py, takes, |value| value.as_mut().map(f))?.ok_or_else(|| self.closed(py))
    }

    /// As [`with`](Self::with), for what can fail.
    pub fn try_with<R: Send>(
        &self,
        py: Python<'_>,
        takes: Takes,
        f: impl FnOnce(&mut T) -> Result<R, Error> + Send,
    ) -> PyResult<R> {
        self.with(py, takes, f)?.map_err(|error| raise(py, error))
    }

    /// Calls `f` with the value for at most `slice` when it is free, other threads first. `None`: it was not.
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

    /// Drops the value, if it is still there.
    pub fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.call(py, Takes::Long, |value| drop(value.take()))
    }

    /// In a forked child: notes whether the parent's other threads had the value.
    pub fn after_fork(&self) {
        self.stuck.store(self.try_lock().is_none(), Ordering::Relaxed);
        self.queued.store(0, Ordering::SeqCst);
    }

    /// Whether it is closed; `None` while another thread has it, which therefore found it open.
    pub fn is_closed(&self) -> Option<bool> {
        self.try_lock().map(|value| value.is_none())
    }
}
