//! What a refusal advises can be done as it is written: each hint at a setting or parameter is followed here, and the
//! message is then taken.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Int32Array, Int64Array, ListArray};
use arrow::datatypes::Int32Type;
use dora_node_api::{MetadataParameters, Parameter};
use dora_shm_message::{FrameRule, Interpreter, MessageSettings};
use dora_shm_ring::Dtype;

use crate::support::*;

fn auto() -> MessageSettings {
    MessageSettings::default()
}

fn shape(shape: &[u64]) -> MessageSettings {
    MessageSettings { shape: Some(shape.to_vec()), ..auto() }
}

fn rows(frame: &[u64]) -> MessageSettings {
    MessageSettings { frames: FrameRule::Rows, ..shape(frame) }
}

fn dims(names: &[&str]) -> MessageSettings {
    MessageSettings { dims: Some(strings(names)), ..auto() }
}

fn dtype(dtype: Dtype) -> MessageSettings {
    MessageSettings { dtype: Some(dtype), ..auto() }
}

fn field(path: &str) -> MessageSettings {
    MessageSettings { fields: strings(&[path]), ..auto() }
}

fn none() -> MetadataParameters {
    MetadataParameters::default()
}

/// Checks that the message is refused with `hint`, and returns what it is once the hint is followed: with these
/// settings and parameters.
#[track_caller]
fn follow(
    array: &ArrayRef,
    refused: (&MetadataParameters, MessageSettings),
    hint: &str,
    followed: (&MetadataParameters, MessageSettings),
) -> Stored {
    let refusal = interpret(array, refused.0, refused.1).unwrap_err().to_string();
    assert!(refusal.contains(hint), "{hint:?} is not in: {refusal}");
    interpret(array, followed.0, followed.1).unwrap_or_else(|error| panic!("{hint:?} did not help: {error}"))
}

#[test]
fn hints_at_field_name_columns_that_are_taken() {
    let mixed = record(&[("joint", word("a")), ("value", real(1.0))]);
    follow(&mixed, (&none(), auto()), "set FIELD to one or several of: value", (&none(), field("value")));
    follow(&mixed, (&none(), field("z")), "set FIELD to one or several of: value", (&none(), field("value")));
    follow(&real(1.0), (&none(), field("z")), "unset FIELD", (&none(), auto()));

    let ragged: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
        Some(vec![Some(1), Some(2)]),
        Some(vec![Some(3)]),
    ]));
    let with_ragged = record(&[("boxes", ragged), ("score", doubles(2))]);
    follow(&with_ragged, (&none(), auto()), "choose another column with FIELD", (&none(), field("score")));

    // Both of these hints are needed in turn.
    let with_bytes = record(&[("image", blob(&[1, 2, 3, 4])), ("score", real(1.0))]);
    follow(&with_bytes, (&none(), auto()), "select it alone with FIELD", (&none(), field("score")));
    let image = MessageSettings { dtype: Some(Dtype::U8), ..field("image") };
    follow(&with_bytes, (&none(), field("image")), "set DTYPE (uint8 for plain bytes)", (&none(), image));

    let stamp: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX]));
    let stamped = record(&[("stamp", stamp), ("x", real(0.5))]);
    let stored =
        follow(&stamped, (&none(), auto()), "use FIELD to select columns of one integer", (&none(), field("stamp")));
    assert_eq!(stored.plan.dtype(), Dtype::I64);
}

#[test]
fn hints_at_dtype_name_types_that_are_taken() {
    let sent = parameters(&[("dtype", text("float32"))]);
    let hint = "set DTYPE (uint8 for plain bytes), or have the source send `dtype`";
    follow(&blob(&[1; 8]), (&none(), auto()), hint, (&none(), dtype(Dtype::U8)));
    follow(&blob(&[1; 8]), (&none(), auto()), hint, (&sent, auto()));
    follow(&blob(&[1; 6]), (&none(), dtype(Dtype::F32)), "correct DTYPE", (&none(), dtype(Dtype::F16)));
    let odd = parameters(&[("dtype", text("complex64"))]);
    follow(&blob(&[1; 8]), (&odd, auto()), "or set DTYPE", (&odd, dtype(Dtype::F32)));

    let holed: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
    follow(&holed, (&none(), auto()), "set DTYPE: float64", (&none(), dtype(Dtype::F64)));
    let fraction: ArrayRef = Arc::new(Float32Array::from(vec![0.5]));
    let hint = "unset DTYPE (the column is float32), set one that can";
    follow(&fraction, (&none(), dtype(Dtype::I16)), hint, (&none(), auto()));
    follow(&fraction, (&none(), dtype(Dtype::I16)), hint, (&none(), dtype(Dtype::F64)));
}

#[test]
fn hints_at_shape_are_followed_with_the_shape_of_one_frame() {
    let hint = "set SHAPE to the shape of one frame (FRAMES: rows when a message holds several)";
    let stored = follow(&floats(12), (&none(), shape(&[5])), hint, (&none(), shape(&[12])));
    assert_eq!((stored.frames, stored.plan.frame_shape()), (1, &[12][..]));
    let stored = follow(&floats(12), (&none(), shape(&[4])), hint, (&none(), rows(&[4])));
    assert_eq!((stored.frames, stored.plan.frame_shape()), (3, &[4][..]));
    let stored = follow(&floats(12), (&none(), shape(&[])), hint, (&none(), rows(&[])));
    assert_eq!((stored.frames, stored.plan.frame_shape()), (12, &[][..]));
    follow(&floats(12), (&none(), shape(&[1 << 62, 1 << 62])), hint, (&none(), shape(&[12])));

    let wrong = parameters(&[("shape", integers(&[3, 5])), ("dims", names(&["time", "ch"]))]);
    follow(&floats(12), (&wrong, auto()), "or set SHAPE", (&wrong, rows(&[4])));
    let deep = parameters(&[("shape", integers(&[1, 1, 1, 1, 1, 1, 1, 1, 12]))]);
    follow(&floats(12), (&deep, auto()), "set SHAPE", (&deep, shape(&[12])));

    let audio = parameters(&[("sample_rate", integer(100)), ("channels", integer(5))]);
    let stored = follow(&floats(12), (&audio, auto()), "or set SHAPE", (&audio, shape(&[4])));
    assert_eq!((stored.frames, stored.plan.rate_hz()), (3, Some(100.0)));
}

#[test]
fn hints_at_dims_are_followed_with_names_that_fit() {
    let hint = "correct DIMS, or set SHAPE";
    let stored = follow(&floats(6), (&none(), dims(&["y", "x"])), hint, (&none(), dims(&["time"])));
    assert_eq!(stored.frames, 6);
    let named = MessageSettings { shape: Some(vec![2, 3]), ..dims(&["y", "x"]) };
    let stored = follow(&floats(6), (&none(), dims(&["y", "x"])), hint, (&none(), named));
    assert_eq!((stored.frames, stored.plan.frame_shape()), (1, &[2, 3][..]));

    let sent = parameters(&[("dims", names(&["time", "ch"]))]);
    let mut whole = sent.clone();
    whole.extend(parameters(&[("shape", integers(&[2, 3]))]));
    let named = MessageSettings { shape: Some(vec![3]), ..dims(&["time", "ch"]) };
    let hint = "send `shape` too, or set SHAPE and DIMS";
    for followed in [(&whole, auto()), (&sent, named)] {
        let stored = follow(&floats(6), (&sent, auto()), hint, followed);
        assert_eq!((stored.frames, stored.plan.frame_shape()), (2, &[3][..]));
    }

    let twice = parameters(&[("shape", integers(&[2, 3])), ("dims", names(&["ch", "ch"]))]);
    follow(&floats(6), (&twice, auto()), "correct DIMS or the parameter", (&twice, dims(&["time", "ch"])));
}

#[test]
fn hints_at_axis_are_followed_with_a_dim_or_without_rows() {
    let sent = parameters(&[("shape", integers(&[2, 3])), ("dims", names(&["time", "ch"]))]);
    let axis = |axis: &str| MessageSettings { axis: Some(axis.into()), ..auto() };
    let message = || MessageSettings { frames: FrameRule::Message, ..auto() };
    let hint = "name one of these (or set FRAMES: message";
    follow(&floats(6), (&sent, axis("trial")), hint, (&sent, axis("ch")));
    let frames = MessageSettings { frames: FrameRule::Message, ..axis("trial") };
    follow(&floats(6), (&sent, axis("trial")), hint, (&sent, frames));

    let mut wrong = sent.clone();
    wrong.extend(parameters(&[("stream_dim", text("trial"))]));
    let hint = "set AXIS to one of these (or FRAMES: message";
    follow(&floats(6), (&wrong, auto()), hint, (&wrong, axis("time")));
    follow(&floats(6), (&wrong, auto()), hint, (&wrong, message()));

    let inside = MessageSettings { shape: Some(vec![2, 3]), ..axis("time") };
    let outside = MessageSettings { shape: Some(vec![3]), ..axis("time") };
    let hint = "leave it out of SHAPE, or unset AXIS";
    assert_eq!(follow(&floats(6), (&sent, inside.clone()), hint, (&sent, outside)).frames, 2);
    assert_eq!(follow(&floats(6), (&sent, inside), hint, (&sent, shape(&[2, 3]))).frames, 1);
}

#[test]
fn the_hint_for_frames_that_are_not_contiguous_is_followed_with_dims_or_another_shape() {
    let sent = parameters(&[("shape", integers(&[3, 4])), ("dims", names(&["ch", "time"]))]);
    let hint = "correct SHAPE, or set DIMS as well";
    let stored = follow(&floats(12), (&sent, shape(&[4])), hint, (&sent, shape(&[3])));
    assert_eq!(stored.frames, 4);
    let named = MessageSettings { shape: Some(vec![4]), ..dims(&["time", "ch"]) };
    assert_eq!(follow(&floats(12), (&sent, shape(&[4])), hint, (&sent, named)).frames, 3);
}

#[test]
fn a_parameter_that_cannot_be_read_is_replaced_by_the_setting_that_its_refusal_names() {
    for (key, value, setting, settings) in [
        ("shape", text("circle"), "SHAPE", shape(&[12])),
        ("dims", integer(2), "DIMS", dims(&["time"])),
        ("sample_rate", text("fast"), "SAMPLE_RATE", MessageSettings { sample_rate_hz: Some(10.0), ..auto() }),
        ("stream_dim", integer(0), "AXIS", MessageSettings { axis: Some("time".into()), ..auto() }),
        ("channels", integer(0), "SHAPE", shape(&[12])),
    ] {
        let sent = parameters(&[(key, value)]);
        let stored = follow(
            &floats(12),
            (&sent, auto()),
            &format!("fix the source, or set {setting}"),
            (&sent, settings.clone()),
        );
        // A message like the one before is read in the same way.
        let mut interpreter = Interpreter::new("data", settings);
        for _ in 0..2 {
            assert_eq!(store(&mut interpreter, &floats(12), &sent).unwrap().plan, stored.plan, "{key}");
        }
    }
}

#[test]
fn a_shape_with_the_width_before_the_height_is_refused_and_both_hints_help() {
    let sent = picture(6, 4, "rgb8");
    let hint = "SHAPE is [6, 4, 3], but the message states width 6 and height 4, and the rows of a picture come first; \
                set SHAPE to 4,6,3, or, if the columns do come first, set DIMS as well";
    let stored = follow(&bytes(72), (&sent, shape(&[6, 4, 3])), hint, (&sent, shape(&[4, 6, 3])));
    assert_eq!(stored.plan.frame_shape(), [4, 6, 3]);
    let columns_first = MessageSettings { shape: Some(vec![6, 4, 3]), ..dims(&["x", "y", "c"]) };
    let stored = follow(&bytes(72), (&sent, shape(&[6, 4, 3])), hint, (&sent, columns_first));
    assert_eq!(stored.plan.frame_shape(), [6, 4, 3]);

    // Sizes in columns next to the samples count, too.
    let array = record(&[("data", list(bytes(72))), ("width", count(6)), ("height", count(4))]);
    let samples = MessageSettings { shape: Some(vec![6, 4, 3]), ..field("data") };
    let refusal = interpret(&array, &none(), samples).unwrap_err().to_string();
    assert!(refusal.contains("width 6 and height 4"), "{refusal}");
}

#[test]
fn a_shape_that_groups_a_picture_otherwise_is_not_refused() {
    let sent = picture(6, 4, "rgb8");
    for frame in [&[4, 18][..], &[3, 4, 6], &[72], &[24, 3]] {
        assert_eq!(interpret(&bytes(72), &sent, shape(frame)).unwrap().plan.frame_shape(), frame);
    }
    // A square has no wrong order, and the sizes of another array do not count.
    interpret(&bytes(75), &picture(5, 5, "rgb8"), shape(&[5, 5, 3])).unwrap();
    interpret(&floats(4 * 5 * 6), &picture(4, 6, "rgb8"), shape(&[4, 5, 6])).unwrap();
}

#[test]
fn a_size_that_begins_to_contradict_the_shape_is_refused_from_that_message_on() {
    let mut interpreter = Interpreter::new("data", shape(&[6, 4]));
    // Sizes that change with each message leave the description, and still count.
    for width in [10, 20, 30, 40, 50, 60] {
        store(&mut interpreter, &floats(24), &picture(width, 4, "32FC1")).unwrap();
        store(&mut interpreter, &floats(24), &picture(width, 4, "32FC1")).unwrap();
    }
    store(&mut interpreter, &floats(24), &picture(6, 4, "32FC1")).unwrap_err();
    store(&mut interpreter, &floats(24), &picture(60, 4, "32FC1")).unwrap();
}

#[test]
fn frames_rows_alone_makes_a_frame_of_each_number_of_a_vector() {
    let settings = MessageSettings { frames: FrameRule::Rows, ..auto() };
    let mut interpreter = Interpreter::new("data", settings);
    for length in [5, 1, 9, 2] {
        let stored = store(&mut interpreter, &floats(length), &none()).unwrap();
        assert_eq!((stored.frames, stored.plan.frame_shape()), (length as u64, &[][..]));
    }
}

#[test]
fn frames_rows_with_an_empty_shape_makes_a_frame_of_each_number_of_a_list() {
    let mut interpreter = Interpreter::new("data", rows(&[]));
    for length in [5, 1, 9, 2] {
        let stored = store(&mut interpreter, &list(floats(length)), &none()).unwrap();
        assert_eq!((stored.frames, stored.plan.frame_shape()), (length as u64, &[][..]));
    }
    let mut interpreter = Interpreter::new("data", rows(&[2]));
    for length in [4, 2, 8] {
        let stored = store(&mut interpreter, &list(floats(length)), &none()).unwrap();
        assert_eq!((stored.frames, stored.plan.frame_shape()), (length as u64 / 2, &[2][..]));
    }
}

#[test]
fn an_empty_shape_without_rows_takes_messages_of_one_number() {
    let stored = interpret(&floats(1), &none(), shape(&[])).unwrap();
    assert_eq!((stored.frames, stored.plan.frame_shape()), (1, &[][..]));
    let sent = parameters(&[("sample_rate", Parameter::Integer(10))]);
    let stored = interpret(&floats(7), &sent, shape(&[])).unwrap();
    assert_eq!((stored.frames, stored.plan.rate_hz()), (7, Some(10.0)));
}
