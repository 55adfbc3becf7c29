use proptest::prelude::*;

use super::*;
use crate::ezmsg::pickle;
use crate::stream::json::tests::description;

const EEG: [&[u8]; 2] = [
    include_bytes!("../../../../tests/vectors/ezmsg/v1/eeg_f32_wrapped/aux.bin"),
    include_bytes!("../../../../tests/vectors/ezmsg/v2/eeg_f32_wrapped/aux.bin"),
];

/// A handmade pickle of a dict, whose values are given as pickle opcodes.
fn of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = b"\x80\x05}(".to_vec();
    for (name, value) in members {
        out.extend([0x8c, name.len() as u8]);
        out.extend(name.as_bytes());
        out.extend_from_slice(value);
    }
    out.extend(b"u.");
    out
}

#[test]
fn ezmsgs_own_metadata_is_read() {
    let label = |bank: &str, elec: i64, label: &str| json!({"bank": bank, "elec": elec, "label": label});
    let data = vec![label("A", 1, "Fp1"), label("A", 2, "Fp2"), label("B", 1, "Cz")];
    let expected = Description {
        dims: vec!["time".into(), "ch".into()],
        axes: BTreeMap::from([
            ("time".into(), Axis::Linear { unit: "s".into(), gain: 0.1, offset: None }),
            ("ch".into(), Axis::Coord { unit: String::new(), data: Some(data) }),
        ]),
        attrs: BTreeMap::from([("unit".into(), Attr::String("uV".into()))]),
        key: "eeg/headset-1".into(),
        ..Description::default()
    };
    for pickle in EEG {
        assert_eq!(decode(pickle), Ok(Metadata { description: expected.clone(), left_out: vec![] }));
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes in Miri and runs no unsafe code")]
fn every_proper_prefix_of_real_metadata_is_refused() {
    for pickle in EEG {
        for end in 0..pickle.len() {
            assert!(decode(&pickle[..end]).is_err(), "{end}");
        }
    }
}

#[test]
fn anything_other_than_metadata_is_refused_with_its_reason() {
    let version: (&str, &[u8]) = ("version", b"K\x01");
    let dims: (&str, &[u8]) = ("dims", b"]");
    let axis = |members: &[(&str, &[u8])]| {
        let inner = of(members);
        [&b"}\x8c\x01a"[..], &inner[2..inner.len() - 1], b"s"].concat()
    };
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"K\x01.".to_vec(), "it is an integer, expected a dict"),
        (of(&[dims]), "version is missing"),
        (of(&[("version", b"K\x02"), dims]), "version is 2, expected 1"),
        (of(&[("version", b"N"), dims]), "version is None"),
        (of(&[version]), "dims is not a list"),
        (of(&[version, ("dims", b"]Na")]), "a name in dims is None"),
        (of(&[version, dims, ("axes", b"]")]), "axes is a list"),
        (of(&[version, dims, ("axes", b"}\x8c\x01aNs")]), "an axis is None"),
        (of(&[version, dims, ("axes", &axis(&[("kind", b"\x8c\x06linear")]))]), "gain of an axis is not a number"),
        (of(&[version, dims, ("axes", &axis(&[("unit", b"N"), ("kind", b"\x8c\x06linear"), ("gain", b"N")]))]), "gain"),
        (of(&[version, dims, ("attrs", b"N"), ("key", b"K\x01")]), "key is an integer"),
        (b"cposix\nsystem\n.".to_vec(), "wants to call posix.system"),
    ];
    for (pickle, says) in cases {
        let refused = decode(&pickle).unwrap_err();
        assert!(refused.contains(says), "expected {says:?} in {refused:?}");
    }
    let later = axis(&[("kind", b"\x8c\x09spherical")]);
    let read = decode(&of(&[version, dims, ("axes", &later), ("new", b"N")])).unwrap();
    assert_eq!((read.description, read.left_out), (Description::default(), vec!["axis \"a\": a string".into()]));
}

#[test]
fn a_limited_number_of_omitted_parts_is_named() {
    let mut attrs = b"}(".to_vec();
    for i in 0..200_u32 {
        attrs.extend([0x8c, 4]);
        attrs.extend(format!("{i:04}").bytes());
        attrs.push(b'N');
    }
    attrs.push(b'u');
    let read = decode(&of(&[("version", b"K\x01"), ("dims", b"]"), ("attrs", &attrs)])).unwrap();
    assert_eq!(read.left_out.len(), MAX_LEFT_OUT + 1);
    assert_eq!((&*read.left_out[0], &*read.left_out[MAX_LEFT_OUT]), ("attribute \"0000\": None", "136 more"));
}

/// `description` as ezmsg's format can represent it; see the list in [`pickle`].
fn as_ezmsg_stores_it(description: &Description, rate_hz: f64) -> Description {
    let buffered = description.buffered_axis();
    let mut axes: BTreeMap<String, Axis> = BTreeMap::new();
    if let Some(name) = buffered.filter(|name| !description.axes.contains_key(*name)) {
        let unit = if name == "time" || rate_hz > 0.0 { "s".to_owned() } else { String::new() };
        let made = if rate_hz > 0.0 {
            Axis::Linear { unit, gain: 1.0 / rate_hz, offset: None }
        } else {
            Axis::Coord { unit, data: None }
        };
        axes.insert(name.to_owned(), made);
    }
    for (name, axis) in &description.axes {
        let is_buffered = buffered == Some(name);
        let axis = match axis {
            Axis::Linear { unit, gain, offset } => {
                let offset = if is_buffered { None } else { Some(offset.unwrap_or(0.0)) };
                Axis::Linear { unit: unit.clone(), gain: *gain, offset }
            }
            Axis::Coord { unit, data } => Axis::Coord {
                unit: unit.clone(),
                data: data.clone().filter(|_| !is_buffered).map(|data| data.iter().map(as_number).collect()),
            },
        };
        axes.insert(name.clone(), axis);
    }
    let empty = |value: &Attr| match value {
        Attr::ListInt(values) if values.is_empty() => Attr::ListFloat(vec![]),
        Attr::ListString(values) if values.is_empty() => Attr::ListFloat(vec![]),
        other => other.clone(),
    };
    Description {
        dims: pickle::dims(description).into_iter().map(str::to_owned).collect(),
        axes,
        attrs: description.attrs.iter().map(|(name, value)| (name.clone(), empty(value))).collect(),
        message: None,
        ..description.clone()
    }
}

/// Integers in an array of floats become floats.
fn as_number(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(values) => values.iter().map(as_number).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), as_number(value))).collect())
        }
        other => other.clone(),
    }
}

fn with_numbers(mut description: Description) -> Description {
    for axis in description.axes.values_mut() {
        if let Axis::Coord { data: Some(data), .. } = axis {
            *data = data.iter().map(as_number).collect();
        }
    }
    description
}

proptest! {
    #[test]
    #[cfg_attr(miri, ignore = "takes minutes in Miri and runs no unsafe code")]
    fn every_pickle_written_here_decodes_to_its_description(
        described in description(),
        rate_hz in prop_oneof![Just(0.0), 0.1..1e6],
    ) {
        let read = decode(&pickle::encode(&described, rate_hz));
        let read = read.map(|read| (with_numbers(read.description), read.left_out));
        prop_assert_eq!(read, Ok((as_ezmsg_stores_it(&described, rate_hz), vec![])));
    }
}
