//! The parameter `axes` of a message: what holds for this message only, and what lasts.

use dora_node_api::{MetadataParameters, Parameter};
use dora_shm_ring::Axis;

use crate::params::axes::{self, Axes, Passing};
use crate::params::keys::{AXES, AXIS_OFFSET, AXIS_VALUES, Role, role};
use crate::params::read::{float, unreadable};
use crate::params::time_unit::{SECOND, TimeUnit};
use crate::refusal::Reason;
use crate::shape::arrangement::Arrangement;

/// Where the parameter `axes` places the frames; in seconds, if the axis is time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Placed {
    Nowhere,
    From(f64),
    At(Vec<f64>),
}

/// The parameter `axes`, taken apart.
pub(crate) struct SourceAxes {
    /// As it was sent, except that a buffered axis of time is in seconds.
    pub axes: Axes,
    /// As it was sent, without what holds for this message only.
    pub lasting: Axes,
    /// The JSON of `lasting`.
    pub text: Option<String>,
    pub passing: Option<Passing>,
    /// The unit of `passing`, if the axis is time.
    pub unit: TimeUnit,
    /// The JSON as it was sent, if `axis_offset` or `axis_values`, which win, place the frames elsewhere: the ring does
    /// not record it otherwise.
    pub overruled: Option<String>,
    pub placed: Placed,
}

impl SourceAxes {
    pub(crate) fn new(parameters: &MetadataParameters, arrangement: &Arrangement) -> Result<Self, Reason> {
        let mut source = Self {
            axes: Axes::new(),
            lasting: Axes::new(),
            text: None,
            passing: None,
            unit: TimeUnit::SECOND,
            overruled: None,
            placed: Placed::Nowhere,
        };
        let Some(value) = parameters.get(AXES).filter(|value| role(AXES, value) == Role::Meaning) else {
            return Ok(source);
        };
        let Parameter::String(text) = value else { return Err(unreadable(AXES, value, axes::EXPECTED)) };
        source.axes = axes::parse(text)?;
        source.lasting = source.axes.clone();
        source.text = Some(text.clone());
        let dim = &arrangement.buffered;
        let Some(axis) = source.lasting.get_mut(dim) else { return Ok(source) };
        source.passing = Passing::of(axis);
        source.unit = axes::time_unit(axis);
        let is_time = TimeUnit::named(axes::unit(axis)).is_some();
        let unit = if is_time { SECOND.to_owned() } else { axes::unit(axis).to_owned() };
        let seconds = |value: f64| axes::to_seconds(source.unit, value);
        let in_seconds = match axis {
            Axis::Linear { gain, offset, .. } => {
                if let Some(offset) = offset.take() {
                    source.placed = Placed::From(seconds(offset)?);
                }
                Axis::Linear { unit, gain: seconds(*gain)?, offset: None }
            }
            Axis::Coord { data, .. } => {
                if let Some(data) = data.take() {
                    let data = axes::coordinates(dim, &data, arrangement.frames())?;
                    source.placed = Placed::At(data.into_iter().map(seconds).collect::<Result<_, _>>()?);
                }
                Axis::Coord { unit, data: None }
            }
        };
        source.axes.insert(dim.clone(), in_seconds);
        if let Some(passing) = source.passing {
            source.text = passing.strip(text, dim);
            source.overruled = (!source.placed.holds(parameters)).then(|| text.clone());
        }
        Ok(source)
    }
}

impl Placed {
    /// Whether it has places for `frames` frames.
    #[inline]
    pub(crate) fn is_of(&self, frames: u64) -> bool {
        match self {
            Self::Nowhere | Self::From(_) => true,
            Self::At(values) => values.len() as u64 == frames,
        }
    }

    /// Whether `axis_offset` and `axis_values`, which win, agree with it.
    pub(crate) fn holds(&self, parameters: &MetadataParameters) -> bool {
        let offset = parameters.get(AXIS_OFFSET).and_then(float);
        match (self, parameters.get(AXIS_VALUES), offset) {
            (Self::Nowhere, ..) | (_, None, None) => true,
            (Self::From(start), Some(Parameter::ListFloat(values)), _) => values.first() == Some(start),
            (Self::At(data), Some(Parameter::ListFloat(values)), _) => data == values,
            (Self::From(start), None, Some(offset)) => *start == offset,
            _ => false,
        }
    }
}
