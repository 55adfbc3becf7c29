//! The parameters that a mirror sends.

use chrono::DateTime;
use dora_node_api::{MetadataParameters, Parameter};
use dora_shm_ring::{Axis, Clock, Description, Format, GenerationClock};

use crate::params::attr::parameter;
use crate::params::axes::{self, Passing};
use crate::params::keys::{
    AXES, AXIS_OFFSET, AXIS_VALUES, CLOCK, CLOCK_ID, DIMS, DTYPE, GENERATION, KEY, LOST, POSITION, Role, SAMPLE_RATE,
    SHAPE, SOURCE_TIME, SOURCE_TIMESTAMP, STREAM_DIM, role,
};
use crate::params::read::float;
use crate::rebuild::recipe::{ParamType, PerMessage, Recipe};

/// What a mirror adds to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// When the source sent it, nanoseconds since the Unix epoch.
    pub send_ns: i64,
    /// The generation that its frames were read from.
    pub generation: u32,
    /// Position of its first frame in that generation.
    pub position: u64,
    /// Frames lost just before it.
    pub lost: u64,
}

/// The parameters that are the same with every message, and which ones are made for each message.
#[derive(Debug)]
pub(crate) struct Emitted {
    /// Those of an original message.
    original: MetadataParameters,
    /// Those of a run of frames.
    run: MetadataParameters,
    /// The message's shape, in its own order.
    shape: Vec<Option<u64>>,
    /// A run's shape.
    run_shape: Vec<Option<u64>>,
    per_message: Vec<PerMessage>,
    types: Types,
    buffered: String,
    /// Whether all times of a run should follow from its first time and the rate.
    is_regular: bool,
    /// Step between frames along the buffered axis; 0: irregular or unknown.
    step: f64,
    /// The clock of the times.
    clock: GenerationClock,
}

/// The types in which the source sent the parameters that are made for each message.
#[derive(Clone, Copy, Debug)]
struct Types {
    shape: ParamType,
    offset: ParamType,
    values: ParamType,
}

impl Types {
    const USUAL: Self = Self { shape: ParamType::ListInt, offset: ParamType::Float, values: ParamType::ListFloat };

    fn of(recipe: &Recipe) -> Self {
        let of = |key: &str, usual| recipe.types.get(key).copied().unwrap_or(usual);
        Self {
            shape: of(SHAPE, Self::USUAL.shape),
            offset: of(AXIS_OFFSET, Self::USUAL.offset),
            values: of(AXIS_VALUES, Self::USUAL.values),
        }
    }
}

impl Emitted {
    pub(crate) fn new(format: &Format, description: &Description, recipe: Option<&Recipe>) -> Self {
        let attrs = description.attrs.iter().map(|(key, attr)| (key.clone(), parameter(attr)));
        let mut original: MetadataParameters = attrs.collect();
        let mut per_message = Vec::new();
        let mut shape = Vec::new();
        let types = recipe.map_or(Types::USUAL, Types::of);
        if let Some(recipe) = recipe {
            original.extend(recipe.parameters.iter().map(|(key, sent)| (key.clone(), parameter(sent))));
            per_message.clone_from(&recipe.per_message);
            shape.clone_from(&recipe.shape);
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
        // The description is not trusted: it must not set dora's own parameters.
        original.retain(|key, value| role(key, value) != Role::Passing);
        let mut run = original.clone();
        let (run_shape, run_dims) = match recipe {
            Some(recipe) if recipe.axis().is_some() => (recipe.shape.clone(), recipe.dims.clone()),
            _ => {
                let frame = format.frame_shape().iter().map(|&dim| Some(dim));
                (std::iter::once(None).chain(frame).collect(), description.dims.clone())
            }
        };
        let buffered = description.buffered_axis().unwrap_or_default().to_owned();
        // A stream whose writer names no dims still has a shape.
        if run_dims.len() == run_shape.len() {
            run.insert(DIMS.to_owned(), Parameter::ListString(run_dims));
            if buffered != "time" {
                run.entry(STREAM_DIM.to_owned()).or_insert_with(|| Parameter::String(buffered.clone()));
            }
        }
        run.insert(DTYPE.to_owned(), Parameter::String(format.dtype().name().to_owned()));
        let rate_hz = format.rate_hz();
        if rate_hz == 0.0 {
            // The sink's settings made the frames differ from the source's, so its rate does not apply.
            run.remove(SAMPLE_RATE);
        } else if run.get(SAMPLE_RATE).and_then(float) != Some(rate_hz) {
            run.insert(SAMPLE_RATE.to_owned(), Parameter::Float(rate_hz));
        }
        let has_times = per_message.iter().any(|made| matches!(made, PerMessage::AxisValues | PerMessage::AxesData));
        let is_regular = rate_hz > 0.0 && !has_times;
        let step = match description.axes.get(&buffered) {
            Some(Axis::Linear { gain, .. }) => *gain,
            _ if rate_hz > 0.0 => 1.0 / rate_hz,
            _ => 0.0,
        };
        let clock = GenerationClock::default();
        Self { original, run, shape, run_shape, per_message, types, buffered, is_regular, step, clock }
    }

    /// Sets the clock of the times. Without it, they are on the source's own clock.
    pub(crate) fn on_clock(&mut self, clock: GenerationClock) {
        self.clock = clock;
    }

    /// Parameters of an original message of `frames` frames.
    pub(crate) fn message(&self, frames: u64, times: &[&[f64]], marks: &Marks) -> MetadataParameters {
        let mut parameters = self.original.clone();
        let has_own_times = self.per_message.iter().any(|made| *made != PerMessage::Shape);
        // Times that the source sent come back as they were.
        let converted = if has_own_times { None } else { self.in_unix(times) };
        let parts = converted.as_deref().map(|times| [times]);
        let sent = parts.as_ref().map_or(times, |parts| &parts[..]);
        for made in &self.per_message {
            match made {
                // An empty message has no shape if every message is one frame.
                PerMessage::Shape if frames > 0 || self.shape.contains(&None) => {
                    parameters.insert(SHAPE.to_owned(), shape(&self.shape, frames, self.types.shape));
                }
                PerMessage::Shape => {}
                PerMessage::AxisOffset => insert_offset(&mut parameters, sent, self.types.offset),
                PerMessage::AxisValues => insert_values(&mut parameters, sent, self.types.values),
                PerMessage::AxesOffset => self.insert_axes(&mut parameters, Passing::Offset, sent),
                PerMessage::AxesData => self.insert_axes(&mut parameters, Passing::Data, sent),
            }
        }
        let has_a_time_each =
            self.per_message.iter().any(|made| matches!(made, PerMessage::AxisValues | PerMessage::AxesData));
        // By its rate, a sink would place the frames elsewhere.
        if !has_a_time_each && !self.are_placed_by_step(times, has_own_times) {
            insert_values(&mut parameters, sent, Types::USUAL.values);
        }
        self.insert_clock(&mut parameters, sent, converted.is_some());
        insert_marks(&mut parameters, marks);
        parameters
    }

    /// Parameters of a run of `frames` frames.
    pub(crate) fn run(&self, frames: u64, times: &[&[f64]], marks: &Marks) -> MetadataParameters {
        let mut parameters = self.run.clone();
        parameters.insert(SHAPE.to_owned(), shape(&self.run_shape, frames, Types::USUAL.shape));
        let converted = self.in_unix(times);
        let parts = converted.as_deref().map(|times| [times]);
        let sent = parts.as_ref().map_or(times, |parts| &parts[..]);
        if self.is_regular && self.are_placed_by_step(times, true) {
            insert_offset(&mut parameters, sent, Types::USUAL.offset);
        } else {
            insert_values(&mut parameters, sent, Types::USUAL.values);
        }
        self.insert_clock(&mut parameters, sent, converted.is_some());
        insert_marks(&mut parameters, marks);
        parameters
    }

    /// The times in Unix seconds, if they are on a monotonic clock. A message may leave the machine, where that clock
    /// means nothing.
    fn in_unix(&self, times: &[&[f64]]) -> Option<Vec<f64>> {
        if self.clock.clock != Clock::Monotonic {
            return None;
        }
        self.clock.times_on(Clock::Unix, &times.concat()).ok()
    }

    /// Inserts the time of the first frame, and the clock of the times in `parameters`. `is_unix`: they were converted.
    fn insert_clock(&self, parameters: &mut MetadataParameters, sent: &[&[f64]], is_unix: bool) {
        let Some(first) = sent.iter().copied().flatten().next() else { return };
        parameters.insert(SOURCE_TIME.to_owned(), Parameter::Float(*first));
        let GenerationClock { clock, id, .. } = self.clock;
        let clock = match clock {
            _ if is_unix => Clock::Unix,
            Clock::Monotonic if id.is_known() => {
                parameters.insert(CLOCK_ID.to_owned(), Parameter::String(id.to_string()));
                Clock::Monotonic
            }
            // A receiver could not know which clock it was.
            Clock::Monotonic => Clock::Source,
            other => other,
        };
        parameters.insert(CLOCK.to_owned(), Parameter::String(clock.name().to_owned()));
    }

    /// Whether the first frame's time and the step give all times, to within a hundredth of a step. Without a step, a
    /// sink spreads frames over the time between messages, unless the message has an `axis_offset` (`has_offset`).
    fn are_placed_by_step(&self, times: &[&[f64]], has_offset: bool) -> bool {
        let mut frames = times.iter().copied().flatten().copied();
        let Some(first) = frames.next() else { return true };
        if self.step == 0.0 && !has_offset {
            return frames.next().is_none();
        }
        frames.zip(1_u64..).all(|(time, frame)| {
            let expected = first + frame as f64 * self.step;
            // What doubles of this size round to.
            let rounding = 2.0 * f64::EPSILON * time.abs().max(first.abs());
            (time - expected).abs() <= 0.01 * self.step.abs() + rounding
        })
    }

    fn insert_axes(&self, parameters: &mut MetadataParameters, passing: Passing, times: &[&[f64]]) {
        let Some(Parameter::String(text)) = parameters.get(AXES) else { return };
        if let Some(text) = passing.restore(text, &self.buffered, times.iter().copied().flatten().copied()) {
            parameters.insert(AXES.to_owned(), Parameter::String(text));
        }
    }
}

fn shape(shape: &[Option<u64>], frames: u64, sent: ParamType) -> Parameter {
    let dims = shape.iter().map(|dim| i64::try_from(dim.unwrap_or(frames)).unwrap_or(i64::MAX));
    sent.shape(dims.collect())
}

fn insert_offset(parameters: &mut MetadataParameters, times: &[&[f64]], sent: ParamType) {
    if let Some(first) = times.iter().copied().flatten().next() {
        parameters.insert(AXIS_OFFSET.to_owned(), sent.number(*first));
    }
}

fn insert_values(parameters: &mut MetadataParameters, times: &[&[f64]], sent: ParamType) {
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
