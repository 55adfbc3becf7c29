//! What is known of streams.

use dora_shm_ring::{ClockId, Format, Info, StreamInfo};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::described::Described;
use crate::errors::raise;

/// A dict of what `StreamInfo` has. `described` is the description, if Python has it already.
pub fn info_to_python<'py>(
    py: Python<'py>,
    info: &Info,
    described: Option<&Described>,
) -> PyResult<Bound<'py, PyDict>> {
    let description = match (&info.description, described) {
        (Some(found), Some(described)) if described.is_of(found) => Some(described.python(py)?),
        (Some(found), _) => Some(Described::new(found.clone()).python(py)?),
        (None, _) => None,
    };
    let made = PyDict::new(py);
    made.set_item("kind", "stream")?;
    made.set_item("name", &info.name)?;
    made.set_item("segment", &info.segment)?;
    made.set_item("state", info.liveness.name())?;
    made.set_item("stream_id", info.stream_id)?;
    made.set_item("created_ns", info.created_ns)?;
    made.set_item("owner", info.owner)?;
    made.set_item("writer_pid", info.writer_pid)?;
    made.set_item("epoch", info.epoch)?;
    made.set_item("generation", info.generation)?;
    made.set_item("clock", info.clock.map(|clock| clock.clock.name()))?;
    let id = info.clock.map(|clock| clock.id).filter(ClockId::is_known);
    made.set_item("clock_id", id.map(|id| id.to_string()))?;
    made.set_item("clock_pair", info.clock.map(|clock| (clock.created_ns, clock.created_mono_ns)))?;
    made.set_item("refused", info.counted.map(|counted| counted.refused))?;
    made.set_item("dropped", info.counted.map(|counted| counted.dropped))?;
    made.set_item("gaps", info.counted.map(|counted| counted.gaps))?;
    let format = info.format.as_ref();
    made.set_item("dtype", format.map(|format| format.dtype().name()))?;
    made.set_item("shape", format.map(|format| format.frame_shape().to_vec()))?;
    made.set_item("rate", format.map(Format::rate_hz))?;
    made.set_item("ring_frames", format.map_or(0, Format::frames))?;
    made.set_item("ring_bytes", info.ring_bytes)?;
    made.set_item("position", info.position)?;
    made.set_item("stream_position", info.stream_position)?;
    made.set_item("chunks", info.chunks)?;
    made.set_item("measured_rate", info.measured_rate_hz)?;
    made.set_item("description", description)?;
    let ezmsg = info.ezmsg.as_ref();
    made.set_item("struct_version", ezmsg.map(|ezmsg| ezmsg.struct_version))?;
    made.set_item("reason", ezmsg.and_then(|ezmsg| ezmsg.refused.as_deref()))?;
    made.set_item("left_out", ezmsg.map_or(&[][..], |ezmsg| &ezmsg.left_out))?;
    Ok(made)
}

/// All streams of the machine.
#[pyfunction]
pub fn streams(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let found = py.detach(dora_shm_ring::streams).map_err(|error| raise(py, error))?;
    found.iter().map(|stream| stream_to_python(py, stream)).collect()
}

fn stream_to_python<'py>(py: Python<'py>, stream: &StreamInfo) -> PyResult<Bound<'py, PyDict>> {
    let made = PyDict::new(py);
    match stream {
        StreamInfo::Stream(info) => return info_to_python(py, info, None),
        StreamInfo::OtherUser { segment, owner, .. } => {
            made.set_item("kind", "other_user")?;
            made.set_item("segment", segment)?;
            made.set_item("owner", owner)?;
        }
        StreamInfo::Unreadable { segment, reason, .. } => {
            made.set_item("kind", "unreadable")?;
            made.set_item("segment", segment)?;
            made.set_item("reason", reason)?;
        }
        StreamInfo::Ezmsg { segment, struct_version, key, .. } => {
            made.set_item("kind", "ezmsg")?;
            made.set_item("segment", segment)?;
            made.set_item("struct_version", struct_version)?;
            made.set_item("key", key)?;
        }
        other => {
            made.set_item("kind", "unreadable")?;
            made.set_item("segment", other.segment())?;
            made.set_item("reason", "a kind of stream that this version does not know")?;
        }
    }
    Ok(made)
}

/// Name of the segment of `long_name` in shared memory.
#[pyfunction]
pub fn shorten(long_name: &str) -> String {
    dora_shm_ring::shorten(long_name)
}
