//! The clock of a generation in Python.

use dora_shm_ring as ring;
use pyo3::prelude::*;
use ring::Clock;

use crate::buffers::Memory;
use crate::errors::raise;

/// What the times of a generation are of, and one moment on both of the machine's clocks.
#[pyclass(frozen, module = "dora_shm._dora_shm")]
pub struct GenerationClock {
    clock: ring::GenerationClock,
}

impl GenerationClock {
    pub fn new(clock: ring::GenerationClock) -> Self {
        Self { clock }
    }
}

#[pymethods]
impl GenerationClock {
    /// "source", "unix" or "monotonic".
    #[getter]
    fn name(&self) -> &'static str {
        self.clock.clock.name()
    }

    /// Converts an array of times in place.
    fn convert(&self, py: Python<'_>, clock: &str, times: &Bound<'_, PyAny>) -> PyResult<()> {
        let clock: Clock = clock.parse().map_err(|error| raise(py, error))?;
        let mut memory = Memory::of_writable(times)?;
        let times = memory.floats_mut()?;
        let converted = self.clock.times_on(clock, times).map_err(|error| raise(py, error))?;
        times.copy_from_slice(&converted);
        Ok(())
    }
}
