//! What `info --json` prints.

use dora_shm_ring::{Info, shorten};
use serde::Serialize;
use serde_json::Value;

use crate::json_fields::Fields;
use crate::permissions::Permissions;
use crate::users;

/// The meanings of the members besides those of [`Fields`], for `--help`.
pub const MEANINGS: &str = "\
and
  segment             name of the header's segment in /dev/shm
  stream_id           identity of the stream, a string of digits; it changes after each close
  epoch               1 for the stream's first writer, plus 1 for each that took over from a dead one
  clock_id            which CLOCK_MONOTONIC the ring's times and stamps are of, as a UUID; null: unknown
  clock_pair          when the ring was made, on both clocks: unix_ns and mono_ns, strings of digits. Their difference
                      converts times between unix and monotonic
  created_s           when the stream was made, seconds since 1970
  owner, owner_uid    user of the writer
  mode                permission bits, as octal digits
  readers             who may read it, as a sentence
  ring_s              seconds that the ring holds, by its stated rate, or else by its measured rate
  frame_bytes         bytes of one frame
  stream_position     frames written in all generations
  messages            messages written since the generation began
  layout              of the ring: segment; byte offsets of times, samples, records and trailer; number of records
  description         dims, axes, attrs, key, stream_dim, message, as SPEC.md defines them
  description_missed  whether the description in force was removed before it could be read
  ezmsg               for a stream that ezmsg wrote: struct_version, key, refused, left_out; otherwise null";

#[derive(Serialize)]
pub struct Document<'a> {
    #[serde(flatten)]
    fields: Fields,
    segment: &'a str,
    stream_id: Option<String>,
    epoch: Option<u32>,
    clock_id: Option<String>,
    clock_pair: Option<ClockPair>,
    created_s: Option<f64>,
    owner: Option<String>,
    owner_uid: Option<u32>,
    mode: Option<String>,
    readers: Option<String>,
    ring_s: Option<f64>,
    frame_bytes: Option<u64>,
    stream_position: u64,
    messages: u64,
    layout: Option<Layout>,
    description: Option<Value>,
    description_missed: bool,
    ezmsg: Option<Ezmsg<'a>>,
}

/// Nanoseconds are strings, since a JSON number is exact only up to 2^53.
#[derive(Serialize)]
struct ClockPair {
    unix_ns: String,
    mono_ns: String,
}

#[derive(Serialize)]
struct Layout {
    segment: String,
    times_offset: u64,
    samples_offset: u64,
    records_offset: u64,
    records: u64,
    trailer_offset: u64,
}

#[derive(Serialize)]
struct Ezmsg<'a> {
    struct_version: u32,
    key: Option<&'a str>,
    refused: Option<&'a str>,
    left_out: &'a [String],
}

impl<'a> Document<'a> {
    pub fn new(info: &'a Info, permissions: Option<&Permissions>, description_missed: bool, now_ns: u64) -> Self {
        Self {
            fields: Fields::of(info, now_ns),
            segment: &info.segment,
            stream_id: info.stream_id.map(|id| id.to_string()),
            epoch: info.epoch,
            clock_id: info.clock.filter(|clock| clock.id.is_known()).map(|clock| clock.id.to_string()),
            clock_pair: info.clock.map(|clock| ClockPair {
                unix_ns: clock.created_ns.to_string(),
                mono_ns: clock.created_mono_ns.to_string(),
            }),
            created_s: info.created_ns.map(|ns| ns as f64 * 1e-9),
            owner: info.owner.map(users::name),
            owner_uid: info.owner,
            mode: permissions.map(|found| format!("{:04o}", found.mode)),
            readers: permissions.map(Permissions::readers),
            ring_s: ring_s(info),
            frame_bytes: info.format.as_ref().map(|format| format.frame_bytes()),
            stream_position: info.stream_position,
            messages: info.chunks,
            layout: info.layout.zip(info.generation).map(|(layout, generation)| Layout {
                segment: ring_segment(&info.name, generation),
                times_offset: 0,
                samples_offset: layout.samples_offset,
                records_offset: layout.records_offset,
                records: layout.records,
                trailer_offset: layout.trailer_offset,
            }),
            // Always parses: the ring's library has written this JSON itself.
            description: info.description.as_ref().and_then(|found| serde_json::from_slice(&found.to_json()).ok()),
            description_missed,
            ezmsg: info.ezmsg.as_ref().map(|found| Ezmsg {
                struct_version: found.struct_version,
                key: found.key.as_deref(),
                refused: found.refused.as_deref(),
                left_out: &found.left_out,
            }),
        }
    }
}

/// Name of the segment of a ring.
pub fn ring_segment(stream: &str, generation: u32) -> String {
    shorten(&format!("{stream}/buffer{generation}"))
}

/// Seconds that the ring holds.
pub fn ring_s(info: &Info) -> Option<f64> {
    let format = info.format.as_ref()?;
    let rate_hz = Some(format.rate_hz()).filter(|&rate| rate > 0.0).or(info.measured_rate_hz)?;
    Some(format.frames() as f64 / rate_hz)
}
