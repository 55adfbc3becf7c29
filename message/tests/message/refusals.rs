//! A message that cannot become frames is refused with what was expected, what was found, and the setting that helps.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Array, Int32Array, Int64Array, ListArray, StringArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::datatypes::Int32Type;
use dora_node_api::{MetadataParameters, Parameter};
use dora_shm_message::{FrameRule, Interpreter, MessageSettings};
use dora_shm_ring::Dtype;

use crate::support::*;

fn refusal(array: &ArrayRef, parameters: &MetadataParameters, settings: MessageSettings) -> String {
    let refusal = interpret(array, parameters, settings).unwrap_err();
    assert_eq!(refusal.input(), "data");
    refusal.to_string()
}

fn none() -> MetadataParameters {
    MetadataParameters::default()
}

fn auto() -> MessageSettings {
    MessageSettings::default()
}

#[track_caller]
fn assert_contains(refusal: &str, parts: &[&str]) {
    for part in parts {
        assert!(refusal.contains(part), "{part:?} is not in: {refusal}");
    }
}

#[test]
fn a_refusal_is_one_sentence_with_everything_in_it() {
    assert_eq!(
        refusal(&floats(10), &parameters(&[("shape", integers(&[3, 4]))]), auto()),
        "input `data` (Float32): the parameter `shape` [3, 4] means 12 samples, found 10; fix the source, or set SHAPE"
    );
    assert_eq!(
        refusal(&word("hello"), &none(), auto()),
        "input `data` (Utf8): the array has type Utf8, expected fixed-size numbers; convert it upstream"
    );
}

#[test]
fn arrays_without_numbers_are_refused() {
    assert_contains(&refusal(&word("7"), &none(), auto()), &["Utf8", "fixed-size numbers"]);
    let times: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1]));
    assert_contains(&refusal(&times, &none(), auto()), &["Timestamp"]);
    let mixed = record(&[("joint", word("a")), ("value", real(1.0))]);
    assert_contains(&refusal(&mixed, &none(), auto()), &["`joint`", "Utf8", "FIELD", "value"]);
    let words = list(Arc::new(StringArray::from(vec!["a", "b"])));
    assert_contains(&refusal(&words, &none(), auto()), &["Utf8"]);
    assert_contains(&refusal(&record(&[("a", word("b"))]), &none(), auto()), &["none of its columns is numeric"]);
}

#[test]
fn bytes_need_a_type() {
    assert_contains(&refusal(&blob(&[1, 2, 3]), &none(), auto()), &["LargeBinary", "DTYPE", "uint8"]);
    let settings = MessageSettings { dtype: Some(Dtype::F32), ..auto() };
    assert_contains(&refusal(&blob(&[1, 2, 3]), &none(), settings.clone()), &["3 bytes", "float32", "DTYPE"]);
    assert_contains(&refusal(&bytes(7), &none(), settings), &["7 bytes"]);
    let two = record(&[("a", blob(&[1])), ("b", real(1.0))]);
    assert_contains(&refusal(&two, &none(), auto()), &["`a`", "FIELD"]);
    let odd = parameters(&[("dtype", text("complex64"))]);
    assert_contains(&refusal(&blob(&[1; 8]), &odd, auto()), &["dtype", "complex64", "DTYPE"]);
}

#[test]
fn rows_of_different_lengths_are_refused() {
    let ragged: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(vec![
        Some(vec![Some(1), Some(2)]),
        Some(vec![Some(3)]),
    ]));
    assert_contains(&refusal(&ragged, &none(), auto()), &["1 to 2 values", "pad them upstream"]);
}

#[test]
fn fields_that_do_not_exist_are_refused() {
    let array = record(&[("x", real(1.0)), ("name", word("a"))]);
    let fields = |field: &str| MessageSettings { fields: strings(&[field]), ..auto() };
    assert_contains(&refusal(&array, &none(), fields("z")), &["`z`", "x"]);
    assert_contains(&refusal(&array, &none(), fields("x.y")), &["`x.y`"]);
    for array in [floats(3), list(floats(3)), fixed_lists(list(floats(4)), 1)] {
        assert_contains(&refusal(&array, &none(), fields("x")), &["`x`", "the message is not a struct; unset FIELD"]);
    }
    let structs = list(record(&[("x", floats(3)), ("y", floats(3))]));
    assert!(interpret(&structs, &none(), fields("y")).is_ok());
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let shape = |shape: &[u64]| MessageSettings { shape: Some(shape.to_vec()), ..auto() };
    assert_contains(&refusal(&floats(10), &none(), shape(&[4])), &["SHAPE", "[4]", "4 samples", "found 10", "FRAMES"]);
    assert_contains(&refusal(&floats(8), &none(), shape(&[4])), &["4 samples", "found 8", "FRAMES: rows"]);
    assert_contains(&refusal(&floats(8), &none(), shape(&[u64::MAX, 4])), &["found 8"]);
    for wrong in [vec![-1, 10], vec![0], vec![i64::MAX, i64::MAX]] {
        let sent = parameters(&[("shape", Parameter::ListInt(wrong))]);
        assert_contains(&refusal(&floats(10), &sent, auto()), &["`shape`"]);
    }
    let message = MessageSettings { frames: FrameRule::Message, ..shape(&[4]) };
    assert_contains(&refusal(&floats(8), &none(), message), &["found 8"]);
    let deep = parameters(&[("shape", integers(&[1, 1, 1, 1, 1, 1, 1, 1, 10]))]);
    assert_contains(&refusal(&floats(10), &deep, auto()), &["9 dimensions", "SHAPE"]);
}

#[test]
fn a_shape_that_is_too_large_is_refused_as_too_large() {
    let sent = parameters(&[("shape", integers(&[1 << 62, 1 << 62]))]);
    let found = refusal(&floats(6), &sent, auto());
    assert_contains(&found, &["the parameter `shape`", "4611686018427387904", "too large", "found 6", "SHAPE"]);
    assert!(!found.contains("means 0"), "{found}");
    let settings = MessageSettings { shape: Some(vec![1 << 62, 1 << 62]), ..auto() };
    let found = refusal(&floats(6), &none(), settings);
    assert_contains(&found, &["the setting SHAPE", "too large", "found 6"]);
    // A product with a zero is zero, even if the other factors would overflow.
    let sent = parameters(&[("shape", integers(&[1 << 62, 1 << 62, 0]))]);
    assert_contains(&refusal(&floats(6), &sent, auto()), &["0 samples, found 6"]);
}

#[test]
fn invalid_channels_are_refused_if_the_shape_depends_on_them() {
    for wrong in [integer(0), integer(-1), text("x"), Parameter::Float(1.5)] {
        let sent = parameters(&[("sample_rate", integer(100)), ("channels", wrong.clone())]);
        assert_contains(&refusal(&floats(6), &sent, auto()), &["`channels`", "1 or more", "SHAPE"]);
        assert_contains(&refusal(&floats(6), &parameters(&[("channels", wrong)]), auto()), &["`channels`"]);
        // If something else gives the shape, the channels are not needed.
        let settings = MessageSettings { shape: Some(vec![6]), ..auto() };
        interpret(&floats(6), &sent, settings).unwrap();
        let mut sent = sent;
        sent.extend(parameters(&[("shape", integers(&[6])), ("dims", names(&["time"]))]));
        assert_comes_back(&interpret(&floats(6), &sent, auto()).unwrap(), &floats(6), &sent);
    }
    // A list of their names is an attribute.
    let sent = parameters(&[("channels", names(&["Cz", "Pz"]))]);
    assert_comes_back(&interpret(&floats(6), &sent, auto()).unwrap(), &floats(6), &sent);
}

#[test]
fn axes_that_are_one_number_are_refused_also_after_many_others() {
    let mut interpreter = Interpreter::new("data", auto());
    for i in 0..20 {
        store(&mut interpreter, &floats(6), &parameters(&[(&format!("k{i}"), integer(1))])).unwrap();
        for wrong in [integer(2), Parameter::Float(0.5), Parameter::Bool(true)] {
            let refusal = store(&mut interpreter, &floats(6), &parameters(&[("axes", wrong)])).unwrap_err().to_string();
            assert_contains(&refusal, &["`axes`", "JSON"]);
        }
    }
    // A gamepad's `axes` are an attribute.
    let sent = parameters(&[("axes", Parameter::ListFloat(vec![0.5, -1.0]))]);
    assert_comes_back(&interpret(&floats(6), &sent, auto()).unwrap(), &floats(6), &sent);
}

#[test]
fn a_stream_dim_that_names_no_dim_is_refused() {
    let sent = |dim: &str, dims: &[&str]| {
        parameters(&[("shape", integers(&[2, 3])), ("dims", names(dims)), ("stream_dim", text(dim))])
    };
    let wrong = sent("trial", &["time", "ch"]);
    let found = refusal(&floats(6), &wrong, auto());
    assert_contains(&found, &["`stream_dim`", "`trial`", "time", "ch", "AXIS", "FRAMES: message"]);
    let axis = |axis: &str| MessageSettings { axis: Some(axis.into()), ..auto() };
    assert_contains(&refusal(&floats(6), &wrong, axis("trial")), &["`trial`", "time", "ch"]);
    interpret(&floats(6), &wrong, axis("ch")).unwrap();
    let message = MessageSettings { frames: FrameRule::Message, ..auto() };
    let stored = interpret(&floats(6), &wrong, message).unwrap();
    assert_eq!((stored.frames, &*stored.plan.description().dims[0]), (1, "trial"));
    assert_comes_back(&stored, &floats(6), &wrong);
    // Naming the default is not a mistake, and without dims there is nothing to contradict.
    interpret(&floats(6), &sent("time", &["y", "x"]), auto()).unwrap();
    interpret(&floats(6), &parameters(&[("stream_dim", text("trial"))]), auto()).unwrap();
}

#[test]
fn dims_that_do_not_fit_are_refused() {
    let sent = parameters(&[("dims", names(&["time", "ch"]))]);
    assert_contains(&refusal(&floats(10), &sent, auto()), &["`dims`", "one dimension of 10", "`shape`", "SHAPE"]);
    let settings = MessageSettings { dims: Some(strings(&["a", "b", "c"])), ..auto() };
    assert_contains(&refusal(&fixed_lists(floats(10), 5), &none(), settings), &["DIMS", "[2, 5]"]);
    let twice = parameters(&[("shape", integers(&[2, 5])), ("dims", names(&["ch", "ch"]))]);
    assert_contains(&refusal(&floats(10), &twice, auto()), &["different"]);
    let sent = parameters(&[("shape", integers(&[2, 5])), ("dims", names(&["time", "ch"]))]);
    let settings = MessageSettings { axis: Some("tme".into()), ..auto() };
    assert_contains(&refusal(&floats(10), &sent, settings), &["AXIS", "`tme`", "time", "ch"]);
}

#[test]
fn parameters_that_cannot_be_read_are_refused() {
    for (key, value, parts) in [
        ("sample_rate", text("fast"), ["fast", "SAMPLE_RATE"]),
        ("axis_offset", text("now"), ["now", "number"]),
        ("axis_offset", Parameter::Float(f64::INFINITY), ["inf", "number"]),
        ("axis_values", Parameter::ListFloat(vec![1.0, 2.0]), ["2 numbers", "1, one per frame"]),
        ("axis_values", Parameter::Bool(true), ["Bool", "one per frame"]),
        ("axes", text("{"), ["axes", "JSON"]),
    ] {
        let refusal = refusal(&floats(10), &parameters(&[(key, value)]), auto());
        assert_contains(&refusal, &[key, parts[0], parts[1]]);
    }
    let audio = parameters(&[("sample_rate", integer(100)), ("channels", integer(3))]);
    assert_contains(&refusal(&floats(10), &audio, auto()), &["3 channels", "SHAPE"]);
    let labels = parameters(&[
        ("shape", integers(&[5, 2])),
        ("dims", names(&["time", "ch"])),
        ("axes", text(r#"{"ch":{"kind":"coord","data":["a","b","c"]}}"#)),
    ]);
    assert_contains(&refusal(&floats(10), &labels, auto()), &["axes", "3 entries along `ch`", "expected 2"]);
}

#[test]
fn types_that_are_too_deep_are_refused() {
    let mut array = floats(1);
    for _ in 0..20 {
        array = fixed_lists(array, 1);
    }
    let refusal = refusal(&array, &none(), auto());
    assert_contains(&refusal, &["levels", "flatten"]);
    assert!(refusal.len() < 500, "the type must not fill the line: {refusal}");
}

#[test]
fn a_refusal_leaves_the_interpreter_unchanged() {
    let mut interpreter = Interpreter::new("data", auto());
    let good = parameters(&[("montage", text("10-20")), ("sample_rate", integer(10))]);
    let first = store(&mut interpreter, &floats(10), &good).unwrap();
    let bad = parameters(&[("shape", integers(&[3])), ("montage", text("other")), ("sample_rate", integer(99))]);
    for _ in 0..5 {
        store(&mut interpreter, &floats(10), &bad).unwrap_err();
        store(&mut interpreter, &word("x"), &good).unwrap_err();
    }
    let after = store(&mut interpreter, &floats(10), &good).unwrap();
    assert!(Arc::ptr_eq(&first.plan, &after.plan));
    let nulls: ArrayRef = Arc::new(Float32Array::from(vec![Some(1.0), None]));
    assert!(store(&mut interpreter, &nulls, &good).is_ok());
}

#[test]
fn a_message_refused_for_its_nulls_or_its_offset_does_not_affect_later_ones() {
    let whole: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
    let holed: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]));
    let rate = parameters(&[("sample_rate", integer(1000)), ("montage", text("other"))]);
    let offset = parameters(&[("sample_rate", integer(1000)), ("axis_offset", text("now"))]);
    let mut interpreter = Interpreter::new("data", auto());
    let first = store(&mut interpreter, &whole, &none()).unwrap();
    for (array, sent) in [(&holed, &rate), (&whole, &offset)] {
        store(&mut interpreter, array, sent).unwrap_err();
        let after = store(&mut interpreter, &whole, &none()).unwrap();
        assert!(Arc::ptr_eq(&first.plan, &after.plan));
        assert_eq!((after.frames, after.plan.rate_hz()), (1, None));
    }
}

#[test]
fn integers_that_would_be_rounded_next_to_floats_are_refused() {
    const EXACT: i64 = 1 << 53;
    let stamped =
        |stamp: i64| record(&[("stamp", Arc::new(Int64Array::from(vec![stamp])) as ArrayRef), ("x", real(0.5))]);
    for stamp in [EXACT, -EXACT, 0] {
        assert_comes_back(&interpret(&stamped(stamp), &none(), auto()).unwrap(), &stamped(stamp), &none());
    }
    for stamp in [EXACT + 1, -EXACT - 1, 2 * EXACT, i64::MIN] {
        let found = stamp.to_string();
        assert_contains(&refusal(&stamped(stamp), &none(), auto()), &["`stamp`", &found, "float64", "FIELD"]);
    }
    // The same holds for a message like the one before.
    let mut interpreter = Interpreter::new("data", auto());
    store(&mut interpreter, &stamped(1), &none()).unwrap();
    store(&mut interpreter, &stamped(i64::MAX), &none()).unwrap_err();
    store(&mut interpreter, &stamped(2), &none()).unwrap();
    // A column on its own keeps its type.
    for fields in ["stamp", "x"] {
        let settings = MessageSettings { fields: strings(&[fields]), ..auto() };
        interpret(&stamped(i64::MAX), &none(), settings).unwrap();
    }
    let mixed = record(&[
        ("a", Arc::new(UInt64Array::from(vec![u64::MAX])) as ArrayRef),
        ("b", Arc::new(Int64Array::from(vec![-1])) as ArrayRef),
    ]);
    let found = refusal(&mixed, &none(), auto());
    assert_contains(&found, &["`a`", &u64::MAX.to_string(), "columns of one integer type"]);
    assert!(!found.contains("integers alone"), "{found}");
    // The number under a null is not a value of the message.
    let holed = Int64Array::new(vec![i64::MAX].into(), Some(vec![false].into()));
    assert_contains(
        &refusal(&record(&[("a", Arc::new(holed) as ArrayRef), ("x", real(0.5))]), &none(), auto()),
        &["nulls"],
    );
}
