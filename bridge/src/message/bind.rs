//! Finding the memory of a message's columns, without allocating.

use std::ops::Range;

use arrow::array::{Array, ArrowPrimitiveType, AsArray, OffsetSizeTrait};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::datatypes::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use dora_shm_ring::Dtype;

use super::growth::Open;
use super::payload::{BytesKind, ListKind, Node, Payload, have_length, offset_range};

/// Memory of the columns of one message. It keeps its own from message to message.
#[derive(Debug, Default)]
pub(super) struct Bound {
    columns: Vec<(Values, Range<usize>)>,
    /// Masks of all columns, one behind the other.
    masks: Vec<Nulls>,
}

impl Bound {
    pub(super) fn clear(&mut self) {
        self.columns.clear();
        self.masks.clear();
    }

    /// All numbers of a column, in the order of the rows, and which of them are null.
    pub(super) fn column(&self, index: usize) -> (&Values, &[Nulls]) {
        let (values, masks) = &self.columns[index];
        (values, &self.masks[masks.clone()])
    }

    fn push(&mut self, values: Values, mut above: Option<&Above<'_>>, numbers: usize) {
        let first = self.masks.len();
        while let Some(Above { mask, rows, outer }) = above {
            let mask = mask.slice(rows.start, rows.len());
            // A mask without a null where the column is says nothing.
            if mask.null_count() > 0 && numbers > 0 {
                self.masks.push(Nulls { run: numbers / mask.len(), mask });
            }
            above = *outer;
        }
        self.columns.push((values, first..self.masks.len()));
    }
}

#[derive(Debug)]
pub(super) enum Values {
    Bytes(Buffer),
    Bits(BooleanBuffer),
}

/// Which values of the column, or of something that it is part of, are null.
#[derive(Debug)]
pub(super) struct Nulls {
    pub mask: NullBuffer,
    /// Numbers of the column that one entry of the mask stands for.
    pub run: usize,
}

/// Appends the memory of each column to `bound`. False when the array is made of other parts than `payload` says, but
/// for its own length and that in `open`.
///
/// The array has the Arrow type from which `payload` was made.
pub(super) fn bind(payload: &Payload, array: &dyn Array, open: Open, bound: &mut Bound) -> bool {
    bind_node(payload, &payload.root, array, 0..array.len(), open, None, bound)
}

/// Masks of what a value is part of, innermost first.
#[derive(Clone, Copy)]
struct Above<'a> {
    mask: &'a NullBuffer,
    rows: &'a Range<usize>,
    outer: Option<&'a Above<'a>>,
}

fn bind_node(
    payload: &Payload,
    node: &Node,
    array: &dyn Array,
    rows: Range<usize>,
    open: Open,
    above: Option<&Above<'_>>,
    bound: &mut Bound,
) -> bool {
    let here = array.nulls().filter(|mask| mask.null_count() > 0).map(|mask| Above { mask, rows: &rows, outer: above });
    let above = here.as_ref().or(above);
    let length_or = |length: &u64| match open {
        Some((0, open)) => open,
        _ => *length,
    };
    let inside = open.and_then(|(list, length)| Some((list.checked_sub(1)?, length)));
    match node {
        Node::Number { index } => {
            let Some(values) = numbers(payload.columns[*index].dtype, array, &rows) else { return false };
            bound.push(values, above, rows.len());
            true
        }
        Node::Bytes { kind, length, .. } => {
            let length = length_or(length);
            let bytes = match kind {
                BytesKind::Fixed => {
                    let length = length as usize;
                    array.as_fixed_size_binary().values().slice_with_length(rows.start * length, rows.len() * length)
                }
                BytesKind::Binary => {
                    let array = array.as_binary::<i32>();
                    let Some(buffer) = lists_of_bytes(array.value_offsets(), array.values(), &rows, length) else {
                        return false;
                    };
                    buffer
                }
                BytesKind::Large => {
                    let array = array.as_binary::<i64>();
                    let Some(buffer) = lists_of_bytes(array.value_offsets(), array.values(), &rows, length) else {
                        return false;
                    };
                    buffer
                }
            };
            let numbers = bytes.len();
            bound.push(Values::Bytes(bytes), above, numbers);
            true
        }
        Node::List { kind, length, child, .. } => match kind {
            ListKind::Fixed => {
                let length = *length as usize;
                let items = rows.start * length..rows.end * length;
                bind_node(payload, child, array.as_fixed_size_list().values(), items, inside, above, bound)
            }
            ListKind::List => {
                let list = array.as_list::<i32>();
                let items = offset_range(list.value_offsets(), &rows);
                have_length(list.value_offsets(), &rows, length_or(length))
                    && bind_node(payload, child, list.values(), items, inside, above, bound)
            }
            ListKind::Large => {
                let list = array.as_list::<i64>();
                let items = offset_range(list.value_offsets(), &rows);
                have_length(list.value_offsets(), &rows, length_or(length))
                    && bind_node(payload, child, list.values(), items, inside, above, bound)
            }
        },
        Node::Struct(members) => {
            let columns = array.as_struct().columns();
            members.iter().all(|member| {
                bind_node(payload, &member.node, &columns[member.column], rows.clone(), open, above, bound)
            })
        }
    }
}

fn lists_of_bytes<O: OffsetSizeTrait>(
    offsets: &[O],
    values: &Buffer,
    rows: &Range<usize>,
    length: u64,
) -> Option<Buffer> {
    let bytes = offset_range(offsets, rows);
    have_length(offsets, rows, length).then(|| values.slice_with_length(bytes.start, bytes.len()))
}

pub(super) fn numbers(dtype: Dtype, array: &dyn Array, rows: &Range<usize>) -> Option<Values> {
    fn bytes<T: ArrowPrimitiveType>(array: &dyn Array, rows: &Range<usize>) -> Option<Values> {
        let size = size_of::<T::Native>();
        let values = array.as_primitive_opt::<T>()?.values().inner();
        Some(Values::Bytes(values.slice_with_length(rows.start * size, rows.len() * size)))
    }
    match dtype {
        Dtype::Bool => Some(Values::Bits(array.as_boolean_opt()?.values().slice(rows.start, rows.len()))),
        Dtype::I8 => bytes::<Int8Type>(array, rows),
        Dtype::U8 => bytes::<UInt8Type>(array, rows),
        Dtype::I16 => bytes::<Int16Type>(array, rows),
        Dtype::U16 => bytes::<UInt16Type>(array, rows),
        Dtype::I32 => bytes::<Int32Type>(array, rows),
        Dtype::U32 => bytes::<UInt32Type>(array, rows),
        Dtype::I64 => bytes::<Int64Type>(array, rows),
        Dtype::U64 => bytes::<UInt64Type>(array, rows),
        Dtype::F16 => bytes::<Float16Type>(array, rows),
        Dtype::F32 => bytes::<Float32Type>(array, rows),
        Dtype::F64 => bytes::<Float64Type>(array, rows),
    }
}
