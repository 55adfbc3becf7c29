//! Counts the frames of a message that differs from the one before in nothing but their number.

use arrow::array::{Array, ArrayRef, AsArray, GenericBinaryArray, GenericListArray, OffsetSizeTrait};
use dora_node_api::Parameter;

use crate::array::payload::{BytesKind, ListKind, Node, Open, Payload};
use crate::describe::wrapping::Wrapping;
use crate::params::read::whole;
use crate::rebuild::recipe::ParamType;
use crate::shape::arrangement::Arrangement;

/// Which part of an array gets longer when its message has more frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Growth {
    /// No part: a message with a different number of frames is read as if it were the first.
    Fixed,
    /// The array itself.
    Rows,
    /// The lists or bytes of this number, from the outside in.
    List(usize),
}

impl Growth {
    /// The part that grows in messages such as `message`, if every longer message is certain to be read alike.
    ///
    /// `by_nature`: neither a setting nor a parameter gives the shape. `may_be_picture`: the message is a picture if
    /// its length fits.
    pub(crate) fn of(message: &Wrapping<'_>, by_nature: bool, may_be_picture: bool) -> Self {
        let payload = message.payload;
        let is_vector = payload.is_vector();
        if message.arrangement.axis.is_none() {
            return Self::Fixed;
        }
        if payload.only().is_some_and(|column| column.bytes) {
            let is_growing = is_vector && payload.root.outermost_lists() == 0 && !(by_nature && may_be_picture);
            return if is_growing { Self::List(0) } else { Self::Fixed };
        }
        match message.open_list() {
            // The rows are frames, rather than parts of one frame.
            None if by_nature && !is_vector && message.arrangement.axis != Some(0) => Self::Fixed,
            None if by_nature && is_vector && may_be_picture => Self::Fixed,
            None => Self::Rows,
            Some(_) if by_nature && may_be_picture => Self::Fixed,
            Some(list) => Self::List(list),
        }
    }
}

/// Counts the frames of messages of one Arrow type and one frame shape.
#[derive(Debug)]
pub(crate) struct FrameCount {
    pub growth: Growth,
    pub arrangement: Arrangement,
    /// Type of the parameter `shape`, if it gives the message's own shape.
    pub shape_sent: Option<ParamType>,
    /// Numbers of the array per sample: for bytes that are read as numbers, the bytes of one.
    pub numbers_per_sample: u64,
}

impl FrameCount {
    /// Number of frames of `array`, whose Arrow type is the one that `payload` was made from, and the length of the
    /// list that grows. `None`: `array` differs from that array in more than its number of frames.
    #[inline]
    pub(crate) fn of(&self, payload: &Payload, array: &dyn Array) -> Option<(u64, Open)> {
        let rows = array.len() as u64;
        let open = match self.growth {
            Growth::Rows => None,
            Growth::Fixed | Growth::List(_) if rows != payload.rows => return None,
            Growth::Fixed => None,
            Growth::List(list) => Some((list, first_length(&payload.root, array, 0, list)?)),
        };
        let numbers = payload.root.numbers_with(open).checked_mul(rows)?;
        let unit = self.arrangement.frame_samples().checked_mul(self.numbers_per_sample).filter(|unit| *unit > 0)?;
        (numbers > 0 && numbers.is_multiple_of(unit)).then_some((numbers / unit, open))
    }

    /// Whether `value`, a list of numbers, is the shape of such a message of `frames` frames, in the type of
    /// `shape_sent`.
    pub(crate) fn is_shape(&self, value: &Parameter, frames: u64) -> bool {
        let Arrangement { shape, axis, .. } = &self.arrangement;
        let expected = |index: usize| if Some(index) == *axis { frames } else { shape[index] };
        let is = |index: usize, dim: Option<i64>| dim.and_then(|dim| u64::try_from(dim).ok()) == Some(expected(index));
        self.shape_sent == ParamType::of(value)
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

/// Length of the list of the number `list`, from the outside in, in the row `row` of `array`.
fn first_length(node: &Node, array: &dyn Array, row: usize, list: usize) -> Option<u64> {
    match node {
        Node::Struct(members) => match members.as_slice() {
            [member] => first_length(&member.node, &array.as_struct().columns()[member.column], row, list),
            _ => None,
        },
        Node::Bytes { kind, .. } if list == 0 => match kind {
            BytesKind::Fixed => None,
            BytesKind::Binary => Some(bytes(array.as_binary::<i32>(), row)),
            BytesKind::Large => Some(bytes(array.as_binary::<i64>(), row)),
        },
        Node::List { kind, length, child, .. } => {
            let (items, start, end) = match kind {
                ListKind::Fixed => {
                    let (lists, length) = (array.as_fixed_size_list(), *length as usize);
                    (lists.values(), row * length, (row + 1) * length)
                }
                ListKind::List => items(array.as_list::<i32>(), row),
                ListKind::Large => items(array.as_list::<i64>(), row),
            };
            match list.checked_sub(1) {
                None => Some((end - start) as u64),
                Some(inner) if start < end => first_length(child, items, start, inner),
                Some(_) => None,
            }
        }
        Node::Number { .. } | Node::Bytes { .. } => None,
    }
}

/// Length of the bytes in `row`.
fn bytes<O: OffsetSizeTrait>(array: &GenericBinaryArray<O>, row: usize) -> u64 {
    let offsets = array.value_offsets();
    (offsets[row + 1] - offsets[row]).as_usize() as u64
}

/// The items of all lists, and which of them are those of the list in `row`.
fn items<O: OffsetSizeTrait>(lists: &GenericListArray<O>, row: usize) -> (&ArrayRef, usize, usize) {
    let offsets = lists.value_offsets();
    (lists.values(), offsets[row].as_usize(), offsets[row + 1].as_usize())
}
