//! A file descriptor that shows when a stream has something to read.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Mutex, PoisonError};

use dora_shm_ring as ring;
use pyo3::prelude::*;

use crate::errors::{named, raise};

#[pyclass(frozen, module = "dora_shm._dora_shm")]
pub struct Notifier {
    notifier: Mutex<Option<ring::Notifier>>,
}

impl Notifier {
    fn with<R>(&self, f: impl FnOnce(&ring::Notifier) -> R) -> Option<R> {
        self.notifier.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(f)
    }
}

#[pymethods]
impl Notifier {
    #[new]
    #[pyo3(signature = (name, owner=None, max_bytes=None))]
    fn new(py: Python<'_>, name: &str, owner: Option<u32>, max_bytes: Option<u64>) -> PyResult<Self> {
        let mut options = ring::ReaderOptions::default().owner(owner);
        options.max_ring_bytes = max_bytes.unwrap_or(options.max_ring_bytes);
        let notifier = ring::Notifier::open(name, options).map_err(|error| raise(py, error))?;
        Ok(Self { notifier: Mutex::new(Some(notifier)) })
    }

    fn fileno(&self, py: Python<'_>) -> PyResult<RawFd> {
        self.with(|notifier| notifier.as_raw_fd()).ok_or_else(|| named(py, "ClosedError", "this reader is closed"))
    }

    /// Makes the descriptor unreadable until there is something new.
    fn clear(&self) {
        self.with(ring::Notifier::clear);
    }

    /// Makes the descriptor readable.
    fn set(&self) {
        self.with(ring::Notifier::set);
    }

    fn close(&self, py: Python<'_>) {
        let notifier = self.notifier.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(notifier));
    }
}
