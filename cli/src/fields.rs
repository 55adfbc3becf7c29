//! The members by which scripts are told of a stream, the same ones from each command.

use dora_shm_ring::{Format, Info};
use serde::Serialize;

/// What `list --json` has of a stream, and `info --json` first.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Fields {
    pub name: String,
    pub dtype: Option<&'static str>,
    pub shape: Option<Vec<u64>>,
    pub rate_hz: Option<f64>,
    pub measured_hz: Option<f64>,
    pub ring_frames: Option<u64>,
    pub position: Option<u64>,
    pub bytes: Option<u64>,
    pub age_s: Option<f64>,
    pub pid: Option<u32>,
    pub state: Option<&'static str>,
    pub generation: Option<u32>,
}

/// What they mean, for `--help`.
pub const MEANINGS: &str = "  name         name of the stream
  dtype        numpy's name of the samples' type
  shape        shape of one frame, [] for one sample
  rate_hz      frames a second that the writer promises; null: irregular, or it does not say
  measured_hz  frames a second as they came, over the messages that the ring remembers
  ring_frames  frames that the ring holds
  position     frames written since the generation began
  bytes        shared memory that the ring takes
  age_s        seconds since the newest frame was written
  pid          process that writes the stream, or did so last
  state        see below; null of a stream that cannot be looked at
  generation   number of the ring: another one after each change of dtype, shape, rate or length";

impl Fields {
    pub fn of(info: &Info, now_ns: u64) -> Self {
        Self {
            name: info.name.clone(),
            measured_hz: info.measured_rate_hz,
            position: Some(info.position),
            bytes: info.ring_bytes,
            age_s: age_s(info, now_ns),
            pid: info.writer_pid,
            state: Some(info.liveness.name()),
            generation: info.generation,
            ..Self::of_format(info.format.as_ref())
        }
    }

    /// What a format tells; the rest is not known.
    pub fn of_format(format: Option<&Format>) -> Self {
        let Some(format) = format else { return Self::default() };
        Self {
            dtype: Some(format.dtype().name()),
            shape: Some(format.frame_shape().to_vec()),
            rate_hz: Some(format.rate_hz()).filter(|&rate| rate > 0.0),
            ring_frames: Some(format.frames()),
            ..Self::default()
        }
    }
}

/// Seconds since the newest message was written.
fn age_s(info: &Info, now_ns: u64) -> Option<f64> {
    // It may have come after `now_ns` was asked for.
    info.newest_ns.map(|newest_ns| now_ns.saturating_sub(newest_ns) as f64 * 1e-9)
}
