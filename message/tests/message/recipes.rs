//! Recipes are not trusted: one that is invalid, contradicts itself, or does not fit the frames is an error and never a
//! panic.

use arrow::array::Array;
use arrow::buffer::Buffer;
use dora_node_api::MetadataParameters;
use dora_shm_message::recipe::Recipe;
use dora_shm_message::{MessageSettings, RebuildError, Rebuilder};
use dora_shm_ring::{Axis, Description, Dtype, Format};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::*;

fn example() -> Value {
    let array = record(&[("a", fixed_lists(floats(12), 2)), ("b", fixed_lists(floats(12), 2))]);
    let sent = parameters(&[
        ("shape", integers(&[4, 6])),
        ("dims", names(&["ch", "time"])),
        ("sample_rate", integer(1000)),
        ("axes", text(r#"{"time":{"kind":"linear","unit":"s","gain":0.5,"offset":1}}"#)),
    ]);
    interpret(&array, &sent, MessageSettings::default()).unwrap().plan.description().message.clone().unwrap()
}

fn rebuilder(message: Value) -> Result<Rebuilder, RebuildError> {
    let format = Format::new(Dtype::F32, &[4], 0.0, 10).unwrap();
    Rebuilder::new(&format, &Description { message: Some(message), ..Description::default() })
}

fn rebuild(message: Value, frames: usize) -> Result<arrow::array::ArrayRef, RebuildError> {
    let samples = [Buffer::from_slice_ref(vec![1_u8; frames * 16])];
    Ok(rebuilder(message)?.message(&samples, &[&vec![0.0; frames]], &MARKS)?.0)
}

#[test]
fn the_json_is_what_its_documentation_states() {
    // The order of the members of `axes` is up to serde_json.
    let mut example_without_axes = example();
    let axes = example_without_axes["parameters"].as_object_mut().unwrap().remove("axes").unwrap();
    let axes: Value = serde_json::from_str(axes["string"].as_str().unwrap()).unwrap();
    assert_eq!(axes, json!({"time": {"kind": "linear", "unit": "s", "gain": 0.5}}));
    assert_eq!(
        example_without_axes,
        json!({
            "version": 1,
            "arrow": {"struct": [
                {"name": "a", "nullable": true, "type": {"fixed_size_list": {"length": 2, "item":
                    {"name": "item", "nullable": true, "type": {"number": "float32"}}}}},
                {"name": "b", "nullable": true, "type": {"fixed_size_list": {"length": 2, "item":
                    {"name": "item", "nullable": true, "type": {"number": "float32"}}}}},
            ]},
            "rows": null,
            "shape": [4, null],
            "dims": ["ch", "time"],
            "parameters": {
                "dims": {"list_string": ["ch", "time"]},
                "sample_rate": {"integer": 1000},
            },
            "per_message": ["shape", "axes_offset"],
        })
    );
    let recipe = Recipe::from_json(&example()).unwrap();
    assert_eq!(recipe.to_json(), example());
}

#[test]
fn an_invalid_recipe_is_refused() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut recipe = example();
        change(&mut recipe);
        rebuild(recipe, 6)
    };
    assert!(with(&|_| ()).is_ok());
    let number = json!({"number": "float32"});
    let list = |length: Value, inner: &Value| json!({"list": {"length": length, "item": {"name": "item", "nullable": true, "type": inner}}});
    let column = |inner: &Value| json!({"name": "x", "nullable": true, "type": inner});
    let mut deep = number.clone();
    for _ in 0..17 {
        deep = list(json!(1), &deep);
    }
    type Change<'a> = &'a dyn Fn(&mut Value);
    let changes: [(&str, Change<'_>); 19] = [
        ("null", &|recipe| *recipe = Value::Null),
        ("a list", &|recipe| *recipe = json!([1])),
        ("a newer version", &|recipe| recipe["version"] = json!(2)),
        ("no version", &|recipe| recipe["version"] = json!("1")),
        ("an unknown type", &|recipe| recipe["arrow"] = json!({"utf8": {}})),
        ("an unknown dtype", &|recipe| recipe["arrow"] = json!({"number": "complex64"})),
        ("a struct of nothing", &|recipe| recipe["arrow"] = json!({"struct": []})),
        ("a type too deep", &|recipe| recipe["arrow"] = deep.clone()),
        ("a list too long", &|recipe| recipe["arrow"] = list(json!(i64::MAX), &number)),
        ("a negative length", &|recipe| recipe["arrow"] = list(json!(-1), &number)),
        ("two open lists", &|recipe| recipe["arrow"] = list(Value::Null, &list(Value::Null, &number))),
        ("an open list and open rows", &|recipe| recipe["arrow"] = list(Value::Null, &number)),
        ("an open list in a struct of two", &|recipe| {
            recipe["rows"] = json!(1);
            recipe["arrow"] = json!({"struct": [column(&list(Value::Null, &number)), column(&number)]});
        }),
        ("another rank than dims", &|recipe| recipe["shape"] = json!([4])),
        ("two buffered axes", &|recipe| recipe["shape"] = json!([null, null])),
        ("another frame shape", &|recipe| recipe["shape"] = json!([5, null])),
        ("a shape that overflows", &|recipe| {
            recipe["shape"] = json!([u64::MAX, u64::MAX, null]);
            recipe["dims"] = json!(["a", "b", "c"]);
        }),
        ("rows that do not divide", &|recipe| recipe["arrow"] = list(json!(5), &number)),
        ("lists that nest to an overflow", &|recipe| {
            recipe["arrow"] = (0..6).fold(number.clone(), |inner, _| list(json!(i32::MAX), &inner));
        }),
    ];
    for (what, change) in changes {
        let error = with(change).expect_err(what);
        assert!(error.to_string().len() < 600, "{what}: {error}");
    }
    let zero_rows = with(&|recipe| recipe["rows"] = json!(0));
    assert!(zero_rows.is_err());
}

#[test]
fn items_without_numbers_cannot_demand_memory() {
    let list = |length: i64, inner: Value| json!({"list": {"length": length, "item": {"name": "item", "nullable": true, "type": inner}}});
    let column = |inner: Value| json!({"name": "x", "nullable": true, "type": inner});
    let nothing = (0..4).fold(json!({"struct": []}), |inner, _| list(i64::from(i32::MAX), inner));
    let mut recipe = example();
    recipe["arrow"] = json!({"struct": [column(nothing), column(json!({"number": "float32"}))]});
    assert!(rebuild(recipe, 6).is_err());
}

#[test]
fn a_description_cannot_give_doras_own_parameters() {
    let format = Format::new(Dtype::F32, &[4], 0.0, 10).unwrap();
    let attrs = [("__dora_startup_marker", true), ("lost", true), ("montage", true)];
    let attrs = attrs.map(|(key, value)| (key.to_owned(), dora_shm_ring::Attr::Bool(value))).into();
    let mut recipe = example();
    recipe["parameters"]["goal_id"] = json!({"string": "x"});
    let description = Description { attrs, message: Some(recipe), ..Description::default() };
    let rebuilder = Rebuilder::new(&format, &description).unwrap();
    let samples = [Buffer::from_slice_ref([1_u8; 16])];
    for (_, sent) in
        [rebuilder.message(&samples, &[&[0.0]], &MARKS), rebuilder.run(&samples, &[&[0.0]], &MARKS)].map(Result::unwrap)
    {
        let keys: Vec<_> = sent.keys().map(String::as_str).collect();
        assert!(keys.contains(&"montage"), "{keys:?}");
        assert!(!keys.iter().any(|key| key.starts_with('_') || ["lost", "goal_id"].contains(key)), "{keys:?}");
    }
}

#[test]
fn samples_that_are_not_whole_frames_are_refused() {
    let stored = interpret(&floats(6), &MetadataParameters::default(), MessageSettings::default()).unwrap();
    let rebuilder = stored.rebuilder();
    let buffer = |bytes: usize| Buffer::from_slice_ref(vec![0_u8; bytes]);
    for (parts, times) in [
        (vec![buffer(24)], vec![0.0, 1.0]),
        (vec![buffer(23)], vec![0.0]),
        (vec![buffer(12), buffer(12)], vec![0.0]),
        (vec![], vec![0.0]),
        (vec![buffer(24)], vec![]),
    ] {
        let error = rebuilder.message(&parts, &[&times], &MARKS).unwrap_err();
        assert!(matches!(error, RebuildError::Samples { .. }), "{error}");
    }
}

#[test]
fn a_stream_without_a_recipe_gives_flat_arrays_with_their_shape() {
    let format = Format::new(Dtype::I16, &[2, 3], 50.0, 10).unwrap();
    let description = Description { dims: strings(&["trial", "y", "x"]), key: "k".into(), ..Description::default() };
    let rebuilder = Rebuilder::new(&format, &description).unwrap();
    let bytes = bytes_of(&numbers(Dtype::I16, 12));
    let samples = [Buffer::from_slice_ref(&bytes)];
    let (array, mut sent) = rebuilder.message(&samples, &[&[1.0, 1.02]], &MARKS).unwrap();
    assert_eq!(&array, &numbers(Dtype::I16, 12));
    for mark in ["source_timestamp", "generation", "position"] {
        sent.remove(mark).unwrap();
    }
    assert_eq!(sent.remove("source_time"), Some(dora_node_api::Parameter::Float(1.0)));
    assert_eq!(sent.remove("clock"), Some(text("source")));
    let expected = parameters(&[
        ("shape", integers(&[2, 2, 3])),
        ("dims", names(&["trial", "y", "x"])),
        ("stream_dim", text("trial")),
        ("dtype", text("int16")),
        ("sample_rate", dora_node_api::Parameter::Float(50.0)),
        ("axis_offset", dora_node_api::Parameter::Float(1.0)),
        ("key", text("k")),
    ]);
    assert_eq!(sent, expected);
}

#[test]
fn a_stream_without_a_recipe_gives_the_axes_that_a_sink_would_take() {
    let format = Format::new(Dtype::I16, &[2, 3], 50.0, 10).unwrap();
    let linear = |gain, offset| Axis::Linear { unit: "s".into(), gain, offset };
    let coord = |data: Value| Axis::Coord { unit: String::new(), data: Some(data.as_array().unwrap().clone()) };
    let axes = [
        // Offset and data of the buffered axis come with the frames.
        ("time", linear(0.02, Some(7.0))),
        ("y", linear(0.5, Some(1.0))),
        ("x", coord(json!(["a", {"label": "b"}, 3]))),
        ("elsewhere", linear(1.0, None)),
    ];
    let mut description = Description {
        dims: strings(&["time", "y", "x"]),
        axes: axes.map(|(name, axis)| (name.to_owned(), axis)).into(),
        ..Description::default()
    };
    let samples = [Buffer::from_slice_ref([0_u8; 12])];
    let sent = |description: &Description| {
        let rebuilder = Rebuilder::new(&format, description).unwrap();
        let (_, sent) = rebuilder.message(&samples, &[&[1.0]], &MARKS).unwrap();
        sent.get("axes").map(|axes| {
            let dora_node_api::Parameter::String(text) = axes else { panic!("{axes:?}") };
            serde_json::from_str::<Value>(text).unwrap()
        })
    };
    let expected = json!({
        "time": {"kind": "linear", "unit": "s", "gain": 0.02},
        "y": {"kind": "linear", "unit": "s", "gain": 0.5, "offset": 1.0},
        "x": {"kind": "coord", "unit": "", "data": ["a", {"label": "b"}, 3]},
    });
    assert_eq!(sent(&description), Some(expected));
    // A sink would refuse these axes, and the whole message with them.
    description.axes.insert("y".into(), linear(f64::NAN, None));
    description.axes.insert("x".into(), coord(json!(["a"])));
    let expected = json!({
        "time": {"kind": "linear", "unit": "s", "gain": 0.02},
        "x": {"kind": "coord", "unit": ""},
    });
    assert_eq!(sent(&description), Some(expected));
    description.axes.clear();
    assert_eq!(sent(&description), None);
}

#[test]
fn more_frames_than_a_message_ever_had_are_a_run() {
    let stored = interpret(&floats(4), &MetadataParameters::default(), MessageSettings::default()).unwrap();
    let samples = [Buffer::from_slice_ref(vec![0_u8; 48])];
    let (array, sent) = stored.rebuilder().message(&samples, &[&[0.0, 1.0, 2.0]], &MARKS).unwrap();
    assert_eq!((array.len(), &sent["shape"]), (12, &integers(&[3, 4])));
}

/// Replaces the value at `place` in the recipe.
fn exchange(value: &mut Value, place: &mut usize, with: &Value) {
    if *place == 0 {
        *value = with.clone();
    }
    *place = place.wrapping_sub(1);
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| exchange(value, place, with)),
        Value::Object(members) => members.values_mut().for_each(|value| exchange(value, place, with)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn no_change_of_a_recipe_makes_the_rebuilder_panic(
        changes in proptest::collection::vec((0_usize..60, 0_usize..14), 1..4),
        frames in 0_usize..7,
    ) {
        let values = [
            json!(null), json!(0), json!(1), json!(2), json!(-1), json!(u64::MAX), json!(i32::MAX), json!("float64"),
            json!("bool"), json!([]), json!({}), json!([null]), json!({"number": "uint8"}), json!(1.5),
        ];
        let mut recipe = example();
        for (mut place, value) in changes {
            exchange(&mut recipe, &mut place, &values[value]);
        }
        let _ = rebuild(recipe.clone(), frames);
        if let Ok(rebuilder) = rebuilder(recipe) {
            let samples = [Buffer::from_slice_ref(vec![1_u8; frames * 16])];
            let _ = rebuilder.run(&samples, &[&vec![0.0; frames]], &MARKS);
        }
    }
}
