//! The memory of a message's columns, found without allocating.

use std::ops::Range;

use arrow::array::{
    Array, ArrowPrimitiveType, AsArray, GenericBinaryArray, GenericListArray, OffsetSizeTrait, StructArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::datatypes::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use dora_shm_ring::Dtype;

use crate::array::payload::{BytesKind, ListKind, Member, Node, Open, Payload, have_length, offset_range};

/// The memory of the columns of one message. The vectors keep their capacity from message to message.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    columns: Vec<(Values, Range<usize>)>,
    /// The masks of all columns, one column after the other.
    masks: Vec<Nulls>,
}

#[derive(Debug)]
pub(crate) enum Values {
    Bytes(Buffer),
    Bits(BooleanBuffer),
}

/// Which values of a column are null, by the mask of the column itself or of something that contains it.
#[derive(Debug)]
pub(crate) struct Nulls {
    pub mask: NullBuffer,
    /// Numbers of the column per entry of the mask.
    pub run: usize,
}

impl Columns {
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.columns.clear();
        self.masks.clear();
    }

    /// All numbers of a column, in the order of the rows, and its masks.
    #[inline]
    pub(crate) fn column(&self, index: usize) -> (&Values, &[Nulls]) {
        let (values, masks) = &self.columns[index];
        (values, &self.masks[masks.clone()])
    }

    /// Appends the memory of each column of `array`, whose Arrow type is the one that `payload` was made from.
    ///
    /// Returns false if the array and `payload` differ in anything but the length of the array and the length in
    /// `open`.
    #[inline]
    pub(crate) fn bind(&mut self, payload: &Payload, array: &dyn Array, open: Open) -> bool {
        Binding { payload, columns: self }.node(&payload.root, array, 0..array.len(), open, None)
    }

    fn push(&mut self, values: Values, mut above: Option<&Above<'_>>, numbers: usize) {
        let first = self.masks.len();
        while let Some(Above { mask, rows, outer }) = above {
            let mask = mask.slice(rows.start, rows.len());
            // A mask without nulls in these rows has no effect.
            if mask.null_count() > 0 && numbers > 0 {
                self.masks.push(Nulls { run: numbers / mask.len(), mask });
            }
            above = *outer;
        }
        self.columns.push((values, first..self.masks.len()));
    }
}

/// The masks of everything that contains a value, innermost first.
#[derive(Clone, Copy)]
struct Above<'a> {
    mask: &'a NullBuffer,
    rows: &'a Range<usize>,
    outer: Option<&'a Above<'a>>,
}

/// The walk over an array that fills `columns`.
struct Binding<'a> {
    payload: &'a Payload,
    columns: &'a mut Columns,
}

impl Binding<'_> {
    /// Appends the columns of `rows`. Returns false where the array differs from the payload.
    #[inline]
    fn node(
        &mut self,
        node: &Node,
        array: &dyn Array,
        rows: Range<usize>,
        open: Open,
        above: Option<&Above<'_>>,
    ) -> bool {
        let mask = array.nulls().filter(|mask| mask.null_count() > 0);
        let here = mask.map(|mask| Above { mask, rows: &rows, outer: above });
        let above = here.as_ref().or(above);
        match node {
            Node::Number { index } => {
                let Some(values) = numbers(self.payload.columns[*index].dtype, array, &rows) else { return false };
                self.columns.push(values, above, rows.len());
                true
            }
            Node::Bytes { kind, length, .. } => {
                let length = length_or(*length, open);
                let bytes = match kind {
                    BytesKind::Fixed => Some(fixed_bytes(array, &rows, length)),
                    BytesKind::Binary => bytes(array.as_binary::<i32>(), &rows, length),
                    BytesKind::Large => bytes(array.as_binary::<i64>(), &rows, length),
                };
                let Some(bytes) = bytes else { return false };
                let numbers = bytes.len();
                self.columns.push(Values::Bytes(bytes), above, numbers);
                true
            }
            Node::List { kind, length, child, .. } => match kind {
                ListKind::Fixed => {
                    let size = *length as usize;
                    let items = rows.start * size..rows.end * size;
                    self.node(child, array.as_fixed_size_list().values(), items, inside(open), above)
                }
                ListKind::List => self.list(array.as_list::<i32>(), *length, child, &rows, open, above),
                ListKind::Large => self.list(array.as_list::<i64>(), *length, child, &rows, open, above),
            },
            Node::Struct(members) => self.members(members, array.as_struct(), &rows, open, above),
        }
    }

    fn list<O: OffsetSizeTrait>(
        &mut self,
        list: &GenericListArray<O>,
        length: u64,
        child: &Node,
        rows: &Range<usize>,
        open: Open,
        above: Option<&Above<'_>>,
    ) -> bool {
        let offsets = list.value_offsets();
        have_length(offsets, rows, length_or(length, open))
            && self.node(child, list.values(), offset_range(offsets, rows), inside(open), above)
    }

    fn members(
        &mut self,
        members: &[Member],
        array: &StructArray,
        rows: &Range<usize>,
        open: Open,
        above: Option<&Above<'_>>,
    ) -> bool {
        let columns = array.columns();
        members.iter().all(|member| self.node(&member.node, &columns[member.column], rows.clone(), open, above))
    }
}

/// The length of this list: its own in the payload, or the one that is open.
fn length_or(length: u64, open: Open) -> u64 {
    match open {
        Some((0, open)) => open,
        _ => length,
    }
}

/// `open` as seen from inside a list.
fn inside(open: Open) -> Open {
    open.and_then(|(list, length)| Some((list.checked_sub(1)?, length)))
}

fn fixed_bytes(array: &dyn Array, rows: &Range<usize>, length: u64) -> Buffer {
    let size = length as usize;
    array.as_fixed_size_binary().values().slice_with_length(rows.start * size, rows.len() * size)
}

fn bytes<O: OffsetSizeTrait>(array: &GenericBinaryArray<O>, rows: &Range<usize>, length: u64) -> Option<Buffer> {
    let offsets = array.value_offsets();
    let bytes = offset_range(offsets, rows);
    have_length(offsets, rows, length).then(|| array.values().slice_with_length(bytes.start, bytes.len()))
}

/// The numbers of `rows`, if `array` holds numbers of this type.
pub(crate) fn numbers(dtype: Dtype, array: &dyn Array, rows: &Range<usize>) -> Option<Values> {
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
