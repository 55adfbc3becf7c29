//! Messages as rows of a batch: gathered while recording, taken apart again when read.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, TimestampNanosecondType, UInt64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, FixedSizeListArray, Float64Array, Int32Array, LargeListArray,
    RecordBatch, StringArray, TimestampNanosecondArray, UInt64Array, make_array,
};
use arrow_buffer::{Buffer, MutableBuffer, OffsetBuffer, ScalarBuffer};
use arrow_data::ArrayData;
use arrow_schema::{DataType, SchemaRef};
use dora_shm_ring::Description;

use super::Generation;
use super::schema::{self, column};

/// Most bytes that a row takes besides its frames and description.
const ROW_BYTES: u64 = 80;
/// Most bytes that a batch takes besides its rows: the headers of its messages and the padding of its buffers.
const BATCH_BYTES: u64 = 8192;

/// A message without its frames and description; or, if it has no number, a loss that no message followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowInfo {
    /// Number of the message in its generation. `None`: this row is not a message; it reports a loss at the end.
    pub chunk: Option<u64>,
    /// Position of its first frame in its generation.
    pub position: u64,
    /// Frames lost just before it.
    pub lost: u64,
    /// Its send time, in Unix nanoseconds.
    pub sent_ns: i64,
    /// `CLOCK_MONOTONIC` at its commit, in nanoseconds.
    pub mono_ns: u64,
    /// Whether its description was removed before it could be read; then the given one is older, or there is none.
    pub description_missed: bool,
}

/// Gathers rows of one generation.
pub struct BatchBuilder {
    schema: SchemaRef,
    frame_bytes: u64,
    rows: Vec<RowInfo>,
    /// The index into `descriptions` of each row.
    keys: Vec<Option<i32>>,
    descriptions: Vec<(Arc<Description>, String)>,
    /// Frames up to and including each row.
    ends: Vec<i64>,
    times: Vec<f64>,
    samples: MutableBuffer,
}

impl BatchBuilder {
    /// Gathers rows of `generation`, whose schema is `schema`.
    pub fn new(generation: &Generation, schema: SchemaRef) -> Self {
        Self {
            schema,
            frame_bytes: generation.format.frame_bytes(),
            rows: Vec::new(),
            keys: Vec::new(),
            descriptions: Vec::new(),
            ends: vec![0],
            times: Vec::new(),
            samples: MutableBuffer::new(0),
        }
    }

    /// Adds a row of frames with these times, whose samples `fill` stores.
    pub fn push(
        &mut self,
        info: RowInfo,
        description: Option<&Arc<Description>>,
        times: &[f64],
        fill: impl FnOnce(&mut [u8]),
    ) {
        self.rows.push(info);
        let key = description.map(|description| self.key(description));
        self.keys.push(key);
        self.times.extend_from_slice(times);
        let before = self.samples.len();
        self.samples.resize(self.times.len() * self.frame_bytes as usize, 0);
        fill(&mut self.samples.as_slice_mut()[before..]);
        self.ends.push(self.times.len() as i64);
    }

    /// Takes back the row that was added last.
    pub fn pop(&mut self) {
        if self.rows.pop().is_some() {
            self.keys.pop();
            self.ends.pop();
            let frames = *self.ends.last().expect("it begins with 0") as usize;
            self.times.truncate(frames);
            self.samples.truncate(frames * self.frame_bytes as usize);
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Most bytes that the batch takes in a file, with one more row of `frames` frames and this description.
    pub fn bytes_with(&self, frames: u64, description: Option<&Arc<Description>>) -> u64 {
        let of_rows = (self.rows.len() as u64 + 1) * ROW_BYTES;
        let of_frames = (self.times.len() as u64 + frames) * (8 + self.frame_bytes);
        let descriptions: u64 = self.descriptions.iter().map(|(_, json)| json.len() as u64 + 8).sum();
        let known = description.is_none_or(|description| self.position_of(description).is_some());
        // A description that no row has yet is serialised to know its length.
        let new =
            if known { 0 } else { description.map_or(0, |description| schema::json(description).len() as u64 + 8) };
        BATCH_BYTES + of_rows + of_frames + descriptions + new
    }

    fn position_of(&self, description: &Arc<Description>) -> Option<usize> {
        self.descriptions.iter().rposition(|(known, _)| Arc::ptr_eq(known, description) || known == description)
    }

    fn key(&mut self, description: &Arc<Description>) -> i32 {
        let position = self.position_of(description).unwrap_or_else(|| {
            self.descriptions.push((description.clone(), schema::json(description)));
            self.descriptions.len() - 1
        });
        i32::try_from(position).expect("a batch has fewer descriptions than bytes")
    }

    /// The rows as a batch; there are none afterwards.
    pub fn take(&mut self) -> Result<RecordBatch, arrow_schema::ArrowError> {
        let rows = std::mem::take(&mut self.rows);
        let keys = std::mem::take(&mut self.keys);
        let values: StringArray = self.descriptions.iter().map(|(_, json)| Some(json)).collect();
        // The next batch probably begins with the same one, which is then not written again.
        let last = self.descriptions.pop();
        self.descriptions.clear();
        self.descriptions.extend(last);
        let ends = std::mem::replace(&mut self.ends, vec![0]);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
        let times = Float64Array::from(std::mem::take(&mut self.times));
        let samples = Buffer::from(std::mem::replace(&mut self.samples, MutableBuffer::new(0)));
        let DataType::LargeList(frame) = self.schema.field(column::SAMPLES).data_type() else {
            unreachable!("the schema is ours")
        };
        let frames = frames_array(frame.data_type(), samples, times.len())?;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rows.iter().map(|row| row.chunk).collect::<UInt64Array>()),
            Arc::new(rows.iter().map(|row| row.position).collect::<UInt64Array>()),
            Arc::new(rows.iter().map(|row| row.lost).collect::<UInt64Array>()),
            Arc::new(
                TimestampNanosecondArray::from_iter_values(rows.iter().map(|row| row.sent_ns)).with_timezone("UTC"),
            ),
            Arc::new(rows.iter().map(|row| row.mono_ns).collect::<UInt64Array>()),
            Arc::new(DictionaryArray::<Int32Type>::try_new(Int32Array::from(keys), Arc::new(values))?),
            Arc::new(rows.iter().map(|row| Some(row.description_missed)).collect::<BooleanArray>()),
            Arc::new(LargeListArray::try_new(schema::time_field(), offsets.clone(), Arc::new(times), None)?),
            Arc::new(LargeListArray::try_new(frame.clone(), offsets, frames, None)?),
        ];
        RecordBatch::try_new(self.schema.clone(), columns)
    }
}

/// `frames` frames of type `frame`, whose samples are `samples`.
pub fn frames_array(frame: &DataType, samples: Buffer, frames: usize) -> Result<ArrayRef, arrow_schema::ArrowError> {
    let primitive = |sample: &DataType, length: usize, samples: Buffer| -> Result<ArrayRef, arrow_schema::ArrowError> {
        Ok(make_array(ArrayData::builder(sample.clone()).len(length).add_buffer(samples).build()?))
    };
    match frame {
        DataType::FixedSizeList(sample, length) => {
            let values = primitive(sample.data_type(), frames * *length as usize, samples)?;
            Ok(Arc::new(FixedSizeListArray::try_new(sample.clone(), *length, values, None)?))
        }
        sample => primitive(sample, frames, samples),
    }
}

/// Rows of one generation, as they were read.
#[derive(Clone, Debug)]
pub struct Batch {
    generation: Arc<Generation>,
    batch: RecordBatch,
    /// The description of each row.
    descriptions: Vec<Option<Arc<Description>>>,
    /// The samples of all rows, one after the other.
    samples: Buffer,
}

/// A row as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub info: RowInfo,
    pub description: Option<&'a Arc<Description>>,
    /// One value per frame on the buffered axis; seconds for a time axis.
    pub times: &'a [f64],
    /// In C order, frame after frame.
    pub samples: &'a [u8],
}

impl Batch {
    /// The rows of `batch`, whose schema is that of `generation`. `last` is the description of the row before, which is
    /// not parsed again.
    ///
    /// # Errors
    /// A sentence with what is wrong with it.
    pub fn new(
        generation: Arc<Generation>,
        batch: RecordBatch,
        last: Option<&Arc<Description>>,
    ) -> Result<Self, String> {
        let times = batch.column(column::TIMES).as_list::<i64>();
        let samples = batch.column(column::SAMPLES).as_list::<i64>();
        if times.offsets() != samples.offsets() {
            return Err("a message has different numbers of times and frames".to_owned());
        }
        let nulls = [column::POSITION, column::LOST, column::SENT, column::MONO_NS, column::DESCRIPTION_MISSED];
        let has_null = |column: &dyn Array| column.null_count() > 0;
        if nulls.iter().any(|&index| has_null(batch.column(index)))
            || [times as &dyn Array, samples, times.values(), samples.values()].into_iter().any(has_null)
        {
            return Err("a value is missing that every message must have".to_owned());
        }
        let descriptions = descriptions_of(&batch, last)?;
        let samples = samples_of(samples.values());
        let end = times.offsets().last().copied().unwrap_or(0) as u64 * generation.format.frame_bytes();
        if (samples.len() as u64) < end || times.offsets().first() != Some(&0) {
            return Err(format!("a batch has {} bytes of samples, expected {end}", samples.len()));
        }
        let samples = samples.slice_with_length(0, end as usize);
        Ok(Self { generation, batch, descriptions, samples })
    }

    /// The generation of its rows.
    pub fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    /// Its rows, in the order in which they were recorded.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        (0..self.batch.num_rows()).map(|index| self.row(index))
    }

    /// The times of all frames, row after row.
    pub fn times(&self) -> &[f64] {
        let times = self.batch.column(column::TIMES).as_list::<i64>();
        let end = times.offsets().last().map_or(0, |&end| end as usize);
        &times.values().as_primitive::<Float64Type>().values()[..end]
    }

    /// The samples of all frames, row after row.
    pub fn samples(&self) -> &Buffer {
        &self.samples
    }

    /// The description of the last row.
    pub fn last_description(&self) -> Option<&Arc<Description>> {
        self.descriptions.last()?.as_ref()
    }

    fn row(&self, index: usize) -> Row<'_> {
        let number = |column: usize| self.batch.column(column).as_primitive::<UInt64Type>();
        let chunk = number(column::CHUNK);
        let info = RowInfo {
            chunk: chunk.is_valid(index).then(|| chunk.value(index)),
            position: number(column::POSITION).value(index),
            lost: number(column::LOST).value(index),
            sent_ns: self.batch.column(column::SENT).as_primitive::<TimestampNanosecondType>().value(index),
            mono_ns: number(column::MONO_NS).value(index),
            description_missed: self.batch.column(column::DESCRIPTION_MISSED).as_boolean().value(index),
        };
        let times = self.batch.column(column::TIMES).as_list::<i64>();
        let frames = times.offsets()[index] as usize..times.offsets()[index + 1] as usize;
        let frame_bytes = self.generation.format.frame_bytes() as usize;
        Row {
            info,
            description: self.descriptions[index].as_ref(),
            times: &times.values().as_primitive::<Float64Type>().values()[frames.clone()],
            samples: &self.samples[frames.start * frame_bytes..frames.end * frame_bytes],
        }
    }
}

fn descriptions_of(
    batch: &RecordBatch,
    last: Option<&Arc<Description>>,
) -> Result<Vec<Option<Arc<Description>>>, String> {
    let column = batch.column(column::DESCRIPTION).as_dictionary::<Int32Type>();
    let values = column.values().as_string_opt::<i32>().ok_or("its descriptions are not text")?;
    let parse = |json: &str| -> Result<Arc<Description>, String> {
        let description = Description::from_json(json.as_bytes()).map_err(|error| error.to_string())?;
        Ok(match last {
            Some(last) if **last == description => last.clone(),
            _ => Arc::new(description),
        })
    };
    let parsed = values.iter().map(|json| json.map(parse).transpose()).collect::<Result<Vec<_>, _>>()?;
    let of_key = |key: Option<i32>| -> Result<Option<Arc<Description>>, String> {
        let Some(key) = key else { return Ok(None) };
        let found = usize::try_from(key).ok().and_then(|key| parsed.get(key)).cloned();
        found.ok_or_else(|| format!("a message has description {key}, but there are only {}", parsed.len()))
    };
    column.keys().iter().map(of_key).collect()
}

/// The samples of all frames as bytes.
fn samples_of(frames: &ArrayRef) -> Buffer {
    let data = frames.to_data();
    let values = data.child_data().first().unwrap_or(&data);
    values.buffers().first().cloned().unwrap_or_default()
}
