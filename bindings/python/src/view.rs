//! Frames in place, as read-only buffers.

use std::ffi::c_int;
use std::sync::{Arc, Mutex, PoisonError};

use dora_shm_ring as ring;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::chunk::Arrays;
use crate::described::Described;

/// Bytes of a ring, lent by the buffer protocol. They stay mapped as long as this object or an array over it lives.
#[pyclass(frozen, module = "dora_shm._dora_shm")]
pub struct Part {
    bytes: ring::SharedBytes,
}

#[pymethods]
impl Part {
    fn __len__(&self) -> usize {
        self.bytes.len()
    }

    /// # Safety
    /// `view` is a buffer description of CPython's, to be filled.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let bytes = &slf.get().bytes;
        let (start, length) = (bytes.as_ptr().cast_mut().cast(), bytes.len() as ffi::Py_ssize_t);
        // SAFETY: the bytes are exported as read-only and stay mapped while the exporting object lives, on which the
        // description takes a reference; `view` is CPython's.
        let result = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start, length, 1, flags) };
        if result == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }
}

/// Frames lent in place.
#[pyclass(frozen, module = "dora_shm._dora_shm")]
pub struct View {
    #[pyo3(get)]
    first: u64,
    #[pyo3(get)]
    frames: u64,
    #[pyo3(get)]
    generation: u32,
    /// Whether the description of these frames was gone before it could be read.
    #[pyo3(get)]
    missed: bool,
    arrays: Option<Arc<Arrays>>,
    described: Option<Arc<Described>>,
    view: Mutex<Option<ring::View>>,
}

impl View {
    pub fn new(view: ring::View, arrays: Option<Arc<Arrays>>, described: Option<Arc<Described>>, missed: bool) -> Self {
        let (first, frames, generation) = (view.first(), view.frames(), view.generation());
        Self { first, frames, generation, missed, arrays, described, view: Mutex::new(Some(view)) }
    }

    pub fn take(&self) -> Option<ring::View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn with<R>(&self, f: impl FnOnce(&ring::View) -> R) -> Option<R> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(f)
    }
}

fn parts(parts: [ring::SharedBytes; 2]) -> Vec<Part> {
    parts.into_iter().filter(|bytes| !bytes.is_empty()).map(|bytes| Part { bytes }).collect()
}

#[pymethods]
impl View {
    /// The numpy dtype of a sample.
    #[getter]
    fn dtype<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.arrays.as_ref().map(|arrays| arrays.dtype(py)).transpose()
    }

    /// The shape of a frame.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.arrays.as_ref().map(|arrays| arrays.shape(py)).transpose()
    }

    /// The description of these frames.
    #[getter]
    fn description<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.described.as_ref().map(|described| described.python(py)).transpose()
    }

    /// The samples: one part, or two where the ring wraps.
    fn samples(&self) -> Vec<Part> {
        self.with(|view| parts(view.samples())).unwrap_or_default()
    }

    /// The times, as float64 numbers, in parts as the samples are.
    fn times(&self) -> Vec<Part> {
        self.with(|view| parts(view.times_bytes())).unwrap_or_default()
    }

    /// Position of the first frame that is whole up to now; `None` once the view has been given back.
    fn whole_from(&self) -> Option<u64> {
        self.with(|view| view.whole().start)
    }
}
