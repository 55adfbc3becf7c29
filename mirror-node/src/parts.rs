//! A message whose samples lie in a ring, in dora's memory by one copy.
//!
//! dora encodes arrays, and an array of Arrow has one buffer, which nobody may change. The ring's memory is neither: its
//! writer may come round at any moment, and a message that wraps round the ring's end lies in two parts. Here dora encodes
//! an array of the same type and length once, over zeroes, and its bytes around the samples serve for every message alike.

use std::ops::Range;

use arrow::array::{Array as _, ArrayData, ArrayRef};
use arrow::buffer::{Buffer, MutableBuffer};
use arrow::datatypes::DataType;
use dora_node_api::arrow_utils::ipc_encode::PreparedIpc;
use dora_node_api::{DataSample, DoraArray, SampleAllocator};
use dora_shm_ring::SharedBytes;

/// Every buffer in dora's encoding begins at a multiple of this, and is padded to one.
const ALIGNMENT: usize = 64;

/// What ends an encoded array.
const END_OF_STREAM: usize = 8;

/// Some of a message's samples.
pub trait Part {
    /// How many bytes they are.
    fn bytes(&self) -> usize;
    /// Copies them into `to`, which is as long.
    fn copy_to(&self, to: &mut [u8]);
}

impl Part for SharedBytes {
    fn bytes(&self) -> usize {
        self.len()
    }

    fn copy_to(&self, to: &mut [u8]) {
        SharedBytes::copy_to(self, to);
    }
}

impl Part for &[u8] {
    fn bytes(&self) -> usize {
        self.len()
    }

    fn copy_to(&self, to: &mut [u8]) {
        to.copy_from_slice(self);
    }
}

/// Encodes messages in parts; remembers what it needs for the next one of the same type and length.
#[derive(Default)]
pub struct PartsEncoder {
    blank: Option<Buffer>,
    envelope: Option<Envelope>,
}

/// An encoded array without its samples.
struct Envelope {
    data_type: DataType,
    rows: usize,
    before: Vec<u8>,
    samples: usize,
    after: Vec<u8>,
}

impl PartsEncoder {
    /// Zeroes in the place of the samples of a message of so many bytes.
    pub fn blank(&mut self, bytes: usize) -> Buffer {
        let long_enough = self.blank.take().filter(|blank| blank.len() >= bytes);
        // Never written, so of a large one no page is ever there but the one of zeroes.
        let blank = long_enough.unwrap_or_else(|| MutableBuffer::from_len_zeroed(bytes).into());
        self.blank.insert(blank).slice_with_length(0, bytes)
    }

    /// Copies `parts` into dora's memory, as the samples of a message like `array`, which was made of `blank`. `None` when
    /// the array does not simply lie over the samples: then they have to be joined.
    pub fn encode(
        &mut self,
        allocator: &SampleAllocator,
        array: ArrayRef,
        blank: &Buffer,
        parts: &[impl Part],
    ) -> Option<Result<DataSample, String>> {
        if !lies_over(&array.to_data(), blank) {
            return None;
        }
        let fits = |envelope: &Envelope| {
            envelope.rows == array.len() && envelope.samples == blank.len() && envelope.data_type == *array.data_type()
        };
        if !self.envelope.as_ref().is_some_and(fits) {
            self.envelope = Some(Envelope::of(array, blank.len())?);
        }
        let envelope = self.envelope.as_ref()?;
        Some(envelope.fill(allocator, parts))
    }
}

impl Envelope {
    fn of(array: ArrayRef, samples: usize) -> Option<Self> {
        let (data_type, rows) = (array.data_type().clone(), array.len());
        let prepared = PreparedIpc::new(&DoraArray::from(array))?;
        let mut bytes = vec![0; prepared.byte_len()];
        prepared.encode_into(&mut bytes).ok()?;
        let Range { start, end } = place_of_last_buffer(bytes.len(), samples)?;
        let after = bytes.split_off(end);
        bytes.truncate(start);
        Some(Self { data_type, rows, before: bytes, samples, after })
    }

    fn fill(&self, allocator: &SampleAllocator, parts: &[impl Part]) -> Result<DataSample, String> {
        let length = self.before.len() + self.samples + self.after.len();
        let mut sample = allocator.allocate(length).map_err(|error| error.to_string())?;
        let given: usize = parts.iter().map(Part::bytes).sum();
        if given != self.samples {
            return Err(format!("{given} bytes of samples, expected {}", self.samples));
        }
        let (before, rest) = sample[..].split_at_mut(self.before.len());
        let (mut samples, after) = rest.split_at_mut(self.samples);
        before.copy_from_slice(&self.before);
        for part in parts {
            let (place, behind) = samples.split_at_mut(part.bytes());
            part.copy_to(place);
            samples = behind;
        }
        after.copy_from_slice(&self.after);
        Ok(sample)
    }
}

/// Where the last buffer of an encoded array is: the samples, which come after bitmaps and offsets.
fn place_of_last_buffer(encoded: usize, samples: usize) -> Option<Range<usize>> {
    let padded = samples.checked_next_multiple_of(ALIGNMENT)?;
    let start = encoded.checked_sub(END_OF_STREAM)?.checked_sub(padded)?;
    Some(start..start + samples)
}

/// Whether the numbers of an array are the whole of `buffer`, as they stand.
fn lies_over(array: &ArrayData, buffer: &Buffer) -> bool {
    match (array.child_data(), array.buffers()) {
        ([], [numbers]) => array.offset() == 0 && numbers.as_ptr() == buffer.as_ptr() && numbers.len() == buffer.len(),
        ([child], _) => array.offset() == 0 && lies_over(child, buffer),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, FixedSizeListArray, Float64Array, ListArray, UInt8Array};
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::Field;

    use super::*;

    fn numbers<T: arrow::datatypes::ArrowPrimitiveType>(buffer: &Buffer) -> arrow::array::PrimitiveArray<T> {
        ArrayData::builder(T::DATA_TYPE)
            .len(buffer.len() / size_of::<T::Native>())
            .add_buffer(buffer.clone())
            .build()
            .unwrap()
            .into()
    }

    fn bytes(array: UInt8Array) -> ArrayRef {
        Arc::new(array)
    }

    fn pairs(array: Float64Array) -> ArrayRef {
        let field = Arc::new(Field::new("item", DataType::Float64, true));
        Arc::new(FixedSizeListArray::new(field, 2, Arc::new(array), None))
    }

    fn lists_of_pairs(array: Float64Array) -> ArrayRef {
        let pairs = pairs(array);
        let field = Arc::new(Field::new("item", pairs.data_type().clone(), false));
        let offsets = OffsetBuffer::from_repeated_length(3, pairs.len() / 3);
        Arc::new(ListArray::new(field, offsets, pairs, None))
    }

    /// Every way of cutting a message is encoded to the very bytes that dora makes of the whole.
    fn check(length: usize, cuts: &[usize], array: impl Fn(&Buffer) -> ArrayRef) {
        let allocator = SampleAllocator::heap();
        let mut encoder = PartsEncoder::default();
        for (round, cut) in cuts.iter().enumerate() {
            let samples: Vec<u8> = (0..length).map(|i| (i * 7 + round) as u8).collect();
            let whole = MutableBuffer::from_iter(samples.iter().copied()).into();
            let expected = allocator.encode_arrow(&DoraArray::from(array(&whole))).unwrap();
            let blank = encoder.blank(length);
            let (first, second) = samples.split_at(*cut);
            let sample = encoder.encode(&allocator, array(&blank), &blank, &[first, second]).unwrap().unwrap();
            assert!(sample[..] == *expected.as_bytes(), "cut at {cut}");
        }
        assert!(encoder.blank(length).iter().all(|byte| *byte == 0));
    }

    #[test]
    fn parts_are_encoded_to_the_same_bytes_as_the_whole() {
        check(64, &[1, 63, 64, 0], |buffer| bytes(numbers(buffer)));
        check(1001, &[500, 1000], |buffer| bytes(numbers(buffer)));
        check(96 * 8, &[48 * 8, 16], |buffer| pairs(numbers(buffer)));
        check(96 * 8, &[48 * 8, 16], |buffer| lists_of_pairs(numbers(buffer)));
    }

    #[test]
    fn a_message_of_another_length_gets_an_envelope_of_its_own() {
        let allocator = SampleAllocator::heap();
        let mut encoder = PartsEncoder::default();
        for length in [100, 40, 200, 40] {
            let samples: Vec<u8> = (0..length).collect();
            let blank = encoder.blank(samples.len());
            let (first, second) = samples.split_at(7);
            let sample = encoder.encode(&allocator, bytes(numbers(&blank)), &blank, &[first, second]).unwrap().unwrap();
            let expected = allocator.encode_arrow(&DoraArray::from(bytes(UInt8Array::from(samples.clone())))).unwrap();
            assert!(sample[..] == *expected.as_bytes(), "{length} bytes");
        }
    }

    #[test]
    fn an_array_that_is_no_plain_look_at_the_samples_is_left_to_be_joined() {
        let allocator = SampleAllocator::heap();
        let mut encoder = PartsEncoder::default();
        let blank = encoder.blank(16);
        let part: Buffer = blank.slice_with_length(0, 8);
        let others: [ArrayRef; 3] = [
            Arc::new(BooleanArray::from(vec![false; 16])),
            bytes(numbers(&part)),
            Arc::new(Float64Array::from(vec![0.0; 2])),
        ];
        for other in others {
            assert!(encoder.encode(&allocator, other, &blank, &[&[0; 8][..], &[0; 8][..]]).is_none());
        }
    }
}
