//! Scripted messages: a test's source sends them, and the test expects them.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, FixedSizeListArray, Float16Array, Float32Array, Float64Array, Int8Array, Int16Array,
    Int32Array, Int64Array, ListArray, StructArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field};
use dora_node_api::Parameter;
use half::f16;

use crate::record::Message;

/// Number of consecutive messages of one format: enough for a sink not to treat the format as that of a single message.
pub const REPEATS: usize = 4;

/// The messages of the script `name`; `None` if there is no such script.
pub fn messages(name: &str) -> Option<Vec<Message>> {
    Some(match name {
        "types" => types(),
        "empties" => empties(),
        "changes" => changes(),
        "pictures" => (0..60).map(|index| picture(index, 64, 48)).collect(),
        "numbers" => (0..1000).map(number).collect(),
        "steady" => (0..150).map(|index| samples(index, 8, 1000.0)).collect(),
        "short" => (0..15).map(|index| samples(index, 8, 1000.0)).collect(),
        "parameters" => (0..12).map(parameters).collect(),
        "alone" => vec![samples_of_unknown_rate(0)],
        "unpaced" => (0..40).map(samples_of_unknown_rate).collect(),
        "lengths" => (1..=12).map(|values| plain(Arc::new(Float64Array::from(vec![0.5; values])))).collect(),
        "boxes" => {
            [4, 8, 12, 8, 4, 12, 12, 0, 4].map(|values| plain(Arc::new(Float64Array::from(vec![0.5; values])))).to_vec()
        }
        "two-types" => (0..600).map(|index| two_types(index, index >= 200)).collect(),
        "hundred-changes" => (0..200).map(|index| two_types(index, (index / 2) % 2 == 1)).collect(),
        "gaps" => [0, 1, 2, 5, 6, 9].map(number).to_vec(),
        _ => return None,
    })
}

/// Every Arrow type and layout that is stored without a setting, [`REPEATS`] messages each, with constant parameters
/// and one that changes with every message.
fn types() -> Vec<Message> {
    type Make = fn(usize) -> Message;
    let makes: [Make; 19] = [
        |i| plain(Arc::new(BooleanArray::from_iter((0..9).map(|n| Some((n + i) % 3 == 0))))),
        |i| plain(Arc::new(Int8Array::from_iter_values((0..5).map(|n| -(n as i8) - i as i8)))),
        |i| plain(Arc::new(UInt8Array::from_iter_values((0..5).map(|n| 250 - (n + i) as u8)))),
        |i| plain(Arc::new(Int16Array::from_iter_values((0..5).map(|n| i16::MIN + (n + i) as i16)))),
        |i| plain(Arc::new(UInt16Array::from_iter_values((0..5).map(|n| u16::MAX - (n + i) as u16)))),
        |i| plain(Arc::new(Int32Array::from_iter_values((0..5).map(|n| i32::MIN + (n + i) as i32)))),
        |i| plain(Arc::new(UInt32Array::from_iter_values((0..5).map(|n| u32::MAX - (n + i) as u32)))),
        |i| plain(Arc::new(Int64Array::from_iter_values((0..5).map(|n| i64::MIN + (n + i) as i64)))),
        |i| plain(Arc::new(UInt64Array::from_iter_values((0..5).map(|n| u64::MAX - (n + i) as u64)))),
        |i| plain(Arc::new(Float16Array::from_iter_values((0..5).map(|n| f16::from_f32((n + i) as f32 * 0.5))))),
        |i| plain(Arc::new(Float32Array::from_iter_values((0..5).map(|n| (n + i) as f32 * 0.1)))),
        |i| plain(Arc::new(Float64Array::from_iter_values((0..5).map(|n| (n + i) as f64 * 0.1)))),
        |i| plain(rows_of_four(3, i)),
        |i| plain(nested_rows(2, i)),
        |i| plain(lists(3, i)),
        |i| plain(vector3(2, i)),
        |i| time_last(i),
        |i| samples(i, 8, 100.0),
        |i| picture(i, 16, 12),
    ];
    let mut all = Vec::new();
    for make in makes {
        for repeat in 0..REPEATS {
            all.push(
                make(repeat)
                    .with("names", Parameter::ListString(vec!["a".into(), "b".into()]))
                    .with("gains", Parameter::ListFloat(vec![0.5, 1.5]))
                    .with("sequence", Parameter::Integer(all.len() as i64)),
            );
        }
    }
    all
}

/// Frames of eight channels, with an empty message after every second message.
fn empties() -> Vec<Message> {
    let make = |index: usize| match index % 3 {
        2 => Message { data: Arc::new(Float32Array::from_iter_values([])), ..samples(index, 8, 100.0) }
            .with("shape", Parameter::ListInt(vec![0, 8])),
        _ => samples(index, 8, 100.0),
    };
    (0..12).map(make).collect()
}

/// A stream whose dtype, then shape, then rate changes: [`REPEATS`] messages of ten frames in each format.
fn changes() -> Vec<Message> {
    let formats: [fn(usize) -> Message; 4] = [
        |i| samples(i, 4, 100.0),
        |i| {
            let data = Float64Array::from_iter_values((0..40).map(|n| (n + 40 * i) as f64));
            Message { data: Arc::new(data), ..samples(i, 4, 100.0) }
        },
        |i| samples(i, 6, 100.0),
        |i| samples(i, 6, 200.0),
    ];
    formats.into_iter().flat_map(|make| (0..REPEATS).map(make)).collect()
}

/// One number, which is also the message's `sequence`.
fn number(index: usize) -> Message {
    plain(Arc::new(Int64Array::from_iter_values([index as i64]))).with("sequence", Parameter::Integer(index as i64))
}

fn plain(data: ArrayRef) -> Message {
    Message { data, parameters: Default::default() }
}

impl Message {
    fn with(mut self, key: &str, value: Parameter) -> Self {
        self.parameters.insert(key.to_owned(), value);
        self
    }
}

/// Ten frames of `channels` f32 at `rate`, time first.
fn samples(index: usize, channels: usize, rate: f64) -> Message {
    let first = index * 10 * channels;
    plain(Arc::new(Float32Array::from_iter_values((first..first + 10 * channels).map(|n| n as f32))))
        .with("shape", Parameter::ListInt(vec![10, channels as i64]))
        .with("dims", Parameter::ListString(vec!["time".into(), "ch".into()]))
        .with("sample_rate", Parameter::Float(rate))
}

/// Ten frames of eight f32 without a rate.
fn samples_of_unknown_rate(index: usize) -> Message {
    let mut message = samples(index, 8, 1.0);
    message.parameters.remove("sample_rate");
    message
}

/// Frames of unknown rate whose parameter `session` changes with message 3 and again with message 6.
fn parameters(index: usize) -> Message {
    let session = ["calibration", "rest", "task"][(index / 3).min(2)];
    samples_of_unknown_rate(index).with("session", Parameter::String(session.into()))
}

/// Ten frames of four f32, or of four f64.
fn two_types(index: usize, is_f64: bool) -> Message {
    let message = samples(index, 4, 1000.0);
    if !is_f64 {
        return message;
    }
    let data = Float64Array::from_iter_values((0..40).map(|n| (n + 40 * index) as f64));
    Message { data: Arc::new(data), ..message }
}

/// Two channels of five frames. Time is the last dim, so the sink moves that axis to the front and the mirror moves it
/// back.
fn time_last(index: usize) -> Message {
    plain(Arc::new(Float64Array::from_iter_values((0..10).map(|n| (n + 100 * index) as f64))))
        .with("shape", Parameter::ListInt(vec![2, 5]))
        .with("dims", Parameter::ListString(vec!["ch".into(), "time".into()]))
        .with("sample_rate", Parameter::Float(50.0))
}

/// A picture as camera nodes send one.
fn picture(index: usize, width: usize, height: usize) -> Message {
    let bytes = (0..width * height * 3).map(|n| (n * 7 + index * 13) as u8);
    plain(Arc::new(UInt8Array::from_iter_values(bytes)))
        .with("width", Parameter::Integer(width as i64))
        .with("height", Parameter::Integer(height as i64))
        .with("encoding", Parameter::String("bgr8".into()))
        .with("primitive", Parameter::String("image".into()))
}

fn rows_of_four(rows: usize, index: usize) -> ArrayRef {
    let values = Float32Array::from_iter_values((0..rows * 4).map(|n| (n + index) as f32));
    let field = Arc::new(Field::new("item", DataType::Float32, true));
    Arc::new(FixedSizeListArray::new(field, 4, Arc::new(values), None))
}

fn nested_rows(rows: usize, index: usize) -> ArrayRef {
    let inner = Int16Array::from_iter_values((0..rows * 6).map(|n| (n + index) as i16));
    let inner_field = Arc::new(Field::new("item", DataType::Int16, false));
    let inner = FixedSizeListArray::new(inner_field, 3, Arc::new(inner), None);
    let field = Arc::new(Field::new("item", arrow::array::Array::data_type(&inner).clone(), false));
    Arc::new(FixedSizeListArray::new(field, 2, Arc::new(inner), None))
}

fn lists(rows: usize, index: usize) -> ArrayRef {
    let values = Float32Array::from_iter_values((0..rows * 2).map(|n| (n + index) as f32));
    let field = Arc::new(Field::new("item", DataType::Float32, true));
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths([2].repeat(rows)), Arc::new(values), None))
}

fn vector3(rows: usize, index: usize) -> ArrayRef {
    let column = |offset: usize| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values((0..rows).map(|row| (row + offset + index) as f64)))
    };
    let fields = ["x", "y", "z"].map(|name| Arc::new(Field::new(name, DataType::Float64, false)));
    Arc::new(StructArray::from(fields.into_iter().zip([column(0), column(10), column(20)]).collect::<Vec<_>>()))
}
