//! This library's readers with the unmodified `ShMemCircBuff` of ezmsg-tools 0.6 and 0.10. `writer.py` drives the real
//! package.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dora_shm_ring::*;
use serde_json::{Value, json};

use dora_shm_testkit::process::Process;
use dora_shm_testkit::{Name, PATIENCE, segments, wait_until};

/// Both releases: the struct version that each writes, and the variable that names a Python with that release.
const RELEASES: [(u32, &str); 2] = [(1, "DORA_SHM_EZMSG06_PYTHON"), (2, "DORA_SHM_EZMSG_PYTHON")];

/// Content of the writer's frames.
const STEP: i64 = 31;
const CHANNEL: i64 = 1_000_003;
const RATE: f64 = 1000.0;

/// A Python process with a `ShMemCircBuff`.
struct Original {
    process: Process,
    version: u32,
}

/// A stream's name whose segments are removed, since ezmsg leaves some behind: defect D7.
struct Leaky(Name);

impl Drop for Leaky {
    fn drop(&mut self) {
        for path in segments::of(&self.0) {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Original {
    fn start(version: u32, variable: &str) -> Self {
        let python = std::env::var_os(variable)
            .unwrap_or_else(|| panic!("set {variable} to a Python with ezmsg-tools; `cargo xtask test` creates one"));
        let mut command = Command::new(python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ezmsg_writer/writer.py"));
        // Python's resource tracker warns of the segments that ezmsg leaks.
        let mut process = Process::start(command.stderr(Stdio::null())).unwrap();
        process.expect("ready").unwrap();
        Self { process, version }
    }

    /// Sends a command whose answer is read later.
    fn begin(&mut self, command: Value) {
        self.process.send_line(&command.to_string());
    }

    #[track_caller]
    fn answer(&mut self) -> Value {
        let line = self.process.read_line().unwrap().expect("ezmsg's process is running");
        let mut answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(answer.get("raised").is_none(), "{answer}");
        answer["answer"].take()
    }

    #[track_caller]
    fn call(&mut self, command: Value) -> Value {
        self.begin(command);
        self.answer()
    }

    #[track_caller]
    fn open(&mut self, name: &Leaky, seconds: f64) {
        self.call(json!({"do": "open", "name": &*name.0, "seconds": seconds}));
    }
}

/// Runs `test` with each release.
fn with_each(what: &str, test: impl Fn(&mut Original, &Leaky)) {
    for (version, variable) in RELEASES {
        let name = Leaky(Name::new(&format!("original-{version}-{what}")));
        test(&mut Original::start(version, variable), &name);
    }
}

/// A reader with a ledger: every frame it gets is compared with what the writer writes at that position.
struct Ledger {
    reader: Reader,
    frames: Frames,
    next: u64,
    read: u64,
    channels: i64,
    version: u32,
}

impl Ledger {
    fn new(reader: Reader, channels: i64, version: u32) -> Self {
        Self { reader, frames: Frames::new(), next: 0, read: 0, channels, version }
    }

    #[track_caller]
    fn read(&mut self, max_frames: u64) -> Outcome<u64> {
        let outcome = self.reader.read(&mut self.frames, max_frames).unwrap();
        if !outcome.is_data() {
            return outcome;
        }
        let samples = self.frames.samples_as::<i64>().unwrap();
        assert_eq!(self.frames.first(), self.next + self.frames.lost(), "every gap is counted");
        self.next = self.frames.first();
        for (frame, &time) in samples.chunks(self.channels as usize).zip(self.frames.times()) {
            let position = self.next;
            for (channel, &sample) in frame.iter().enumerate() {
                assert_eq!(sample, position as i64 * STEP + channel as i64 * CHANNEL, "position {position}");
            }
            let since = if self.version == 1 { 0.0 } else { 100.0 };
            assert!((time - since - position as f64 / RATE).abs() < 1e-6, "time {time} of position {position}");
            self.next += 1;
            self.read += 1;
        }
        outcome
    }

    /// Reads until `end` has been passed.
    #[track_caller]
    fn read_up_to(&mut self, end: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.next < end {
            assert!(Instant::now() < deadline, "{} of {end}", self.next);
            self.reader.wait(PATIENCE).unwrap();
            self.read(u64::MAX);
        }
        assert_eq!(self.next, end);
    }
}

#[test]
#[ignore = "needs ezmsg-tools: cargo xtask test"]
fn every_frame_is_read_once_at_full_speed_with_messages_of_any_length() {
    with_each("speed", |original, name| {
        let mut position = 0;
        original.open(name, 1.0);
        let reader = Reader::open(&name.0, ReaderOptions::default()).unwrap();
        let mut ledger = Ledger::new(reader, 16, original.version);
        original.call(json!({"do": "shape", "channels": 16}));
        // At full speed, but never more than the ring's 1000 frames ahead. Message lengths that divide the ring (defect
        // D1), and others.
        for (frames, messages) in [(10, 90), (7, 130), (1, 500), (100, 9), (250, 3), (33, 30), (1000, 1)] {
            for _ in 0..15 {
                original.begin(json!({"do": "write", "frames": frames, "messages": messages}));
                position += frames * messages;
                ledger.read_up_to(position);
                assert_eq!(original.answer(), json!(position));
                assert_eq!(ledger.read(u64::MAX), Outcome::Nothing, "{frames}");
            }
        }
        assert_eq!((ledger.reader.lost(), ledger.read), (0, position), "version {}", original.version);
    });
}

#[test]
#[ignore = "needs ezmsg-tools: cargo xtask test"]
fn a_reader_that_cannot_keep_up_accounts_for_every_frame_and_gets_none_of_another_position() {
    with_each("slow", |original, name| {
        original.call(json!({"do": "shape", "channels": 64}));
        original.open(name, 0.2);
        let reader = Reader::open(&name.0, ReaderOptions::default().start(Start::Oldest)).unwrap();
        let mut ledger = Ledger::new(reader, 64, original.version);
        let total = 10 * 8000;
        original.begin(json!({"do": "write", "frames": 10, "messages": 8000}));
        let deadline = Instant::now() + PATIENCE;
        while ledger.next < total {
            assert!(Instant::now() < deadline, "{} of {total}", ledger.next);
            ledger.reader.wait(PATIENCE).unwrap();
            // Long enough to be lapped.
            std::thread::sleep(Duration::from_millis(3));
            ledger.read(u64::MAX);
        }
        original.answer();
        assert_eq!(ledger.read + ledger.reader.lost(), total, "version {}", original.version);
    });
}

#[test]
#[ignore = "needs ezmsg-tools: cargo xtask test"]
fn messages_are_whole_and_follow_each_other() {
    with_each("messages", |original, name| {
        original.open(name, 1.0);
        let mut reader = MessageReader::open(&name.0, ReaderOptions::default()).unwrap();
        let mut message = Message::new();
        let (mut next, mut chunks, mut written) = (0, 0, 0);
        let deadline = Instant::now() + PATIENCE;
        while next < 8000 {
            if next == written {
                // Half a ring, at full speed.
                original.begin(json!({"do": "write", "frames": 20, "messages": 25}));
                written += 500;
            }
            assert!(Instant::now() < deadline, "{next}");
            if chunks % 2 == 0 {
                reader.wait(PATIENCE).unwrap();
                if !reader.next(&mut message).unwrap().is_data() {
                    continue;
                }
                assert_eq!((message.info().first, message.info().chunk, message.info().lost), (next, chunks, 0));
                let first = i64::from_le_bytes(message.samples()[..8].try_into().unwrap());
                assert_eq!(first, next as i64 * STEP);
                next += message.info().frames;
            } else {
                reader.wait(PATIENCE).unwrap();
                let Outcome::Data(view) = reader.view().unwrap() else { continue };
                assert_eq!((view.info().first, view.info().chunk, view.info().lost), (next, chunks, 0));
                next += view.info().frames;
                assert!(reader.finish(view));
            }
            chunks += 1;
            if next == written {
                original.answer();
            }
        }
    });
}

#[test]
#[ignore = "needs ezmsg-tools: cargo xtask test"]
fn every_change_of_format_is_a_generation_whose_frames_are_read() {
    with_each("formats", |original, name| {
        original.open(name, 0.5);
        let mut reader = Reader::open(&name.0, ReaderOptions::default()).unwrap();
        let mut frames = Frames::new();
        let shapes = [
            (json!({"channels": 3}), Dtype::I64, vec![3]),
            (json!({"channels": 5}), Dtype::I64, vec![5]),
            (json!({"dtype": "float32"}), Dtype::F32, vec![5]),
            (json!({"dtype": "uint8"}), Dtype::U8, vec![5]),
            (json!({"dtype": "bool"}), Dtype::Bool, vec![5]),
            (json!({"dtype": "float16"}), Dtype::F16, vec![5]),
            (json!({"dtype": "ulonglong"}), Dtype::U64, vec![5]),
            (json!({"dtype": ">f8", "rate": 200.0}), Dtype::F64, vec![5]),
            (json!({"key": "another"}), Dtype::F64, vec![5]),
        ];
        for (generation, (shape, dtype, frame_shape)) in shapes.into_iter().enumerate() {
            let mut command = shape;
            command["do"] = json!("shape");
            original.call(command);
            original.call(json!({"do": "write", "frames": 4, "messages": 3}));
            wait_until("the next generation", || reader.read(&mut frames, 100).unwrap() == Outcome::Generation);
            let format = reader.format().unwrap();
            assert_eq!((format.dtype(), format.frame_shape()), (dtype, &frame_shape[..]));
            assert_eq!(reader.generation(), Some(generation as u32));
            assert!(reader.read(&mut frames, 100).unwrap().is_data());
            assert_eq!((frames.first(), frames.frames(), frames.lost()), (0, 12, 0), "{dtype}");
            // The first channel of the first three frames, whose values are below 256 in every type.
            let sample = |i: usize| &frames.samples()[i * 5 * dtype.size()..][..dtype.size()];
            match dtype {
                Dtype::F32 => assert_eq!(sample(2), 62.0_f32.to_le_bytes()),
                Dtype::F64 => assert_eq!(sample(2), 62.0_f64.to_le_bytes()),
                Dtype::U8 => assert_eq!(sample(2), [62]),
                _ => {}
            }
            assert_eq!(reader.read(&mut frames, 100).unwrap(), Outcome::Nothing);
        }
        assert_eq!((reader.format().unwrap().rate_hz(), reader.lost()), (200.0, 0));
        original.call(json!({"do": "shape", "dtype": "complex64"}));
        original.call(json!({"do": "write", "frames": 4}));
        wait_until(
            "the refusal",
            || matches!(reader.read(&mut frames, 1), Err(Error::Unsupported { reason, .. }) if reason.contains("type F")),
        );
    });
}

#[test]
#[ignore = "needs ezmsg-tools: cargo xtask test"]
fn a_restarted_writer_is_followed_after_a_clean_end_and_after_a_kill() {
    for (version, variable) in RELEASES {
        let name = Leaky(Name::new(&format!("original-{version}-restarts")));
        let mut reader = Reader::open(&name.0, ReaderOptions::default()).unwrap();
        let mut frames = Frames::new();
        for killed in [false, true, false, true] {
            let mut original = Original::start(version, variable);
            original.open(&name, 1.0);
            original.call(json!({"do": "write", "frames": 10, "messages": 3}));
            wait_until("the new stream", || reader.read(&mut frames, 100).unwrap() == Outcome::Generation);
            assert!(reader.read(&mut frames, 100).unwrap().is_data());
            assert_eq!((frames.first(), frames.frames(), frames.lost()), (0, 30, 0));
            original.begin(json!({"do": "write", "frames": 10}));
            original.answer();
            if killed {
                original.process.kill_and_wait().unwrap();
                assert!(reader.read(&mut frames, 100).unwrap().is_data());
                assert_eq!(frames.first(), 30, "the frames that a killed writer left are read");
            } else {
                original.call(json!({"do": "close"}));
                assert!(reader.read(&mut frames, 100).unwrap().is_data());
                assert_eq!((frames.first(), frames.frames()), (30, 10), "the last frames are read after the end");
                wait_until("the end is reported", || reader.read(&mut frames, 100).unwrap() == Outcome::Closed);
                assert_eq!(reader.liveness(Duration::ZERO).unwrap(), Liveness::Absent);
            }
        }
        assert_eq!(reader.lost(), 0);
    }
}

#[test]
#[ignore = "needs ezmsg-tools: cargo xtask test"]
fn descriptions_hold_what_can_be_represented_and_name_the_rest() {
    with_each("descriptions", |original, name| {
        original.open(name, 1.0);
        original.call(json!({"do": "describe", "attrs": true, "labels": "struct"}));
        original.call(json!({"do": "write", "frames": 10}));
        let mut reader = Reader::open(&name.0, ReaderOptions::default()).unwrap();
        let ezmsg = reader.info().unwrap().ezmsg.unwrap();
        assert_eq!(ezmsg.refused, None);
        let description = reader.description().unwrap().as_ref().clone();
        let expected = [
            ("bool", Attr::Bool(true)),
            ("integer", Attr::Integer(-7)),
            ("float", Attr::Float(2.5)),
            ("text", Attr::String("µV".into())),
            ("list", Attr::ListInt(vec![1, 2, 3])),
            ("tuple", Attr::ListFloat(vec![1.5, 2.0])),
            ("strings", Attr::ListString(vec!["a".into(), "b".into()])),
            ("empty", Attr::ListFloat(vec![])),
            ("bytes", Attr::String("raw".into())),
            ("float32", Attr::Float(0.5)),
            ("int16", Attr::Integer(-3)),
            ("true", Attr::Bool(true)),
            ("string", Attr::String("np".into())),
            ("array", Attr::ListFloat(vec![1.0, f64::NAN, f64::INFINITY])),
            ("integers", Attr::ListInt(vec![0, 2])),
            ("names", Attr::ListString(vec!["x".into(), "größer".into()])),
            ("noints", Attr::ListInt(vec![])),
            ("half", Attr::ListFloat(vec![0.25])),
            ("zero", Attr::Float(3.5)),
            ("then", Attr::Timestamp(1_704_164_645_000_000_006)),
            ("day", Attr::Timestamp(1_704_153_600_000_000_000)),
        ];
        assert_eq!(description.attrs, expected.map(|(name, value)| (name.to_owned(), value)).into());
        let left_out = [
            "attribute \"nothing\": None",
            "attribute \"complex\": a complex number",
            "attribute \"huge\": an integer of more than 64 bits",
            "attribute \"matrix\": a list of lists, or an array of more than one dimension",
            "attribute \"span\": a timedelta",
            "attribute \"dict\": a dict",
        ];
        assert_eq!(ezmsg.left_out, left_out);
        assert_eq!((&description.dims[..], &*description.key), (&["time".to_owned(), "ch".to_owned()][..], "k"));
        assert_eq!(description.axes["time"], Axis::Linear { unit: "s".into(), gain: 0.001, offset: None });
        let electrode = |bank: &str, elec: i64, x: f64| json!({"bank": bank, "elec": elec, "x": x});
        let mut labels =
            vec![("struct", json!([electrode("A", 1, 0.5), electrode("B", 2, -1.0), electrode("Bank", 3, 2.0)]))];
        labels.push(("plain", json!(["Fp1", "größer", "Cz"])));
        labels.push(("object", json!(["a", "bc", "d"])));
        labels.push(("bytes", json!(["Fp1", "Cz", "O"])));
        labels.push(("numbers", json!([1, 2, 3])));
        labels.push(("floats", json!([1.5, 2.5, -0.25])));
        // A new description in the same generation.
        for (kind, expected) in labels {
            original.call(json!({"do": "describe", "labels": kind}));
            original.call(json!({"do": "write", "frames": 10}));
            assert!(reader.read(&mut Frames::new(), 100).unwrap().is_data());
            let Some(Axis::Coord { data: Some(data), .. }) = reader.description().unwrap().axes.get("ch") else {
                panic!("{kind}: {:?}", reader.info().unwrap().ezmsg);
            };
            assert_eq!(json!(data), expected, "{kind}");
            assert_eq!(reader.generation(), Some(0));
        }
        assert!(reader.description().unwrap().attrs.is_empty());
    });
}

#[test]
#[ignore = "needs ezmsg-tools: cargo xtask test"]
fn a_reader_that_ends_leaves_the_stream_as_it_was() {
    with_each("harmless", |original, name| {
        original.open(name, 1.0);
        original.call(json!({"do": "write", "frames": 10}));
        let before = segments::of(&name.0);
        for _ in 0..3 {
            let mut reader = Reader::open(&name.0, ReaderOptions::default().start(Start::Oldest)).unwrap();
            assert!(reader.read(&mut Frames::new(), 100).unwrap().is_data());
        }
        assert_eq!(segments::of(&name.0), before);
        assert!(matches!(Writer::create(&name.0, WriterOptions::default()), Err(Error::NameTaken { .. })));
        original.call(json!({"do": "close"}));
        assert_eq!(segments::of(&name.0).len(), 0);
    });
}
