//! The frames of a ring in Python: the arrays that hold them, and their description. The Python objects are made on
//! first use, because they need the interpreter, and kept as long as the reader holds the same format or description.

use std::sync::Arc;

use dora_shm_ring::{Description, Format};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyTuple, PyType};

/// numpy arrays for the frames of a ring.
pub struct Arrays {
    pub format: Format,
    dtype: PyOnceLock<Py<PyAny>>,
}

impl Arrays {
    pub fn new(format: Format) -> Self {
        Self { format, dtype: PyOnceLock::new() }
    }

    /// The numpy dtype of a sample.
    pub fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        static DTYPE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let made = || Ok(DTYPE.import(py, "numpy", "dtype")?.call1((self.format.dtype().name(),))?.unbind());
        self.dtype.get_or_try_init(py, made).map(|dtype| dtype.bind(py).clone())
    }

    /// The shape of a frame.
    pub fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.format.frame_shape())
    }

    /// New arrays for the samples and the times of `frames` frames.
    pub fn make<'py>(&self, py: Python<'py>, frames: u64) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let shape: Vec<u64> = std::iter::once(frames).chain(self.format.frame_shape().iter().copied()).collect();
        let empty = empty(py)?;
        Ok((empty.call1((PyTuple::new(py, shape)?, self.dtype(py)?))?, empty.call1((frames,))?))
    }

    /// Arrays of no frames, of a stream whose format is not known yet.
    pub fn unknown(py: Python<'_>) -> PyResult<(Bound<'_, PyAny>, Bound<'_, PyAny>)> {
        let empty = empty(py)?;
        Ok((empty.call1((0,))?, empty.call1((0,))?))
    }
}

/// `numpy.empty`
fn empty(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static EMPTY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    EMPTY.import(py, "numpy", "empty")
}

/// A description, as Python's `Description`.
pub struct Described {
    description: Arc<Description>,
    python: PyOnceLock<Py<PyAny>>,
}

impl Described {
    pub fn new(description: Arc<Description>) -> Self {
        Self { description, python: PyOnceLock::new() }
    }

    pub fn is_of(&self, description: &Arc<Description>) -> bool {
        Arc::ptr_eq(&self.description, description)
    }

    /// The same object each time.
    pub fn python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        let made = || {
            let class = CLASS.import(py, "dora_shm._description", "Description")?;
            Ok(class.call_method1("_from_json", (PyBytes::new(py, &self.description.to_json()),))?.unbind())
        };
        self.python.get_or_try_init(py, made).map(|python| python.bind(py).clone())
    }
}
