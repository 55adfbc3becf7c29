//! Arrow arrays, built from the samples of their frames.

use std::sync::Arc;

use arrow::array::{
    ArrayData, ArrayRef, BooleanArray, FixedSizeListArray, LargeListArray, ListArray, StructArray, make_array,
    new_empty_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, MutableBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use dora_shm_ring::Dtype;

use crate::array::arrow_types::arrow_type;
use crate::copy::cast::convert;
use crate::rebuild::error::RebuildError;
use crate::rebuild::recipe::{ArrowField, ArrowType};

/// Where the numbers of a part of the type are among all samples: `start`, and then every combination of `count` steps
/// of `stride` per loop, outermost first.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    start: usize,
    loops: Vec<(usize, usize)>,
}

impl Place {
    pub(crate) fn all(rows: usize, row: usize) -> Self {
        Self { start: 0, loops: vec![(rows, row)] }
    }

    /// One level further in: `count` contiguous parts of `size` samples.
    fn inside(mut self, count: usize, size: usize) -> Self {
        match self.loops.last_mut() {
            Some((outer, stride)) if *stride == count * size => {
                *outer *= count;
                *stride = size;
            }
            _ => self.loops.push((count, size)),
        }
        self
    }

    /// The numbers, if they are contiguous.
    fn contiguous(&self) -> Option<std::ops::Range<usize>> {
        match self.loops.as_slice() {
            &[(count, 1)] => Some(self.start..self.start + count),
            _ => None,
        }
    }

    fn gather(&self, size: usize, samples: &[u8], into: &mut MutableBuffer) {
        fn walk(start: usize, loops: &[(usize, usize)], size: usize, samples: &[u8], into: &mut MutableBuffer) {
            match loops {
                &[(count, 1)] => into.extend_from_slice(&samples[start * size..(start + count) * size]),
                [] => into.extend_from_slice(&samples[start * size..(start + 1) * size]),
                [(count, stride), inner @ ..] => {
                    (0..*count).for_each(|i| walk(start + i * stride, inner, size, samples, into));
                }
            }
        }
        walk(self.start, &self.loops, size, samples, into);
    }
}

pub(crate) struct Build<'a> {
    pub samples: &'a Buffer,
    pub dtype: Dtype,
    /// Number of items of the list that has no length of its own.
    pub open: usize,
}

impl Build<'_> {
    /// An array of `count` values of type `arrow`, whose samples are at `place`.
    pub(crate) fn array(&self, arrow: &ArrowType, count: usize, place: Place) -> Result<ArrayRef, RebuildError> {
        match arrow {
            ArrowType::Number(dtype) => self.numbers(*dtype, &place),
            ArrowType::FixedSizeList(list) => {
                let (length, items, field) = self.items(list.length, &list.item, count, place)?;
                let length = i32::try_from(length).map_err(|_| too_long(length))?;
                Ok(Arc::new(FixedSizeListArray::try_new_with_length(field, length, items, None, count)?))
            }
            ArrowType::List(list) => {
                let (length, items, field) = self.items(list.length, &list.item, count, place)?;
                i32::try_from(items.len()).map_err(|_| too_long(items.len()))?;
                let offsets = OffsetBuffer::<i32>::from_repeated_length(length, count);
                Ok(Arc::new(ListArray::try_new(field, offsets, items, None)?))
            }
            ArrowType::LargeList(list) => {
                let (length, items, field) = self.items(list.length, &list.item, count, place)?;
                let offsets = OffsetBuffer::<i64>::from_repeated_length(length, count);
                Ok(Arc::new(LargeListArray::try_new(field, offsets, items, None)?))
            }
            ArrowType::Struct(columns) => {
                let (mut fields, mut arrays) = (Vec::new(), Vec::new());
                let mut start = place.start;
                for column in columns {
                    let size = self.size(&column.arrow_type)?;
                    let array = self.array(&column.arrow_type, count, Place { start, ..place.clone() })?;
                    fields.push(field(column, &array));
                    arrays.push(array);
                    start += size;
                }
                let fields = Fields::from(fields);
                Ok(Arc::new(StructArray::try_new_with_length(fields, arrays, None, count)?))
            }
        }
    }

    fn items(
        &self,
        length: Option<u64>,
        item: &ArrowField,
        count: usize,
        place: Place,
    ) -> Result<(usize, ArrayRef, FieldRef), RebuildError> {
        let length = length.map_or(self.open, |length| length as usize);
        // A hostile recipe could demand any number of items that hold no numbers.
        let samples = self.samples.len() / self.dtype.size();
        let total = count.checked_mul(length).filter(|total| *total <= samples).ok_or_else(|| too_long(length))?;
        let place = place.inside(length, self.size(&item.arrow_type)?);
        let items = self.array(&item.arrow_type, total, place)?;
        let field = field(item, &items);
        Ok((length, items, field))
    }

    fn size(&self, arrow: &ArrowType) -> Result<usize, RebuildError> {
        let numbers = arrow.numbers(self.open as u64).and_then(|numbers| usize::try_from(numbers).ok());
        numbers.ok_or_else(|| RebuildError::recipe("a column of more numbers than can be counted"))
    }

    fn numbers(&self, dtype: Dtype, place: &Place) -> Result<ArrayRef, RebuildError> {
        let size = self.dtype.size();
        let samples = match place.contiguous() {
            Some(range) => self.samples.slice_with_length(range.start * size, range.len() * size),
            None => {
                let mut gathered = MutableBuffer::new(0);
                place.gather(size, self.samples, &mut gathered);
                gathered.into()
            }
        };
        number_array(dtype, self.dtype, &samples)
    }
}

fn too_long(length: usize) -> RebuildError {
    RebuildError::recipe(format!("a list of {length} items"))
}

/// An array of type `dtype` of the samples, which are of type `from`.
pub(crate) fn number_array(dtype: Dtype, from: Dtype, samples: &Buffer) -> Result<ArrayRef, RebuildError> {
    let count = samples.len() / from.size();
    if dtype == Dtype::Bool {
        let is_true = |i: usize| samples[i * from.size()..(i + 1) * from.size()].iter().any(|byte| *byte != 0);
        return Ok(Arc::new(BooleanArray::new(BooleanBuffer::collect_bool(count, is_true), None)));
    }
    let numbers = if dtype == from {
        samples.clone()
    } else {
        let mut converted = MutableBuffer::from_len_zeroed(count * dtype.size());
        convert(from, samples, dtype, &mut converted);
        converted.into()
    };
    Ok(make_array(ArrayData::builder(arrow_type(dtype)).len(count).add_buffer(numbers).build()?))
}

fn field(described: &ArrowField, values: &ArrayRef) -> FieldRef {
    let metadata = described.metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    let field = Field::new(described.name.clone(), values.data_type().clone(), described.nullable);
    FieldRef::new(field.with_metadata(metadata))
}

/// The array of a message without frames.
pub(crate) fn empty_array(arrow: &ArrowType) -> ArrayRef {
    new_empty_array(&data_type(arrow))
}

/// The Arrow type of a message without frames.
fn data_type(arrow: &ArrowType) -> DataType {
    let item = |item: &ArrowField| {
        let metadata = item.metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        FieldRef::new(Field::new(item.name.clone(), data_type(&item.arrow_type), item.nullable).with_metadata(metadata))
    };
    match arrow {
        ArrowType::Number(dtype) => arrow_type(*dtype),
        ArrowType::FixedSizeList(list) => {
            let length = list.length.and_then(|length| i32::try_from(length).ok()).unwrap_or(0);
            DataType::FixedSizeList(item(&list.item), length)
        }
        ArrowType::List(list) => DataType::List(item(&list.item)),
        ArrowType::LargeList(list) => DataType::LargeList(item(&list.item)),
        ArrowType::Struct(columns) => DataType::Struct(columns.iter().map(item).collect()),
    }
}
