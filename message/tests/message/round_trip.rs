//! Round trips of every type and shape: messages of random structure become frames, which a reference model checks, and
//! messages again.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::Buffer;
use dora_node_api::{MetadataParameters, Parameter};
use dora_shm_message::{Interpreter, MessageSettings};
use dora_shm_ring::Dtype;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::*;

/// The numbers of one value of `array`, depth first: one entry of bytes per number.
fn leaves(array: &dyn Array, row: usize, into: &mut Vec<Vec<u8>>) {
    if let Some(structs) = array.as_struct_opt() {
        for column in structs.columns() {
            leaves(column, row, into);
        }
        return;
    }
    let items = match (array.as_fixed_size_list_opt(), array.as_list_opt::<i32>(), array.as_list_opt::<i64>()) {
        (Some(lists), ..) => lists.value(row),
        (_, Some(lists), _) => lists.value(row),
        (.., Some(lists)) => lists.value(row),
        _ => return into.push(bytes_of(&array.slice(row, 1))),
    };
    for item in 0..items.len() {
        leaves(&items, item, into);
    }
}

/// The frames of a message of shape `shape` whose axis `axis` is buffered: every sample looked up on its own.
fn reference(array: &dyn Array, shape: &[usize], axis: usize) -> Vec<u8> {
    let mut samples = Vec::new();
    for row in 0..array.len() {
        leaves(array, row, &mut samples);
    }
    let mut frames = Vec::new();
    let mut others = shape.to_vec();
    let count = others.remove(axis);
    for frame in 0..count {
        for mut number in 0..others.iter().product::<usize>() {
            let mut index = vec![0; others.len()];
            for (place, size) in index.iter_mut().zip(&others).rev() {
                (*place, number) = (number % size, number / size);
            }
            index.insert(axis, frame);
            let flat = index.iter().zip(shape).fold(0, |flat, (place, size)| flat * size + place);
            frames.extend_from_slice(&samples[flat]);
        }
    }
    frames
}

fn dtype() -> impl Strategy<Value = Dtype> {
    proptest::sample::select(Dtype::ALL.to_vec())
}

/// A slice of `length` of an array that is longer on both sides.
#[derive(Clone, Copy, Debug)]
struct Slice {
    before: usize,
    after: usize,
}

impl Slice {
    fn of(self, length: usize, make: impl Fn(usize) -> ArrayRef) -> ArrayRef {
        make(self.before + length + self.after).slice(self.before, length)
    }
}

fn slice() -> impl Strategy<Value = Slice> {
    (0_usize..12, 0_usize..4).prop_map(|(before, after)| Slice { before, after })
}

/// A part of a type in which every value has the same number of numbers.
#[derive(Clone, Debug)]
enum Kind {
    Number(Dtype),
    Fixed(usize, Slice, Box<Kind>),
    List(usize, Slice, Box<Kind>),
    Large(usize, Slice, Box<Kind>),
    Struct(Vec<Kind>),
}

impl Kind {
    fn array(&self, length: usize) -> ArrayRef {
        match self {
            Kind::Number(dtype) => numbers(*dtype, length),
            // The items of sliced lists begin somewhere in their array.
            Kind::Fixed(size, slice, item) => {
                slice.of(length, |length| fixed_lists(item.array(length * size), *size as i32))
            }
            Kind::List(size, slice, item) => slice.of(length, |length| lists::<i32>(item.array(length * size), *size)),
            Kind::Large(size, slice, item) => slice.of(length, |length| lists::<i64>(item.array(length * size), *size)),
            Kind::Struct(columns) => {
                let names = ["a", "b.c", "d", "e"];
                let columns: Vec<_> =
                    names.iter().zip(columns).map(|(name, column)| (*name, column.array(length))).collect();
                record(&columns)
            }
        }
    }
}

/// Types in which all numbers are of one dtype.
fn kind() -> impl Strategy<Value = Kind> {
    dtype().prop_flat_map(|dtype| {
        Just(Kind::Number(dtype)).prop_recursive(3, 8, 3, |inner| {
            prop_oneof![
                (1_usize..4, slice(), inner.clone()).prop_map(|(n, slice, kind)| Kind::Fixed(n, slice, kind.into())),
                (1_usize..4, slice(), inner.clone()).prop_map(|(n, slice, kind)| Kind::List(n, slice, kind.into())),
                (1_usize..4, slice(), inner.clone()).prop_map(|(n, slice, kind)| Kind::Large(n, slice, kind.into())),
                vec(inner, 1..4).prop_map(Kind::Struct),
            ]
        })
    })
}

fn attr() -> impl Strategy<Value = Parameter> {
    prop_oneof![
        any::<bool>().prop_map(Parameter::Bool),
        any::<i64>().prop_map(Parameter::Integer),
        (-1e9..1e9).prop_map(Parameter::Float),
        ".{0,8}".prop_map(Parameter::String),
        vec(any::<i64>(), 0..3).prop_map(Parameter::ListInt),
        vec(-1e9..1e9, 0..3).prop_map(Parameter::ListFloat),
        vec(".{0,4}", 0..3).prop_map(Parameter::ListString),
        any::<i64>().prop_map(|ns| Parameter::Timestamp(chrono::DateTime::from_timestamp_nanos(ns))),
    ]
}

#[derive(Clone, Debug)]
enum Timing {
    Sent,
    Offset(f64),
    Values,
}

fn timing() -> impl Strategy<Value = Timing> {
    prop_oneof![Just(Timing::Sent), (-1e6..1e6).prop_map(Timing::Offset), Just(Timing::Values)]
}

fn rate() -> impl Strategy<Value = Option<Parameter>> {
    prop_oneof![
        Just(None),
        (1_i64..100_000).prop_map(|hz| Some(Parameter::Integer(hz))),
        (0.001..1e6).prop_map(|hz: f64| Some(Parameter::Float(hz))),
        (1_i64..1000).prop_map(|hz| Some(Parameter::String(hz.to_string()))),
    ]
}

/// The parameters of a message of `frames` frames.
fn sent(timing: &Timing, rate: &Option<Parameter>, attrs: &[Parameter], frames: usize) -> MetadataParameters {
    let mut sent: MetadataParameters =
        attrs.iter().enumerate().map(|(i, attr)| (format!("attr {i}"), attr.clone())).collect();
    sent.extend(rate.clone().map(|rate| ("sample_rate".to_owned(), rate)));
    match timing {
        Timing::Sent => {}
        Timing::Offset(offset) => drop(sent.insert("axis_offset".into(), Parameter::Float(*offset))),
        Timing::Values => {
            let values = (0..frames).map(|i| (i * i) as f64 * 0.125 + 3.0).collect();
            sent.insert("axis_values".into(), Parameter::ListFloat(values));
        }
    }
    sent
}

fn settings() -> MessageSettings {
    MessageSettings::default()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arrays_with_a_shape_come_back_as_they_were(
        dtype in dtype(),
        shape in vec(1_usize..6, 1..5),
        axis in any::<prop::sample::Index>(),
        slice in slice(),
        timing in timing(),
        rate in rate(),
        attrs in vec(attr(), 0..3),
        labels in any::<bool>(),
    ) {
        let axis = axis.index(shape.len());
        let array = slice.of(shape.iter().product(), |length| numbers(dtype, length));
        let mut names: Vec<String> = (0..shape.len()).map(|i| format!("d{i}")).collect();
        names[axis] = "time".to_owned();
        let mut sent = sent(&timing, &rate, &attrs, shape[axis]);
        sent.insert("shape".into(), Parameter::ListInt(shape.iter().map(|&n| n as i64).collect()));
        if labels {
            let axes: serde_json::Map<String, serde_json::Value> = names
                .iter()
                .zip(&shape)
                .map(|(name, &size)| match name.as_str() {
                    "time" => (name.clone(), serde_json::json!({"kind": "linear", "unit": "s", "gain": 0.5})),
                    _ => {
                        let data: Vec<String> = (0..size).map(|i| format!("{name}{i}")).collect();
                        (name.clone(), serde_json::json!({"kind": "coord", "unit": "m", "data": data}))
                    }
                })
                .collect();
            sent.insert("axes".into(), Parameter::String(serde_json::Value::Object(axes).to_string()));
        }
        sent.insert("dims".into(), Parameter::ListString(names));

        let stored = interpret(&array, &sent, settings()).unwrap();
        prop_assert_eq!(stored.frames, shape[axis] as u64);
        prop_assert_eq!(&stored.samples, &reference(&array, &shape, axis));
        assert_comes_back(&stored, &array, &sent);
    }

    #[test]
    fn rows_of_every_type_come_back_as_they_were(
        kind in kind(),
        rows in 1_usize..6,
        outer in slice(),
        timing in timing(),
        rate in rate(),
    ) {
        let array = outer.of(rows, |length| kind.array(length));
        let mut numbers = Vec::new();
        leaves(&array.slice(0, 1), 0, &mut numbers);
        let is_vector = matches!(kind, Kind::Number(_));
        let frames = if is_vector && rate.is_none() { 1 } else { rows };
        let sent = sent(&timing, &rate, &[], frames);
        let stored = match interpret(&array, &sent, settings()) {
            Err(refusal) if refusal.to_string().contains("dimensions") => return Ok(()),
            stored => stored.unwrap(),
        };
        prop_assert_eq!(stored.frames, frames as u64);
        prop_assert_eq!(&stored.samples, &reference(&array, &[rows, numbers.len()], 0));
        assert_comes_back(&stored, &array, &sent);
    }

    #[test]
    fn rows_of_lists_come_back_when_another_axis_is_buffered(
        dtype in dtype(),
        shape in vec(1_usize..5, 2..5),
        axis in any::<prop::sample::Index>(),
        slices in vec(slice(), 4),
        lists in vec(0..3, 3),
    ) {
        let axis = axis.index(shape.len());
        let mut kind = Kind::Number(dtype);
        for (level, &size) in shape[1..].iter().enumerate().rev() {
            kind = match lists[level] {
                0 => Kind::Fixed(size, slices[level], kind.into()),
                1 => Kind::List(size, slices[level], kind.into()),
                _ => Kind::Large(size, slices[level], kind.into()),
            };
        }
        let array = slices[3].of(shape[0], |length| kind.array(length));
        let mut dims: Vec<String> = (0..shape.len()).map(|i| format!("d{i}")).collect();
        dims[axis] = "time".to_owned();
        let sent = MetadataParameters::from([("dims".to_owned(), Parameter::ListString(dims))]);
        let stored = interpret(&array, &sent, settings()).unwrap();
        prop_assert_eq!(&stored.samples, &reference(&array, &shape, axis));
        assert_comes_back(&stored, &array, &sent);
    }

    #[test]
    fn columns_of_several_types_come_back_as_they_were(
        dtypes in vec(dtype(), 2..4),
        lengths in vec(1_usize..4, 3),
        rows in 1_usize..5,
        outer in slice(),
        shape in any::<bool>(),
    ) {
        // Small numbers, which every type can represent.
        let column = |dtype: Dtype, count: usize| -> ArrayRef {
            let bits = numbers(Dtype::Bool, count);
            let ones = bits.as_boolean().iter().map(Option::unwrap);
            let bytes: Vec<u8> = match dtype {
                Dtype::Bool => return bits,
                Dtype::F16 => ones.flat_map(|one| half::f16::from_f32(f32::from(one)).to_ne_bytes()).collect(),
                Dtype::F32 => ones.flat_map(|one| f32::from(one).to_ne_bytes()).collect(),
                Dtype::F64 => ones.flat_map(|one| f64::from(one).to_ne_bytes()).collect(),
                _ => ones.flat_map(|one| u64::from(one).to_le_bytes()[..dtype.size()].to_vec()).collect(),
            };
            let data = arrow::array::ArrayData::builder(arrow_type(dtype)).len(count);
            arrow::array::make_array(data.add_buffer(Buffer::from_slice_ref(&bytes)).build().unwrap())
        };
        let array = outer.of(rows, |rows| {
            let columns: Vec<_> = ["a", "b", "c"]
                .iter()
                .zip(&dtypes)
                .zip(&lengths)
                .map(|((name, &dtype), &length)| (*name, fixed_lists(column(dtype, rows * length), length as i32)))
                .collect();
            record(&columns)
        });
        let total: usize = lengths[..dtypes.len()].iter().sum();
        let sent = if shape {
            parameters(&[("shape", integers(&[total as i64, rows as i64])), ("dims", names(&["ch", "time"]))])
        } else {
            MetadataParameters::default()
        };
        let stored = interpret(&array, &sent, settings()).unwrap();
        prop_assert_eq!(stored.samples.len(), total * rows * stored.plan.dtype().size());
        assert_comes_back(&stored, &array, &sent);
    }

    #[test]
    fn any_run_of_frames_is_read_as_these_frames(
        dtype in dtype(),
        shape in vec(1_usize..6, 1..4),
        axis in proptest::option::of(any::<prop::sample::Index>()),
        rate in rate(),
        cut in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let array = numbers(dtype, shape.iter().product());
        let mut dims: Vec<String> = (0..shape.len()).map(|i| format!("d{i}")).collect();
        if let Some(axis) = axis {
            dims[axis.index(shape.len())] = "time".to_owned();
        }
        let mut sent = sent(&Timing::Offset(2.0), &rate, &[], 0);
        sent.insert("shape".into(), Parameter::ListInt(shape.iter().map(|&n| n as i64).collect()));
        sent.insert("dims".into(), Parameter::ListString(dims));
        let mut stored = interpret(&array, &sent, settings()).unwrap();
        // Three messages, one after the other.
        for _ in 0..2 {
            stored.samples.extend_from_within(..(stored.frames * stored.plan.frame_bytes()) as usize);
            stored.times.extend_from_within(..stored.frames as usize);
        }
        let total = stored.times.len();
        let (one, two) = (cut.0.index(total), cut.1.index(total));
        let (from, to) = (one.min(two), one.max(two) + 1);
        let frame = stored.plan.frame_bytes() as usize;
        let samples = &stored.samples[from * frame..to * frame];
        let middle = (to - from) / 2;
        let parts = [Buffer::from_slice_ref(&samples[..middle * frame]), Buffer::from_slice_ref(&samples[middle * frame..])];
        let times = &stored.times[from..to];
        let (run, sent) = stored.rebuilder().run(&parts, &[&times[..middle], &times[middle..]], &MARKS).unwrap();

        for key in ["shape", "dims", "dtype"] {
            prop_assert!(sent.contains_key(key), "{} is missing", key);
        }
        prop_assert_eq!(sent.contains_key("sample_rate"), rate.is_some());
        let again = interpret(&run, &sent, settings()).unwrap();
        prop_assert_eq!(again.frames as usize, to - from);
        prop_assert_eq!(again.plan.frame_shape(), stored.plan.frame_shape());
        prop_assert_eq!(&again.samples, samples);
        prop_assert_eq!(again.times[0], times[0]);
        prop_assert_eq!(again.plan.rate_hz(), stored.plan.rate_hz());
    }

    #[test]
    fn messages_of_any_length_are_read_as_if_each_were_the_first(
        kind in kind(),
        messages in vec((1_usize..6, slice(), 0_usize..4), 1..8),
        dims in 0..4,
        (has_shape, has_dims) in (any::<bool>(), any::<bool>()),
        rate in rate(),
        place_by in 0..4,
        unit in proptest::sample::select(vec!["s", "ms", "mm"]),
        setting in 0_usize..3,
    ) {
        let mut leaf = Vec::new();
        leaves(&kind.array(1), 0, &mut leaf);
        let settings = MessageSettings {
            shape: [None, Some(vec![leaf.len() as u64]), Some(vec![])][setting].clone(),
            ..settings()
        };
        let mut interpreter = Interpreter::new("data", settings.clone());
        for (rows, slice, place) in messages {
            let array = slice.of(rows, |length| kind.array(length));
            let mut sent = MetadataParameters::from_iter(rate.clone().map(|rate| ("sample_rate".to_owned(), rate)));
            let (shape, dims) = match dims {
                0 => (vec![rows, leaf.len()], vec!["time", "ch"]),
                1 => (vec![leaf.len(), rows], vec!["ch", "time"]),
                2 => (vec![rows * leaf.len()], vec!["time"]),
                _ => (vec![rows, leaf.len()], vec!["a", "b"]),
            };
            if has_shape {
                sent.insert("shape".into(), Parameter::ListInt(shape.iter().map(|&dim| dim as i64).collect()));
            }
            if has_dims {
                sent.insert("dims".into(), names(&dims));
            }
            let coordinates: Vec<_> = (0..rows).map(|i| i * i + place).collect();
            match place_by {
                1 => drop(sent.insert("axis_offset".into(), integer(place as i64))),
                2 => {
                    let axes = format!(r#"{{"time":{{"kind":"linear","unit":"{unit}","gain":0.5,"offset":{place}}}}}"#);
                    sent.insert("axes".into(), Parameter::String(axes));
                }
                3 => {
                    let axes = format!(r#"{{"time":{{"kind":"coord","unit":"{unit}","data":{coordinates:?}}}}}"#);
                    sent.insert("axes".into(), Parameter::String(axes));
                }
                _ => {}
            }
            let alone = interpret(&array, &sent, settings.clone());
            match (store(&mut interpreter, &array, &sent), alone) {
                (Ok(stored), Ok(alone)) => {
                    prop_assert_eq!(&stored.samples, &alone.samples);
                    prop_assert_eq!(&stored.times, &alone.times);
                    prop_assert_eq!(stored.plan.frame_shape(), alone.plan.frame_shape());
                    prop_assert_eq!(stored.plan.rate_hz(), alone.plan.rate_hz());
                    // Axes of other dims leave the description when they keep changing.
                    let [buffered, expected] = [&stored, &alone].map(|stored| {
                        let description = stored.plan.description();
                        (description.dims.clone(), description.axes[&description.dims[0]].clone())
                    });
                    prop_assert_eq!(buffered, expected);
                    // The recipes may differ, because one row does not reveal what grows. The rebuilt messages are the
                    // same.
                    let (rebuilt, back) = stored.rebuild(None).unwrap();
                    prop_assert_eq!(&rebuilt, &array);
                    if setting == 0 {
                        prop_assert_eq!(back.get("shape"), sent.get("shape"));
                        prop_assert_eq!(back.get("axis_offset"), sent.get("axis_offset"));
                    }
                }
                (stored, alone) => prop_assert_eq!(stored.is_err(), alone.is_err()),
            }
        }
    }

    #[test]
    fn one_interpreter_reads_messages_of_all_kinds_in_any_order(
        messages in vec((kind(), 1_usize..4, slice()), 1..12),
        repeats in vec(0_usize..12, 0..12),
    ) {
        let mut interpreter = Interpreter::new("data", settings());
        let none = MetadataParameters::default();
        let arrays: Vec<ArrayRef> =
            messages.iter().map(|(kind, rows, slice)| slice.of(*rows, |length| kind.array(length))).collect();
        for index in (0..arrays.len()).chain(repeats.into_iter().map(|i| i % arrays.len())) {
            let alone = interpret(&arrays[index], &none, settings());
            match (store(&mut interpreter, &arrays[index], &none), alone) {
                (Ok(stored), Ok(alone)) => {
                    prop_assert_eq!(&stored.samples, &alone.samples);
                    prop_assert_eq!(&stored.plan, &alone.plan);
                }
                (stored, alone) => prop_assert_eq!(stored.is_err(), alone.is_err()),
            }
        }
    }
}

#[test]
fn samples_in_order_in_one_part_are_not_copied() {
    let shape = parameters(&[("shape", integers(&[3, 4])), ("dims", names(&["time", "ch"]))]);
    let rows = fixed_lists(floats(12), 4);
    for (array, sent) in [(floats(12), shape), (rows, MetadataParameters::default())] {
        let stored = interpret(&array, &sent, settings()).unwrap();
        let memory = Buffer::from_slice_ref(&stored.samples);
        let (rebuilt, _) = stored.rebuilder().message(std::slice::from_ref(&memory), &[&stored.times], &MARKS).unwrap();
        let numbers = rebuilt.as_fixed_size_list_opt().map_or(&rebuilt, |rows| rows.values()).clone();
        assert_eq!(numbers.to_data().buffers()[0].as_ptr(), memory.as_ptr());
        let (rebuilt, _) = stored.rebuilder().run(std::slice::from_ref(&memory), &[&stored.times], &MARKS).unwrap();
        let numbers = rebuilt.as_fixed_size_list_opt().map_or(&rebuilt, |rows| rows.values()).clone();
        assert_eq!(numbers.to_data().buffers()[0].as_ptr(), memory.as_ptr());

        // If it is not aligned to its type, it is copied once, correctly.
        let mut shifted = vec![0];
        shifted.extend_from_slice(&stored.samples);
        let shifted = Buffer::from_slice_ref(&shifted).slice(1);
        let (rebuilt, _) = stored.rebuilder().message(&[shifted], &[&stored.times], &MARKS).unwrap();
        assert_eq!(&rebuilt, &array);
    }
}

#[test]
fn names_nullability_and_metadata_of_fields_come_back() {
    use arrow::array::{FixedSizeListArray, StructArray};
    use arrow::datatypes::Field;
    let metadata = [("unit".to_owned(), "V".to_owned())];
    let item = Arc::new(Field::new("element", arrow_type(Dtype::F32), false).with_metadata(metadata.clone().into()));
    let lists = FixedSizeListArray::new(item, 3, floats(6), None);
    let field = Field::new("eeg", lists.data_type().clone(), false).with_metadata(metadata.into());
    let array: ArrayRef = Arc::new(StructArray::new(vec![field].into(), vec![Arc::new(lists)], None));
    let none = MetadataParameters::default();
    assert_comes_back(&interpret(&array, &none, settings()).unwrap(), &array, &none);
}

#[test]
fn a_run_has_the_rate_and_the_times_that_are_in_force() {
    let irregular =
        parameters(&[("sample_rate", integer(10)), ("axis_values", Parameter::ListFloat(vec![1.0, 2.0, 4.0]))]);
    let regular = parameters(&[("sample_rate", integer(10)), ("axis_offset", integer(1))]);
    let slower = MessageSettings { sample_rate_hz: Some(4.0), ..settings() };
    for (sent, settings, expected) in [
        (irregular, settings(), ("axis_values", Parameter::ListFloat(vec![2.0, 4.0]), integer(10))),
        (regular.clone(), settings(), ("axis_offset", Parameter::Float(1.1), integer(10))),
        (regular, slower, ("axis_offset", Parameter::Float(1.25), Parameter::Float(4.0))),
    ] {
        let stored = interpret(&floats(3), &sent, settings).unwrap();
        let samples = [Buffer::from_slice_ref(&stored.samples[4..])];
        let (_, sent) = stored.rebuilder().run(&samples, &[&stored.times[1..]], &MARKS).unwrap();
        assert_eq!((&sent[expected.0], &sent["sample_rate"]), (&expected.1, &expected.2));
    }
}

#[test]
fn a_loss_is_marked_with_its_count() {
    let none = MetadataParameters::default();
    let stored = interpret(&floats(3), &none, settings()).unwrap();
    let marks = dora_shm_message::Marks { lost: 17, ..MARKS };
    let samples = [Buffer::from_slice_ref(&stored.samples)];
    let (_, sent) = stored.rebuilder().message(&samples, &[&stored.times], &marks).unwrap();
    assert_eq!(sent["lost"], integer(17));
}

#[test]
fn parameters_made_for_each_message_come_back_in_their_type() {
    let list = |values: &[f64]| Parameter::ListFloat(values.to_vec());
    let shapes = [
        (integers(&[3, 2]), names(&["time", "ch"])),
        (list(&[3.0, 2.0]), names(&["time", "ch"])),
        (text("[3, 2]"), names(&["time", "ch"])),
        (names(&["3", "2"]), names(&["time", "ch"])),
        (integer(6), names(&["time"])),
    ];
    for (shape, dims) in shapes {
        let sent = parameters(&[("shape", shape), ("dims", dims)]);
        assert_comes_back(&interpret(&floats(6), &sent, settings()).unwrap(), &floats(6), &sent);
    }
    for offset in [integer(5), integer(-5), Parameter::Float(5.0), Parameter::Float(0.25), text("0.25")] {
        let sent = parameters(&[("sample_rate", integer(2)), ("axis_offset", offset)]);
        assert_comes_back(&interpret(&floats(6), &sent, settings()).unwrap(), &floats(6), &sent);
    }
    for values in [integers(&[1, 4, 9]), list(&[1.0, 4.0, 9.0]), names(&["1", "4.5", "9"])] {
        let sent = parameters(&[("sample_rate", integer(2)), ("axis_values", values)]);
        assert_comes_back(&interpret(&floats(3), &sent, settings()).unwrap(), &floats(3), &sent);
    }
    // Values that the frames do not contain are not invented: an offset sent with the values is left out.
    let sent =
        parameters(&[("axis_values", list(&[1.0, 4.0])), ("axis_offset", integer(9)), ("sample_rate", integer(2))]);
    let (_, back) = interpret(&floats(2), &sent, settings()).unwrap().rebuild(None).unwrap();
    assert_eq!((back.get("axis_values"), back.get("axis_offset")), (sent.get("axis_values"), None));
}

#[test]
fn an_offset_in_axes_that_is_not_in_force_comes_back_as_it_was() {
    let mut interpreter = Interpreter::new("data", settings());
    let sent = |place: i64, offset: i64| {
        let axes = format!(r#"{{"time":{{"kind":"linear","unit":"s","gain":0.5,"offset":{place}.0}}}}"#);
        parameters(&[("dims", names(&["time"])), ("axes", Parameter::String(axes)), ("axis_offset", integer(offset))])
    };
    let axes = |sent: &MetadataParameters| -> Option<serde_json::Value> {
        let Some(Parameter::String(text)) = sent.get("axes") else { return None };
        Some(serde_json::from_str(text).unwrap())
    };
    // Every message has the same axes, whose offset is that of the first message.
    for offset in 0..5 {
        let stored = store(&mut interpreter, &floats(4), &sent(0, offset)).unwrap();
        assert_eq!(stored.times[0], offset as f64);
        let (_, back) = stored.rebuild(None).unwrap();
        assert_eq!(axes(&back), axes(&sent(0, offset)));
        assert_eq!(back["axis_offset"], integer(offset));
    }
    // If each message has its own offset, different from the one in force, it is left out rather than wrong.
    for place in 1..9 {
        let stored = store(&mut interpreter, &floats(4), &sent(place, place + 1)).unwrap();
        let (_, back) = stored.rebuild(None).unwrap();
        if place > 4 {
            assert_eq!(axes(&back).unwrap()["time"].get("offset"), None);
        }
    }
}

#[test]
fn a_shape_that_comes_with_some_messages_settles() {
    let mut interpreter = Interpreter::new("data", settings());
    let mut plans = Vec::new();
    let array = fixed_lists(floats(6), 2);
    for i in 0..20 {
        let mut sent = parameters(&[("dims", names(&["time", "ch"]))]);
        if i % 2 == 0 {
            sent.insert("shape".into(), integers(&[3, 2]));
        }
        let stored = store(&mut interpreter, &array, &sent).unwrap();
        let (_, back) = stored.rebuild(None).unwrap();
        if i > 4 {
            assert_eq!(back["shape"], integers(&[3, 2]));
        }
        plans.push(stored.plan);
    }
    plans.dedup_by(|a, b| Arc::ptr_eq(a, b));
    assert!(plans.len() <= 4, "{} descriptions", plans.len());
}
