//! The parameters that a mirror sends.

use chrono::DateTime;
use dora_node_api::{MetadataParameters, Parameter};
use dora_shm_ring::{Attr, Description, Format};

use super::axes::{self, Passing};
use super::layout::{Layout, PerMessage, SentType};
use super::params::{
    AXES, AXIS_OFFSET, AXIS_VALUES, DIMS, DTYPE, GENERATION, KEY, LOST, POSITION, Role, SAMPLE_RATE, SHAPE,
    SOURCE_TIMESTAMP, STREAM_DIM, float, role,
};
use super::rebuild::Marks;

/// Parameters that are the same for every message, and what has to be made for each.
#[derive(Debug)]
pub(super) struct Emitted {
    /// With each original message.
    original: MetadataParameters,
    /// With each run of frames.
    run: MetadataParameters,
    /// The message's shape, in its own order.
    shape: Vec<Option<u64>>,
    /// A run's shape.
    run_shape: Vec<Option<u64>>,
    per_message: Vec<PerMessage>,
    types: Types,
    buffered: String,
    /// One time and the rate tell all times of a run.
    is_regular: bool,
}

/// As which types the source sent what is made for each message.
#[derive(Clone, Copy, Debug)]
struct Types {
    shape: SentType,
    offset: SentType,
    values: SentType,
}

impl Types {
    const USUAL: Self = Self { shape: SentType::ListInt, offset: SentType::Float, values: SentType::ListFloat };

    fn of(layout: &Layout) -> Self {
        let of = |key: &str, usual| layout.types.get(key).copied().unwrap_or(usual);
        Self {
            shape: of(SHAPE, Self::USUAL.shape),
            offset: of(AXIS_OFFSET, Self::USUAL.offset),
            values: of(AXIS_VALUES, Self::USUAL.values),
        }
    }
}

impl Emitted {
    pub(super) fn new(format: &Format, description: &Description, layout: Option<&Layout>) -> Self {
        let attrs = description.attrs.iter().map(|(key, attr)| (key.clone(), parameter(attr)));
        let mut original: MetadataParameters = attrs.collect();
        let mut per_message = Vec::new();
        let mut shape = Vec::new();
        let types = layout.map_or(Types::USUAL, Types::of);
        if let Some(layout) = layout {
            original.extend(layout.parameters.iter().map(|(key, sent)| (key.clone(), sent.parameter())));
            per_message.clone_from(&layout.per_message);
            shape.clone_from(&layout.shape);
        } else {
            if !description.key.is_empty() {
                original.insert(KEY.to_owned(), Parameter::String(description.key.clone()));
            }
            if let Some(dim) = &description.stream_dim {
                original.insert(STREAM_DIM.to_owned(), Parameter::String(dim.clone()));
            }
            if let Some(axes) = axes::to_json(description, format.frame_shape()) {
                original.insert(AXES.to_owned(), Parameter::String(axes));
            }
        }
        // Whoever wrote the description, dora's own parameters are not for it to give.
        original.retain(|key, value| role(key, value) != Role::Passing);
        let mut run = original.clone();
        let (run_shape, run_dims) = match layout {
            Some(layout) if layout.axis().is_some() => (layout.shape.clone(), layout.dims.clone()),
            _ => {
                let frame = format.frame_shape().iter().map(|&dim| Some(dim));
                (std::iter::once(None).chain(frame).collect(), description.dims.clone())
            }
        };
        let buffered = description.buffered_axis().unwrap_or_default().to_owned();
        // A stream whose writer named no dims still has its shape.
        if run_dims.len() == run_shape.len() {
            run.insert(DIMS.to_owned(), Parameter::ListString(run_dims));
            if buffered != "time" {
                run.entry(STREAM_DIM.to_owned()).or_insert_with(|| Parameter::String(buffered.clone()));
            }
        }
        run.insert(DTYPE.to_owned(), Parameter::String(format.dtype().name().to_owned()));
        let rate_hz = format.rate_hz();
        if rate_hz == 0.0 {
            // The source's is none of these frames: the sink's settings say otherwise.
            run.remove(SAMPLE_RATE);
        } else if run.get(SAMPLE_RATE).and_then(float) != Some(rate_hz) {
            run.insert(SAMPLE_RATE.to_owned(), Parameter::Float(rate_hz));
        }
        let has_times = per_message.iter().any(|made| matches!(made, PerMessage::AxisValues | PerMessage::AxesData));
        let is_regular = rate_hz > 0.0 && !has_times;
        Self { original, run, shape, run_shape, per_message, types, buffered, is_regular }
    }

    /// Parameters of an original message of `frames` frames.
    pub(super) fn message(&self, frames: u64, times: &[&[f64]], marks: &Marks) -> MetadataParameters {
        let mut parameters = self.original.clone();
        for made in &self.per_message {
            match made {
                // An empty message has no shape when each message is one frame.
                PerMessage::Shape if frames > 0 || self.shape.contains(&None) => {
                    parameters.insert(SHAPE.to_owned(), shape(&self.shape, frames, self.types.shape));
                }
                PerMessage::Shape => {}
                PerMessage::AxisOffset => insert_offset(&mut parameters, times, self.types.offset),
                PerMessage::AxisValues => insert_values(&mut parameters, times, self.types.values),
                PerMessage::AxesOffset => self.insert_axes(&mut parameters, Passing::Offset, times),
                PerMessage::AxesData => self.insert_axes(&mut parameters, Passing::Data, times),
            }
        }
        insert_marks(&mut parameters, marks);
        parameters
    }

    /// Parameters of a run of `frames` frames.
    pub(super) fn run(&self, frames: u64, times: &[&[f64]], marks: &Marks) -> MetadataParameters {
        let mut parameters = self.run.clone();
        parameters.insert(SHAPE.to_owned(), shape(&self.run_shape, frames, Types::USUAL.shape));
        if self.is_regular {
            insert_offset(&mut parameters, times, Types::USUAL.offset);
        } else {
            insert_values(&mut parameters, times, Types::USUAL.values);
        }
        insert_marks(&mut parameters, marks);
        parameters
    }

    fn insert_axes(&self, parameters: &mut MetadataParameters, passing: Passing, times: &[&[f64]]) {
        let Some(Parameter::String(text)) = parameters.get(AXES) else { return };
        if let Some(text) = passing.restore(text, &self.buffered, times.iter().copied().flatten().copied()) {
            parameters.insert(AXES.to_owned(), Parameter::String(text));
        }
    }
}

fn shape(shape: &[Option<u64>], frames: u64, sent: SentType) -> Parameter {
    let dims = shape.iter().map(|dim| i64::try_from(dim.unwrap_or(frames)).unwrap_or(i64::MAX));
    sent.shape(dims.collect())
}

fn insert_offset(parameters: &mut MetadataParameters, times: &[&[f64]], sent: SentType) {
    if let Some(first) = times.iter().copied().flatten().next() {
        parameters.insert(AXIS_OFFSET.to_owned(), sent.number(*first));
    }
}

fn insert_values(parameters: &mut MetadataParameters, times: &[&[f64]], sent: SentType) {
    let values: Vec<f64> = times.iter().copied().flatten().copied().collect();
    parameters.insert(AXIS_VALUES.to_owned(), sent.list(values));
}

fn insert_marks(parameters: &mut MetadataParameters, marks: &Marks) {
    let integer = |value: u64| Parameter::Integer(i64::try_from(value).unwrap_or(i64::MAX));
    let sent = Parameter::Timestamp(DateTime::from_timestamp_nanos(marks.send_ns));
    parameters.insert(SOURCE_TIMESTAMP.to_owned(), sent);
    parameters.insert(GENERATION.to_owned(), integer(u64::from(marks.generation)));
    parameters.insert(POSITION.to_owned(), integer(marks.position));
    if marks.lost > 0 {
        parameters.insert(LOST.to_owned(), integer(marks.lost));
    }
}

fn parameter(attr: &Attr) -> Parameter {
    match attr {
        Attr::Bool(value) => Parameter::Bool(*value),
        Attr::Integer(value) => Parameter::Integer(*value),
        Attr::Float(value) => Parameter::Float(*value),
        Attr::String(value) => Parameter::String(value.clone()),
        Attr::ListInt(values) => Parameter::ListInt(values.clone()),
        Attr::ListFloat(values) => Parameter::ListFloat(values.clone()),
        Attr::ListString(values) => Parameter::ListString(values.clone()),
        Attr::Timestamp(ns) => Parameter::Timestamp(DateTime::from_timestamp_nanos(*ns)),
    }
}
