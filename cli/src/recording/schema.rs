//! The schema of a generation's stream: its columns and its metadata.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Schema, TimeUnit};
use dora_shm_ring::{Clock, ClockId, Description, Dtype, Format, GenerationClock, WriterId};

use super::Generation;

/// Prefix of the keys of our metadata.
const PREFIX: &str = "dora_shm.";
/// The key that makes an Arrow stream a recording, and the version of the format that it names.
pub const VERSION_KEY: &str = "dora_shm.recording";
const VERSION: &str = "1";

/// Arrow's canonical extension type for arrays of one shape.
const EXTENSION_NAME: &str = "ARROW:extension:name";
const EXTENSION_METADATA: &str = "ARROW:extension:metadata";
const FIXED_SHAPE_TENSOR: &str = "arrow.fixed_shape_tensor";

/// The columns, in their order.
pub mod column {
    pub const CHUNK: usize = 0;
    pub const POSITION: usize = 1;
    pub const LOST: usize = 2;
    pub const SENT: usize = 3;
    pub const MONO_NS: usize = 4;
    pub const DESCRIPTION: usize = 5;
    pub const DESCRIPTION_MISSED: usize = 6;
    pub const TIMES: usize = 7;
    pub const SAMPLES: usize = 8;
    pub const COUNT: usize = 9;
}

impl Generation {
    /// The schema of its stream.
    ///
    /// # Errors
    /// A sentence, if a frame has more samples than Arrow's fixed-size lists can hold.
    pub fn schema(&self) -> Result<Schema, String> {
        let list = |item: FieldRef| DataType::LargeList(item);
        let fields = vec![
            Field::new("chunk", DataType::UInt64, true),
            Field::new("position", DataType::UInt64, false),
            Field::new("lost", DataType::UInt64, false),
            Field::new("sent", sent_type(), false),
            Field::new("mono_ns", DataType::UInt64, false),
            Field::new("description", description_type(), true),
            Field::new("description_missed", DataType::Boolean, false),
            Field::new("times", list(time_field()), false),
            Field::new("samples", list(frame_field(&self.format)?), false),
        ];
        debug_assert_eq!(fields.len(), column::COUNT);
        Ok(Schema::new_with_metadata(fields, self.metadata()))
    }

    fn metadata(&self) -> HashMap<String, String> {
        let format = &self.format;
        let mut members = vec![
            ("recording", VERSION.to_owned()),
            ("stream", self.stream.clone()),
            ("generation", self.number.to_string()),
            ("stream_id", self.writer.stream_id.to_string()),
            ("epoch", self.writer.epoch.to_string()),
            ("base", self.base.to_string()),
            ("started_ns", self.started_ns.to_string()),
            ("dtype", format.dtype().to_string()),
            ("frame_shape", format!("{:?}", format.frame_shape())),
            // The shortest text that reads back as the same number.
            ("rate_hz", format!("{:?}", format.rate_hz())),
            ("ring_frames", format.frames().to_string()),
        ];
        if let Some(clock) = &self.clock {
            members.extend([
                ("clock", clock.clock.name().to_owned()),
                ("clock_id", clock.id.to_string()),
                ("created_ns", clock.created_ns.to_string()),
                ("created_mono_ns", clock.created_mono_ns.to_string()),
            ]);
        }
        if let Some(description) = &self.description {
            members.push(("description", json(description)));
        }
        if let Some(version) = self.ezmsg {
            members.push(("ezmsg", version.to_string()));
        }
        members.into_iter().map(|(key, value)| (format!("{PREFIX}{key}"), value)).collect()
    }

    /// The generation that a schema's metadata describes. The text is untrusted.
    ///
    /// # Errors
    /// A sentence with what was expected and what was found.
    pub fn from_metadata<'a>(member: impl Fn(&str) -> Option<&'a str>) -> Result<Self, String> {
        let text = |key: &str| {
            member(&format!("{PREFIX}{key}")).ok_or_else(|| format!("its schema has no metadata {PREFIX}{key}"))
        };
        let version = text("recording")?;
        if version != VERSION {
            return Err(format!(
                "it has version {version:?} of the recording format, but this program reads {VERSION}"
            ));
        }
        let dtype: Dtype = text("dtype")?.parse().map_err(|error| format!("{error}"))?;
        let shape: Vec<u64> = serde_json::from_str(text("frame_shape")?)
            .map_err(|error| format!("its frame_shape cannot be parsed: {error}"))?;
        let rate_hz = number(text("rate_hz")?, "rate_hz")?;
        let frames = number(text("ring_frames")?, "ring_frames")?;
        let description = text("description").ok().map(|json| Description::from_json(json.as_bytes()));
        let description = description.transpose().map_err(|error| error.to_string())?;
        // Recordings of earlier versions do not name the clock.
        let clock = text("clock").ok().map(|name| clock(name, text)).transpose()?;
        let format = Format::new(dtype, &shape, rate_hz, frames).map_err(|error| error.to_string())?;
        Ok(Self {
            stream: text("stream")?.to_owned(),
            format: format.on_clock(clock.unwrap_or_default().clock),
            clock,
            number: number(text("generation")?, "generation")?,
            writer: WriterId {
                stream_id: number(text("stream_id")?, "stream_id")?,
                epoch: number(text("epoch")?, "epoch")?,
            },
            base: number(text("base")?, "base")?,
            started_ns: number(text("started_ns")?, "started_ns")?,
            description,
            ezmsg: text("ezmsg").ok().map(|version| number(version, "ezmsg")).transpose()?,
        })
    }
}

/// The clock of this name, with the other members that describe it. A name that only a later version knows says nothing
/// about the times.
fn clock<'a>(name: &str, text: impl Fn(&str) -> Result<&'a str, String>) -> Result<GenerationClock, String> {
    let id: ClockId = text("clock_id")?.parse().map_err(|error| format!("{error}"))?;
    let mut clock = GenerationClock::default();
    (clock.clock, clock.id) = (name.parse().unwrap_or(Clock::Source), id);
    clock.created_ns = number(text("created_ns")?, "created_ns")?;
    clock.created_mono_ns = number(text("created_mono_ns")?, "created_mono_ns")?;
    Ok(clock)
}

fn number<T: std::str::FromStr>(text: &str, what: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("its {what} is {text:?}, expected a number"))
}

/// A description as text.
pub fn json(description: &Description) -> String {
    String::from_utf8(description.to_json()).expect("JSON is UTF-8")
}

pub fn sent_type() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

fn description_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

pub fn time_field() -> FieldRef {
    Arc::new(Field::new("item", DataType::Float64, false))
}

/// The type of one sample. A bool takes a byte, as in the ring; Arrow's own takes a bit.
pub fn sample_type(dtype: Dtype) -> DataType {
    match dtype {
        Dtype::Bool | Dtype::U8 => DataType::UInt8,
        Dtype::I8 => DataType::Int8,
        Dtype::I16 => DataType::Int16,
        Dtype::U16 => DataType::UInt16,
        Dtype::I32 => DataType::Int32,
        Dtype::U32 => DataType::UInt32,
        Dtype::I64 => DataType::Int64,
        Dtype::U64 => DataType::UInt64,
        Dtype::F16 => DataType::Float16,
        Dtype::F32 => DataType::Float32,
        Dtype::F64 => DataType::Float64,
    }
}

/// One frame: a sample, or a tensor of samples.
///
/// # Errors
/// A sentence, if a frame has more samples than Arrow's fixed-size lists can hold.
pub fn frame_field(format: &Format) -> Result<FieldRef, String> {
    let sample = Field::new("item", sample_type(format.dtype()), false);
    if format.frame_shape().is_empty() {
        return Ok(Arc::new(sample));
    }
    let samples = format.frame_samples();
    let length = i32::try_from(samples)
        .map_err(|_| format!("a frame has {samples} samples, but at most {} can be recorded", i32::MAX))?;
    let frame = Field::new("item", DataType::FixedSizeList(Arc::new(sample), length), false);
    Ok(Arc::new(frame.with_metadata(shape_metadata(format))))
}

/// The metadata that marks a list as an array of the frame's shape.
pub fn shape_metadata(format: &Format) -> HashMap<String, String> {
    HashMap::from([
        (EXTENSION_NAME.to_owned(), FIXED_SHAPE_TENSOR.to_owned()),
        (EXTENSION_METADATA.to_owned(), format!("{{\"shape\":{:?}}}", format.frame_shape())),
    ])
}
