use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn example() -> Description {
    Description {
        dims: vec!["time".into(), "ch".into()],
        axes: BTreeMap::from([
            ("time".into(), Axis::Linear { unit: "s".into(), gain: 0.001, offset: None }),
            ("ch".into(), Axis::Coord { unit: String::new(), data: Some(vec![json!("Fp1"), json!({"x": 0.0})]) }),
        ]),
        attrs: BTreeMap::from([("montage".into(), Attr::String("10-20".into()))]),
        key: "eeg".into(),
        stream_dim: Some("time".into()),
        message: Some(json!({"type": "Float32"})),
    }
}

#[test]
fn the_json_is_what_the_specification_says() {
    let mut description = example();
    description.attrs = BTreeMap::from([
        ("bool".into(), Attr::Bool(true)),
        ("integer".into(), Attr::Integer(-3)),
        ("float".into(), Attr::Float(-0.0)),
        ("floats".into(), Attr::ListFloat(vec![1.0, f64::NAN])),
        ("nothing".into(), Attr::ListInt(vec![])),
        ("when".into(), Attr::Timestamp(5)),
    ]);
    let expected = concat!(
        r#"{"version":1,"dims":["time","ch"],"buffered_axis":"time","#,
        r#""axes":{"ch":{"kind":"coord","unit":"","data":["Fp1",{"x":0.0}]},"#,
        r#""time":{"kind":"linear","unit":"s","gain":0.001}},"#,
        r#""attrs":{"bool":true,"float":-0.0,"floats":[1.0,{"$float":"nan"}],"integer":-3,"#,
        r#""nothing":{"$integers":[]},"when":{"$timestamp_ns":5}},"#,
        r#""key":"eeg","stream_dim":"time","message":{"type":"Float32"}}"#
    );
    assert_eq!(String::from_utf8(description.to_json()).unwrap(), expected);
}

#[test]
fn an_empty_description_survives() {
    let empty = Description::default();
    assert_eq!(Description::from_json(&empty.to_json()).unwrap(), empty);
    assert_eq!(Description::from_json(br#"{"version":1,"dims":[]}"#).unwrap(), empty);
}

#[test]
fn what_later_minor_versions_add_is_ignored() {
    let mut document: Value = serde_json::from_slice(&example().to_json()).unwrap();
    document["new"] = json!([1, {"a": 2}]);
    document["axes"]["ch"]["new"] = json!(1);
    document["axes"]["y"] = json!({"kind": "spherical", "radius": 1});
    document["attrs"]["new"] = json!({"$complex": [1.0, 2.0]});
    assert_eq!(Description::from_json(&serde_json::to_vec(&document).unwrap()).unwrap(), example());
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes in Miri and runs no unsafe code")]
fn hostile_documents_are_refused_with_a_sentence() {
    let deep = format!("{}1{}", r#"{"version":1,"dims":[],"message":["#, "[".repeat(100_000));
    let long = " ".repeat(MAX_JSON_BYTES + 1);
    let refused: &[(&[u8], &str)] = &[
        (b"", "parsed"),
        (b"{", "parsed"),
        (b"{}x", "parsed"),
        (b"\xff", "parsed"),
        (br#"{"version":1,"dims":["\ud800"]}"#, "parsed"),
        (br#"{"version":1,"dims":[],"attrs":{"a":1e999}}"#, "parsed"),
        (br#"{"version":1,"dims":[],"attrs":{"a":NaN}}"#, "parsed"),
        (deep.as_bytes(), "parsed"),
        (long.as_bytes(), "16777217 bytes"),
        (b"[]", "a list of 0, expected an object"),
        (b"null", "null, expected an object"),
        (b"{}", "version is missing"),
        (br#"{"version":2,"dims":[]}"#, "version 2, expected 1"),
        (br#"{"version":1.0,"dims":[]}"#, "version 1.0"),
        (br#"{"version":"1","dims":[]}"#, r#"version "1""#),
        (br#"{"version":1}"#, "dims is missing"),
        (br#"{"version":1,"dims":"time"}"#, "dims is"),
        (br#"{"version":1,"dims":[1]}"#, "a name in dims is 1"),
        (br#"{"version":1,"dims":["a","b"],"buffered_axis":"b"}"#, "the first of dims"),
        (br#"{"version":1,"dims":[],"buffered_axis":"b"}"#, "the first of dims"),
        (br#"{"version":1,"dims":[],"key":7}"#, "key is 7"),
        (br#"{"version":1,"dims":[],"stream_dim":[]}"#, "stream_dim is a list"),
        (br#"{"version":1,"dims":[],"axes":[]}"#, "axes is a list"),
        (br#"{"version":1,"dims":[],"axes":{"a":1}}"#, r#"axis "a" is 1"#),
        (br#"{"version":1,"dims":[],"axes":{"a":{}}}"#, "kind of axis \"a\" is missing"),
        (br#"{"version":1,"dims":[],"axes":{"a":{"kind":1}}}"#, "kind of axis \"a\" is 1"),
        (br#"{"version":1,"dims":[],"axes":{"a":{"kind":"linear"}}}"#, "gain of axis \"a\" is missing"),
        (br#"{"version":1,"dims":[],"axes":{"a":{"kind":"linear","gain":"1"}}}"#, "gain of axis"),
        (br#"{"version":1,"dims":[],"axes":{"a":{"kind":"linear","gain":{"$float":"NaN"}}}}"#, "gain of axis"),
        (br#"{"version":1,"dims":[],"axes":{"a":{"kind":"linear","gain":1,"offset":true}}}"#, "offset of axis"),
        (br#"{"version":1,"dims":[],"axes":{"a":{"kind":"coord","unit":1}}}"#, "unit of axis"),
        (br#"{"version":1,"dims":[],"axes":{"a":{"kind":"coord","data":{}}}}"#, "data of axis"),
        (br#"{"version":1,"dims":[],"attrs":[]}"#, "attrs is a list"),
        (br#"{"version":1,"dims":[],"attrs":{"a":null}}"#, r#"attribute "a" is null"#),
        (br#"{"version":1,"dims":[],"attrs":{"a":[]}}"#, "needs a tag"),
        (br#"{"version":1,"dims":[],"attrs":{"a":[true]}}"#, "is true, expected"),
        (br#"{"version":1,"dims":[],"attrs":{"a":[[1]]}}"#, "is a list of 1, expected"),
        (br#"{"version":1,"dims":[],"attrs":{"a":[1,2.0]}}"#, "is 2.0, expected an integer"),
        (br#"{"version":1,"dims":[],"attrs":{"a":[1.0,2]}}"#, "is 2, expected a float"),
        (br#"{"version":1,"dims":[],"attrs":{"a":[1,"b"]}}"#, "expected an integer"),
        (br#"{"version":1,"dims":[],"attrs":{"a":["b",1]}}"#, "expected a string"),
        (br#"{"version":1,"dims":[],"attrs":{"a":9223372036854775808}}"#, "expected an integer of 64 bits"),
        (br#"{"version":1,"dims":[],"attrs":{"a":{}}}"#, "one member"),
        (br#"{"version":1,"dims":[],"attrs":{"a":{"b":1}}}"#, "one member"),
        (br#"{"version":1,"dims":[],"attrs":{"a":{"$float":"nan","$timestamp_ns":1}}}"#, "one member"),
        (br#"{"version":1,"dims":[],"attrs":{"a":{"$float":1}}}"#, "expected a number"),
        (br#"{"version":1,"dims":[],"attrs":{"a":{"$timestamp_ns":1.5}}}"#, "expected an integer"),
        (br#"{"version":1,"dims":[],"attrs":{"a":{"$integers":[1]}}}"#, "expected an empty list"),
        (br#"{"version":1,"dims":[],"attrs":{"a":{"$floats":null}}}"#, "expected an empty list"),
    ];
    for (document, reason) in refused {
        let text = String::from_utf8_lossy(&document[..document.len().min(100)]).into_owned();
        let error = Description::from_json(document).expect_err(&text).to_string();
        assert!(error.contains(reason), "{text}: {error}");
        assert!(error.len() < 300, "{text}: {error}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes in Miri and runs no unsafe code")]
fn every_prefix_of_a_document_is_refused() {
    let document = example().to_json();
    for end in 0..document.len() {
        assert!(Description::from_json(&document[..end]).is_err(), "{end}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes in Miri and runs no unsafe code")]
fn descriptions_that_no_reader_could_take_are_found_before_they_are_written() {
    let nested = |levels: usize| (0..levels).fold(json!(1), |inside, _| json!([inside]));
    let coord = |value| Axis::Coord { unit: String::new(), data: Some(vec![value]) };
    let mut description = example();
    description.axes.insert("ch".into(), coord(nested(MAX_VALUE_DEPTH)));
    description.message = Some(nested(MAX_VALUE_DEPTH));
    assert_eq!(description.check(1), Ok(()));
    assert_eq!(Description::from_json(&description.to_json()).unwrap(), description);

    description.axes.insert("ch".into(), coord(nested(MAX_VALUE_DEPTH + 1)));
    assert!(description.check(1).unwrap_err().contains("deeper"));
    description = Description { message: Some(nested(MAX_VALUE_DEPTH + 1)), ..example() };
    assert!(description.check(1).unwrap_err().contains("deeper"));
    description = Description { key: "x".repeat(MAX_JSON_BYTES), ..example() };
    assert!(description.check(1).unwrap_err().contains("bytes"));
    assert!(example().check(2).unwrap_err().contains("expected 3"));
    description = Description { dims: vec!["a".into(), "b".into(), "b".into()], ..example() };
    assert!(description.check(2).unwrap_err().contains("two dims named \"b\""));
    assert_eq!(Description::default().check(3), Ok(()));
}

fn real() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        Just(0.0),
        Just(-0.0),
        Just(1.0),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(f64::MIN_POSITIVE / 3.0),
        any::<i32>().prop_map(f64::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        proptest::num::f64::NORMAL.prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 20, 5, |inside| {
        prop_oneof![
            vec(inside.clone(), 0..5).prop_map(Value::from),
            vec((".*", inside), 0..5).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn attr() -> impl Strategy<Value = Attr> {
    prop_oneof![
        any::<bool>().prop_map(Attr::Bool),
        any::<i64>().prop_map(Attr::Integer),
        real().prop_map(Attr::Float),
        ".*".prop_map(Attr::String),
        vec(any::<i64>(), 0..4).prop_map(Attr::ListInt),
        vec(real(), 0..4).prop_map(Attr::ListFloat),
        vec(".*", 0..4).prop_map(Attr::ListString),
        any::<i64>().prop_map(Attr::Timestamp),
    ]
}

fn axis() -> impl Strategy<Value = Axis> {
    prop_oneof![
        (".*", real(), proptest::option::of(real())).prop_map(|(unit, gain, offset)| Axis::Linear {
            unit,
            gain,
            offset
        }),
        (".*", proptest::option::of(vec(value(), 0..4))).prop_map(|(unit, data)| Axis::Coord { unit, data }),
    ]
}

prop_compose! {
    pub(crate) fn description()(
        dims in vec(".*", 0..4),
        axes in btree_map(".*", axis(), 0..3),
        attrs in btree_map(".*", attr(), 0..6),
        key in ".*",
        stream_dim in proptest::option::of(".*"),
        message in proptest::option::of(value().prop_filter("null is none", |value| !value.is_null())),
    ) -> Description {
        Description { dims, axes, attrs, key, stream_dim, message }
    }
}

proptest! {
    #[test]
    #[cfg_attr(miri, ignore = "takes minutes in Miri and runs no unsafe code")]
    fn every_description_survives_json(description in description()) {
        let back = Description::from_json(&description.to_json()).unwrap();
        prop_assert_eq!(description, back);
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes in Miri and runs no unsafe code")]
    fn no_bytes_make_the_parser_panic(
        description in description(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let mut json = description.to_json();
        for (index, byte) in changes {
            let index = index.index(json.len());
            json[index] = byte;
        }
        let _ = Description::from_json(&json);
    }
}
