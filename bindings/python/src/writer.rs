//! The writing half.

use dora_shm_ring as ring;
use pyo3::prelude::*;
use ring::internal::LazyWriter;
use ring::{Chunk, Clock, Description, Dtype, Format, Times, WriterOptions};

use crate::buffers::Memory;
use crate::errors::raise;
use crate::shared::{Shared, Takes};

/// A description from its JSON.
fn parse(py: Python<'_>, description: &[u8]) -> PyResult<Description> {
    Description::from_json(description).map_err(|error| raise(py, error))
}

/// How far a writer is.
#[pyclass(frozen, get_all, module = "dora_shm._dora_shm")]
pub struct Progress {
    generation: Option<u32>,
    position: u64,
    stream_position: u64,
    ring_frames: u64,
    epoch: u32,
}

#[pyclass(frozen, module = "dora_shm._dora_shm")]
pub struct Writer {
    shared: Shared<LazyWriter>,
}

impl Progress {
    fn of(writer: &LazyWriter) -> Self {
        Self {
            generation: writer.generation(),
            position: writer.position(),
            stream_position: writer.writer().stream_position(),
            ring_frames: writer.ring_frames(),
            epoch: writer.writer().epoch(),
        }
    }
}

#[pymethods]
impl Writer {
    #[new]
    #[pyo3(signature = (name, mode, max_bytes=None))]
    fn new(py: Python<'_>, name: &str, mode: u32, max_bytes: Option<u64>) -> PyResult<Self> {
        let mut options = WriterOptions::default().mode(mode).keep_replaced(true);
        options.max_ring_bytes = max_bytes.unwrap_or(options.max_ring_bytes);
        // It may wait while the previous writer is closing.
        let writer = py.detach(|| ring::Writer::create(name, options)).map_err(|error| raise(py, error))?;
        Ok(Self { shared: Shared::new("writer", LazyWriter::new(writer), None) })
    }

    /// Begins a generation with a ring of `frames` frames, whose times are on `clock`. With `None`, checks it, and begins
    /// it with its first message, which decides the clock.
    #[allow(clippy::too_many_arguments)]
    fn begin(
        &self,
        py: Python<'_>,
        dtype: &str,
        shape: Vec<u64>,
        rate: f64,
        frames: u64,
        chunk_frames: u64,
        description: &[u8],
        clock: Option<&str>,
    ) -> PyResult<()> {
        let dtype: Dtype = dtype.parse().map_err(|error| raise(py, error))?;
        let clock: Option<Clock> = clock.map(str::parse).transpose().map_err(|error| raise(py, error))?;
        let format = Format::new(dtype, &shape, rate, frames).map_err(|error| raise(py, error))?;
        let description = parse(py, description)?;
        self.shared.try_with(py, Takes::Long, move |writer| match clock {
            Some(clock) => writer.begin(&format.on_clock(clock), &description, chunk_frames, true),
            None => writer.prepare(&format, &description, chunk_frames),
        })
    }

    fn describe(&self, py: Python<'_>, description: &[u8]) -> PyResult<()> {
        let description = parse(py, description)?;
        self.shared.try_with(py, Takes::Long, move |writer| writer.describe(&description))
    }

    /// Writes one message, whose frames have the times `times`; with `None`, they get them now.
    #[pyo3(signature = (samples, times, send_ns))]
    fn write(
        &self,
        py: Python<'_>,
        samples: &Bound<'_, PyAny>,
        times: Option<&Bound<'_, PyAny>>,
        send_ns: i64,
    ) -> PyResult<()> {
        let samples = Memory::of(samples)?;
        let times = times.map(Memory::of).transpose()?;
        let values = times.as_ref().map(Memory::floats).transpose()?;
        let samples = samples.bytes();
        self.shared.try_with(py, Takes::to_copy(samples.len()), |writer| match values {
            Some(values) => writer.write(&Chunk { samples, times: Times::Values(values), send_ns }),
            None => writer.write_now(samples, send_ns),
        })
    }

    fn maintain(&self, py: Python<'_>) -> PyResult<()> {
        self.shared.try_with(py, Takes::Long, |writer| writer.writer_mut().maintain())
    }

    fn warnings(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let warnings = self.shared.with(py, Takes::Moments, |writer| writer.writer_mut().warnings())?;
        Ok(warnings.iter().map(ToString::to_string).collect())
    }

    fn progress(&self, py: Python<'_>) -> PyResult<Progress> {
        self.shared.with(py, Takes::Moments, |writer| Progress::of(writer))
    }

    /// The progress of a writer that is about to be closed.
    fn last_progress(&self, py: Python<'_>) -> PyResult<Progress> {
        self.shared.with(py, Takes::Moments, |writer| {
            writer.forget_prepared();
            Progress::of(writer)
        })
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.shared.close(py)
    }

    fn is_closed(&self) -> bool {
        self.shared.is_closed().unwrap_or(false)
    }

    fn after_fork(&self) {
        self.shared.after_fork();
    }
}
