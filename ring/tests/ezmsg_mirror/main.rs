//! An unmodified `EZShmMirror` of ezmsg-tools reads this library's streams. `mirror.py` drives the real package.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dora_shm_ring::{Attr, Axis, Chunk, Description, Dtype, Format, Times, Writer, WriterOptions};
use serde_json::{Value, json};

mod golden;
#[cfg(feature = "failpoints")]
mod steps;

use dora_shm_testkit::process::Process;
use dora_shm_testkit::roles::{self, DONE};
use dora_shm_testkit::source::*;
use dora_shm_testkit::{Name, segments, wait_until};

fn python() -> Command {
    let python = std::env::var_os("DORA_SHM_EZMSG_PYTHON").unwrap_or_else(|| {
        panic!(
            "set DORA_SHM_EZMSG_PYTHON to a Python with ezmsg-tools 0.10; `cargo xtask test` creates one and runs this \
             test"
        )
    });
    let mut command = Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ezmsg_mirror/mirror.py"));
    command
}

/// A Python process with an `EZShmMirror`.
struct Mirror(Process);

/// The result of a poll of the mirror.
struct Polled {
    shape: Vec<u64>,
    dtype: String,
    samples: Vec<u8>,
    times: Vec<f64>,
    overflow: bool,
    whole: Value,
}

impl Mirror {
    fn start(command: &mut Command) -> Self {
        let mut process = Process::start(command).unwrap();
        process.expect("ready").unwrap();
        Self(process)
    }

    /// Attaches to the stream, which exists already.
    fn open(name: &str) -> Self {
        // At its end, the resource tracker would warn of segments that it believes to own.
        let mut mirror = Self::start(python().stderr(Stdio::null()));
        assert_eq!(mirror.call(json!({"do": "open", "name": name})), json!(true));
        mirror
    }

    #[track_caller]
    fn call(&mut self, command: Value) -> Value {
        let line = self.0.request(&command.to_string()).unwrap().expect("the mirror's process is running");
        let mut answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(answer.get("raised").is_none(), "{command}: {answer}");
        answer["answer"].take()
    }

    #[track_caller]
    fn poll(&mut self) -> Polled {
        polled(self.call(json!({"do": "poll"})))
    }

    #[track_caller]
    fn describe(&mut self) -> Value {
        self.call(json!({"do": "describe"}))
    }

    #[track_caller]
    fn header(&mut self) -> Value {
        self.call(json!({"do": "header"}))
    }

    /// Polls and expects the frames of a [`Source`] at these positions.
    #[track_caller]
    fn expect_positions(&mut self, positions: std::ops::Range<u64>) {
        let polled = self.poll();
        polled.check_positions(positions);
        assert!(!polled.overflow, "nothing was lost");
    }
}

fn polled(answer: Value) -> Polled {
    Polled {
        shape: serde_json::from_value(answer["shape"].clone()).unwrap(),
        dtype: answer["dtype"].as_str().unwrap().to_owned(),
        samples: STANDARD.decode(answer["samples"].as_str().unwrap()).unwrap(),
        times: serde_json::from_value(answer["times"].clone()).unwrap(),
        overflow: answer["overflow"] == true,
        whole: answer,
    }
}

impl Polled {
    fn frames(&self) -> usize {
        self.times.len()
    }

    #[track_caller]
    fn check_positions(&self, positions: std::ops::Range<u64>) {
        let count = positions.end - positions.start;
        let samples: Vec<u8> = positions.clone().flat_map(samples_at).flat_map(i64::to_le_bytes).collect();
        assert_eq!((&self.shape[..], &*self.dtype), (&[count, CHANNELS][..], "int64"), "{positions:?}");
        assert!(self.samples == samples, "wrong samples for {positions:?}");
        assert_eq!(self.times, positions.map(time_at).collect::<Vec<_>>());
    }
}

#[test]
#[ignore = "needs ezmsg-tools: cargo xtask test"]
fn each_frame_and_its_time_arrives_once_over_many_laps() {
    for chunk in [2, 7, 20, 25, 50, 99] {
        let name = Name::new(&format!("mirror-laps-{chunk}"));
        let mut source = Source::new(&name, 100);
        let mut mirror = Mirror::open(&name);
        assert_eq!(mirror.poll().frames(), 0, "nothing was written");
        for _ in 0..60 {
            source.write(chunk);
            mirror.expect_positions(source.position - chunk..source.position);
            // Would show defect D1 of the mirror itself if the index were ever N.
            assert_eq!(mirror.poll().frames(), 0, "nothing is new");
        }
    }
}

#[test]
#[ignore = "needs ezmsg-tools: cargo xtask test"]
fn the_mirror_reads_dims_axes_labels_units_attributes_and_key() {
    let name = Name::new("mirror-description");
    let mut source = Source::new(&name, 100);
    let coord =
        |unit: &str, data: Value| Axis::Coord { unit: unit.into(), data: Some(data.as_array().unwrap().clone()) };
    let described = Description {
        dims: vec!["time".into(), "ch".into()],
        axes: BTreeMap::from([
            ("time".into(), Axis::Linear { unit: "s".into(), gain: 0.001, offset: None }),
            ("ch".into(), coord("", json!([{"label": "Fp1", "x": -0.5}, {"label": "größer", "x": 0}]))),
            ("names".into(), coord("", json!(["a", "größer 😀"]))),
            ("positions".into(), coord("mm", json!([1, 2]))),
            ("freq".into(), Axis::Linear { unit: "Hz".into(), gain: 0.5, offset: Some(1.0) }),
            ("mixed".into(), coord("", json!([1, "a", null, {"b": [true]}]))),
        ]),
        attrs: BTreeMap::from([
            ("bool".into(), Attr::Bool(true)),
            ("integer".into(), Attr::Integer(i64::MIN)),
            ("float".into(), Attr::Float(f64::NAN)),
            ("string".into(), Attr::String("µV".into())),
            ("integers".into(), Attr::ListInt(vec![1, -(1 << 40)])),
            ("floats".into(), Attr::ListFloat(vec![1.0, f64::NEG_INFINITY])),
            ("strings".into(), Attr::ListString(vec!["a".into()])),
            ("nothing".into(), Attr::ListInt(vec![])),
            ("when".into(), Attr::Timestamp(1_700_000_000_123_456_789)),
        ]),
        key: "eeg/headset-1 ö".into(),
        stream_dim: Some("time".into()),
        message: Some(json!({"what": "only dora-shm's readers need"})),
    };
    source.writer.describe(&described).unwrap();
    let mut mirror = Mirror::open(&name);
    let mut description = mirror.describe();
    description.as_object_mut().unwrap().remove("metadata_changes");
    let array = |kind: &str, values: Value| json!({"array": kind, "names": [], "values": values});
    let expected = json!({
        "dims": ["time", "ch"],
        "buffered_axis": "time",
        "stream_dim": "time",
        "key": "eeg/headset-1 ö",
        "axes": {
            "time": {"kind": "linear", "unit": "s", "gain": 0.001},
            "ch": {"kind": "coord", "unit": "", "dims": ["ch"], "data":
                {"array": "struct", "names": ["label", "x"], "values": [["Fp1", -0.5], ["größer", 0.0]]}},
            "names": {"kind": "coord", "unit": "", "dims": ["names"], "data": array("U", json!(["a", "größer 😀"]))},
            "positions": {"kind": "coord", "unit": "mm", "dims": ["positions"], "data": array("i", json!([1, 2]))},
            "freq": {"kind": "linear", "unit": "Hz", "gain": 0.5, "offset": 1.0},
            "mixed": {"kind": "coord", "unit": "", "dims": ["mixed"], "data": [1, "a", null, {"b": [true]}]},
        },
        "attrs": {
            "bool": true,
            "integer": i64::MIN,
            "float": {"float": "nan"},
            "string": "µV",
            "integers": [1, -(1_i64 << 40)],
            "floats": [1.0, {"float": "-inf"}],
            "strings": ["a"],
            "nothing": [],
            "when": {"datetime64[ns]": 1_700_000_000_123_456_789_i64},
        },
    });
    assert_eq!(description, expected);
    // The header's own key is the one in force when the generation began.
    source.writer.begin(&format(100), &described, 1).unwrap();
    assert_eq!(mirror.header()["key"], "eeg/headset-1 ö");
}

#[test]
#[ignore = "needs ezmsg-tools: cargo xtask test"]
fn every_type_and_rank_arrives_and_each_generation_is_followed() {
    let name = Name::new("mirror-types");
    let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
    let mut mirror = None;
    let shapes: [&[u64]; 6] = [&[], &[1], &[5], &[3, 2], &[2, 3, 4], &[12, 16, 3]];
    let mut generation = 0;
    for dtype in Dtype::ALL {
        for shape in shapes {
            let format = Format::new(dtype, shape, 10.0, 8).unwrap();
            let dims = (0..=shape.len()).map(|axis| format!("dim_{axis}")).collect();
            writer.begin(&format, &Description { dims, ..Description::default() }, 3).unwrap();
            let mirror = mirror.get_or_insert_with(|| Mirror::open(&name));
            assert_eq!(mirror.poll().frames(), 0, "no frames of the last generation");
            // Every bit pattern of small numbers is a value of every type; bools are 0 or 1.
            let modulus = if dtype == Dtype::Bool { 2 } else { 64 };
            let samples: Vec<u8> = (0..3 * format.frame_bytes()).map(|byte| (byte % modulus) as u8).collect();
            let times = Times::Linear { start: 1.0, step: 0.5 };
            writer.write(&Chunk { samples: &samples, times, send_ns: 0 }).unwrap();

            let polled = mirror.poll();
            // The mirror cannot slice a ring of one dimension, so the header has a second one.
            let shown = if shape.is_empty() { &[1] } else { shape };
            assert_eq!(polled.shape, [&[3], shown].concat(), "{dtype} {shape:?}");
            assert_eq!(polled.dtype, dtype.name());
            assert!(polled.samples == samples, "{dtype} {shape:?}");
            assert_eq!(polled.times, [1.0, 1.5, 2.0]);
            assert!(!polled.overflow);
            generation += 1;
            assert_eq!(polled.whole["buffer_changes"], generation);
            let header = mirror.header();
            assert_eq!((&header["srate"], &header["buffer_generation"]), (&json!(10.0), &json!(generation - 1)));
            let described = mirror.describe();
            assert_eq!(described["dims"].as_array().unwrap().len(), polled.shape.len(), "{described}");
        }
    }
}

#[test]
#[ignore = "needs ezmsg-tools: cargo xtask test"]
fn a_chunk_longer_than_the_ring_is_an_overflow_and_then_the_newest_frames() {
    let name = Name::new("mirror-long-chunk");
    let mut source = Source::new(&name, 100);
    let mut mirror = Mirror::open(&name);
    source.write(30);
    mirror.expect_positions(0..30);
    for chunk in [257, 100, 1000] {
        source.write(chunk);
        let polled = mirror.poll();
        assert!(polled.overflow, "{chunk}");
        // The mirror omits the oldest frame of a full ring.
        polled.check_positions(source.position - 99..source.position);
        assert_eq!(mirror.poll().frames(), 0);
        source.write(10);
        mirror.expect_positions(source.position - 10..source.position);
    }
}

#[test]
#[ignore = "needs ezmsg-tools: cargo xtask test"]
fn a_single_frame_is_delivered_with_the_one_after_it() {
    let name = Name::new("mirror-lone-frame");
    let mut source = Source::new(&name, 100);
    let mut mirror = Mirror::open(&name);
    for _ in 0..130 {
        source.write(1);
        assert_eq!(mirror.poll().frames(), 0, "the mirror takes two frames or none");
        source.write(1);
        mirror.expect_positions(source.position - 2..source.position);
    }
}

#[test]
#[ignore = "needs ezmsg-tools: cargo xtask test"]
fn descriptions_are_followed_when_they_shrink_and_their_length_never_does() {
    let name = Name::new("mirror-shrinking");
    let mut source = Source::new(&name, 100);
    let mut mirror = Mirror::open(&name);
    assert_eq!(mirror.describe()["metadata_changes"], 1);
    let mut length = 0;
    for (change, label_length) in [3, 3000, 2, 100_000, 1, 0, 5].into_iter().enumerate() {
        let label = "x".repeat(label_length);
        let data = Some(vec![json!(label), json!("Cz")]);
        let axes = BTreeMap::from([("ch".to_owned(), Axis::Coord { unit: String::new(), data })]);
        source.writer.describe(&Description { axes, ..description() }).unwrap();
        source.write(2);
        mirror.expect_positions(source.position - 2..source.position);
        let description = mirror.describe();
        assert_eq!(description["axes"]["ch"]["data"]["values"], json!([label, "Cz"]));
        assert_eq!(description["metadata_changes"], change + 2, "the one that `begin` published, and each change");
        let now = mirror.header()["aux_nbytes"].as_u64().unwrap();
        assert!(now >= length, "{now} bytes after {length}");
        length = now;
    }
    assert!(length > 100_000);
}

// Defect D11: the exit of one reader unlinks header, ring and metadata of the live stream.
#[test]
#[ignore = "needs ezmsg-tools: cargo xtask test"]
fn a_python_reader_that_ends_removes_nothing_permanently() {
    let name = Name::new("mirror-leaving");
    let mut source = Source::new(&name, 100);
    source.write(10);
    let public = segments::publics(&name);
    for _ in 0..2 {
        let mut leaving = Mirror::start(python().stderr(Stdio::piped()));
        let mut stderr = leaving.0.stderr().expect("piped");
        leaving.call(json!({"do": "open", "name": &*name}));
        leaving.expect_positions(0..10);
        leaving.describe();
        leaving.0.end_well().unwrap();
        // Python's resource tracker outlives Python and keeps its stderr open. At its end, it removes the names that it
        // has recorded.
        let mut farewell = String::new();
        stderr.read_to_string(&mut farewell).unwrap();
        assert!(farewell.contains("leaked shared_memory objects"), "the tracker removed something: {farewell:?}");
        wait_until("the names are linked again", || public.iter().all(|path| path.exists()));
    }
    let mut late = Mirror::open(&name);
    late.expect_positions(0..10);
    assert_eq!(late.describe()["dims"], json!(["time", "ch"]));
    source.write(5);
    late.expect_positions(10..15);
}

#[test]
#[ignore = "needs ezmsg-tools: cargo xtask test"]
fn a_mirror_stays_attached_when_a_killed_writer_is_taken_over() {
    let name = Name::new("mirror-takeover");
    let mut first = roles::start("source", &[&name, "100", "1", "int64"]);
    first.expect("begins").unwrap();
    first.request_expecting("write 10", DONE).unwrap();
    let mut mirror = Mirror::open(&name);
    mirror.expect_positions(0..10);
    first.kill_and_wait().unwrap();
    assert_eq!(mirror.poll().frames(), 0);
    let mut source = Source::new(&name, 50);
    source.write(20);
    mirror.expect_positions(0..20);
    source.write(20);
    mirror.expect_positions(20..40);
    source.writer.close();
    let after = mirror.poll();
    assert_eq!((after.frames(), after.overflow), (0, false), "a closed stream has no frames for a mirror");
}
