//! The plan of a message: what its frames are, and their description.

use std::collections::BTreeMap;

use dora_shm_ring::{Axis, Clock, Description, Dtype};
use serde_json::Value;

use crate::array::payload::{Node, Payload};
use crate::array::select;
use crate::params::axes::{self, Axes, check_count};
use crate::params::time_unit::SECOND;
use crate::refusal::Reason;
use crate::shape::arrangement::Arrangement;

/// What the frames of a message are. Messages share one plan as long as the source describes them alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub(crate) dtype: Dtype,
    pub(crate) frame_shape: Vec<u64>,
    pub(crate) rate_hz: Option<f64>,
    pub(crate) clock: Clock,
    pub(crate) description: Description,
}

impl Plan {
    /// Element type of the samples.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Shape of one frame, at most of rank 8, each dimension at least 1.
    pub fn frame_shape(&self) -> &[u64] {
        &self.frame_shape
    }

    /// Bytes of one frame.
    pub fn frame_bytes(&self) -> u64 {
        self.frame_shape.iter().product::<u64>() * self.dtype.size() as u64
    }

    /// Frames per second, above 0. `None`: unknown or irregular. If the buffered axis is not time and the source gives
    /// no `sample_rate`, it is frames per unit of that axis.
    pub fn rate_hz(&self) -> Option<f64> {
        self.rate_hz
    }

    /// What the times are of. Times that the sink makes are on [`Clock::Unix`] or [`Clock::Monotonic`].
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// The source's own name for the signal; empty if the source gives none.
    pub fn key(&self) -> &str {
        &self.description.key
    }

    /// The description to publish with the frames.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Whether frames of both belong in one generation. Descriptions may differ within a generation.
    pub fn same_generation(&self, other: &Self) -> bool {
        self.dtype == other.dtype
            && self.frame_shape == other.frame_shape
            && self.rate_hz == other.rate_hz
            && self.clock == other.clock
            && self.key() == other.key()
    }
}

/// The axes of a description: those of the source, the buffered axis with `step` (0: irregular or unknown), and the
/// names of a struct's columns.
///
/// # Errors
/// [`Reason::Parameter`] if the number of labels differs from the length of their dim.
pub(crate) fn axes(
    arrangement: &Arrangement,
    payload: &Payload,
    row: &[u64],
    step: f64,
    source: &Axes,
) -> Result<BTreeMap<String, Axis>, Reason> {
    let mut described = BTreeMap::new();
    for (index, (dim, &size)) in arrangement.dims.iter().zip(&arrangement.shape).enumerate() {
        if Some(index) == arrangement.axis {
            continue;
        }
        if let Some(axis) = source.get(dim) {
            if let Axis::Coord { data: Some(data), .. } = axis {
                check_count(dim, data, size)?;
            }
            described.insert(dim.clone(), axis.clone());
        }
    }
    if let Some((dim, labels)) = column_labels(arrangement, payload, row) {
        described.entry(dim).or_insert(Axis::Coord { unit: String::new(), data: Some(labels) });
    }
    let unit = source.get(&arrangement.buffered).map_or(SECOND, axes::unit).to_owned();
    let buffered = match step {
        0.0 => Axis::Coord { unit, data: None },
        gain => Axis::Linear { unit, gain, offset: None },
    };
    described.insert(arrangement.buffered.clone(), buffered);
    Ok(described)
}

/// The dim that counts the columns of a struct, and their names, if the message has the rows of the array.
fn column_labels(arrangement: &Arrangement, payload: &Payload, row: &[u64]) -> Option<(String, Vec<Value>)> {
    let is_natural = arrangement.shape.split_first() == Some((&payload.rows, row));
    let has_column_dim = payload.root.equal_columns() == Some(payload.columns.len());
    if !is_natural || !has_column_dim || arrangement.axis == Some(1) {
        return None;
    }
    let common = common_prefix(payload);
    let labels = payload.columns.iter().map(|column| Value::from(&column.path[common..])).collect();
    Some((arrangement.dims[1].clone(), labels))
}

/// Length of the part of the columns' paths that names the structs around all of them.
fn common_prefix(payload: &Payload) -> usize {
    let mut prefix = String::new();
    let mut node = &payload.root;
    while let Node::Struct(members) = node
        && let [member] = members.as_slice()
    {
        prefix = select::join(&prefix, member.field.name());
        node = &member.node;
    }
    if prefix.is_empty() { 0 } else { prefix.len() + 1 }
}
