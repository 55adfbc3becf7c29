//! How a chunk reaches Python: numpy arrays are made, the ring copies its frames into their memory, and the class `Chunk`
//! gets them together with what the reader knew at that moment.

use std::sync::Arc;

use dora_shm_ring::{self as ring, Copied, Format, MessageInfo};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PySlice, PyTuple, PyType};

use crate::buffers::Memory;
use crate::clock::GenerationClock;
use crate::described::Described;
use crate::shared::Takes;

/// numpy arrays for the frames of a ring, and its clock. The Python objects are made on first use, because they need the
/// interpreter.
pub struct Arrays {
    pub format: Format,
    pub clock: Option<ring::GenerationClock>,
    dtype: PyOnceLock<Py<PyAny>>,
    python_clock: PyOnceLock<Py<GenerationClock>>,
}

impl Arrays {
    pub fn new(format: Format, clock: Option<ring::GenerationClock>) -> Self {
        Self { format, clock, dtype: PyOnceLock::new(), python_clock: PyOnceLock::new() }
    }

    /// Python's `GenerationClock`.
    pub fn clock<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, GenerationClock>>> {
        let Some(clock) = self.clock else { return Ok(None) };
        let made = || Py::new(py, GenerationClock::new(clock));
        self.python_clock.get_or_try_init(py, made).map(|clock| Some(clock.bind(py).clone()))
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

/// Where frames are copied to: memory of one array for the samples, and of one for the times.
pub struct Destination {
    samples: Memory,
    times: Memory,
}

impl Destination {
    pub fn new(samples: &Bound<'_, PyAny>, times: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (samples, times) = (Memory::of_writable(samples)?, Memory::of_writable(times)?);
        if samples.overlaps(&times) {
            return Err(PyValueError::new_err("samples and times share memory, expected separate arrays"));
        }
        Ok(Self { samples, times })
    }

    pub fn takes(&self) -> Takes {
        Takes::to_copy(self.samples.length())
    }

    pub fn slices(&mut self) -> PyResult<(&mut [u8], &mut [f64])> {
        Ok((self.samples.bytes_mut(), self.times.floats_mut()?))
    }
}

/// Bytes of a message's four numbers: first, frames, send_ns, discontinuity.
const MESSAGE_BYTES: usize = 32;

/// Frames that were copied, and what the reader knew of them then, before another thread could move the reader.
pub struct Taken {
    pub copied: Copied,
    pub messages: Vec<MessageInfo>,
    pub described: Option<Arc<Described>>,
    pub missed: bool,
    /// Those of the ring that the frames are from.
    pub arrays: Option<Arc<Arrays>>,
}

impl Taken {
    /// Python's `Chunk`. The arrays may have room for more frames.
    pub fn chunk<'py>(
        self,
        py: Python<'py>,
        mut samples: Bound<'py, PyAny>,
        mut times: Bound<'py, PyAny>,
        room: u64,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Copied { first, frames, lost, generation, .. } = self.copied;
        if frames < room {
            let used = PySlice::new(py, 0, frames as isize, 1);
            (samples, times) = (samples.get_item(&used)?, times.get_item(&used)?);
        }
        let messages = PyBytes::new_with(py, self.messages.len() * MESSAGE_BYTES, |bytes| {
            for (message, bytes) in self.messages.iter().zip(bytes.chunks_exact_mut(MESSAGE_BYTES)) {
                // Empty messages of an earlier generation come directly before the first frame of this one.
                let position = if message.generation == generation { message.first } else { first };
                bytes[..8].copy_from_slice(&position.to_ne_bytes());
                bytes[8..16].copy_from_slice(&message.frames.to_ne_bytes());
                bytes[16..24].copy_from_slice(&message.send_ns.to_ne_bytes());
                bytes[24..].copy_from_slice(&i64::from(message.discontinuity).to_ne_bytes());
            }
            Ok(())
        })?;
        let description = self.described.map(|described| described.python(py)).transpose()?;
        let clock = self.arrays.map(|arrays| arrays.clock(py)).transpose()?.flatten();
        chunk_class(py)?.call1((samples, times, first, lost, generation, description, self.missed, messages, clock))
    }
}

/// Python's class `Chunk`.
pub fn chunk_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CHUNK: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CHUNK.import(py, "dora_shm._chunk", "Chunk")
}
