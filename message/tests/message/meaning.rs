//! Which axis is buffered, how many frames there are, at which rate and when.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use dora_node_api::{MetadataParameters, Parameter};
use dora_shm_message::{FrameRule, Interpreter, MessageSettings};
use dora_shm_ring::{Axis, Dtype};
use serde_json::{Value, json};

use crate::support::*;

fn auto() -> MessageSettings {
    MessageSettings::default()
}

fn none() -> MetadataParameters {
    MetadataParameters::default()
}

fn dims(stored: &Stored) -> Vec<&str> {
    stored.plan.description().dims.iter().map(String::as_str).collect()
}

#[track_caller]
fn assert_frames(stored: &Stored, expected_dims: &[&str], frame: &[u64], frames: u64) {
    assert_eq!(dims(stored), expected_dims);
    assert_eq!((stored.plan.frame_shape(), stored.frames), (frame, frames));
}

fn shaped(shape: &[i64], dims: &[&str]) -> MetadataParameters {
    parameters(&[("shape", integers(shape)), ("dims", names(dims))])
}

#[test]
fn dims_that_name_the_buffered_axis_give_the_number_of_frames() {
    let sent = shaped(&[2, 3], &["time", "ch"]);
    assert_frames(&interpret(&floats(6), &sent, auto()).unwrap(), &["time", "ch"], &[3], 2);
    let sent = shaped(&[2, 3], &["ch", "time"]);
    let stored = interpret(&floats(6), &sent, auto()).unwrap();
    assert_frames(&stored, &["time", "ch"], &[2], 3);
    assert_eq!(stored.plan.description().dims[0], "time");
    assert_comes_back(&stored, &floats(6), &sent);
    // A dim of another name is the buffered one if AXIS or stream_dim names it.
    let sent = shaped(&[2, 3], &["y", "x"]);
    assert_frames(&interpret(&floats(6), &sent, auto()).unwrap(), &["time", "y", "x"], &[2, 3], 1);
    let settings = MessageSettings { axis: Some("x".into()), ..auto() };
    assert_frames(&interpret(&floats(6), &sent, settings).unwrap(), &["x", "y"], &[2], 3);
    let mut sent = sent;
    sent.insert("stream_dim".into(), text("y"));
    let stored = interpret(&floats(6), &sent, auto()).unwrap();
    assert_frames(&stored, &["y", "x"], &[3], 2);
    assert_eq!(stored.plan.description().stream_dim.as_deref(), Some("y"));
    assert_comes_back(&stored, &floats(6), &sent);
    let settings = MessageSettings { axis: Some("x".into()), ..auto() };
    assert_frames(&interpret(&floats(6), &sent, settings).unwrap(), &["x", "y"], &[2], 3);
}

#[test]
fn an_axis_that_names_the_default_is_not_a_mistake() {
    let settings = MessageSettings { axis: Some("time".into()), ..auto() };
    let stored = interpret(&bytes(72), &picture(6, 4, "bgr8"), settings.clone()).unwrap();
    assert_frames(&stored, &["time", "y", "x", "c"], &[4, 6, 3], 1);
    let sent = shaped(&[4, 6, 3], &["y", "x", "c"]);
    assert_frames(&interpret(&bytes(72), &sent, settings).unwrap(), &["time", "y", "x", "c"], &[4, 6, 3], 1);
}

#[test]
fn a_picture_can_be_buffered_along_each_of_its_dims() {
    for (axis, frame, frames) in [("y", vec![6, 3], 4), ("x", vec![4, 3], 6), ("c", vec![4, 6], 3)] {
        let settings = MessageSettings { axis: Some(axis.into()), ..auto() };
        let sent = picture(6, 4, "bgr8");
        let stored = interpret(&bytes(72), &sent, settings).unwrap();
        assert_eq!((stored.plan.frame_shape(), stored.frames, dims(&stored)[0]), (&frame[..], frames, axis));
        assert_comes_back(&stored, &bytes(72), &sent);
    }
}

#[test]
fn dims_without_a_name_get_one() {
    assert_frames(&interpret(&floats(6), &none(), auto()).unwrap(), &["time", "dim_1"], &[6], 1);
    let sent = parameters(&[("shape", integers(&[2, 3]))]);
    assert_frames(&interpret(&floats(6), &sent, auto()).unwrap(), &["time", "dim_1", "dim_2"], &[2, 3], 1);
    let rows = fixed_lists(floats(6), 3);
    assert_frames(&interpret(&rows, &none(), auto()).unwrap(), &["time", "dim_1"], &[3], 2);
    let settings = MessageSettings { axis: Some("trial".into()), ..auto() };
    assert_frames(&interpret(&rows, &none(), settings).unwrap(), &["trial", "dim_1"], &[3], 2);
    let settings = MessageSettings { axis: Some("dim_2".into()), ..auto() };
    assert_frames(&interpret(&floats(6), &sent, settings).unwrap(), &["dim_2", "dim_1"], &[2], 3);
    let settings = MessageSettings { dims: Some(strings(&["ch"])), ..auto() };
    assert_frames(&interpret(&rows, &none(), settings).unwrap(), &["time", "ch"], &[3], 2);
    let settings = MessageSettings { dims: Some(strings(&["ch", "time"])), ..auto() };
    assert_frames(&interpret(&rows, &none(), settings).unwrap(), &["time", "ch"], &[2], 3);
    // A frame that has a dim `time` is buffered along another axis.
    let settings = MessageSettings { frames: FrameRule::Message, ..auto() };
    let sent = shaped(&[2, 3], &["time", "ch"]);
    assert_frames(&interpret(&floats(6), &sent, settings).unwrap(), &["message", "time", "ch"], &[2, 3], 1);
}

#[test]
fn the_rule_for_frames_overrides_the_message() {
    let rule = |frames, shape: Option<&[u64]>| MessageSettings { frames, shape: shape.map(<[u64]>::to_vec), ..auto() };
    let message = |shape| rule(FrameRule::Message, shape);
    let rows = |shape| rule(FrameRule::Rows, shape);
    let audio = parameters(&[("sample_rate", integer(100))]);
    assert_frames(&interpret(&floats(6), &audio, message(None)).unwrap(), &["time", "dim_1"], &[6], 1);
    let lists = fixed_lists(floats(6), 3);
    assert_frames(&interpret(&lists, &none(), message(None)).unwrap(), &["time", "dim_1", "dim_2"], &[2, 3], 1);
    assert_frames(&interpret(&lists, &none(), message(Some(&[6]))).unwrap(), &["time", "dim_1"], &[6], 1);
    assert_frames(&interpret(&floats(6), &none(), rows(None)).unwrap(), &["time"], &[], 6);
    assert_frames(&interpret(&floats(6), &none(), rows(Some(&[3]))).unwrap(), &["time", "dim_1"], &[3], 2);
    assert_frames(&interpret(&floats(6), &none(), rows(Some(&[]))).unwrap(), &["time"], &[], 6);
    assert_frames(&interpret(&list(floats(6)), &none(), rows(Some(&[3]))).unwrap(), &["time", "dim_1"], &[3], 2);
    let sent = parameters(&[("shape", integers(&[2, 3]))]);
    assert_frames(&interpret(&floats(6), &sent, rows(None)).unwrap(), &["time", "dim_1"], &[3], 2);
    let stored = interpret(&bytes(72), &picture(6, 4, "bgr8"), rows(None)).unwrap();
    assert_eq!((stored.plan.frame_shape(), stored.frames), (&[6, 3][..], 4));
}

#[test]
fn a_shape_setting_is_that_of_a_frame() {
    #[track_caller]
    fn check(
        array: &ArrayRef,
        sent: &MetadataParameters,
        settings: MessageSettings,
        dims: &[&str],
        frame: &[u64],
        frames: u64,
    ) {
        let stored = interpret(array, sent, settings).unwrap();
        assert_frames(&stored, dims, frame, frames);
        assert_comes_back(&stored, array, sent);
    }
    let shape = |shape: &[u64]| MessageSettings { shape: Some(shape.to_vec()), ..auto() };
    let with_dims = |dims: &[&str], frame: &[u64]| MessageSettings { dims: Some(strings(dims)), ..shape(frame) };
    check(&floats(6), &none(), shape(&[2, 3]), &["time", "dim_1", "dim_2"], &[2, 3], 1);
    // Rows of a list are frames of any shape. A rate makes a vector a run of frames.
    check(&fixed_lists(floats(12), 6), &none(), shape(&[2, 3]), &["time", "dim_1", "dim_2"], &[2, 3], 2);
    let audio = parameters(&[("sample_rate", integer(100))]);
    check(&floats(6), &audio, shape(&[2]), &["time", "dim_1"], &[2], 3);
    // Pixels as rows are one picture.
    let pixels = fixed_lists(bytes(72), 3);
    check(&pixels, &none(), shape(&[4, 6, 3]), &["time", "dim_1", "dim_2", "dim_3"], &[4, 6, 3], 1);
    // It overrides the source's shape, and DIMS may put the buffered axis anywhere.
    check(&floats(6), &shaped(&[2, 3], &["time", "ch"]), shape(&[6]), &["time", "ch"], &[6], 1);
    check(&floats(6), &parameters(&[("shape", integers(&[3, 2]))]), shape(&[6]), &["time", "dim_1"], &[6], 1);
    check(&floats(6), &none(), with_dims(&["ch", "time"], &[2]), &["time", "ch"], &[2], 3);
    check(&floats(6), &none(), with_dims(&["y", "x"], &[2, 3]), &["time", "y", "x"], &[2, 3], 1);
}

#[test]
fn under_a_shape_setting_the_sources_dims_are_only_names() {
    let settings = |shape: &[u64], frames| MessageSettings { shape: Some(shape.to_vec()), frames, ..auto() };
    let shape = |shape: &[u64]| settings(shape, FrameRule::Auto);
    let rows = |shape: &[u64]| settings(shape, FrameRule::Rows);
    let rate = |mut sent: MetadataParameters| {
        sent.insert("sample_rate".into(), integer(100));
        sent
    };
    // The source's `time` is a dim of the frame, and its rate is along that dim.
    for sent in [shaped(&[10, 64], &["time", "ch"]), rate(shaped(&[10, 64], &["time", "ch"]))] {
        let stored = interpret(&floats(640), &sent, shape(&[10, 64])).unwrap();
        assert_frames(&stored, &["message", "time", "ch"], &[10, 64], 1);
        assert_eq!(stored.plan.rate_hz(), None);
        assert_comes_back(&stored, &floats(640), &sent);
        let stated = MessageSettings { sample_rate_hz: Some(10.0), ..shape(&[10, 64]) };
        assert_eq!(interpret(&floats(640), &sent, stated).unwrap().plan.rate_hz(), Some(10.0));
    }
    let windows = rate(shaped(&[20, 64], &["time", "ch"]));
    let stored = interpret(&floats(1280), &windows, shape(&[10, 64])).unwrap();
    assert_frames(&stored, &["message", "time", "ch"], &[10, 64], 2);
    assert_comes_back(&stored, &floats(1280), &windows);
    let run =
        stored.rebuilder().run(&[arrow::buffer::Buffer::from_slice_ref(&stored.samples)], &[&stored.times], &MARKS);
    assert!(!run.unwrap().1.contains_key("sample_rate"));
    // A dim that is not buffered does not make rows frames.
    let sent = shaped(&[2, 3], &["row", "col"]);
    let refusal = interpret(&floats(6), &sent, shape(&[3])).unwrap_err().to_string();
    assert!(refusal.contains("found 6") && refusal.contains("FRAMES: rows"), "{refusal}");
    let stored = interpret(&floats(6), &sent, rows(&[3])).unwrap();
    assert_frames(&stored, &["row", "col"], &[3], 2);
    assert_comes_back(&stored, &floats(6), &sent);
    let stored = interpret(&floats(6), &sent, shape(&[6])).unwrap();
    assert_frames(&stored, &["time", "dim_1"], &[6], 1);
    assert_comes_back(&stored, &floats(6), &sent);
    // Frames that equal the source's have its rate. Others along the same axis do not, and frames that are not
    // contiguous are refused.
    for (sent, frame, frames, rate_hz) in [
        (shaped(&[6, 2], &["time", "ch"]), 2, 6, Some(100.0)),
        (shaped(&[2, 6], &["ch", "time"]), 2, 6, Some(100.0)),
        (shaped(&[6, 2], &["time", "ch"]), 4, 3, None),
    ] {
        let stored = interpret(&floats(12), &rate(sent.clone()), shape(&[frame])).unwrap();
        assert_frames(&stored, &["time", "ch"], &[frame], frames);
        assert_eq!(stored.plan.rate_hz(), rate_hz);
        assert_comes_back(&stored, &floats(12), &rate(sent));
    }
    let sent = shaped(&[2, 6], &["ch", "time"]);
    let refusal = interpret(&floats(12), &sent, shape(&[3])).unwrap_err().to_string();
    assert!(["SHAPE", "[3, 4]", "[2, 6]", "ch", "DIMS"].iter().all(|part| refusal.contains(part)), "{refusal}");
    let named = MessageSettings { dims: Some(strings(&["ch", "time"])), ..shape(&[3]) };
    assert_frames(&interpret(&floats(12), &sent, named).unwrap(), &["time", "ch"], &[3], 4);
    // AXIS cannot be a dim of the frame.
    let axis = |frames| MessageSettings { axis: Some("ch".into()), ..settings(&[2, 6], frames) };
    let refusal = interpret(&floats(12), &sent, axis(FrameRule::Auto)).unwrap_err().to_string();
    assert!(["AXIS", "`ch`", "SHAPE", "[2, 6]"].iter().all(|part| refusal.contains(part)), "{refusal}");
    assert_frames(
        &interpret(&floats(12), &sent, axis(FrameRule::Message)).unwrap(),
        &["message", "ch", "time"],
        &[2, 6],
        1,
    );
}

#[test]
fn rows_of_pictures_are_pictures() {
    let sent = picture(6, 4, "bgr8");
    let rows = fixed_lists(bytes(144), 72);
    let stored = interpret(&rows, &sent, auto()).unwrap();
    assert_frames(&stored, &["time", "y", "x", "c"], &[4, 6, 3], 2);
    assert_comes_back(&stored, &rows, &sent);
}

#[test]
fn dims_of_a_vector_may_split_it_by_its_channels() {
    let sent = parameters(&[("dims", names(&["time", "ch"])), ("channels", integer(2))]);
    assert_frames(&interpret(&floats(6), &sent, auto()).unwrap(), &["time", "ch"], &[2], 3);
    let sent = parameters(&[("dims", names(&["ch", "time"])), ("channels", integer(2))]);
    assert_frames(&interpret(&floats(6), &sent, auto()).unwrap(), &["time", "ch"], &[2], 3);
    let sent = parameters(&[("dims", names(&["time"]))]);
    assert_frames(&interpret(&floats(6), &sent, auto()).unwrap(), &["time"], &[], 6);
    let sent = parameters(&[("dims", names(&["ch"]))]);
    assert_frames(&interpret(&floats(6), &sent, auto()).unwrap(), &["time", "ch"], &[6], 1);
}

#[test]
fn an_absent_rate_keeps_the_last_one() {
    let mut interpreter = Interpreter::new("data", auto());
    let sent = parameters(&[("sample_rate", integer(100)), ("channels", integer(2))]);
    let first = store(&mut interpreter, &floats(6), &sent).unwrap();
    assert_frames(&first, &["time", "dim_1"], &[2], 3);
    let later = store(&mut interpreter, &floats(6), &none()).unwrap();
    assert_frames(&later, &["time", "dim_1"], &[2], 3);
    assert_eq!(later.plan.rate_hz(), Some(100.0));
    assert!(later.plan.same_generation(&first.plan));
    let faster = store(&mut interpreter, &floats(6), &parameters(&[("sample_rate", text("200"))])).unwrap();
    assert_eq!(faster.plan.rate_hz(), Some(200.0));
    assert!(!faster.plan.same_generation(&first.plan));
    // A rate of 0 means that there is none.
    let none = store(&mut interpreter, &floats(6), &parameters(&[("sample_rate", integer(0))])).unwrap();
    assert_eq!((none.plan.rate_hz(), none.frames), (None, 1));
}

#[test]
fn the_setting_of_the_rate_gives_the_rate_alone() {
    let settings = MessageSettings { sample_rate_hz: Some(50.0), ..auto() };
    let stored = interpret(&floats(6), &none(), settings.clone()).unwrap();
    assert_eq!((stored.frames, stored.plan.rate_hz()), (1, Some(50.0)));
    let sent = parameters(&[("sample_rate", integer(100))]);
    let stored = interpret(&floats(6), &sent, settings).unwrap();
    assert_eq!((stored.frames, stored.plan.rate_hz()), (6, Some(50.0)));
    assert_comes_back(&stored, &floats(6), &sent);
    let irregular = MessageSettings { sample_rate_hz: Some(0.0), ..auto() };
    assert_eq!(interpret(&floats(6), &sent, irregular).unwrap().plan.rate_hz(), None);
}

#[test]
fn a_message_that_is_one_frame_by_rule_has_no_rate_from_inside_it() {
    let rule = |frames| MessageSettings { frames, ..auto() };
    let mut audio = parameters(&[("sample_rate", integer(16_000))]);
    let axes = text(r#"{"time":{"kind":"linear","unit":"s","gain":0.0000625}}"#);
    let run = |stored: &Stored| {
        let samples = [arrow::buffer::Buffer::from_slice_ref(&stored.samples)];
        stored.rebuilder().run(&samples, &[&stored.times], &MARKS).unwrap().1
    };
    for _ in 0..2 {
        let stored = interpret(&floats(6), &audio, rule(FrameRule::Message)).unwrap();
        assert_frames(&stored, &["time", "dim_1"], &[6], 1);
        assert_eq!(stored.plan.rate_hz(), None);
        assert_eq!(stored.plan.description().axes["time"], Axis::Coord { unit: "s".into(), data: None });
        assert_comes_back(&stored, &floats(6), &audio);
        assert!(!run(&stored).contains_key("sample_rate"));
        // The setting gives the rate.
        let settings = MessageSettings { sample_rate_hz: Some(25.0), ..rule(FrameRule::Message) };
        let stored = interpret(&floats(6), &audio, settings).unwrap();
        assert_eq!(stored.plan.rate_hz(), Some(25.0));
        assert_comes_back(&stored, &floats(6), &audio);
        // Neither do rows that became part of the frame, nor a frame that SHAPE gives.
        let lists = fixed_lists(floats(6), 3);
        let stored = interpret(&lists, &audio, rule(FrameRule::Message)).unwrap();
        assert_eq!((stored.frames, stored.plan.rate_hz()), (1, None));
        let settings = MessageSettings { shape: Some(vec![2, 3]), ..rule(FrameRule::Message) };
        let stored = interpret(&floats(6), &audio, settings).unwrap();
        assert_eq!((stored.frames, stored.plan.rate_hz()), (1, None));
        audio.insert("axes".into(), axes.clone());
    }
    // A message that is one frame in any case comes at the source's rate.
    let mut film = picture(6, 4, "bgr8");
    film.insert("sample_rate".into(), integer(30));
    let shaped = parameters(&[("shape", integers(&[2, 3])), ("sample_rate", integer(30))]);
    for (array, sent) in [(bytes(72), film), (floats(6), shaped)] {
        for frames in [FrameRule::Auto, FrameRule::Message] {
            assert_eq!(interpret(&array, &sent, rule(frames)).unwrap().plan.rate_hz(), Some(30.0));
        }
    }
}

#[test]
fn frames_begin_where_the_source_places_them() {
    let at = |extra: &[(&str, Parameter)]| {
        let mut sent = shaped(&[3, 2], &["time", "ch"]);
        sent.extend(parameters(extra));
        let stored = interpret(&floats(6), &sent, auto()).unwrap();
        assert_eq!(&stored.rebuild(None).unwrap().0, &floats(6));
        stored.times
    };
    let send_time = SEND_NS as f64 * 1e-9;
    assert_eq!(at(&[]), [send_time; 3]);
    assert_eq!(at(&[("sample_rate", integer(2))]), [send_time, send_time + 0.5, send_time + 1.0]);
    assert_eq!(at(&[("sample_rate", integer(2)), ("axis_offset", integer(5))]), [5.0, 5.5, 6.0]);
    assert_eq!(at(&[("axis_values", Parameter::ListFloat(vec![1.0, 4.0, 9.0]))]), [1.0, 4.0, 9.0]);
    assert_eq!(at(&[("axis_values", integers(&[1, 4, 9]))]), [1.0, 4.0, 9.0]);
    assert_eq!(at(&[("axis_values", names(&["1", "4", "9"]))]), [1.0, 4.0, 9.0]);
    let linear = text(r#"{"time":{"kind":"linear","unit":"s","gain":0.25,"offset":7}}"#);
    assert_eq!(at(&[("axes", linear.clone())]), [7.0, 7.25, 7.5]);
    let both = [("axes", linear), ("sample_rate", integer(2)), ("axis_offset", Parameter::Float(1.0))];
    assert_eq!(at(&both), [1.0, 1.5, 2.0]);
    assert_eq!(at(&[("axes", text(r#"{"time":{"kind":"coord","unit":"s","data":[1,2,5]}}"#))]), [1.0, 2.0, 5.0]);
}

#[test]
fn axes_become_those_of_the_description() {
    let axes = json!({
        "time": {"kind": "linear", "unit": "ms", "gain": 0.5},
        "ch": {"kind": "coord", "unit": "", "data": ["Cz", {"label": "Pz", "x": 0.5}]},
        "other": {"kind": "linear", "unit": "", "gain": 1.0},
    });
    let mut sent = shaped(&[3, 2], &["time", "ch"]);
    sent.insert("axes".into(), Parameter::String(axes.to_string()));
    let stored = interpret(&floats(6), &sent, auto()).unwrap();
    let description = stored.plan.description();
    assert_eq!(description.axes["time"], Axis::Linear { unit: "s".into(), gain: 0.0005, offset: None });
    let labels = vec![json!("Cz"), json!({"label": "Pz", "x": 0.5})];
    assert_eq!(description.axes["ch"], Axis::Coord { unit: String::new(), data: Some(labels) });
    assert_eq!(description.axes.len(), 2);
    assert_eq!(stored.plan.rate_hz(), Some(2000.0));
    assert_comes_back(&stored, &floats(6), &sent);

    // An offset belongs to one message: it is restored, and the JSON means the same.
    let mut with_offset = axes.clone();
    with_offset["time"]["offset"] = json!(12.5);
    sent.insert("axes".into(), Parameter::String(with_offset.to_string()));
    let stored = interpret(&floats(6), &sent, auto()).unwrap();
    assert_eq!(stored.plan.description().axes["time"], description.axes["time"]);
    let (_, rebuilt) = stored.rebuild(None).unwrap();
    let Parameter::String(rebuilt) = &rebuilt["axes"] else { panic!("{rebuilt:?}") };
    assert_eq!(serde_json::from_str::<Value>(rebuilt).unwrap(), with_offset);
}

#[test]
fn the_rate_wins_over_the_gain() {
    let mut sent = shaped(&[3, 2], &["time", "ch"]);
    sent.insert("axes".into(), text(r#"{"time":{"kind":"linear","unit":"s","gain":0.5}}"#));
    sent.insert("sample_rate".into(), integer(8));
    let stored = interpret(&floats(6), &sent, auto()).unwrap();
    assert_eq!(stored.plan.rate_hz(), Some(8.0));
    assert_eq!(stored.plan.description().axes["time"], Axis::Linear { unit: "s".into(), gain: 0.125, offset: None });
}

#[test]
fn columns_of_a_struct_are_labels() {
    let array = record(&[("x", floats(4)), ("y", floats(4))]);
    let stored = interpret(&array, &none(), auto()).unwrap();
    let labels = Axis::Coord { unit: String::new(), data: Some(vec![json!("x"), json!("y")]) };
    assert_eq!(stored.plan.description().axes["dim_1"], labels);
    let nested = record(&[("pose", record(&[("position", array)]))]);
    let stored = interpret(&nested, &none(), auto()).unwrap();
    assert_eq!(stored.plan.description().axes["dim_1"], labels);
    // Lists of structs have no dim of columns in the first place.
    let inside = record(&[("x", floats(4)), ("y", floats(4))]);
    let stored = interpret(&fixed_lists(inside, 2), &none(), auto()).unwrap();
    assert_eq!(stored.plan.frame_shape(), [2, 2]);
    assert!(!stored.plan.description().axes.contains_key("dim_1"));
}

#[test]
fn a_key_comes_from_the_setting_or_the_source() {
    let sent = parameters(&[("key", text("eeg"))]);
    assert_eq!(interpret(&floats(6), &sent, auto()).unwrap().plan.key(), "eeg");
    let settings = MessageSettings { key: Some("mine".into()), ..auto() };
    let stored = interpret(&floats(6), &sent, settings).unwrap();
    assert_eq!(stored.plan.key(), "mine");
    assert_comes_back(&stored, &floats(6), &sent);
    // A number is its text; a key that is neither is an attribute.
    for (key, expected) in [(integer(-7), "-7"), (Parameter::Bool(true), "")] {
        let sent = parameters(&[("key", key)]);
        let stored = interpret(&floats(6), &sent, auto()).unwrap();
        assert_eq!(stored.plan.key(), expected);
        assert_comes_back(&stored, &floats(6), &sent);
    }
}

#[test]
fn an_absent_key_keeps_the_last_one() {
    let mut interpreter = Interpreter::new("data", auto());
    let sent = parameters(&[("key", text("eeg"))]);
    let first = store(&mut interpreter, &floats(6), &sent).unwrap();
    for _ in 0..5 {
        for sent in [&none(), &sent] {
            let later = store(&mut interpreter, &floats(6), sent).unwrap();
            assert_eq!(later.plan.key(), "eeg");
            assert!(Arc::ptr_eq(&later.plan, &first.plan));
        }
    }
    let other = store(&mut interpreter, &floats(6), &parameters(&[("key", integer(8))])).unwrap();
    assert_eq!(other.plan.key(), "8");
    let later = store(&mut interpreter, &floats(6), &none()).unwrap();
    assert_eq!((later.plan.key(), &later.rebuild(None).unwrap().1["key"]), ("8", &integer(8)));
}

#[test]
fn bytes_are_read_as_the_type_that_is_named() {
    let floats = floats(6);
    let raw: ArrayRef = Arc::new(arrow::array::UInt8Array::from(bytes_of(&floats)));
    let sent = parameters(&[("dtype", text("float32")), ("shape", integers(&[2, 3]))]);
    for (array, sent, settings) in [
        (raw.clone(), sent.clone(), auto()),
        (blob(&bytes_of(&floats)), sent, auto()),
        (raw.clone(), none(), MessageSettings { dtype: Some(Dtype::F32), shape: Some(vec![2, 3]), ..auto() }),
    ] {
        let stored = interpret(&array, &sent, settings).unwrap();
        assert_eq!((stored.plan.dtype(), stored.plan.frame_shape()), (Dtype::F32, &[2, 3][..]));
        assert_eq!(stored.samples, bytes_of(&floats));
        assert_eq!(&stored.rebuild(None).unwrap().0, &floats);
    }
    // If the array has a type, the parameter does not change it.
    let sent = parameters(&[("dtype", text("float64"))]);
    let stored = interpret(&floats, &sent, auto()).unwrap();
    assert_eq!(stored.plan.dtype(), Dtype::F32);
    assert_comes_back(&stored, &floats, &sent);
    // Any byte but 0 is true.
    let settings = MessageSettings { dtype: Some(Dtype::Bool), ..auto() };
    let stored = interpret(&(Arc::new(arrow::array::UInt8Array::from(vec![0, 7, 1])) as ArrayRef), &none(), settings);
    assert_eq!(stored.unwrap().samples, [0, 1, 1]);
}

#[test]
fn empty_messages_change_nothing() {
    let sent = shaped(&[3, 2], &["time", "ch"]);
    let mut interpreter = Interpreter::new("data", auto());
    let first = store(&mut interpreter, &floats(6), &sent).unwrap();
    let empties: [ArrayRef; 5] = [
        floats(0),
        word("").slice(0, 0),
        Arc::new(arrow::array::NullArray::new(4)),
        list(floats(0)),
        record(&[("a", floats(0))]),
    ];
    for empty in empties {
        let parameters = shaped(&[0, 2], &["time", "ch"]);
        let chunk = interpreter.interpret(&empty, &parameters, SEND_NS).unwrap();
        assert_eq!((chunk.frames(), chunk.bytes()), (0, 0));
        assert!(Arc::ptr_eq(chunk.plan().unwrap(), &first.plan));
        chunk.fill(0..0, &mut []);
    }
    assert!(Arc::ptr_eq(&store(&mut interpreter, &floats(6), &sent).unwrap().plan, &first.plan));
    let (array, sent) = first.rebuilder().message(&[], &[], &MARKS).unwrap();
    assert_eq!((array.len(), &sent["shape"]), (0, &integers(&[0, 2])));
}
