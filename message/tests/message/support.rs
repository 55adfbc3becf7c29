//! Building messages, and taking them through frames and back.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayData, ArrayRef, AsArray, BooleanArray, FixedSizeListArray, Float32Array, Float64Array,
    GenericListArray, LargeBinaryArray, OffsetSizeTrait, StringArray, StructArray, UInt8Array, UInt32Array, make_array,
};
use arrow::buffer::{Buffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field};
use dora_node_api::{MetadataParameters, Parameter};
use dora_shm_message::{Interpreter, Marks, MessageSettings, Placement, Plan, RebuildError, Rebuilder, Refusal};
use dora_shm_ring::{Clock, ClockId, Description, Dtype, Format, GenerationClock, Times, clock_id};

pub const SEND_NS: i64 = 1_700_000_000_123_456_789;

pub const MARKS: Marks = Marks { send_ns: SEND_NS, generation: 3, position: 70, lost: 0 };

/// A message as frames, in its own memory.
#[derive(Clone, Debug)]
pub struct Stored {
    pub plan: Arc<Plan>,
    pub frames: u64,
    pub samples: Vec<u8>,
    pub times: Vec<f64>,
}

pub fn store(
    interpreter: &mut Interpreter,
    array: &ArrayRef,
    parameters: &MetadataParameters,
) -> Result<Stored, Refusal> {
    let chunk = interpreter.interpret(array, parameters, SEND_NS)?;
    let plan = Arc::clone(chunk.plan().expect("a message with frames"));
    let frames = chunk.frames();
    let mut samples = vec![0xaa; chunk.bytes() as usize];
    chunk.fill(0..frames, &mut samples);

    // Where a ring wraps, the frames are filled in two parts.
    let middle = frames / 2;
    let mut parts = vec![0x55; samples.len()];
    let (one, two) = parts.split_at_mut((middle * plan.frame_bytes()) as usize);
    chunk.fill(0..middle, one);
    chunk.fill(middle..frames, two);
    assert!(parts == samples, "frames in two parts differ from those in one");

    let given = match chunk.placement() {
        Placement::Given(times) => times,
        Placement::ByRate | Placement::ByArrival => by_send_time(plan.rate_hz()),
    };
    let times = match given {
        Times::Linear { start, step } => (0..frames).map(|i| start + i as f64 * step).collect(),
        Times::Values(values) => values.to_vec(),
        Times::Run(run) => (0..frames).map(|i| run.at(i)).collect(),
    };
    assert_eq!(times.len() as u64, frames);
    Ok(Stored { plan, frames, samples, times })
}

/// Times of frames that the source does not place, as a sink might make them.
pub fn by_send_time(rate_hz: Option<f64>) -> Times<'static> {
    Times::Linear { start: SEND_NS as f64 * 1e-9, step: rate_hz.map_or(0.0, |rate_hz| 1.0 / rate_hz) }
}

/// The clock of a generation on `clock`, made by a machine whose monotonic clock is `id`.
pub fn generation_clock(clock: Clock, id: ClockId) -> GenerationClock {
    let mut generation = GenerationClock::default();
    (generation.clock, generation.id) = (clock, id);
    (generation.created_ns, generation.created_mono_ns) = (1_700_000_000_250_000_000, 1_000_500_000_000);
    generation
}

pub fn interpret(
    array: &ArrayRef,
    parameters: &MetadataParameters,
    settings: MessageSettings,
) -> Result<Stored, Refusal> {
    store(&mut Interpreter::new("data", settings), array, parameters)
}

impl Stored {
    pub fn format(&self) -> Format {
        let rate_hz = self.plan.rate_hz().unwrap_or(0.0);
        let format = Format::new(self.plan.dtype(), self.plan.frame_shape(), rate_hz, 1000).unwrap();
        format.on_clock(self.plan.clock())
    }

    /// The description as it is read from a metadata segment, with the recipe as JSON.
    pub fn description(&self) -> Description {
        let mut description = self.plan.description().clone();
        let text = serde_json::to_string(&description.message).unwrap();
        description.message = serde_json::from_str(&text).unwrap();
        description
    }

    pub fn rebuilder(&self) -> Rebuilder {
        let clock = generation_clock(self.plan.clock(), clock_id());
        Rebuilder::new(&self.format(), &self.description()).unwrap().on_clock(clock)
    }

    /// Rebuilds the message from samples in one part, or in two with `split` frames in the first.
    pub fn rebuild(&self, split: Option<u64>) -> Result<(ArrayRef, MetadataParameters), RebuildError> {
        let split = split.unwrap_or(0);
        let (one, two) = self.samples.split_at((split * self.plan.frame_bytes()) as usize);
        let parts = [Buffer::from_slice_ref(one), Buffer::from_slice_ref(two)];
        let (times_one, times_two) = self.times.split_at(split as usize);
        self.rebuilder().message(&parts, &[times_one, times_two], &MARKS)
    }
}

/// Checks that the message comes back unchanged, apart from the mirror's marks.
pub fn assert_comes_back(stored: &Stored, array: &ArrayRef, parameters: &MetadataParameters) {
    for split in [None, Some(stored.frames / 2)] {
        let (rebuilt, mut sent) = stored.rebuild(split).unwrap();
        assert_eq!(rebuilt.data_type(), array.data_type());
        assert_eq!(&rebuilt, array);
        assert!(matches!(sent.remove("source_timestamp"), Some(Parameter::Timestamp(time))
            if time.timestamp_nanos_opt() == Some(SEND_NS)));
        assert_eq!(sent.remove("generation"), Some(Parameter::Integer(3)));
        assert_eq!(sent.remove("position"), Some(Parameter::Integer(70)));
        assert_eq!(sent.remove("source_time"), stored.times.first().copied().map(Parameter::Float));
        let clock = sent.get("clock").cloned();
        assert_eq!(clock, Some(text(stored.plan.clock().name())));
        if !parameters.contains_key("clock") {
            sent.remove("clock");
        }
        // Without a rate, the mirror sends a time for each frame, unless the source does.
        if let Some(values) = sent.get("axis_values").filter(|_| !parameters.contains_key("axis_values")) {
            assert_eq!(*values, Parameter::ListFloat(stored.times.clone()));
            assert!(stored.plan.rate_hz().is_none() && stored.frames > 1);
            sent.remove("axis_values");
        }
        assert_eq!(&sent, parameters);
    }
}

pub fn parameters(entries: &[(&str, Parameter)]) -> MetadataParameters {
    entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

pub fn text(text: &str) -> Parameter {
    Parameter::String(text.to_owned())
}

pub fn integer(value: i64) -> Parameter {
    Parameter::Integer(value)
}

pub fn integers(values: &[i64]) -> Parameter {
    Parameter::ListInt(values.to_vec())
}

pub fn names(names: &[&str]) -> Parameter {
    Parameter::ListString(names.iter().map(|&name| name.to_owned()).collect())
}

pub fn picture(width: i64, height: i64, encoding: &str) -> MetadataParameters {
    parameters(&[
        ("width", integer(width)),
        ("height", integer(height)),
        ("encoding", text(encoding)),
        ("primitive", text("image")),
    ])
}

pub fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

pub fn arrow_type(dtype: Dtype) -> DataType {
    match dtype {
        Dtype::Bool => DataType::Boolean,
        Dtype::I8 => DataType::Int8,
        Dtype::U8 => DataType::UInt8,
        Dtype::I16 => DataType::Int16,
        Dtype::U16 => DataType::UInt16,
        Dtype::I32 => DataType::Int32,
        Dtype::U32 => DataType::UInt32,
        Dtype::I64 => DataType::Int64,
        Dtype::U64 => DataType::UInt64,
        Dtype::F16 => DataType::Float16,
        Dtype::F32 => DataType::Float32,
        Dtype::F64 => DataType::Float64,
    }
}

/// `count` numbers, each byte of which differs from its neighbours'.
pub fn numbers(dtype: Dtype, count: usize) -> ArrayRef {
    if dtype == Dtype::Bool {
        return Arc::new(BooleanArray::from_iter((0..count).map(|i| Some(i % 3 == 0 || i % 7 == 2))));
    }
    let bytes: Vec<u8> = (0..count * dtype.size()).map(|i| (i * 31 + i / 256 * 7 + 1) as u8).collect();
    let buffer = Buffer::from_slice_ref(&bytes);
    make_array(ArrayData::builder(arrow_type(dtype)).len(count).add_buffer(buffer).build().unwrap())
}

pub fn bytes(count: usize) -> ArrayRef {
    Arc::new(UInt8Array::from_iter_values((0..count).map(|i| (i * 31 + 7) as u8)))
}

pub fn floats(count: usize) -> ArrayRef {
    Arc::new(Float32Array::from_iter_values((0..count).map(|i| i as f32 * 0.5 - 3.0)))
}

pub fn doubles(count: usize) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values((0..count).map(|i| i as f64 * 0.25 - 1.0)))
}

pub fn fixed_lists(values: ArrayRef, length: i32) -> ArrayRef {
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    Arc::new(FixedSizeListArray::new(field, length, values, None))
}

pub fn lists<O: OffsetSizeTrait>(values: ArrayRef, length: usize) -> ArrayRef {
    let offsets = OffsetBuffer::<O>::from_repeated_length(length, values.len() / length.max(1));
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    Arc::new(GenericListArray::<O>::new(field, offsets, values, None))
}

pub fn list(values: ArrayRef) -> ArrayRef {
    let length = values.len();
    lists::<i32>(values, length)
}

pub fn record(columns: &[(&str, ArrayRef)]) -> ArrayRef {
    let columns = columns
        .iter()
        .map(|(name, array)| (Arc::new(Field::new(*name, array.data_type().clone(), true)), Arc::clone(array)));
    Arc::new(StructArray::from(columns.collect::<Vec<_>>()))
}

pub fn word(word: &str) -> ArrayRef {
    Arc::new(StringArray::from(vec![word]))
}

pub fn count(value: u32) -> ArrayRef {
    Arc::new(UInt32Array::from(vec![value]))
}

pub fn blob(bytes: &[u8]) -> ArrayRef {
    Arc::new(LargeBinaryArray::from_vec(vec![bytes]))
}

pub fn real(value: f64) -> ArrayRef {
    Arc::new(Float64Array::from(vec![value]))
}

/// Bytes of an array of plain numbers.
pub fn bytes_of(array: &dyn Array) -> Vec<u8> {
    if let Some(bits) = array.as_boolean_opt() {
        return bits.values().iter().map(u8::from).collect();
    }
    let data = array.to_data();
    let size = data.data_type().primitive_width().expect("numbers");
    data.buffers()[0].as_slice()[data.offset() * size..][..data.len() * size].to_vec()
}
