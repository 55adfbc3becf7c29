//! Copies a message whose samples are in a ring into dora's memory, once.
//!
//! dora encodes Arrow arrays, each of which has one immutable buffer. A message in a ring does not: the writer may
//! overwrite it at any moment, and a message that wraps around the end of the ring is in two parts. So dora encodes an
//! array of zeroes of the same type and length once, and the bytes around its samples are reused for every such
//! message.

use std::ops::Range;

use arrow::array::{Array as _, ArrayData, ArrayRef};
use arrow::buffer::{Buffer, MutableBuffer};
use arrow::datatypes::DataType;
use dora_node_api::arrow_utils::ipc_encode::PreparedIpc;
use dora_node_api::{DataSample, DoraArray, SampleAllocator};
use dora_shm_ring::SharedBytes;

/// Alignment and padding of every buffer in dora's encoding.
const ALIGNMENT: usize = 64;

/// The end of an encoded array.
const END_OF_STREAM: usize = 8;

/// A part of a message's samples.
pub trait Part {
    /// Their number of bytes.
    fn bytes(&self) -> usize;
    /// Copies them into `to`, which has this length.
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

/// Most envelopes that are kept: messages of a stream have few lengths, and each envelope takes less than a kilobyte.
const MOST_ENVELOPES: usize = 32;

/// Encodes messages in parts, and keeps the envelope for the next message of the same type and length.
#[derive(Default)]
pub struct PartsEncoder {
    blank: Option<Buffer>,
    /// Those used last come first.
    envelopes: Vec<Envelope>,
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
    /// Zeroes in place of the samples of a message of this many bytes.
    pub fn blank(&mut self, bytes: usize) -> Buffer {
        let long_enough = self.blank.take().filter(|blank| blank.len() >= bytes);
        // The buffer is never written, so all pages of a large one are the zero page.
        let blank = long_enough.unwrap_or_else(|| MutableBuffer::from_len_zeroed(bytes).into());
        self.blank.insert(blank).slice_with_length(0, bytes)
    }

    /// Copies `parts` into dora's memory as the samples of a message like `array`, which was made of `blank`. `None`:
    /// the array does not use the samples in place, so the parts have to be joined.
    pub fn encode(
        &mut self,
        allocator: &SampleAllocator,
        array: ArrayRef,
        blank: &Buffer,
        parts: &[impl Part],
    ) -> Option<Result<DataSample, String>> {
        if !uses_samples(&array.to_data(), blank) {
            return None;
        }
        let fits = |envelope: &Envelope| {
            envelope.rows == array.len() && envelope.samples == blank.len() && envelope.data_type == *array.data_type()
        };
        if let Some(place) = self.envelopes.iter().position(fits) {
            self.envelopes[..=place].rotate_right(1);
        } else {
            self.envelopes.truncate(MOST_ENVELOPES - 1);
            self.envelopes.insert(0, Envelope::of(array, blank.len())?);
        }
        let envelope = self.envelopes.first()?;
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

/// Whether the numbers of an array are exactly `buffer`.
fn uses_samples(array: &ArrayData, buffer: &Buffer) -> bool {
    match (array.child_data(), array.buffers()) {
        ([], [numbers]) => array.offset() == 0 && numbers.as_ptr() == buffer.as_ptr() && numbers.len() == buffer.len(),
        ([child], _) => array.offset() == 0 && uses_samples(child, buffer),
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

    /// However a message is cut, it is encoded to exactly the bytes that dora makes of the whole.
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
    fn alternating_lengths_are_encoded_once_each_and_few_envelopes_are_kept() {
        let allocator = SampleAllocator::heap();
        let mut encoder = PartsEncoder::default();
        let mut encode = |length: usize| {
            let blank = encoder.blank(length);
            let sample = encoder.encode(&allocator, bytes(numbers(&blank)), &blank, &[&vec![1; length][..]]);
            assert!(sample.is_some_and(|sample| sample.is_ok()));
            encoder.envelopes.iter().map(|envelope| envelope.samples).collect::<Vec<_>>()
        };
        for (length, kept) in [(100, &[100][..]), (40, &[40, 100]), (100, &[100, 40]), (40, &[40, 100])] {
            assert_eq!(encode(length), kept);
        }
        let kept = (1..=MOST_ENVELOPES + 5).map(encode).last().unwrap();
        assert_eq!((kept.len(), kept[0]), (MOST_ENVELOPES, MOST_ENVELOPES + 5));
    }

    #[test]
    fn the_parts_of_an_array_that_does_not_use_the_samples_in_place_have_to_be_joined() {
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
