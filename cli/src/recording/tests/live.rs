//! Recordings of streams, and replays of recordings, against a reference model that reads message by message.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use dora_shm_ring::{
    Chunk, Message, MessageReader, Outcome, ReaderOptions, Start, StreamInfo, Times, Writer, WriterOptions,
};

use super::*;

fn unique_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("cli-test/{}/{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// A step of the writer, or a read of its readers.
#[derive(Clone, Debug)]
enum Op {
    Begin { format: Format, description: Description },
    Describe(Description),
    Write { frames: usize },
    Close,
    Read,
}

fn op() -> impl Strategy<Value = Op> {
    let dtype = proptest::sample::select(Dtype::ALL.to_vec());
    let format = (dtype, vec(1..4_u64, 0..3), prop_oneof![Just(0.0), 1.0..1e4], 8..40_u64)
        .prop_map(|(dtype, shape, rate_hz, frames)| Format::new(dtype, &shape, rate_hz, frames).unwrap());
    prop_oneof![
        2 => (format, description()).prop_map(|(format, description)| Op::Begin { format, description }),
        2 => description().prop_map(Op::Describe),
        10 => (0..9_usize).prop_map(|frames| Op::Write { frames }),
        1 => (30..70_usize).prop_map(|frames| Op::Write { frames }),
        1 => Just(Op::Close),
        8 => Just(Op::Read),
    ]
}

/// A stream in which every value is different.
struct Source {
    name: String,
    writer: Option<Writer>,
    written: u64,
}

impl Source {
    fn act(&mut self, op: &Op) {
        if matches!(op, Op::Begin { .. }) && self.writer.is_none() {
            let options = WriterOptions::default().keep_replaced(true);
            self.writer = Some(Writer::create(&self.name, options).unwrap());
        }
        let Some(writer) = &mut self.writer else { return };
        match op {
            Op::Begin { format, description } => writer.begin(format, description, 1).unwrap(),
            Op::Describe(description) => writer.describe(description).unwrap(),
            Op::Write { frames } => {
                let bytes = frames * writer.format().unwrap().frame_bytes() as usize;
                self.written += 1;
                let samples: Vec<u8> = (0..bytes).map(|byte| (byte as u64 ^ self.written) as u8).collect();
                let times: Vec<f64> = (0..*frames).map(|frame| self.written as f64 + frame as f64 / 64.0).collect();
                let (times, send_ns) = (Times::Values(&times), self.written as i64 * 1000);
                writer.write(&Chunk { samples: &samples, times, send_ns }).unwrap();
            }
            Op::Close => self.writer = None,
            Op::Read => {}
        }
    }
}

/// The properties of a generation that are the same for all of its readers.
type Identity = (Format, u32, WriterId);

/// Reads message after message into plain lists.
struct Reference {
    reader: MessageReader,
    message: Message,
    read: Vec<(Identity, Vec<Plain>)>,
}

impl Reference {
    fn read(&mut self) {
        loop {
            match self.reader.next(&mut self.message).unwrap() {
                Outcome::Nothing => return,
                Outcome::Closed => {}
                Outcome::Generation => {
                    let format = self.reader.format().unwrap().clone();
                    let identity = (format, self.reader.generation().unwrap(), self.reader.writer_of_ring().unwrap());
                    self.read.push((identity, Vec::new()));
                }
                Outcome::Data(_) => {
                    let info = self.message.info();
                    let row = Plain {
                        info: RowInfo {
                            chunk: Some(info.chunk),
                            position: info.first,
                            lost: info.lost,
                            sent_ns: info.send_ns,
                            mono_ns: info.mono_ns,
                            description_missed: self.reader.description_missed(),
                        },
                        description: self.reader.description().map(|description| description.as_ref().clone()),
                        times: self.message.times().iter().map(|time| time.to_bits()).collect(),
                        samples: self.message.samples().to_vec(),
                    };
                    self.read.last_mut().expect("a generation comes first").1.push(row);
                }
            }
        }
    }
}

fn reader(name: &str) -> MessageReader {
    MessageReader::open(name, ReaderOptions::default().start(Start::Oldest)).unwrap()
}

/// A recorder and its reader.
struct Recording {
    reader: MessageReader,
    recorder: Recorder,
}

impl Recording {
    fn begin(name: &str, path: &Path) -> Self {
        let writer = RecordingWriter::new(fs::File::create(path).unwrap());
        let limits = Limits { follow: true, ..Limits::default() };
        let reader = reader(name);
        Self { recorder: Recorder::new(name, &reader, writer, limits).unwrap(), reader }
    }

    fn read(&mut self) {
        // As the command does: a wait may also move the reader to the next ring.
        self.reader.wait(Duration::ZERO).unwrap();
        while self.recorder.step(&mut self.reader).unwrap() != Step::Nothing {}
    }

    fn finish(self) -> Counts {
        let (counts, bytes) = self.recorder.finish(&self.reader).unwrap();
        assert!(bytes == 0 || counts.generations > 0);
        counts
    }
}

/// Records into `path` what `ops` do to a stream. Returns what the reference model read, and how many frames it lost.
fn record(path: &Path, ops: &[Op]) -> (Vec<(Identity, Vec<Plain>)>, u64) {
    let name = unique_name();
    let mut source = Source { name: name.clone(), writer: None, written: 0 };
    let mut reference = Reference { reader: reader(&name), message: Message::new(), read: Vec::new() };
    let mut recording = Recording::begin(&name, path);
    for op in ops.iter().chain([&Op::Close, &Op::Read]) {
        source.act(op);
        if matches!(op, Op::Read) {
            reference.read();
            recording.read();
        }
    }
    let counts = recording.finish();
    assert_eq!(counts.lost, reference.reader.lost());
    let left = dora_shm_ring::streams().unwrap();
    assert!(!left.iter().any(|stream| matches!(stream, StreamInfo::Stream(info) if info.name == name)));
    (reference.read, counts.lost)
}

fn identity(generation: &Generation) -> Identity {
    (generation.format.clone(), generation.number, generation.writer)
}

/// Plays without sleeping, and lets a recorder read before each message.
struct Drain<'a>(&'a mut Recording);

impl Pause for Drain<'_> {
    fn pause(&mut self, _: &mut Writer, _: Instant, _: &Played, _: Duration) -> bool {
        self.0.read();
        true
    }
}

/// Plays `from` in `rounds` rounds, and records that into `to`.
fn play(from: &Path, to: &Path, rounds: u32) -> Played {
    let name = unique_name();
    let mut recording = Recording::begin(&name, to);
    let options = WriterOptions::default().keep_replaced(true);
    let writer = Writer::create(&name, options).unwrap();
    let pace = Pace { speed: f64::INFINITY, max_gap: Duration::MAX, hold: Duration::ZERO };
    let mut player = Player::new(writer, pace, Drain(&mut recording));
    for _ in 0..rounds {
        let mut reader = RecordingReader::open(from).unwrap();
        while let Some(part) = reader.next().unwrap() {
            assert!(match part {
                Part::Generation(generation) => player.begin(generation).unwrap(),
                Part::Batch(batch) => player.play(&batch).unwrap(),
            });
        }
        player.end_round().unwrap();
    }
    let played = player.close();
    recording.read();
    recording.finish();
    played
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_recording_is_what_a_reader_reads(ops in vec(op(), 1..40)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recording");
        let (expected, lost) = record(&path, &ops);
        if expected.is_empty() {
            return Ok(());
        }
        let (read, finished) = read(&path).unwrap();
        prop_assert!(finished);
        let mut rows_lost = 0;
        for ((generation, rows), (identity_read, rows_read)) in read.iter().zip(&expected) {
            prop_assert_eq!(&identity(generation), identity_read);
            let (messages, losses): (Vec<_>, Vec<_>) = rows.iter().cloned().partition(|row| row.info.chunk.is_some());
            prop_assert_eq!(&messages, rows_read);
            if let Some(first) = messages.first() {
                prop_assert_eq!(&generation.description, &first.description);
            }
            prop_assert!(losses.iter().all(|loss| loss.times.is_empty() && loss.samples.is_empty()));
            rows_lost += rows.iter().map(|row| row.info.lost).sum::<u64>();
        }
        prop_assert_eq!((read.len(), rows_lost), (expected.len(), lost));
    }

    #[test]
    fn what_is_played_and_recorded_again_is_the_same(ops in vec(op(), 1..40)) {
        let folder = tempfile::tempdir().unwrap();
        let (path, again) = (folder.path().join("recording"), folder.path().join("again"));
        record(&path, &ops);
        if fs::metadata(&path).unwrap().len() == 0 {
            return Ok(());
        }
        let played = play(&path, &again, 1);
        let ((first, _), (second, _)) = (read(&path).unwrap(), read(&again).unwrap());
        prop_assert_eq!(second.len(), first.len());
        let mut played_lost = 0;
        for (number, ((old, old_rows), (new, new_rows))) in first.iter().zip(&second).enumerate() {
            prop_assert_eq!(&old.format, &new.format);
            prop_assert_eq!(new.number as usize, number);
            let messages: Vec<&Plain> = old_rows.iter().filter(|row| row.info.chunk.is_some()).collect();
            prop_assert_eq!(new_rows.len(), messages.len());
            let mut position = 0;
            for (chunk, (old, new)) in messages.into_iter().zip(new_rows).enumerate() {
                let info = RowInfo { chunk: Some(chunk as u64), position, lost: 0, mono_ns: new.info.mono_ns, ..old.info };
                // Without a recorded description, the stream keeps the previous one.
                let description = old.description.clone().or(new.description.clone());
                let info = RowInfo { description_missed: false, ..info };
                prop_assert_eq!(new, &Plain { info, description, ..old.clone() });
                position += old.times.len() as u64;
            }
            played_lost += old_rows.iter().map(|row| row.info.lost).sum::<u64>();
        }
        prop_assert_eq!(played.lost, played_lost);
    }
}

#[test]
fn in_a_loop_times_and_send_times_keep_increasing_in_one_generation() {
    let folder = tempfile::tempdir().unwrap();
    let (path, again) = (folder.path().join("recording"), folder.path().join("again"));
    let format = Format::new(Dtype::F32, &[2], 64.0, 64).unwrap();
    let begin = Op::Begin { format, description: Description::default() };
    record(&path, &[begin, Op::Write { frames: 64 }, Op::Read, Op::Write { frames: 64 }, Op::Read]);
    let played = play(&path, &again, 3);
    assert_eq!((played.generations, played.messages, played.frames), (1, 6, 384));
    let (read, finished) = read(&again).unwrap();
    assert!(finished && read.len() == 1);
    let rows = &read[0].1;
    // 64 frames at 64 Hz from 1.0 on, and again from 2.0 on: the next round begins where the third would.
    let times: Vec<f64> = rows.iter().flat_map(|row| &row.times).map(|&bits| f64::from_bits(bits)).collect();
    assert_eq!(times, (0..384).map(|frame| 1.0 + f64::from(frame) / 64.0).collect::<Vec<_>>());
    assert!(rows.windows(2).all(|two| two[0].info.sent_ns < two[1].info.sent_ns));
    assert_eq!(rows[4].samples, rows[0].samples);
}

#[test]
fn the_first_message_of_a_generation_is_in_the_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (name, path) = (unique_name(), folder.path().join("recording"));
    let mut source = Source { name: name.clone(), writer: None, written: 0 };
    let mut recording = Recording::begin(&name, &path);
    for generation in 1..=2_usize {
        let format = Format::new(Dtype::F32, &[generation as u64], 64.0, 64).unwrap();
        source.act(&Op::Begin { format, description: Description::default() });
        source.act(&Op::Write { frames: 5 });
        recording.read();
        recording.recorder.write_if_due().unwrap();
        // As after a kill.
        let (read, finished) = read(&path).unwrap();
        assert_eq!((read.len(), read[generation - 1].1.len(), finished), (generation, 1, false));
    }
}
