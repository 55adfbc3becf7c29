//! From messages to chunks of frames.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use dora_node_api::{MetadataParameters, Parameter};
use dora_shm_ring::{Attr, Description, Times};

use super::bind::{Bound, bind};
use super::checks::Checks;
use super::chunk::Chunk;
use super::even::evened;
use super::fill::{Gather, Roll};
use super::geometry::Evidence;
use super::growth::{Growth, Pattern};
use super::layout::SentType;
use super::memory::{Made, Memory, ShapeSent, Timing};
use super::params::{self, AXES, AXIS_VALUES, Hints, Role, SHAPE, axis_offset, role, same, sequence};
use super::payload::Payload;
use super::plan::{self, Plan, Wrapping};
use super::siblings::Siblings;
use super::sizes::Sizes;
use super::source_axes::{Placed, SourceAxes};
use super::template::Template;
use super::track::Watched;
use super::typed::Typed;
use super::{MessageSettings, Reason, Refusal};

/// Turns the messages of one input into chunks of frames, and remembers what a source need not say again.
#[derive(Debug)]
pub struct Interpreter {
    input: String,
    settings: MessageSettings,
    memory: Memory,
    current: Option<Current>,
    /// The settings have changed since `current` was made.
    is_stale: bool,
    /// Columns of the message in hand.
    bound: Bound,
    /// Times of the message in hand, when they have to be converted.
    values: Vec<f64>,
}

/// How to read a message that is like the one before, whatever the number of its frames.
#[derive(Debug)]
pub(super) struct Current {
    pub data_type: DataType,
    pub payload: Payload,
    pub siblings: Siblings<String>,
    pub checks: Checks,
    pub gather: Gather,
    pub roll: Roll,
    pub step: f64,
    /// Where the parameter `axes` says the frames are.
    pub placed: Placed,
    /// Whether they are elsewhere.
    pub is_astray: bool,
    /// The parameter `axes` around that place.
    pub template: Option<Template>,
    /// The sizes among the parameters, as far as the samples' meaning hangs on them.
    pub sizes: Sizes,
    pub pattern: Pattern,
    pub plan: Arc<Plan>,
}

impl Interpreter {
    /// An interpreter of the messages of the input with the id `input`.
    pub fn new(input: &str, settings: MessageSettings) -> Self {
        Self {
            input: input.to_owned(),
            settings,
            memory: Memory::default(),
            current: None,
            is_stale: false,
            bound: Bound::default(),
            values: Vec::new(),
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> &MessageSettings {
        &self.settings
    }

    /// Settings for the next message on. What the source said is remembered.
    pub fn set_settings(&mut self, settings: MessageSettings) {
        self.settings = settings;
        // Not the plan itself: if the next message has the same, nothing has changed for the ring.
        self.is_stale = true;
    }

    /// Reads one message: its array, its parameters, and when it was sent (nanoseconds since the Unix epoch).
    ///
    /// When it is like the one before, but for the number of its frames and where they are, this allocates nothing.
    /// Lists whose null rows are shorter than the others are an exception: they are copied once more.
    ///
    /// # Errors
    /// A [`Refusal`] when the message cannot be frames. The next message is read as if this one had never been.
    pub fn interpret<'a>(
        &'a mut self,
        array: &'a ArrayRef,
        parameters: &'a MetadataParameters,
        send_ns: i64,
    ) -> Result<Chunk<'a>, Refusal> {
        self.bound.clear();
        match self.read(array, parameters) {
            Ok(frames) => Ok(self.chunk(frames, parameters, send_ns)),
            Err(reason) => {
                self.bound.clear();
                Err(Refusal::new(&self.input, array.data_type(), reason))
            }
        }
    }

    fn chunk<'a>(&'a mut self, frames: u64, parameters: &'a MetadataParameters, send_ns: i64) -> Chunk<'a> {
        let Self { current, bound, values, .. } = self;
        let current = current.as_ref();
        let step = current.map_or(0.0, |current| current.step);
        let placed = current.map_or(&Placed::Nowhere, |current| &current.placed);
        let times = match (parameters.get(AXIS_VALUES), axis_offset(parameters), placed) {
            _ if frames == 0 => Times::Linear { start: seconds(send_ns), step },
            (Some(Parameter::ListFloat(values)), ..) => Times::Values(values),
            (Some(_), ..) => Times::Values(values),
            (None, Ok(Some(start)), _) => Times::Linear { start, step },
            (None, _, Placed::From(start)) => Times::Linear { start: *start, step },
            (None, _, Placed::At(values)) => Times::Values(values),
            (None, _, Placed::Nowhere) => Times::Linear { start: seconds(send_ns), step },
        };
        Chunk { frames, current, bound, times, send_ns, sequence: sequence(parameters) }
    }

    /// Prepares everything for the chunk and returns its number of frames.
    fn read(&mut self, array: &ArrayRef, parameters: &MetadataParameters) -> Result<u64, Reason> {
        let evened = evened(array).map_err(|error| Reason::Arrow { found: error.to_string() })?;
        let array = evened.as_ref().unwrap_or(array);
        if !self.is_as_before(array, parameters) {
            self.bound.clear();
            return self.read_anew(array, parameters);
        }
        let Some(current) = &self.current else { return Ok(0) };
        let frames = current.roll.frames as u64;
        current.checks.run(&self.bound, &current.payload)?;
        axis_offset(parameters)?;
        read_values(parameters, frames, &mut self.values)?;
        Ok(frames)
    }

    /// Whether the message is like the one before, but for the number of its frames. If so, its columns are bound.
    fn is_as_before(&mut self, array: &ArrayRef, parameters: &MetadataParameters) -> bool {
        let Some(current) = &mut self.current else { return false };
        if self.is_stale || current.data_type != *array.data_type() {
            return false;
        }
        let Some((frames, open)) = current.pattern.frames(&current.payload, array.as_ref()) else { return false };
        let frames_before = current.roll.frames as u64;
        let Current { pattern, template, placed, .. } = &mut *current;
        let is_same = |key: &str, before: &Parameter, now: &Parameter| match (key, template.as_ref(), now) {
            (SHAPE, _, Parameter::ListInt(_) | Parameter::ListFloat(_)) if pattern.shape_sent.is_some() => {
                pattern.is_shape(now, frames)
            }
            // What a text says is known of the very same only.
            (SHAPE, ..) => frames == frames_before && same(before, now),
            (AXES, Some(template), Parameter::String(text)) => template.read(text, placed),
            _ => same(before, now),
        };
        if !self.memory.tracker.is_unchanged(parameters, is_same) {
            return false;
        }
        let timing = self.memory.timing.as_ref().and_then(Watched::get);
        let has_times = match timing {
            Some(timing) => *timing == Timing::of(parameters),
            // A mirror sends the times with each message, if need be one for each frame.
            None => self.memory.times.values.is_some() || !parameters.contains_key(AXIS_VALUES),
        };
        let is_alike = has_times
            && current.placed.is_of(frames)
            && (!self.memory.tells_astray() || current.placed.holds(parameters) != current.is_astray)
            && current.sizes.are(parameters)
            && Siblings::read(&current.payload, array)
                .are(&current.siblings, |name| current.sizes.matter() || self.memory.columns.is_static(name))
            && bind(&current.payload, array, open, &mut self.bound);
        if is_alike {
            current.roll.frames = frames as usize;
        }
        is_alike
    }

    /// Reads a message of which nothing is known. Changes nothing when it is refused.
    fn read_anew(&mut self, array: &ArrayRef, parameters: &MetadataParameters) -> Result<u64, Reason> {
        let Some(payload) = Payload::new(array, &self.settings.fields)? else { return Ok(0) };
        let siblings = Siblings::read(&payload, array).to_owned();
        let mut hints = Hints::read(parameters)?;
        siblings.complete(&mut hints);
        if self.settings.shape.is_none() && hints.shape.is_none() {
            hints.check_channels(parameters)?;
        }
        let mut memory = self.memory.clone();
        memory.remember_rate(&mut hints, parameters);
        memory.remember_key(parameters);

        let typed = Typed::new(&payload, &hints, parameters, &self.settings)?;
        let has_rate = memory.sample_rate.as_ref().is_some_and(|(rate_hz, ..)| *rate_hz > 0.0);
        let evidence = Evidence {
            settings: &self.settings,
            hints: &hints,
            rows: typed.rows,
            row: &typed.row,
            is_vector: payload.is_vector(),
            dtype: typed.dtype,
            has_rate,
        };
        let geometry = evidence.geometry()?;
        let gather = Gather::new(&payload, typed.dtype, typed.is_read_as_is)?;
        let roll = geometry.roll();
        let checks = Checks::new(&payload, &typed, self.settings.dtype);
        let is_bound = bind(&payload, array, None, &mut self.bound);
        debug_assert!(is_bound, "the payload was made from this very array");
        checks.run(&self.bound, &payload)?;
        axis_offset(parameters)?;
        read_values(parameters, roll.frames as u64, &mut self.values)?;

        let source_axes = SourceAxes::new(parameters, &geometry)?;
        let pace = memory.remember_pace(&self.settings, &hints, &geometry, &source_axes.axes);
        let axes = plan::axes(&geometry, &payload, &typed.row, pace.step, &source_axes.axes)?;
        let frame_shape = geometry.frame_shape();

        // From here on nothing fails.
        let before = self.current.as_ref().map(|current| &current.plan);
        let new_shape = before.is_none_or(|plan| plan.frame_shape != frame_shape);
        memory.tracker.update(parameters, new_shape);
        memory.columns.update(&siblings.parameters(), new_shape);
        let is_overruled = matches!(ShapeSent::of(parameters, &geometry), ShapeSent::Other(_));
        let key = memory.key.as_ref().map(|(key, _)| key.clone());
        let wrapping = Wrapping {
            payload: &payload,
            row: &typed.row,
            geometry: &geometry,
            converted: typed.comes_back_as,
            reinterpreted: typed.is_bytes,
        };
        let sizes = Sizes::new(&self.settings, &hints, parameters);
        let pattern = Pattern {
            growth: if is_overruled { Growth::Fixed } else { wrapping.growth(sizes.matter(), sizes.may_be_picture()) },
            geometry: geometry.clone(),
            shape_sent: parameters.get(SHAPE).and_then(SentType::of).filter(|_| !is_overruled),
            numbers_per_sample: if typed.is_bytes { typed.dtype.size() as u64 } else { 1 },
        };
        let mut layout = wrapping.layout();
        layout.parameters = memory.layout_parameters(parameters, &source_axes, &geometry, &layout);
        Made { per_message: layout.per_message, types: layout.types } = memory.made(parameters, &source_axes);
        let description = Description {
            dims: geometry.ring_dims(),
            axes: if memory.axes.as_ref().is_some_and(Watched::is_static) {
                axes
            } else {
                // Labels that change with the messages; only the buffered axis still holds.
                axes.into_iter().filter(|(dim, _)| *dim == geometry.buffered).collect()
            },
            attrs: attrs(&memory),
            key: self.settings.key.clone().or(key).unwrap_or_default(),
            stream_dim: hints.stream_dim.clone(),
            message: Some(layout.to_json()),
        };
        let plan = Plan { dtype: typed.dtype, frame_shape, rate_hz: pace.rate_hz, description };
        let plan = match before {
            Some(before) if **before == plan => Arc::clone(before),
            _ => Arc::new(plan),
        };
        let is_passing = source_axes.astray.is_none() || !memory.tells_astray();
        let template = match (parameters.get(AXES), source_axes.passing) {
            (Some(Parameter::String(text)), Some(passing)) if is_passing => {
                Template::new(text, &pattern.geometry.buffered, passing, source_axes.unit)
            }
            _ => None,
        };
        let current = Current {
            data_type: array.data_type().clone(),
            payload,
            siblings,
            checks,
            gather,
            roll,
            step: pace.step,
            placed: source_axes.placed,
            is_astray: source_axes.astray.is_some(),
            template,
            sizes,
            pattern,
            plan,
        };
        self.current = Some(current);
        self.is_stale = false;
        self.memory = memory;
        Ok(roll.frames as u64)
    }
}

/// The attributes that are static; a parameter wins over a column of its name.
fn attrs(memory: &Memory) -> BTreeMap<String, Attr> {
    let mut attrs = BTreeMap::new();
    for (key, value) in memory.columns.present().chain(memory.tracker.present()) {
        if role(key, value) == Role::Attr {
            attrs.extend(plan::attr(value).map(|attr| (key.clone(), attr)));
        }
    }
    attrs
}

/// Checks that `axis_values` are one number per frame. Those that are no list of floats go to `values`.
fn read_values(parameters: &MetadataParameters, frames: u64, values: &mut Vec<f64>) -> Result<(), Reason> {
    let Some(value) = parameters.get(AXIS_VALUES) else { return Ok(()) };
    values.clear();
    let count = match value {
        Parameter::ListFloat(list) => list.len(),
        Parameter::ListInt(list) => {
            values.extend(list.iter().map(|&value| value as f64));
            values.len()
        }
        Parameter::ListString(list) => {
            values.extend(list.iter().map_while(|text| text.trim().parse::<f64>().ok()));
            values.len()
        }
        _ => return Err(params::unreadable(AXIS_VALUES, value, "a list of numbers, one per frame")),
    };
    if count as u64 == frames {
        return Ok(());
    }
    Err(Reason::Parameter {
        key: AXIS_VALUES.to_owned(),
        found: format!("a list of {count} numbers"),
        expected: format!("{frames}, one per frame"),
    })
}

fn seconds(ns: i64) -> f64 {
    ns as f64 * 1e-9
}
