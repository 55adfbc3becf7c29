//! Messages of the same form as the one before are interpreted and copied without allocating, for any number of frames.

use std::alloc::System;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, Float64Array, Int64Array, LargeBinaryArray,
    ListArray, StructArray, UInt8Array, UInt32Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::Field;
use dora_node_api::{MetadataParameters, Parameter};
use dora_shm_message::{FrameRule, Interpreter, MessageSettings, StampedFrame};
use dora_shm_ring::Dtype;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn messages() -> Vec<(&'static str, ArrayRef, MetadataParameters)> {
    let text = |text: &str| Parameter::String(text.to_owned());
    let list = |names: &[&str]| Parameter::ListString(names.iter().map(|&name| name.to_owned()).collect());
    let parameters = |entries: &[(&str, Parameter)]| -> MetadataParameters {
        entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
    };
    let picture = parameters(&[
        ("width", Parameter::Integer(64)),
        ("height", Parameter::Integer(48)),
        ("encoding", text("bgr8")),
        ("primitive", text("image")),
    ]);
    let signal = |dims: &[&str], shape: [i64; 2]| {
        parameters(&[
            ("shape", Parameter::ListInt(shape.to_vec())),
            ("dims", list(dims)),
            ("sample_rate", Parameter::Float(1000.0)),
            ("axis_offset", Parameter::Float(12.5)),
            ("axes", text(r#"{"ch":{"kind":"coord","unit":"","data":["a","b","c","d"]}}"#)),
            ("sequence", Parameter::Integer(7)),
            ("key", text("eeg")),
        ])
    };
    let floats = || Arc::new(Float32Array::from(vec![0.5; 80])) as ArrayRef;
    let irregular = parameters(&[
        ("shape", Parameter::ListInt(vec![20, 4])),
        ("dims", list(&["time", "ch"])),
        ("axis_values", Parameter::ListFloat(vec![1.0; 20])),
    ]);
    let item = Arc::new(Field::new_list_field(floats().data_type().clone(), true));
    let column = |value| Arc::new(Float64Array::from(vec![value])) as ArrayRef;
    let vector = StructArray::from(vec![
        (Arc::new(Field::new("x", column(1.0).data_type().clone(), true)), column(1.0)),
        (Arc::new(Field::new("y", column(1.0).data_type().clone(), true)), column(2.0)),
    ]);
    vec![
        ("a picture", Arc::new(UInt8Array::from(vec![7; 64 * 48 * 3])), picture),
        ("a signal", floats(), signal(&["time", "ch"], [20, 4])),
        ("a signal that is rolled", floats(), signal(&["ch", "time"], [4, 20])),
        ("irregular times", floats(), irregular),
        ("rows", Arc::new(FixedSizeListArray::new(item, 8, floats(), None)), MetadataParameters::default()),
        ("bits", Arc::new(BooleanArray::from(vec![true; 100])), MetadataParameters::default()),
        ("a struct", Arc::new(vector), MetadataParameters::default()),
    ]
}

/// Messages that differ only in their number of frames, `frames`, and begin at `frames` seconds.
fn of_length(frames: usize) -> Vec<(&'static str, ArrayRef, MetadataParameters, MessageSettings)> {
    let text = |text: &str| Parameter::String(text.to_owned());
    let list = |names: &[&str]| Parameter::ListString(names.iter().map(|&name| name.to_owned()).collect());
    let parameters = |entries: &[(&str, Parameter)]| -> MetadataParameters {
        entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
    };
    let floats = |count: usize| Arc::new(Float32Array::from(vec![0.5; count])) as ArrayRef;
    let item = Arc::new(Field::new_list_field(floats(0).data_type().clone(), true));
    let holed = Arc::new(Float32Array::from_iter((0..frames * 4).map(|i| (i % 3 > 0).then_some(0.5)))) as ArrayRef;
    let nulls = NullBuffer::from_iter((0..frames).map(|i| i % 5 > 0));
    let rows = |values: ArrayRef, nulls| Arc::new(FixedSizeListArray::new(item.clone(), 4, values, nulls)) as ArrayRef;
    let lists = |count: usize, length: usize| {
        let offsets = OffsetBuffer::<i32>::from_repeated_length(length, count);
        Arc::new(ListArray::new(item.clone(), offsets, floats(count * length), None)) as ArrayRef
    };
    let shaped = |dims: &[&str], shape: [usize; 2], extra: &[(&str, Parameter)]| {
        let shape = shape.map(|dim| dim as i64).to_vec();
        let mut sent = parameters(&[("shape", Parameter::ListInt(shape)), ("dims", list(dims))]);
        sent.extend(parameters(extra));
        sent
    };
    let mixed = StructArray::from(vec![
        (
            Arc::new(Field::new("id", Int64Array::from(vec![1]).data_type().clone(), true)),
            Arc::new(Int64Array::from(vec![1; frames])) as ArrayRef,
        ),
        (
            Arc::new(Field::new("on", BooleanArray::from(vec![true]).data_type().clone(), true)),
            Arc::new(BooleanArray::from(vec![true; frames])) as ArrayRef,
        ),
        (Arc::new(Field::new("x", rows(floats(4), None).data_type().clone(), true)), rows(holed.clone(), None)),
    ]);
    let count = |count: usize| Arc::new(UInt32Array::from(vec![count as u32])) as ArrayRef;
    let cloud = ["width", "data"].map(|name| {
        let column = match name {
            "width" => count(frames),
            _ => Arc::new(LargeBinaryArray::from_vec(vec![&vec![7; frames * 16]])) as ArrayRef,
        };
        (Arc::new(Field::new(name, column.data_type().clone(), true)), column)
    });
    let points = MessageSettings {
        fields: vec!["data".to_owned()],
        dtype: Some(Dtype::F32),
        shape: Some(vec![4]),
        frames: FrameRule::Rows,
        ..MessageSettings::default()
    };
    let offset =
        format!(r#"{{"time":{{"kind":"linear","unit":"s","gain":0.5,"offset":{frames}}},"ch":{{"kind":"coord"}}}}"#);
    let data: Vec<_> = (0..frames).map(|i| (i * i).to_string()).collect();
    let data = format!(r#"{{"time":{{"kind":"coord","unit":"s","data":[{}]}}}}"#, data.join(", "));
    let audio = parameters(&[("sample_rate", Parameter::Integer(48_000)), ("channels", Parameter::Integer(2))]);
    let time = ["time", "ch"];
    let messages: Vec<(_, ArrayRef, _)> = vec![
        ("audio", floats(frames * 2), audio),
        ("a signal", floats(frames * 4), shaped(&time, [frames, 4], &[("sample_rate", Parameter::Integer(100))])),
        ("a signal that is rolled", floats(frames * 4), shaped(&["ch", "time"], [4, frames], &[])),
        ("an offset in axes", floats(frames * 4), shaped(&time, [frames, 4], &[("axes", text(&offset))])),
        ("coordinates in axes", floats(frames * 4), shaped(&time, [frames, 4], &[("axes", text(&data))])),
        ("nulls", holed.clone(), shaped(&time, [frames, 4], &[])),
        ("rows", rows(floats(frames * 4), None), MetadataParameters::default()),
        ("null rows with nulls", rows(holed, Some(nulls)), MetadataParameters::default()),
        ("lists", lists(frames, 4), MetadataParameters::default()),
        ("one list", lists(4, frames), parameters(&[("dims", list(&["ch", "time"]))])),
        ("bits", Arc::new(BooleanArray::from(vec![true; frames])), parameters(&[("dims", list(&["time"]))])),
        ("a struct of several types", Arc::new(mixed), MetadataParameters::default()),
    ];
    let messages = messages.into_iter().map(|(what, array, sent)| (what, array, sent, MessageSettings::default()));
    let cloud: ArrayRef = Arc::new(StructArray::from(cloud.to_vec()));
    let column = |name: &str, column: ArrayRef| (Arc::new(Field::new(name, column.data_type().clone(), true)), column);
    let stamps = StructArray::from(vec![
        column("sec", Arc::new(Int64Array::from(vec![frames as i64; frames]))),
        column("nanosec", Arc::new(UInt32Array::from_iter_values(0..frames as u32))),
    ]);
    let stamped: ArrayRef =
        Arc::new(StructArray::from(vec![column("stamp", Arc::new(stamps)), column("x", floats(frames))]));
    let by_field =
        MessageSettings { fields: vec!["x".to_owned()], time: Some("stamp".to_owned()), ..MessageSettings::default() };
    let by_parameter =
        MessageSettings { time: Some("stamp".to_owned()), time_of: StampedFrame::Last, ..MessageSettings::default() };
    let by_mirror = [("source_time", Parameter::Float(frames as f64)), ("clock", text("unix"))];
    messages
        .chain([
            ("points", cloud, MetadataParameters::default(), points),
            ("a time for each row", stamped, MetadataParameters::default(), by_field),
            (
                "a time for the last row",
                rows(floats(frames * 4), None),
                parameters(&[("stamp", Parameter::Integer(frames as i64))]),
                by_parameter.clone(),
            ),
            ("no time", rows(floats(frames * 4), None), stamped_once(frames), by_parameter),
            ("a mirror's time", rows(floats(frames * 4), None), parameters(&by_mirror), MessageSettings::default()),
        ])
        .collect()
}

/// The parameters of a source of which only the messages of 50 frames have a time.
fn stamped_once(frames: usize) -> MetadataParameters {
    let stamp = (frames == 50).then(|| ("stamp".to_owned(), Parameter::Integer(1)));
    stamp.into_iter().collect()
}

fn messages_of_any_length_do_not_allocate() {
    const LENGTHS: [usize; 5] = [50, 7, 49, 1, 30];
    let by_length = LENGTHS.map(of_length);
    for kind in 0..by_length[0].len() {
        let messages = by_length.each_ref().map(|messages| messages[kind].clone());
        let mut interpreter = Interpreter::new("data", messages[0].3.clone());
        let mut memory = vec![0; 64 << 10];
        let mut pass = |index: usize| {
            let (what, array, parameters, _) = &messages[index % LENGTHS.len()];
            let chunk = interpreter.interpret(array, parameters, 0).unwrap();
            assert_eq!(chunk.frames(), LENGTHS[index % LENGTHS.len()] as u64, "{what}");
            chunk.fill(0..chunk.frames(), &mut memory[..chunk.bytes() as usize]);
        };
        // These passes are not measured: the interpreter learns what changes, and makes room for the longest message.
        (0..2 * LENGTHS.len()).for_each(&mut pass);
        assert_allocates_nothing(messages[0].0, || (0..20 * LENGTHS.len()).for_each(&mut pass));
    }
}

/// If `work` allocates, it does so each time. The allocator also counts the harness's thread, which does not allocate
/// each time.
fn assert_allocates_nothing(what: &str, mut work: impl FnMut()) {
    let mut asked = || {
        let region = Region::new(ALLOCATOR);
        work();
        let change = region.change();
        change.allocations + change.reallocations
    };
    let least = (0..10).map(|_| asked()).find(|&asked| asked == 0);
    assert_eq!(least, Some(0), "{what}: each time something was allocated");
}

/// There is only one test, because the allocator counts all threads.
#[test]
fn messages_like_the_one_before_do_not_allocate() {
    messages_of_any_length_do_not_allocate();

    for (what, array, parameters) in messages() {
        let mut interpreter = Interpreter::new("data", MessageSettings::default());
        let mut memory = vec![0; 64 * 48 * 3];
        let mut pass = |send_ns| {
            let chunk = interpreter.interpret(&array, &parameters, send_ns).unwrap();
            chunk.fill(0..chunk.frames(), &mut memory[..chunk.bytes() as usize]);
        };
        pass(0);
        assert_allocates_nothing(what, || (1..100).for_each(&mut pass));
    }
}
