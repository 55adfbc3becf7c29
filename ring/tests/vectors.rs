//! The library's readers, and the one written from `SPEC.md` alone, read from each stream of `tests/vectors/streams`
//! what its `expected.json` states.

use std::process::Command;

use dora_shm_ring::*;
use dora_shm_testkit::segments::{self, header_at};
use dora_shm_testkit::vectors::{Reservation, cases, folder, integer, real};
use serde_json::{Value, json};

fn expected(case: &str) -> Value {
    let text = std::fs::read_to_string(folder().join(case).join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn from_oldest() -> ReaderOptions {
    ReaderOptions::default().start(Start::Oldest)
}

/// Puts each case on the stage. Closed streams are staged open, as just before their close.
#[track_caller]
fn for_each(mut try_it: impl FnMut(&str, &Value)) {
    let reservation = Reservation::wait();
    let cases = cases();
    assert!(cases.len() > 70, "{cases:?}");
    for case in cases {
        let expected = expected(&case);
        let name = expected["name"].as_str().unwrap();
        let _taken = reservation.place(&case, name);
        if expected["state"] == "closed" {
            segments::patch(&segments::header(name), header_at::STATE, &1_u32.to_le_bytes()).unwrap();
        }
        println!("case {case}");
        try_it(name, &expected);
    }
}

fn close(name: &str) {
    segments::patch(&segments::header(name), header_at::STATE, &2_u32.to_le_bytes()).unwrap();
}

#[test]
fn a_reader_reads_each_vector_as_expected() {
    for_each(|name, expected| {
        let mut reader = Reader::open(name, from_oldest()).unwrap();
        let mut frames = Frames::new();
        let (mut times, mut samples, mut first) = (Vec::new(), Vec::new(), None);
        let dtype = reader.format().unwrap().dtype();
        let end = loop {
            match reader.read(&mut frames, 3).unwrap() {
                Outcome::Data(_) => {
                    first.get_or_insert(frames.first());
                    assert_eq!((frames.lost(), json!(frames.generation())), (0, expected["generation"].clone()));
                    times.extend(frames.times().iter().copied().map(real));
                    samples.extend(numbers(dtype, frames.samples()));
                }
                end => break end,
            }
        };
        assert_eq!((end, reader.lost()), (Outcome::Nothing, 0));
        assert_eq!(json!(first.unwrap_or(reader.position())), expected["oldest"]);
        assert_eq!(json!(reader.position()), expected["position"]);
        assert_eq!((&json!(times), &json!(samples)), (&expected["times"], &expected["samples"]));
        check_about(reader.format().unwrap(), &reader.info().unwrap(), expected);
        assert_eq!(document(reader.description().unwrap()), expected["description"]);
        assert!(!reader.description_missed());
        if expected["state"] == "closed" {
            close(name);
            assert_eq!(reader.read(&mut frames, 3).unwrap(), Outcome::Closed);
            assert_eq!(reader.lost(), 0);
        }
    });
}

#[test]
fn a_reader_of_messages_reads_the_expected_messages_of_each_vector() {
    for_each(|name, expected| {
        let mut reader = MessageReader::open(name, from_oldest()).unwrap();
        let mut message = Message::new();
        let mut chunks = Vec::new();
        let frame_samples = reader.format().unwrap().frame_samples() as usize;
        let (dtype, oldest) = (reader.format().unwrap().dtype(), expected["oldest"].as_u64().unwrap());
        while reader.next(&mut message).unwrap().is_data() {
            let info = message.info();
            let mut chunk = json!({"first": info.first, "frames": info.frames, "send_ns": integer(info.send_ns)});
            if expected.get("clock").is_some() {
                chunk["discontinuity"] = json!(info.discontinuity);
            } else {
                assert!(!info.discontinuity, "a writer of 1.0 flags nothing");
            }
            chunks.push(chunk);
            let at = (info.first - oldest) as usize..(info.first + info.frames - oldest) as usize;
            let times: Value = message.times().iter().copied().map(real).collect();
            assert_eq!(times, json!(expected["times"].as_array().unwrap()[at.clone()]));
            let at = at.start * frame_samples..at.end * frame_samples;
            assert_eq!(json!(numbers(dtype, message.samples())), json!(expected["samples"].as_array().unwrap()[at]));
        }
        assert_eq!(json!(chunks), expected["chunks"]);
        assert_eq!(reader.lost(), 0);
        check_about(reader.format().unwrap(), &reader.info().unwrap(), expected);
        if expected["state"] == "closed" {
            close(name);
            assert_eq!(reader.next(&mut message).unwrap(), Outcome::Closed);
            assert_eq!(reader.lost(), 0);
        }
    });
}

#[test]
fn the_newest_frames_of_each_vector_are_the_last_ones_expected() {
    for_each(|name, expected| {
        let mut reader = Reader::open(name, ReaderOptions::default()).unwrap();
        let mut frames = Frames::new();
        for wanted in [1, 2, u64::MAX] {
            reader.latest(wanted, &mut frames).unwrap();
            let times = expected["times"].as_array().unwrap();
            let from = times.len().saturating_sub(usize::try_from(wanted).unwrap_or(usize::MAX));
            let got: Value = frames.times().iter().copied().map(real).collect();
            assert_eq!(got, json!(times[from..]));
            let frame_samples = reader.format().unwrap().frame_samples() as usize;
            let samples = &expected["samples"].as_array().unwrap()[from * frame_samples..];
            assert_eq!(json!(numbers(reader.format().unwrap().dtype(), frames.samples())), json!(samples));
        }
    });
}

#[test]
fn a_closed_vector_is_absent_for_a_reader_that_opens_it() {
    let reservation = Reservation::wait();
    let closed: Vec<_> = cases().into_iter().filter(|case| expected(case)["state"] == "closed").collect();
    assert!(!closed.is_empty());
    for case in closed {
        let name = expected(&case)["name"].as_str().unwrap().to_owned();
        let _taken = reservation.place(&case, &name);
        let mut reader = Reader::open(&name, from_oldest()).unwrap();
        assert_eq!(reader.read(&mut Frames::new(), 9).unwrap(), Outcome::Nothing);
        assert_eq!((reader.format(), reader.lost()), (None, 0));
    }
}

#[test]
fn a_reader_written_from_the_page_alone_reads_each_vector_as_expected() {
    let python = std::env::var_os("DORA_SHM_EZMSG_PYTHON").unwrap_or_else(|| "python3".into());
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/read_plain.py");
    // The program locks the stage itself.
    let output = Command::new(python).arg(program).output().expect("Python");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    assert_eq!(stdout.lines().last(), Some(&*format!("{} streams are as expected", cases().len())), "{stdout}");
}

#[track_caller]
fn check_about(format: &Format, info: &Info, expected: &Value) {
    let about = json!({
        "name": info.name,
        "generation": info.generation,
        "epoch": info.epoch,
        "stream_id": format!("{:016x}", info.stream_id.unwrap()),
        "dtype": format.dtype().name(),
        "frame_shape": format.frame_shape(),
        "rate_hz": format.rate_hz(),
        "ring_frames": format.frames(),
        "base": info.stream_position - info.position,
        "position": info.position,
    });
    for (member, value) in about.as_object().unwrap() {
        assert_eq!(value, &expected[member], "{member}");
    }
    let clock = info.clock.unwrap();
    let written = |name: &str, in_1_0: Value| expected.get(name).cloned().unwrap_or(in_1_0);
    assert_eq!(json!(clock.clock.name()), written("clock", json!("source")));
    assert_eq!(json!(clock.id.to_string()), written("clock_id", json!(ClockId::UNKNOWN.to_string())));
    assert_eq!(integer(clock.created_ns), written("created_ns", integer(clock.created_ns)));
    assert_eq!(integer(clock.created_mono_ns), written("created_mono_ns", integer(clock.created_mono_ns)));
    assert_eq!(format.clock(), clock.clock);
    let counted = info.counted.map(|Counted { refused, dropped, gaps, .. }| [refused, dropped, gaps]);
    assert_eq!(json!(counted), written("counted", Value::Null));
    assert_eq!(info.liveness, Liveness::Dead);
}

fn numbers(dtype: Dtype, samples: &[u8]) -> Vec<Value> {
    macro_rules! each {
        ($type:ty, $number:expr) => {{
            let (samples, rest) = samples.as_chunks::<{ size_of::<$type>() }>();
            assert!(rest.is_empty());
            samples.iter().map(|&bytes| $number(<$type>::from_le_bytes(bytes))).collect()
        }};
    }
    match dtype {
        Dtype::Bool => samples.iter().map(|&byte| json!([false, true][usize::from(byte)])).collect(),
        Dtype::I8 => each!(i8, integer),
        Dtype::U8 => each!(u8, integer),
        Dtype::I16 => each!(i16, integer),
        Dtype::U16 => each!(u16, integer),
        Dtype::I32 => each!(i32, integer),
        Dtype::U32 => each!(u32, integer),
        Dtype::I64 => each!(i64, integer),
        Dtype::U64 => each!(u64, integer),
        Dtype::F16 => each!(half::f16, |value| real(f64::from(value))),
        Dtype::F32 => each!(f32, |value| real(f64::from(value))),
        Dtype::F64 => each!(f64, real),
    }
}

/// A description as the JSON of `SPEC.md`.
fn document(description: &Description) -> Value {
    let axes = description.axes.iter().map(|(name, axis)| {
        let json = match axis {
            Axis::Linear { unit, gain, offset } => {
                let mut json = json!({"kind": "linear", "unit": unit, "gain": float(*gain)});
                offset.inspect(|&offset| json["offset"] = float(offset));
                json
            }
            Axis::Coord { unit, data } => {
                let mut json = json!({"kind": "coord", "unit": unit});
                data.as_ref().inspect(|&data| json["data"] = json!(data));
                json
            }
        };
        (name.clone(), json)
    });
    json!({
        "version": 1,
        "dims": description.dims,
        "buffered_axis": description.buffered_axis(),
        "axes": axes.collect::<serde_json::Map<_, _>>(),
        "attrs": description.attrs.iter().map(|(name, attr)| (name.clone(), attribute(attr))).collect::<Value>(),
        "key": description.key,
        "stream_dim": description.stream_dim,
        "message": description.message,
    })
}

fn float(value: f64) -> Value {
    match value {
        _ if value.is_nan() => json!({"$float": "nan"}),
        f64::INFINITY => json!({"$float": "inf"}),
        f64::NEG_INFINITY => json!({"$float": "-inf"}),
        _ => json!(value),
    }
}

fn attribute(attr: &Attr) -> Value {
    match attr {
        Attr::Bool(value) => json!(value),
        Attr::Integer(value) => json!(value),
        Attr::Float(value) => float(*value),
        Attr::String(value) => json!(value),
        Attr::ListInt(values) if values.is_empty() => json!({"$integers": []}),
        Attr::ListFloat(values) if values.is_empty() => json!({"$floats": []}),
        Attr::ListString(values) if values.is_empty() => json!({"$strings": []}),
        Attr::ListInt(values) => json!(values),
        Attr::ListFloat(values) => values.iter().map(|&value| float(value)).collect(),
        Attr::ListString(values) => json!(values),
        Attr::Timestamp(ns) => json!({"$timestamp_ns": ns}),
    }
}
