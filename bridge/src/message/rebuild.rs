//! From frames back to messages.

use std::borrow::Cow;

use arrow::array::{
    ArrayData, ArrayRef, BooleanArray, FixedSizeListArray, LargeListArray, ListArray, StructArray, make_array,
    new_empty_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, MutableBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use dora_node_api::MetadataParameters;
use dora_shm_ring::{Description, Dtype, Format};

use super::arrow_types::arrow_type;
use super::cast::convert;
use super::layout::{ArrowField, ArrowType, Layout};
use super::rebuild_error::RebuildError;
use super::rebuild_params::Emitted;
use super::roll::Transpose;

/// Turns frames of one generation and one description back into messages.
#[derive(Debug)]
pub struct Rebuilder {
    dtype: Dtype,
    frame_bytes: usize,
    layout: Option<Layout>,
    emitted: Emitted,
}

/// What a mirror says of a message besides what its source said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// When the source sent it, nanoseconds since the Unix epoch.
    pub send_ns: i64,
    /// The generation that its frames were read from.
    pub generation: u32,
    /// Position of its first frame in that generation.
    pub position: u64,
    /// Frames lost just before it.
    pub lost: u64,
}

impl Rebuilder {
    /// For frames of the format `format` that `description` describes. A description without a layout of messages
    /// gives flat arrays with `shape`, `dims` and `dtype`.
    ///
    /// # Errors
    /// [`RebuildError::Version`] or [`RebuildError::Layout`] for a layout that cannot be used.
    pub fn new(format: &Format, description: &Description) -> Result<Self, RebuildError> {
        let layout = description.message.as_ref().map(Layout::from_json).transpose()?;
        let frame_bytes = usize::try_from(format.frame_bytes())
            .map_err(|_| RebuildError::layout(format!("frames of {} bytes", format.frame_bytes())))?;
        if let Some(layout) = &layout {
            let samples = layout.shape.iter().flatten().try_fold(1_u64, |product, &dim| product.checked_mul(dim));
            if samples != Some(format.frame_samples()) {
                let found = format!("shape {:?} for frames of shape {:?}", layout.shape, format.frame_shape());
                return Err(RebuildError::layout(found));
            }
        }
        let emitted = Emitted::new(format, description, layout.as_ref());
        Ok(Self { dtype: format.dtype(), frame_bytes, layout, emitted })
    }

    /// The message whose frames `samples` holds, as it was sent.
    ///
    /// `samples` are its bytes in the ring's order, in one or more parts that each hold whole frames; `times` has one
    /// entry per frame, in parts as well. Samples that need no rolling back and lie in one part, aligned to their type,
    /// are not copied: the array lies over the buffer. In several parts they are joined, which is one copy, since an array
    /// of Arrow has one buffer.
    ///
    /// # Errors
    /// [`RebuildError`] when `samples` and `times` do not fit each other, the format, or the layout.
    pub fn message(
        &self,
        samples: &[Buffer],
        times: &[&[f64]],
        marks: &Marks,
    ) -> Result<(ArrayRef, MetadataParameters), RebuildError> {
        let frames = self.frames(samples, times)?;
        match &self.layout {
            // A message that is one frame is all of it; other numbers of frames are none that a sink wrote.
            Some(layout) if frames <= 1 || layout.axis().is_some() => {
                let array = self.original(layout, samples, frames)?;
                Ok((array, self.emitted.message(frames as u64, times, marks)))
            }
            _ => self.run(samples, times, marks),
        }
    }

    /// Any run of frames, cut without regard to the messages that brought them.
    ///
    /// The array has the type of the source's when its messages can have any number of frames; else it is flat, the
    /// buffered axis first. `shape`, `dims`, `dtype`, the rate and the times are given in any case.
    ///
    /// # Errors
    /// As [`message`](Self::message).
    pub fn run(
        &self,
        samples: &[Buffer],
        times: &[&[f64]],
        marks: &Marks,
    ) -> Result<(ArrayRef, MetadataParameters), RebuildError> {
        let frames = self.frames(samples, times)?;
        let layout = self.layout.as_ref().filter(|layout| layout.axis().is_some());
        let array = match layout {
            Some(layout) => self.original(layout, samples, frames)?,
            None => number_array(self.dtype, self.dtype, &self.joined(samples, None, frames))?,
        };
        Ok((array, self.emitted.run(frames as u64, times, marks)))
    }

    /// Checks that samples and times are of as many whole frames.
    fn frames(&self, samples: &[Buffer], times: &[&[f64]]) -> Result<usize, RebuildError> {
        let frames: usize = times.iter().map(|times| times.len()).sum();
        let bytes: usize = samples.iter().map(Buffer::len).sum();
        let expected = frames.checked_mul(self.frame_bytes);
        let are_whole = samples.iter().all(|part| part.len() % self.frame_bytes == 0);
        if expected == Some(bytes) && are_whole {
            return Ok(frames);
        }
        Err(RebuildError::Samples {
            bytes: bytes as u64,
            frames: frames as u64,
            expected: expected.map_or(0, |expected| expected as u64),
        })
    }

    fn original(&self, layout: &Layout, samples: &[Buffer], frames: usize) -> Result<ArrayRef, RebuildError> {
        if frames == 0 {
            return Ok(new_empty_array(&data_type(&layout.arrow)));
        }
        let joined = self.joined(samples, Some(layout), frames);
        let numbers = (joined.len() / self.dtype.size()) as u64;
        let misfit = || RebuildError::layout(format!("{numbers} samples do not fill rows of {:?}", layout.arrow));
        let (rows, open) = match layout.rows {
            Some(rows) => {
                let row = layout.arrow.numbers(1).and_then(|row| row.checked_mul(rows)).ok_or_else(misfit)?;
                (rows, numbers.checked_div(row).ok_or_else(misfit)?)
            }
            None => {
                let row = layout.arrow.numbers(0).ok_or_else(misfit)?;
                (numbers.checked_div(row).ok_or_else(misfit)?, 0)
            }
        };
        let row = layout.arrow.numbers(open).ok_or_else(misfit)?;
        if rows.checked_mul(row) != Some(numbers) {
            return Err(misfit());
        }
        let build = Build { samples: &joined, dtype: self.dtype, open: open as usize };
        build.array(&layout.arrow, rows as usize, Place::all(rows as usize, row as usize))
    }

    /// All samples in the message's order (in the ring's without a layout), in one buffer that is aligned to them.
    fn joined<'a>(&self, samples: &'a [Buffer], layout: Option<&Layout>, frames: usize) -> Cow<'a, Buffer> {
        let mut parts = samples.iter().filter(|part| !part.is_empty());
        let outer = layout.map_or(1, |layout| {
            let before = &layout.shape[..layout.axis().unwrap_or(0)];
            before.iter().flatten().product::<u64>() as usize
        });
        if outer > 1 && frames > 1 {
            return Cow::Owned(self.rolled_back(samples, outer, frames));
        }
        let first = parts.next();
        match (first, parts.next()) {
            (Some(only), None) if only.as_ptr().align_offset(self.dtype.size()) == 0 => Cow::Borrowed(only),
            (None, _) => Cow::Owned(MutableBuffer::new(0).into()),
            _ => {
                let mut joined = MutableBuffer::with_capacity(frames * self.frame_bytes);
                samples.iter().for_each(|part| joined.extend_from_slice(part));
                Cow::Owned(joined.into())
            }
        }
    }

    fn rolled_back(&self, samples: &[Buffer], outer: usize, frames: usize) -> Buffer {
        let mut joined = MutableBuffer::from_len_zeroed(frames * self.frame_bytes);
        let mut first = 0;
        for part in samples {
            let rows = part.len() / self.frame_bytes;
            let transpose = Transpose {
                rows,
                columns: outer,
                source_stride: outer,
                source_offset: 0,
                target_stride: frames,
                target_offset: first,
            };
            transpose.run(self.frame_bytes / outer, part, &mut joined);
            first += rows;
        }
        joined.into()
    }
}

/// Where the numbers of a part of the type are among all samples: `start`, and then every combination of `count` steps
/// of `stride` per loop, outermost first.
#[derive(Clone, Debug)]
struct Place {
    start: usize,
    loops: Vec<(usize, usize)>,
}

impl Place {
    fn all(rows: usize, row: usize) -> Self {
        Self { start: 0, loops: vec![(rows, row)] }
    }

    /// One step further in: `count` parts of `size` samples, one behind the other.
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

    /// The numbers themselves, when they lie together.
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

struct Build<'a> {
    samples: &'a Buffer,
    dtype: Dtype,
    /// Items of the list that has no length of its own.
    open: usize,
}

impl Build<'_> {
    /// An array of `count` values of type `arrow`, whose samples are at `place`.
    fn array(&self, arrow: &ArrowType, count: usize, place: Place) -> Result<ArrayRef, RebuildError> {
        match arrow {
            ArrowType::Number(dtype) => self.numbers(*dtype, &place),
            ArrowType::FixedSizeList(list) => {
                let (length, items, field) = self.items(list.length, &list.item, count, place)?;
                let length = i32::try_from(length).map_err(|_| too_long(length))?;
                Ok(std::sync::Arc::new(FixedSizeListArray::try_new_with_length(field, length, items, None, count)?))
            }
            ArrowType::List(list) => {
                let (length, items, field) = self.items(list.length, &list.item, count, place)?;
                i32::try_from(items.len()).map_err(|_| too_long(items.len()))?;
                let offsets = OffsetBuffer::<i32>::from_repeated_length(length, count);
                Ok(std::sync::Arc::new(ListArray::try_new(field, offsets, items, None)?))
            }
            ArrowType::LargeList(list) => {
                let (length, items, field) = self.items(list.length, &list.item, count, place)?;
                let offsets = OffsetBuffer::<i64>::from_repeated_length(length, count);
                Ok(std::sync::Arc::new(LargeListArray::try_new(field, offsets, items, None)?))
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
                Ok(std::sync::Arc::new(StructArray::try_new_with_length(fields, arrays, None, count)?))
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
        // Items without numbers would cost memory for what nobody sent.
        let samples = self.samples.len() / self.dtype.size();
        let total = count.checked_mul(length).filter(|total| *total <= samples).ok_or_else(|| too_long(length))?;
        let place = place.inside(length, self.size(&item.arrow_type)?);
        let items = self.array(&item.arrow_type, total, place)?;
        let field = field(item, &items);
        Ok((length, items, field))
    }

    fn size(&self, arrow: &ArrowType) -> Result<usize, RebuildError> {
        let numbers = arrow.numbers(self.open as u64).and_then(|numbers| usize::try_from(numbers).ok());
        numbers.ok_or_else(|| RebuildError::layout("a column of more numbers than can be counted"))
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
    RebuildError::layout(format!("a list of {length} items"))
}

/// An array of type `dtype` of the samples, which are of type `from`.
fn number_array(dtype: Dtype, from: Dtype, samples: &Buffer) -> Result<ArrayRef, RebuildError> {
    let count = samples.len() / from.size();
    if dtype == Dtype::Bool {
        let is_true = |i: usize| samples[i * from.size()..(i + 1) * from.size()].iter().any(|byte| *byte != 0);
        return Ok(std::sync::Arc::new(BooleanArray::new(BooleanBuffer::collect_bool(count, is_true), None)));
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
