//! The times of a message's frames, according to its parameters.

use dora_node_api::{MetadataParameters, Parameter};
use dora_shm_ring::Times;

use crate::describe::source_axes::Placed;
use crate::params::keys::AXIS_VALUES;
use crate::params::read::{axis_offset, unreadable};
use crate::refusal::Reason;

/// Checks `axis_offset` and `axis_values`. Values that are not a list of floats are converted into `values`.
///
/// # Errors
/// [`Reason::Parameter`] unless the offset is a number and the values are one number per frame.
#[inline]
pub(crate) fn check(parameters: &MetadataParameters, frames: u64, values: &mut Vec<f64>) -> Result<(), Reason> {
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

/// The times of a message whose parameters [`check`] has accepted: by `axis_values`, by `axis_offset`, by `placed`,
/// else from the send time on.
#[inline]
pub(crate) fn of<'a>(
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
        (None, _, Placed::Nowhere) => from_send_time(send_ns, step),
    }
}

/// The times of frames for which only the send time is known.
#[inline]
pub(crate) fn from_send_time<'a>(send_ns: i64, step: f64) -> Times<'a> {
    Times::Linear { start: send_ns as f64 * 1e-9, step }
}
