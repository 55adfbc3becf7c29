//! What a chunk is to the ring, and the description that goes with it.

use std::collections::BTreeMap;

use dora_node_api::Parameter;
use dora_shm_ring::{Attr, Axis, Description, Dtype};
use serde_json::Value;

use super::axes::{self, Axes, check_count};
use super::geometry::Geometry;
use super::growth::Growth;
use super::layout::{ArrowField, ArrowList, ArrowType, LAYOUT_VERSION, Layout};
use super::payload::{ListKind, Node, Payload};
use super::time_unit::SECOND;
use super::{Reason, select};
use arrow::datatypes::FieldRef;

/// What the frames of a message are. As long as a source says the same of its messages they share one plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub(super) dtype: Dtype,
    pub(super) frame_shape: Vec<u64>,
    pub(super) rate_hz: Option<f64>,
    pub(super) description: Description,
}

impl Plan {
    /// Element type of the samples.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Shape of one frame, at most of rank [`MAX_RANK`](dora_shm_ring::MAX_RANK), each dimension at least 1.
    pub fn frame_shape(&self) -> &[u64] {
        &self.frame_shape
    }

    /// Bytes of one frame.
    pub fn frame_bytes(&self) -> u64 {
        self.frame_shape.iter().product::<u64>() * self.dtype.size() as u64
    }

    /// Frames a second, above 0. `None`: unknown or irregular. Along an axis that is no time, of a source that gives no
    /// `sample_rate`, it is frames per unit of that axis.
    pub fn rate_hz(&self) -> Option<f64> {
        self.rate_hz
    }

    /// The source's own name for the signal; empty when it has none.
    pub fn key(&self) -> &str {
        &self.description.key
    }

    /// The description to publish with the frames.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Whether frames of both fit in one generation: a difference of the descriptions alone needs no other ring.
    pub fn same_generation(&self, other: &Self) -> bool {
        self.dtype == other.dtype
            && self.frame_shape == other.frame_shape
            && self.rate_hz == other.rate_hz
            && self.key() == other.key()
    }
}

/// The value of an attribute, when it has one that a description can hold.
pub(super) fn attr(value: &Parameter) -> Option<Attr> {
    Some(match value {
        Parameter::Bool(value) => Attr::Bool(*value),
        Parameter::Integer(value) => Attr::Integer(*value),
        Parameter::Float(value) => Attr::Float(*value),
        Parameter::String(value) => Attr::String(value.clone()),
        Parameter::ListInt(values) => Attr::ListInt(values.clone()),
        Parameter::ListFloat(values) => Attr::ListFloat(values.clone()),
        Parameter::ListString(values) => Attr::ListString(values.clone()),
        Parameter::Timestamp(time) => Attr::Timestamp(time.timestamp_nanos_opt()?),
    })
}

/// Axes of a description: the source's, the buffered one with the step in force (0: there is none), and names of a
/// struct's columns.
///
/// # Errors
/// [`Reason::Parameter`] for labels that are not as many as the dim is long.
pub(super) fn axes(
    geometry: &Geometry,
    payload: &Payload,
    row: &[u64],
    step: f64,
    source: &Axes,
) -> Result<BTreeMap<String, Axis>, Reason> {
    let mut described = BTreeMap::new();
    for (index, (dim, &size)) in geometry.dims.iter().zip(&geometry.shape).enumerate() {
        if Some(index) == geometry.axis {
            continue;
        }
        if let Some(axis) = source.get(dim) {
            if let Axis::Coord { data: Some(data), .. } = axis {
                check_count(dim, data, size)?;
            }
            described.insert(dim.clone(), axis.clone());
        }
    }
    if let Some((dim, labels)) = column_labels(geometry, payload, row) {
        described.entry(dim).or_insert(Axis::Coord { unit: String::new(), data: Some(labels) });
    }
    let unit = source.get(&geometry.buffered).map_or(SECOND, axes::unit).to_owned();
    let buffered = match step {
        0.0 => Axis::Coord { unit, data: None },
        gain => Axis::Linear { unit, gain, offset: None },
    };
    described.insert(geometry.buffered.clone(), buffered);
    Ok(described)
}

/// The dim that counts the columns of a struct, and their names, when the message has its rows unchanged.
fn column_labels(geometry: &Geometry, payload: &Payload, row: &[u64]) -> Option<(String, Vec<Value>)> {
    let is_natural = geometry.shape.split_first() == Some((&payload.rows, row));
    let has_column_dim = payload.root.equal_columns() == Some(payload.columns.len());
    if !is_natural || !has_column_dim || geometry.axis == Some(1) {
        return None;
    }
    let common = common_prefix(payload);
    let labels = payload.columns.iter().map(|column| Value::from(&column.path[common..])).collect();
    Some((geometry.dims[1].clone(), labels))
}

/// Bytes of the columns' paths that name structs of which all are part.
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

/// What of a message is not its samples, for the layout.
pub(super) struct Wrapping<'a> {
    pub payload: &'a Payload,
    /// Shape of one row, in samples.
    pub row: &'a [u64],
    pub geometry: &'a Geometry,
    /// Set when the columns come back as this type: bytes that were read as it, or numbers converted to it.
    pub converted: Option<Dtype>,
    /// Bytes were read as numbers: they come back as a plain vector of these.
    pub reinterpreted: bool,
}

impl Wrapping<'_> {
    /// The layout of what has no parameters.
    pub(super) fn layout(&self) -> Layout {
        let axis = self.geometry.axis;
        let shape = self.geometry.shape.iter().enumerate();
        let shape = shape.map(|(index, &dim)| if Some(index) == axis { None } else { Some(dim) }).collect();
        let (rows, arrow) = match (self.reinterpreted, self.converted) {
            (true, Some(dtype)) => (None, ArrowType::Number(dtype)),
            _ => {
                let mut open = self.open_list();
                let rows = open.map(|_| self.payload.rows);
                (rows, self.arrow_type(&self.payload.root, &mut open))
            }
        };
        Layout {
            version: LAYOUT_VERSION,
            arrow,
            rows,
            shape,
            dims: self.geometry.dims.clone(),
            parameters: BTreeMap::new(),
            per_message: Vec::new(),
            types: BTreeMap::new(),
        }
    }

    /// What of the array is longer when its message has more frames, as far as such a message is sure to be read alike.
    ///
    /// `by_nature`: neither a setting nor a parameter gives the shape. `may_be_picture`: a picture if its size fits.
    pub(super) fn growth(&self, by_nature: bool, may_be_picture: bool) -> Growth {
        let is_vector = self.payload.is_vector();
        if self.geometry.axis.is_none() {
            return Growth::Fixed;
        }
        if self.payload.only().is_some_and(|column| column.bytes) {
            let is_growing = is_vector && outermost_lists(&self.payload.root) == 0 && !(by_nature && may_be_picture);
            return if is_growing { Growth::List(0) } else { Growth::Fixed };
        }
        match self.open_list() {
            // The rows are frames, and not a part of each.
            None if by_nature && !is_vector && self.geometry.axis != Some(0) => Growth::Fixed,
            None if by_nature && is_vector && may_be_picture => Growth::Fixed,
            None => Growth::Rows,
            Some(_) if by_nature && may_be_picture => Growth::Fixed,
            Some(list) => Growth::List(list),
        }
    }

    /// Which of the outermost lists grows with the number of frames; `None`: the array does.
    fn open_list(&self) -> Option<usize> {
        let lists = outermost_lists(&self.payload.root);
        let axis = self.geometry.axis?;
        if self.geometry.shape.split_first() == Some((&self.payload.rows, self.row)) {
            return axis.checked_sub(1).filter(|list| *list < lists);
        }
        let frame: u64 = self.geometry.frame_shape().iter().product();
        let is_a_row = self.row.iter().product::<u64>() == frame;
        (self.payload.rows == 1 && lists > 0 && !is_a_row).then_some(0)
    }

    fn arrow_type(&self, node: &Node, open: &mut Option<usize>) -> ArrowType {
        match node {
            Node::Number { index } | Node::Bytes { index, .. } => {
                ArrowType::Number(self.converted.unwrap_or(self.payload.columns[*index].dtype))
            }
            Node::List { kind, length, item, child } => {
                let is_open = *open == Some(0);
                *open = open.and_then(|lists| lists.checked_sub(1));
                let list = ArrowList {
                    length: if is_open { None } else { Some(*length) },
                    item: Box::new(self.field(item, child, open)),
                };
                match kind {
                    ListKind::Fixed => ArrowType::FixedSizeList(list),
                    ListKind::List => ArrowType::List(list),
                    ListKind::Large => ArrowType::LargeList(list),
                }
            }
            Node::Struct(members) => {
                ArrowType::Struct(members.iter().map(|member| self.field(&member.field, &member.node, open)).collect())
            }
        }
    }

    fn field(&self, field: &FieldRef, node: &Node, open: &mut Option<usize>) -> ArrowField {
        ArrowField {
            name: field.name().clone(),
            nullable: field.is_nullable(),
            metadata: field.metadata().iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            arrow_type: self.arrow_type(node, open),
        }
    }
}

/// Lists from the outside in, of which each holds all the numbers of a row.
fn outermost_lists(node: &Node) -> usize {
    match node {
        Node::List { child, .. } => 1 + outermost_lists(child),
        Node::Struct(members) if members.len() == 1 => outermost_lists(&members[0].node),
        _ => 0,
    }
}

/// The dtype that the columns come back as, when it is not their own.
pub(super) fn converted(payload: &Payload, asked: Option<Dtype>) -> Option<Dtype> {
    let asked = asked?;
    payload.columns.iter().any(|column| column.dtype != asked || column.bytes).then_some(asked)
}
