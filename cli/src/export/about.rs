//! What a file of samples cannot hold itself: where they are from, and on which clock their times are.

use serde_json::{Value, json};

use crate::recording::Generation;

/// The metadata of a generation.
pub fn generation(generation: &Generation) -> Value {
    let (format, clock) = (&generation.format, generation.clock.as_ref());
    json!({
        "stream": generation.stream,
        "generation": generation.number,
        "stream_id": generation.writer.stream_id,
        "epoch": generation.writer.epoch,
        "base": generation.base,
        "started_ns": generation.started_ns,
        "dtype": format.dtype().name(),
        "frame_shape": format.frame_shape(),
        "rate_hz": format.rate_hz(),
        "ring_frames": format.frames(),
        "clock": clock.map(|clock| clock.clock.name()),
        "clock_id": clock.map(|clock| clock.id.to_string()),
        "created_ns": clock.map(|clock| clock.created_ns),
        "created_mono_ns": clock.map(|clock| clock.created_mono_ns),
    })
}

/// As [`generation`], with the description of its first message.
pub fn generation_with_description(generation: &Generation) -> Value {
    let mut about = self::generation(generation);
    let description = generation.description.as_ref().map(|description| description.to_json());
    about["description"] = description.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or(Value::Null);
    about
}
