//! The cases. Each is the smallest story that shows one thing.

use std::f64::consts::PI;

use dora_shm_ring::{Attr, Axis, Clock, Description, Dtype};
use serde_json::{Value, json};

use crate::story::{Case, Described, Ring, Step};
use Step::*;

/// A time in the year 2023 that a float cannot represent exactly.
const SEND_NS: i64 = 1_700_000_000_000_000_007;

pub fn all() -> Vec<Case> {
    let case = |folder, steps: Vec<Step>| Case { folder, stream: folder, steps };
    let dtypes = Dtype::ALL.map(|dtype| case(dtype_folder(dtype), vec![Begin(channels(dtype, 8)), Chunk(3), Chunk(2)]));
    let others = [
        case("rank-0", vec![Begin(scalars()), Chunk(4), Chunk(1)]),
        case("rank-3", vec![Begin(Ring { frame_shape: &[2, 3, 4], ..plain(6) }), Chunk(2)]),
        case("rank-8", vec![Begin(Ring { frame_shape: &[1, 2, 1, 2, 3, 1, 2, 1], ..plain(4) }), Chunk(3)]),
        case("picture", vec![Begin(picture()), Chunk(1), Chunk(1), Chunk(1), Chunk(1), Chunk(1)]),
        case("eeg", vec![Begin(eeg()), Chunk(20), Chunk(20), Chunk(20)]),
        case("irregular-times", vec![Begin(depths()), Chunk(3), Chunk(4)]),
        case("attributes", vec![Begin(Ring { described: attributes(), ..plain(4) }), Chunk(2)]),
        Case {
            folder: "unicode",
            stream: "größe-脳波-🧠",
            steps: vec![Begin(Ring { described: unicode(), ..plain(4) }), Chunk(2)],
        },
        case("undescribed", vec![Begin(Ring { described: undescribed(), ..plain(4) }), Chunk(2)]),
        case("described-again", vec![Begin(plain(8)), Chunk(2), Describe(named("second")), Chunk(2)]),
        case("clock-unix", vec![Begin(on_clock(Clock::Unix, |p| 1_700_000_000.25 + p as f64 / 100.0)), Chunk(3)]),
        case("clock-monotonic", vec![Begin(on_clock(Clock::Monotonic, |p| 1.5 + p as f64 / 100.0)), Chunk(3)]),
        case("discontinuities", vec![Begin(jumping()), Chunk(2), Chunk(2), Chunk(0), Chunk(1), Chunk(2), Chunk(2)]),
        case("times-that-go-back", vec![Begin(going_back()), Chunk(2), Chunk(2), Chunk(2), Chunk(1)]),
        case("counted", vec![Begin(plain(8)), Chunk(3), Count([3, 1 << 40, 5])]),
        case("counted-before-a-takeover", vec![Begin(plain(8)), Chunk(3), Count([3, 4, 5]), Killed, Begin(plain(8))]),
        case("no-frames", vec![Begin(plain(8))]),
        case("exactly-full", vec![Begin(plain(8)), Chunk(5), Chunk(3)]),
        case("wrapped", vec![Begin(plain(10)), Chunk(4), Chunk(4), Chunk(4), Chunk(4), Chunk(4), Chunk(3)]),
        case("ring-of-one", vec![Begin(plain(1)), Chunk(1), Chunk(1), Chunk(1)]),
        case("chunk-longer-than-the-ring", vec![Begin(plain(8)), Chunk(3), Chunk(21), Chunk(2)]),
        case("newest-longer-than-the-ring", vec![Begin(plain(8)), Chunk(3), Chunk(21)]),
        case("empty-messages", vec![Begin(plain(8)), Chunk(0), Chunk(3), Chunk(0), Chunk(0), Chunk(2), Chunk(0)]),
        case("more-chunks-than-records", [vec![Begin(many()), Chunk(9)], vec![Chunk(1); 70]].concat()),
        case("second-generation", vec![Begin(plain(8)), Chunk(5), Chunk(6), Begin(picture()), Chunk(2)]),
        case("taken-over", vec![Begin(plain(8)), Chunk(5), Killed, Begin(plain(8)), Chunk(4)]),
        case("taken-over-before-its-first-message", vec![Begin(plain(8)), Chunk(5), Killed]),
        case("killed-in-the-copy", vec![Begin(plain(8)), Chunk(5), Chunk(6), KilledInChunk("W4", 4)]),
        case("killed-before-the-commit", vec![Begin(plain(8)), Chunk(5), Chunk(6), KilledInChunk("W7", 4)]),
        case("killed-before-a-switch", vec![Begin(plain(8)), Chunk(5), KilledInBegin("S7", other())]),
        case("killed-after-a-switch", vec![Begin(plain(8)), Chunk(5), KilledInBegin("S8", other())]),
        case("closed", vec![Begin(plain(8)), Chunk(5), Begin(other()), Chunk(6), Chunk(7), KilledInClose]),
    ];
    dtypes.into_iter().chain(others).collect()
}

fn dtype_folder(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Bool => "dtype-bool",
        Dtype::I8 => "dtype-int8",
        Dtype::U8 => "dtype-uint8",
        Dtype::I16 => "dtype-int16",
        Dtype::U16 => "dtype-uint16",
        Dtype::I32 => "dtype-int32",
        Dtype::U32 => "dtype-uint32",
        Dtype::I64 => "dtype-int64",
        Dtype::U64 => "dtype-uint64",
        Dtype::F16 => "dtype-float16",
        Dtype::F32 => "dtype-float32",
        Dtype::F64 => "dtype-float64",
    }
}

/// Two channels of int32 at 100 Hz.
fn plain(frames: u64) -> Ring {
    Ring {
        dtype: Dtype::I32,
        frame_shape: &[2],
        rate_hz: 100.0,
        frames,
        first_chunk_frames: 4,
        clock: Clock::Source,
        time: |p| 10.0 + p as f64 * 0.01,
        send_ns: |c| SEND_NS + c as i64 * 40_000_000,
        described: named("first"),
    }
}

/// The generation after a [`plain`] one, which differs from it in every property.
fn other() -> Ring {
    Ring {
        dtype: Dtype::I16,
        frame_shape: &[3],
        rate_hz: 250.0,
        time: |p| 20.0 + p as f64 * 0.004,
        described: named("second"),
        ..plain(12)
    }
}

fn on_clock(clock: Clock, time: fn(u64) -> f64) -> Ring {
    Ring { clock, time, ..plain(8) }
}

/// At 100 Hz: one frame is missing before position 2, one came twice at 4, and 5 is off by less than half a step.
fn jumping() -> Ring {
    Ring { time: |p| [1.0, 1.01, 1.03, 1.04, 1.04, 1.054, 1.064, 1.074, 1.084][p as usize], ..plain(16) }
}

/// Without a rate: back before position 4, inside a chunk at 1, and standing still before 6.
fn going_back() -> Ring {
    Ring { rate_hz: 0.0, time: |p| [5.0, 4.0, 70.0, 80.0, 79.0, 81.0, 81.0][p as usize], ..plain(16) }
}

fn channels(dtype: Dtype, frames: u64) -> Ring {
    Ring { dtype, frame_shape: &[3], ..plain(frames) }
}

/// One sample per frame, sent before 1970.
fn scalars() -> Ring {
    Ring {
        dtype: Dtype::F64,
        frame_shape: &[],
        time: |p| p as f64 - 2.5,
        send_ns: |c| -5 + c as i64,
        described: Described {
            description: Description { dims: strings(&["time"]), ..Description::default() },
            json: document(json!({"dims": ["time"], "buffered_axis": "time"})),
        },
        ..plain(8)
    }
}

/// Small frames and a long first chunk: fewer records than frames.
fn many() -> Ring {
    Ring { dtype: Dtype::U8, frame_shape: &[1], first_chunk_frames: 9, ..plain(120) }
}

fn picture() -> Ring {
    let color = ["red", "green", "blue"];
    Ring {
        dtype: Dtype::U8,
        frame_shape: &[4, 5, 3],
        rate_hz: 29.97,
        time: |p| 1.5 + p as f64 / 29.97,
        described: Described {
            description: Description {
                dims: strings(&["time", "y", "x", "c"]),
                axes: [("c".to_owned(), labels(&color))].into(),
                attrs: [
                    ("encoding".to_owned(), Attr::String("rgb8".into())),
                    ("width".to_owned(), Attr::Integer(5)),
                    ("height".to_owned(), Attr::Integer(4)),
                ]
                .into(),
                ..Description::default()
            },
            json: document(json!({
                "dims": ["time", "y", "x", "c"],
                "buffered_axis": "time",
                "axes": {"c": {"kind": "coord", "unit": "", "data": color}},
                "attrs": {"encoding": "rgb8", "width": 5, "height": 4},
            })),
        },
        ..plain(3)
    }
}

fn eeg() -> Ring {
    let electrodes = json!([
        {"label": "Fp1", "x": -0.031, "y": 0.095},
        {"label": "Fp2", "x": 0.031, "y": 0.095},
        {"label": "Cz", "x": 0.0, "y": 0.0},
        {"label": "O1", "x": -0.031, "y": -0.095},
    ]);
    let data = electrodes.as_array().cloned();
    Ring {
        dtype: Dtype::F32,
        frame_shape: &[4],
        rate_hz: 250.0,
        time: |p| 0.5 + p as f64 * 0.004,
        described: Described {
            description: Description {
                dims: strings(&["time", "ch"]),
                axes: [
                    ("time".to_owned(), Axis::Linear { unit: "s".into(), gain: 0.004, offset: None }),
                    ("ch".to_owned(), Axis::Coord { unit: "m".into(), data }),
                ]
                .into(),
                attrs: [
                    ("unit".to_owned(), Attr::String("uV".into())),
                    ("montage".to_owned(), Attr::String("10-20".into())),
                    ("cutoff_hz".to_owned(), Attr::ListFloat(vec![0.1, 100.0])),
                ]
                .into(),
                key: "eeg/headset-1".into(),
                stream_dim: Some("time".into()),
                ..Description::default()
            },
            json: document(json!({
                "dims": ["time", "ch"],
                "buffered_axis": "time",
                "axes": {
                    "time": {"kind": "linear", "unit": "s", "gain": 0.004},
                    "ch": {"kind": "coord", "unit": "m", "data": electrodes},
                },
                "attrs": {"unit": "uV", "montage": "10-20", "cutoff_hz": [0.1, 100.0]},
                "key": "eeg/headset-1",
                "stream_dim": "time",
            })),
        },
        ..plain(50)
    }
}

/// A buffered axis that is not time and does not increase steadily, without a rate.
fn depths() -> Ring {
    Ring {
        dtype: Dtype::F64,
        frame_shape: &[2],
        rate_hz: 0.0,
        time: |p| [0.0, 1e-9, PI, -7.25, 1e300, f64::NAN, f64::INFINITY, -0.0][p as usize % 8],
        described: Described {
            description: Description {
                dims: strings(&["depth", "ch"]),
                axes: [("depth".to_owned(), Axis::Coord { unit: "mm".into(), data: None })].into(),
                ..Description::default()
            },
            json: document(json!({
                "dims": ["depth", "ch"],
                "buffered_axis": "depth",
                "axes": {"depth": {"kind": "coord", "unit": "mm"}},
            })),
        },
        ..plain(16)
    }
}

/// Each type of attribute and of axis, and the recipe for rebuilding a message.
fn attributes() -> Described {
    let message = json!({
        "version": 1, "arrow": {"number": "int32"}, "rows": null, "shape": [null, 2], "dims": ["time", "ch"],
    });
    let attrs = [
        ("bool", Attr::Bool(true), json!(true)),
        ("integer", Attr::Integer(-3), json!(-3)),
        ("large", Attr::Integer(i64::MIN), json!(i64::MIN)),
        ("float", Attr::Float(1.0), json!(1.0)),
        ("tenth", Attr::Float(0.1), json!(0.1)),
        ("minus_zero", Attr::Float(-0.0), json!(-0.0)),
        ("nan", Attr::Float(f64::NAN), json!({"$float": "nan"})),
        ("infinite", Attr::Float(f64::NEG_INFINITY), json!({"$float": "-inf"})),
        ("string", Attr::String("10-20".into()), json!("10-20")),
        ("integers", Attr::ListInt(vec![1, 2]), json!([1, 2])),
        ("floats", Attr::ListFloat(vec![1.0, f64::INFINITY]), json!([1.0, {"$float": "inf"}])),
        ("strings", Attr::ListString(strings(&["a", ""])), json!(["a", ""])),
        ("no_integers", Attr::ListInt(vec![]), json!({"$integers": []})),
        ("no_floats", Attr::ListFloat(vec![]), json!({"$floats": []})),
        ("no_strings", Attr::ListString(vec![]), json!({"$strings": []})),
        ("when", Attr::Timestamp(1_700_000_000_123_456_789), json!({"$timestamp_ns": 1_700_000_000_123_456_789_i64})),
    ];
    let linear = |offset| Axis::Linear { unit: "mm".into(), gain: 0.5, offset };
    Described {
        description: Description {
            dims: strings(&["time", "x"]),
            axes: [("time".to_owned(), Axis::Linear { unit: "s".into(), gain: 0.01, offset: None })]
                .into_iter()
                .chain([("x".to_owned(), linear(Some(-1.5)))])
                .collect(),
            attrs: attrs.iter().map(|(name, attr, _)| ((*name).to_owned(), attr.clone())).collect(),
            message: Some(message.clone()),
            ..Description::default()
        },
        json: document(json!({
            "dims": ["time", "x"],
            "buffered_axis": "time",
            "axes": {
                "time": {"kind": "linear", "unit": "s", "gain": 0.01},
                "x": {"kind": "linear", "unit": "mm", "gain": 0.5, "offset": -1.5},
            },
            "attrs": attrs.iter().map(|(name, _, json)| ((*name).to_owned(), json.clone())).collect::<Value>(),
            "message": message,
        })),
    }
}

fn unicode() -> Described {
    let names = ["Größe \"links\"", "右\\\n", "🧠"];
    Described {
        description: Description {
            dims: strings(&["time", "канал"]),
            axes: [("канал".to_owned(), labels(&names[..2]))].into(),
            attrs: [
                ("прибор".to_owned(), Attr::String("Kopfhörer\u{7f}\u{1}".into())),
                ("e\u{301}".to_owned(), Attr::String("e and an accent".into())),
                ("é".to_owned(), Attr::String("one character".into())),
            ]
            .into(),
            key: names.concat(),
            stream_dim: Some("time".into()),
            ..Description::default()
        },
        json: document(json!({
            "dims": ["time", "канал"],
            "buffered_axis": "time",
            "axes": {"канал": {"kind": "coord", "unit": "", "data": names[..2]}},
            "attrs": {"прибор": "Kopfhörer\u{7f}\u{1}", "e\u{301}": "e and an accent", "é": "one character"},
            "key": names.concat(),
            "stream_dim": "time",
        })),
    }
}

fn undescribed() -> Described {
    Described { description: Description::default(), json: document(json!({})) }
}

/// A description with only a key.
fn named(key: &str) -> Described {
    Described {
        description: Description { key: key.to_owned(), ..Description::default() },
        json: document(json!({"key": key})),
    }
}

/// The JSON of a description with these members. All other members are empty.
fn document(members: Value) -> Value {
    let mut document = json!({
        "version": 1, "dims": [], "buffered_axis": null, "axes": {}, "attrs": {}, "key": "", "stream_dim": null,
        "message": null,
    });
    for (name, value) in members.as_object().expect("members") {
        document[name] = value.clone();
    }
    document
}

fn labels(names: &[&str]) -> Axis {
    Axis::Coord { unit: String::new(), data: Some(names.iter().map(|&name| json!(name)).collect()) }
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}
