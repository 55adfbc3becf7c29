//! Messages that differ from the one before in nothing but the number of their frames.

use arrow::array::{Array, AsArray};
use dora_node_api::Parameter;

use super::geometry::Geometry;
use super::layout::SentType;
use super::params::whole;
use super::payload::{BytesKind, ListKind, Node, Payload};

/// What of an array is longer when its message has more frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    /// Nothing: a message with another number of frames has to be read anew.
    Fixed,
    /// The array itself.
    Rows,
    /// The lists or bytes of this number, from the outside in.
    List(usize),
}

/// Length of the list that grows, and its number from the outside in.
pub(super) type Open = Option<(usize, u64)>;

/// What a message must have besides its Arrow type to be read like another.
#[derive(Debug)]
pub(super) struct Pattern {
    pub growth: Growth,
    pub geometry: Geometry,
    /// Type of the parameter `shape`, where it is the message's own.
    pub shape_sent: Option<SentType>,
    /// Numbers of the array per sample: of bytes that are read as numbers, the bytes.
    pub numbers_per_sample: u64,
}

impl Pattern {
    /// Number of frames of an array of the type from which `payload` was made, and the length that is its own. `None`:
    /// it differs from that array in more.
    pub(super) fn frames(&self, payload: &Payload, array: &dyn Array) -> Option<(u64, Open)> {
        let rows = array.len() as u64;
        let open = match self.growth {
            Growth::Rows => None,
            Growth::Fixed | Growth::List(_) if rows != payload.rows => return None,
            Growth::Fixed => None,
            Growth::List(list) => Some((list, first_length(&payload.root, array, 0, list)?)),
        };
        let numbers = payload.root.numbers_with(open).checked_mul(rows)?;
        let unit = self.geometry.frame_samples().checked_mul(self.numbers_per_sample).filter(|unit| *unit > 0)?;
        (numbers > 0 && numbers.is_multiple_of(unit)).then_some((numbers / unit, open))
    }

    /// Whether `value`, a list of numbers, is the shape of such a message of `frames` frames, in the type that is known.
    pub(super) fn is_shape(&self, value: &Parameter, frames: u64) -> bool {
        let Geometry { shape, axis, .. } = &self.geometry;
        let expected = |index: usize| if Some(index) == *axis { frames } else { shape[index] };
        let is = |index: usize, dim: Option<i64>| dim.and_then(|dim| u64::try_from(dim).ok()) == Some(expected(index));
        self.shape_sent == SentType::of(value)
            && match value {
                Parameter::ListInt(dims) => {
                    dims.len() == shape.len() && dims.iter().enumerate().all(|(index, dim)| is(index, Some(*dim)))
                }
                Parameter::ListFloat(dims) => {
                    dims.len() == shape.len() && dims.iter().enumerate().all(|(index, dim)| is(index, whole(*dim)))
                }
                _ => false,
            }
    }
}

/// Length of the list with the number `list` from the outside in, in the row `row` of `array`.
fn first_length(node: &Node, array: &dyn Array, row: usize, list: usize) -> Option<u64> {
    let span = |start: usize, end: usize| (end - start) as u64;
    match node {
        Node::Struct(members) => match members.as_slice() {
            [member] => first_length(&member.node, &array.as_struct().columns()[member.column], row, list),
            _ => None,
        },
        Node::Bytes { kind, .. } if list == 0 => match kind {
            BytesKind::Fixed => None,
            BytesKind::Binary => {
                let offsets = array.as_binary::<i32>().value_offsets();
                Some(span(offsets[row] as usize, offsets[row + 1] as usize))
            }
            BytesKind::Large => {
                let offsets = array.as_binary::<i64>().value_offsets();
                Some(span(offsets[row] as usize, offsets[row + 1] as usize))
            }
        },
        Node::List { kind, length, child, .. } => {
            let (items, start, end) = match kind {
                ListKind::Fixed => {
                    let (lists, length) = (array.as_fixed_size_list(), *length as usize);
                    (lists.values(), row * length, (row + 1) * length)
                }
                ListKind::List => {
                    let lists = array.as_list::<i32>();
                    (lists.values(), lists.value_offsets()[row] as usize, lists.value_offsets()[row + 1] as usize)
                }
                ListKind::Large => {
                    let lists = array.as_list::<i64>();
                    (lists.values(), lists.value_offsets()[row] as usize, lists.value_offsets()[row + 1] as usize)
                }
            };
            match list.checked_sub(1) {
                None => Some(span(start, end)),
                Some(inner) if start < end => first_length(child, items, start, inner),
                Some(_) => None,
            }
        }
        Node::Number { .. } | Node::Bytes { .. } => None,
    }
}
