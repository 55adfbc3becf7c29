//! A slow, obvious reference model checks the library: random histories of one writer and several readers, step by
//! step, for which both must give the same results. Nothing runs concurrently, so the model predicts everything
//! exactly: what is read, what is lost and when, where a lapped reader continues, and which description is in force.

mod model;
mod steps;

use std::collections::HashSet;
use std::time::Duration;

use dora_shm_ring::*;
use dora_shm_testkit::Name;
use proptest::prelude::*;
use steps::{READERS, Step};

/// Longer than any history takes.
const FOREVER: Duration = Duration::from_secs(3600);

/// Long enough for a live stream never to be idle here.
const NEVER_IDLE: Duration = Duration::from_secs(3600);

fn options(start: Start) -> ReaderOptions {
    ReaderOptions::default().start(start).idle_after(NEVER_IDLE)
}

struct Pair {
    reader: Reader,
    model: model::Reader,
    frames: Frames,
    /// The ring (by the model's number), and positions.
    view: Option<(View, (usize, usize), u64, u64)>,
    /// The empty messages that came with frames that were read: their streams, rings and numbers.
    empty: HashSet<(usize, usize, usize)>,
}

struct MessagePair {
    reader: MessageReader,
    model: model::Reader,
    message: Message,
    view: Option<(MessageView, (usize, usize), model::Got)>,
}

/// The library and the model, side by side.
struct Bench {
    name: String,
    writer: Option<Writer>,
    world: model::World,
    readers: Vec<Pair>,
    message_readers: Vec<MessagePair>,
    /// Frames ever written, so that no two frames have the same content.
    written: u64,
}

fn samples(seed: u64, frame_bytes: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(frame_bytes as usize + 8);
    while (bytes.len() as u64) < frame_bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(frame_bytes as usize);
    bytes
}

#[track_caller]
fn same_frames(times: &[f64], samples: &[u8], ring: &model::Ring, from: u64, to: u64) {
    assert_eq!(times.len() as u64, to - from);
    let frame_bytes = ring.format.frame_bytes() as usize;
    assert_eq!(samples.len(), frame_bytes * times.len());
    for (i, position) in (from..to).enumerate() {
        let frame = ring.frame(position);
        assert_eq!(times[i], frame.time, "the time at {position}");
        assert!(samples[frame_bytes * i..][..frame_bytes] == frame.samples, "the samples at {position}");
    }
}

impl Bench {
    fn new(name: String, keeps_rings: bool) -> Self {
        let mut bench = Self {
            name,
            writer: None,
            world: model::World { keeps_rings, ..model::World::default() },
            readers: Vec::new(),
            message_readers: Vec::new(),
            written: 0,
        };
        for _ in 0..READERS {
            bench.readers.push(bench.pair(Start::Newest));
            bench.message_readers.push(bench.message_pair(Start::Newest));
        }
        bench
    }

    fn pair(&self, start: Start) -> Pair {
        Pair {
            reader: Reader::open(&self.name, options(start)).unwrap(),
            model: model::Reader::open(&self.world, false, start),
            frames: Frames::new(),
            view: None,
            empty: HashSet::new(),
        }
    }

    fn message_pair(&self, start: Start) -> MessagePair {
        MessagePair {
            reader: MessageReader::open(&self.name, options(start)).unwrap(),
            model: model::Reader::open(&self.world, true, start),
            message: Message::new(),
            view: None,
        }
    }

    fn write(&mut self, frames: u64, linear: bool, in_place: bool) {
        let Some(writer) = &mut self.writer else { return };
        let Some(format) = writer.format().cloned().filter(|_| writer.generation().is_some()) else {
            let empty = Chunk { samples: &[], times: Times::Values(&[]), send_ns: 0 };
            assert!(matches!(writer.write(&empty), Err(Error::NoGeneration)));
            return;
        };
        let frame_bytes = format.frame_bytes();
        let (start, step) = (self.written as f64 * 0.01, if linear { 0.01 } else { 0.02 });
        let of =
            |i: u64| model::Frame { time: start + i as f64 * step, samples: samples(self.written + i, frame_bytes) };
        let chunk: Vec<model::Frame> = (0..frames).map(of).collect();
        self.written += frames;
        let times: Vec<f64> = chunk.iter().map(|frame| frame.time).collect();
        let times = if linear { Times::Linear { start, step } } else { Times::Values(&times) };
        let bytes: Vec<u8> = chunk.iter().flat_map(|frame| frame.samples.clone()).collect();
        let send_ns = self.written as i64 - 50;
        if in_place {
            writer
                .write_with(frames, times, send_ns, |range, memory| {
                    assert_eq!(memory.len() as u64, (range.end - range.start) * frame_bytes);
                    memory.copy_from_slice(&bytes[(range.start * frame_bytes) as usize..][..memory.len()]);
                })
                .unwrap();
        } else {
            writer.write(&Chunk { samples: &bytes, times, send_ns }).unwrap();
        }
        self.world.write(chunk, send_ns);
        let ring = self.world.newest().rings.last().unwrap();
        assert_eq!((writer.position(), writer.ring_frames()), (ring.written, ring.length));
        assert_eq!(writer.stream_position(), ring.base + ring.written);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Create if self.writer.is_none() => {
                // Whether a ring is young must not depend on how long a history takes.
                let young = if self.world.keeps_rings { FOREVER } else { Duration::ZERO };
                let options = WriterOptions::default().young_rings(young, FOREVER);
                self.writer = Some(Writer::create(&self.name, options).unwrap());
                self.world.create();
            }
            Step::Create => {
                let second = Writer::create(&self.name, WriterOptions::default());
                assert!(matches!(second, Err(Error::Live { .. })));
            }
            Step::Close => {
                if self.writer.take().is_some() {
                    self.world.close();
                }
            }
            Step::Begin { format, frames, rate_hz, description, first_chunk_frames } => {
                let Some(writer) = &mut self.writer else { return };
                let format = steps::format(format, frames, rate_hz);
                let description = steps::description(description);
                writer.begin(&format, &description, first_chunk_frames).unwrap();
                self.world.begin(&format, &description, first_chunk_frames);
                let generation = self.world.newest().rings.len() as u32 - 1;
                assert_eq!(writer.generation(), Some(generation));
            }
            Step::Describe(description) => {
                let Some(writer) = &mut self.writer else { return };
                let description = steps::description(description);
                let result = writer.describe(&description);
                if self.world.newest().rings.is_empty() {
                    assert!(matches!(result, Err(Error::NoGeneration)));
                } else {
                    result.unwrap();
                    self.world.describe(&description);
                }
            }
            Step::Write { thousandths, at_least, linear, in_place } => {
                let length = self.writer.as_ref().map_or(0, Writer::ring_frames);
                self.write((length * thousandths / 1000).max(at_least), linear, in_place);
            }
            Step::WriteMany { messages, frames } => {
                // Large frames would only take longer.
                let large = self.writer.as_ref().and_then(Writer::format).is_some_and(|f| f.frame_bytes() > 100_000);
                for i in 0..messages {
                    self.write(if large { 0 } else { frames * (i % 2) }, true, false);
                }
            }
            Step::Open(i, start) => self.readers[i] = self.pair(start),
            Step::OpenMessages(i, start) => self.message_readers[i] = self.message_pair(start),
            Step::Read(i, _) | Step::Latest(i, _) | Step::LatestDuration(i, _) => {
                self.readers[i].read(&self.world, step);
            }
            Step::View(i, _) | Step::Finish(i) | Step::Wait(i) | Step::Skip(i) => {
                self.readers[i].borrow(&self.world, step)
            }
            Step::Next(i)
            | Step::ViewMessage(i)
            | Step::FinishMessage(i)
            | Step::WaitMessages(i)
            | Step::SkipMessages(i) => {
                self.message_readers[i].step(&self.world, step);
            }
        }
    }

    /// Compares everything that can be read without moving the cursor.
    fn compare(&mut self) {
        for Pair { reader, model, .. } in &mut self.readers {
            assert_eq!(reader.lost(), model.lost);
            assert_eq!(reader.position(), model.position);
            assert_eq!(reader.lag().frames, model.lag(&self.world));
            assert_eq!(reader.generation(), model.ring_id().map(|(_, ring)| ring as u32));
            assert_eq!(reader.format(), model.ring(&self.world).map(|ring| &ring.format));
            assert_eq!(reader.description().map(|d| &**d), model.description(&self.world));
            assert_eq!(reader.description_missed(), model.description_missed);
            assert_eq!(reader.liveness(NEVER_IDLE).unwrap(), model.liveness(&self.world));
            let events: Vec<_> = std::iter::from_fn(|| reader.next_event()).map(model::Event::from).collect();
            assert_eq!(events, std::mem::take(&mut model.events));
        }
        for MessagePair { reader, model, .. } in &mut self.message_readers {
            assert_eq!(reader.lost(), model.lost);
            assert_eq!(reader.lag().frames, model.lag(&self.world));
            assert_eq!(reader.generation(), model.ring_id().map(|(_, ring)| ring as u32));
            assert_eq!(reader.format(), model.ring(&self.world).map(|ring| &ring.format));
            assert_eq!(reader.description().map(|d| &**d), model.description(&self.world));
            assert_eq!(reader.description_missed(), model.description_missed);
            assert_eq!(reader.liveness(NEVER_IDLE).unwrap(), model.liveness(&self.world));
            let events: Vec<_> = std::iter::from_fn(|| reader.next_event()).map(model::Event::from).collect();
            assert_eq!(events, std::mem::take(&mut model.events));
        }
    }
}

impl Pair {
    fn read(&mut self, world: &model::World, step: &Step) {
        let Self { reader, model, frames, .. } = self;
        let (from, to, lost) = match *step {
            Step::Latest(_, wanted) => {
                let (from, to) = model.latest(world, wanted);
                assert_eq!(reader.latest(wanted, frames).unwrap(), to - from);
                (from, to, 0)
            }
            Step::LatestDuration(_, seconds) => {
                let (from, to) = model.latest_duration(world, seconds);
                let within = reader.frames_within(seconds).unwrap();
                assert_eq!(reader.latest(within, frames).unwrap(), to - from);
                (from, to, 0)
            }
            Step::Read(_, max) => {
                let outcome = model.read(world, max);
                assert_eq!(reader.read(frames, max).unwrap(), outcome.map(|(from, to, _)| to - from));
                outcome.data().unwrap_or_default()
            }
            _ => unreachable!(),
        };
        assert_eq!((frames.frames(), frames.lost()), (to - from, lost));
        if from < to {
            assert_eq!((frames.first(), frames.generation()), (from, model.ring_id().unwrap().1 as u32));
            same_frames(frames.times(), frames.samples(), model.ring(world).unwrap(), from, to);
        }
        self.same_messages(world, from, to, matches!(step, Step::Read(..)));
    }

    /// Compares the messages of frames. Those of `new` frames include no empty message that came before.
    fn same_messages(&mut self, world: &model::World, from: u64, to: u64, new: bool) {
        let mut found = Vec::new();
        self.reader.messages(from..to, &mut found);
        let expected = self.model.messages(world, from, to);
        let numbers =
            |info: &MessageInfo| (info.generation as usize, info.chunk as usize, info.first, info.frames, info.send_ns);
        let of_model = |(ring, chunk, message): &(usize, usize, model::Message)| {
            (*ring, *chunk, message.first, message.frames, message.send_ns)
        };
        let found: Vec<_> = found.iter().map(numbers).collect();
        assert_eq!(found, expected.iter().map(of_model).collect::<Vec<_>>());
        for (ring, chunk, _) in expected.iter().filter(|(_, _, message)| new && message.frames == 0) {
            let stream = self.model.ring_id().unwrap().0;
            assert!(self.empty.insert((stream, *ring, *chunk)), "empty message {chunk} of ring {ring} came twice");
        }
    }

    fn borrow(&mut self, world: &model::World, step: &Step) {
        match *step {
            Step::View(_, max) => {
                let mut lent = None;
                let outcome = self.reader.view(max).unwrap().map(|view| {
                    let (from, to) = (view.first(), view.first() + view.frames());
                    lent = Some((view, from, to));
                    (from, to)
                });
                assert_eq!(outcome, self.model.view(world, max));
                self.view = lent.map(|(view, from, to)| (view, self.model.ring_id().unwrap(), from, to));
            }
            Step::Finish(_) => {
                let Some((view, ring, from, to)) = self.view.take() else { return };
                let mut times = Vec::new();
                view.copy_times_to(&mut times);
                let samples = view.samples().map(|part| part.to_vec()).concat();
                let whole = self.model.finish(world, ring, from, to);
                assert_eq!(self.reader.finish(view), whole.0..whole.1);
                self.same_messages(world, whole.0, whole.1, true);
                if whole.0 < whole.1 {
                    let skipped = (whole.0 - from) as usize;
                    let model = self.model.ring(world).unwrap();
                    let bytes = skipped * model.format.frame_bytes() as usize;
                    same_frames(&times[skipped..], &samples[bytes..], model, whole.0, whole.1);
                }
            }
            Step::Wait(_) => assert_wait(self.reader.wait(Duration::ZERO), &mut self.model, world),
            Step::Skip(_) => assert_eq!(self.reader.skip_to_newest().unwrap(), self.model.skip_to_newest(world)),
            _ => unreachable!(),
        }
    }
}

fn assert_wait(wait: Result<Wait>, model: &mut model::Reader, world: &model::World) {
    let expected = if model.would_be_ready(world) { Wait::Ready } else { Wait::Timeout(model.liveness(world)) };
    assert_eq!(wait.unwrap(), expected);
}

impl MessagePair {
    fn step(&mut self, world: &model::World, step: &Step) {
        match step {
            Step::Next(_) => {
                let found = self.model.find(world);
                let read = self.reader.next(&mut self.message).unwrap();
                assert_eq!(read.map(|_| ()), found.map(|_| ()));
                if let (Outcome::Data(info), Outcome::Data(got)) = (read, found) {
                    let message = &self.message;
                    self.model.pass(&got);
                    assert_eq!(*message.info(), info);
                    self.same(world, &info, &got);
                    let (from, to) = (got.message.first, got.message.first + got.message.frames);
                    same_frames(message.times(), message.samples(), self.model.ring(world).unwrap(), from, to);
                }
            }
            Step::ViewMessage(_) => {
                let found = self.model.find(world);
                let mut lent = None;
                let outcome = self.reader.view().unwrap().map(|view| lent = Some(view));
                assert_eq!(outcome, found.map(|_| ()));
                self.view = lent.zip(found.data()).map(|(view, got)| {
                    self.same(world, view.info(), &got);
                    (view, self.model.ring_id().unwrap(), got)
                });
            }
            Step::FinishMessage(_) => {
                let Some((view, ring, got)) = self.view.take() else { return };
                let mut times = Vec::new();
                view.copy_times_to(&mut times);
                let samples = view.samples().map(|part| part.to_vec()).concat();
                let whole = self.model.finish_message(world, ring, &got);
                assert_eq!(self.reader.finish(view), whole);
                if whole {
                    let (from, to) = (got.message.first, got.message.first + got.message.frames);
                    same_frames(&times, &samples, self.model.ring(world).unwrap(), from, to);
                }
            }
            Step::WaitMessages(_) => assert_wait(self.reader.wait(Duration::ZERO), &mut self.model, world),
            Step::SkipMessages(_) => {
                assert_eq!(self.reader.skip_to_newest().unwrap(), self.model.skip_to_newest(world))
            }
            _ => unreachable!(),
        }
    }

    #[track_caller]
    fn same(&self, world: &model::World, info: &MessageInfo, got: &model::Got) {
        let (_, generation) = self.model.ring_id().unwrap();
        let base = self.model.ring(world).unwrap().base;
        let message = got.message;
        assert_eq!((info.chunk, info.generation, info.lost), (got.chunk, generation as u32, got.lost));
        assert_eq!((info.first, info.frames, info.send_ns), (message.first, message.frames, message.send_ns));
        assert_eq!(info.stream_position, base + message.first);
    }
}

fn judge(history: &[Step], keeps_rings: bool) {
    let name = Name::new("model");
    let mut bench = Bench::new(name.to_string(), keeps_rings);
    for step in history {
        bench.step(step);
        bench.compare();
    }
}

/// Most histories begin with a stream that has a ring.
fn history() -> impl Strategy<Value = Vec<Step>> {
    (any::<bool>(), prop::collection::vec(steps::step(), 1..120)).prop_map(|(from_nothing, mut steps)| {
        if !from_nothing {
            let begin = Step::Begin { format: 1, frames: 9, rate_hz: 100.0, description: 0, first_chunk_frames: 1 };
            steps.splice(0..0, [Step::Create, begin]);
        }
        steps
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_library_agrees_with_its_reference_model(history in history()) {
        judge(&history, false);
    }

    #[test]
    fn the_library_agrees_with_its_reference_model_if_rings_are_kept(history in history()) {
        judge(&history, true);
    }
}

/// A reader that took a description in place of one that was gone has missed none in the next ring.
#[test]
fn a_newer_description_than_the_frames_own_does_not_count_as_missed() {
    judge(
        &[
            Step::Create,
            Step::Begin { format: 1, frames: 9, rate_hz: 100.0, description: 0, first_chunk_frames: 1 },
            Step::Write { thousandths: 0, at_least: 1, linear: false, in_place: false },
            Step::Describe(2),
            Step::View(0, 1),
            Step::Begin { format: 0, frames: 1, rate_hz: 100.0, description: 2, first_chunk_frames: 0 },
            Step::Read(0, 1),
        ],
        false,
    );
}
