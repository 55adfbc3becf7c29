//! The writing half.

use dora_shm_ring as ring;
use pyo3::prelude::*;
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
    shared: Shared<ring::Writer>,
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
        Ok(Self { shared: Shared::new("writer", writer, None) })
    }

    /// Begins a generation with a ring of `frames` frames, whose times are on `clock`.
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
        clock: &str,
    ) -> PyResult<()> {
        let dtype: Dtype = dtype.parse().map_err(|error| raise(py, error))?;
        let clock: Clock = clock.parse().map_err(|error| raise(py, error))?;
        let format = Format::new(dtype, &shape, rate, frames).map_err(|error| raise(py, error))?.on_clock(clock);
        let description = parse(py, description)?;
        self.shared.try_with(py, Takes::Long, move |writer| writer.begin(&format, &description, chunk_frames))
    }

    fn describe(&self, py: Python<'_>, description: &[u8]) -> PyResult<()> {
        let description = parse(py, description)?;
        self.shared.try_with(py, Takes::Long, move |writer| writer.describe(&description))
    }

    /// Writes one message. The times of its frames are `times`, or `start`, `start + step`, ...
    #[pyo3(signature = (samples, times, start, step, send_ns))]
    fn write(
        &self,
        py: Python<'_>,
        samples: &Bound<'_, PyAny>,
        times: Option<&Bound<'_, PyAny>>,
        start: f64,
        step: f64,
        send_ns: i64,
    ) -> PyResult<()> {
        let samples = Memory::of(samples)?;
        let times = times.map(Memory::of).transpose()?;
        let values = times.as_ref().map(Memory::floats).transpose()?;
        let times = values.map_or(Times::Linear { start, step }, Times::Values);
        let chunk = Chunk { samples: samples.bytes(), times, send_ns };
        self.shared.try_with(py, Takes::to_copy(samples.length()), |writer| writer.write(&chunk))
    }

    fn maintain(&self, py: Python<'_>) -> PyResult<()> {
        self.shared.try_with(py, Takes::Long, ring::Writer::maintain)
    }

    fn warnings(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let warnings = self.shared.with(py, Takes::Moments, ring::Writer::warnings)?;
        Ok(warnings.iter().map(ToString::to_string).collect())
    }

    /// The time that a moment of CLOCK_MONOTONIC, in nanoseconds, has on the current generation's clock. `None` on the
    /// source's own clock, and before the first generation.
    fn time_at(&self, py: Python<'_>, mono_ns: u64) -> PyResult<Option<f64>> {
        self.shared.with(py, Takes::Moments, |writer| writer.clock().and_then(|clock| clock.time_at(mono_ns)))
    }

    fn progress(&self, py: Python<'_>) -> PyResult<Progress> {
        self.shared.with(py, Takes::Moments, |writer| Progress {
            generation: writer.generation(),
            position: writer.position(),
            stream_position: writer.stream_position(),
            ring_frames: writer.ring_frames(),
            epoch: writer.epoch(),
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
