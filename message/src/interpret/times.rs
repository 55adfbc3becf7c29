//! Where the times of a message's frames come from.

use arrow::array::Array;
use dora_node_api::{MetadataParameters, Parameter};
use dora_shm_ring::{Clock, ClockId, Times};

use crate::describe::source_axes::Placed;
use crate::interpret::stamps;
use crate::interpret::timeline::Timeline;
use crate::params::keys::{AXIS_OFFSET, AXIS_VALUES, CLOCK, SOURCE_TIME};
use crate::params::read::{axis_offset, clock, unreadable};
use crate::refusal::Reason;
use crate::settings::MessageSettings;

/// What a message states about the times of its frames. The first that applies counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stated {
    /// What the setting `TIME` names: in the vector that was read into, one value for each frame, or a single one.
    Named,
    /// `axis_values`, `axis_offset`, or a place in `axes`.
    Axis,
    /// A mirror's mark: the time of the first frame in the ring that it read.
    Mark(f64),
    /// Nothing.
    Nothing,
}

/// A message whose times are looked for.
#[derive(Clone, Copy)]
pub(crate) struct Stating<'a> {
    pub settings: &'a MessageSettings,
    pub array: &'a dyn Array,
    pub parameters: &'a MetadataParameters,
}

impl Stating<'_> {
    /// What the message states. Times that `TIME` names, and `axis_values` that are not a list of floats, are converted
    /// into `values`. Allocates nothing once that has room.
    ///
    /// # Errors
    /// [`Reason::NotATime`] or [`Reason::TimeCount`] for what `TIME` names. [`Reason::Parameter`] unless `axis_offset` is
    /// a number and `axis_values` are one number per frame.
    pub(crate) fn stated(&self, placed: &Placed, frames: u64, values: &mut Vec<f64>) -> Result<Stated, Reason> {
        let Self { settings, array, parameters } = *self;
        if let Some(name) = &settings.time {
            let is_there = stamps::read(name, settings.time_unit, array, parameters, values)?;
            return match is_there {
                true => check_count(name, frames, values).map(|()| Stated::Named),
                false => Ok(Stated::Nothing),
            };
        }
        check(parameters, frames, values)?;
        let has_axis = parameters.contains_key(AXIS_VALUES) || parameters.contains_key(AXIS_OFFSET);
        if has_axis || *placed != Placed::Nowhere {
            return Ok(Stated::Axis);
        }
        Ok(match parameters.get(SOURCE_TIME) {
            Some(Parameter::Float(time)) if time.is_finite() && parameters.contains_key(CLOCK) => Stated::Mark(*time),
            _ => Stated::Nothing,
        })
    }
}

/// One value, or one for each frame. Values that are all equal count as one.
fn check_count(name: &str, frames: u64, values: &mut Vec<f64>) -> Result<(), Reason> {
    if values.len() as u64 == frames {
        return Ok(());
    }
    if values.windows(2).all(|pair| pair[0] == pair[1]) {
        values.truncate(1);
        return Ok(());
    }
    Err(Reason::TimeCount { name: name.to_owned(), found: values.len() as u64, frames })
}

/// Checks `axis_offset` and `axis_values`. Values that are not a list of floats are converted into `values`.
#[inline]
fn check(parameters: &MetadataParameters, frames: u64, values: &mut Vec<f64>) -> Result<(), Reason> {
    axis_offset(parameters)?;
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
        _ => return Err(unreadable(AXIS_VALUES, value, "a list of numbers, one per frame")),
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

/// How the times of a message come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// By what the message states.
    Stated,
    /// They follow those of the message before.
    Carried,
    /// The sink makes them.
    Made,
}

/// How the times of a message come about, and the clock that they are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    pub origin: Origin,
    pub clock: Clock,
}

impl Timing {
    /// The timing of a message that states `stated`. `is_time`: whether the buffered axis is time. `ours` is this
    /// machine's monotonic clock.
    ///
    /// # Errors
    /// [`Reason::NoTime`] if the message lacks what `TIME` names, and there is no message before that it could follow.
    #[inline]
    pub(crate) fn new(
        message: Stating<'_>,
        stated: Stated,
        timeline: &Timeline,
        is_time: bool,
        ours: ClockId,
    ) -> Result<Self, Reason> {
        let Stating { settings, array, parameters } = message;
        if !is_time && settings.time.is_none() {
            // If nothing places its frames, they begin at the send time, but they are not on that clock.
            return Ok(Self { origin: Origin::Stated, clock: Clock::Source });
        }
        if stated == Stated::Nothing {
            let must = settings.time.as_ref();
            if let Some(clock) = timeline.carries_on(must.is_some()) {
                return Ok(Self { origin: Origin::Carried, clock });
            }
            if let Some(name) = must {
                let candidates = stamps::candidates(array, parameters);
                return Err(Reason::NoTime { name: name.clone(), candidates });
            }
            let clock = if settings.clock == Some(Clock::Monotonic) { Clock::Monotonic } else { Clock::Unix };
            return Ok(Self { origin: Origin::Made, clock });
        }
        let clock = settings.clock.or_else(|| clock(parameters, ours)).unwrap_or(Clock::Source);
        Ok(Self { origin: Origin::Stated, clock })
    }
}

/// The times of a message that states [`Stated::Axis`]: by `axis_values`, by `axis_offset`, by `placed`, else from the
/// send time on.
#[inline]
pub(crate) fn on_axis<'a>(
    parameters: &'a MetadataParameters,
    values: &'a [f64],
    placed: &'a Placed,
    step: f64,
    send_ns: i64,
) -> Times<'a> {
    match (parameters.get(AXIS_VALUES), axis_offset(parameters), placed) {
        (Some(Parameter::ListFloat(values)), ..) => Times::Values(values),
        (Some(_), ..) => Times::Values(values),
        (None, Ok(Some(start)), _) => Times::Linear { start, step },
        (None, _, Placed::From(start)) => Times::Linear { start: *start, step },
        (None, _, Placed::At(values)) => Times::Values(values),
        (None, _, Placed::Nowhere) => Times::Linear { start: send_ns as f64 * 1e-9, step },
    }
}
