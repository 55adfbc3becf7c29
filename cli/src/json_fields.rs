//! The JSON members that describe a stream, the same for every command.

use dora_shm_ring::{Format, Info};
use serde::Serialize;

/// The members of `list --json`, with which `info --json` begins.
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
    pub clock: Option<&'static str>,
    pub refused: Option<u64>,
    pub dropped: Option<u64>,
    pub gaps: Option<u64>,
}

/// Their meanings, for `--help`.
pub const MEANINGS: &str = "  name         name of the stream
  dtype        type of the samples, by numpy's name
  shape        shape of one frame; []: one sample
  rate_hz      frames per second, as the writer states it; null: irregular or not stated
  measured_hz  frames per second as they came, over the messages that the ring remembers
  ring_frames  frames that the ring holds
  position     frames written since the generation began
  bytes        size of the ring in shared memory
  age_s        seconds since the newest frame was written
  pid          process ID of the current or last writer, as seen in the writer's own PID namespace
  state        see below; null: the stream cannot be read
  generation   number of the ring; each change of dtype, shape, rate, length or clock begins a new
               one
  clock        of the times: source (the source's own), unix (seconds since 1970), monotonic (CLOCK_MONOTONIC)
  refused      messages that the current or last writer was given and did not write, since it began; null: it does not
               count
  dropped      messages that the queue of the writer's input dropped, as far as it knows
  gaps         messages that are missing by the source's own sequence";

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
            clock: info.clock.map(|clock| clock.clock.name()),
            refused: info.counted.map(|counted| counted.refused),
            dropped: info.counted.map(|counted| counted.dropped),
            gaps: info.counted.map(|counted| counted.gaps),
            ..Self::of_format(info.format.as_ref())
        }
    }

    /// Only the members that a format determines.
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
    // It may have come after `now_ns` was read.
    info.newest_ns.map(|newest_ns| now_ns.saturating_sub(newest_ns) as f64 * 1e-9)
}
