//! Turns messages of the stream into messages of dora.

use std::time::Instant;

use arrow::array::ArrayRef;
use arrow::buffer::{Buffer, MutableBuffer};
use dora_node_api::dora_core::config::DataId;
use dora_node_api::metadata::{FRAMING, FRAMING_ARROW_IPC};
use dora_node_api::{
    DataSample, DoraArray, DoraNode, EncodedSample, MetadataParameters, NodeResult, Parameter, SampleAllocator,
};
use dora_shm_message::{Marks, Rebuilder};
use dora_shm_node_kit::report::{Log, Refusals};
use dora_shm_node_kit::settings::ChunkBy;
use dora_shm_ring::{Format, Message, MessageInfo, MessageReader, MessageView, SharedBytes};
use eyre::Context as _;

use crate::chunker::{Chunker, Rule, Run};
use crate::parts::PartsEncoder;

/// What was sent, and what could not be.
#[derive(Debug, Default)]
pub struct Counters {
    pub frames: u64,
    pub chunks: u64,
    pub bytes: u64,
    pub refused: Refusals,
}

/// What a message holds.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    pub frames: u64,
    pub bytes: u64,
    /// Frames lost just before it.
    pub lost: u64,
}

/// A message in dora's memory, or the reason why there is none.
pub type Encoded = Result<(MetadataParameters, Payload), String>;

/// An encoded array.
#[derive(Debug)]
pub enum Payload {
    /// Encoded by dora.
    Encoded(EncodedSample),
    /// Encoded from parts.
    Sample(DataSample),
}

impl Payload {
    fn send(self, node: &mut DoraNode, output: DataId, mut parameters: MetadataParameters) -> NodeResult<()> {
        match self {
            Payload::Encoded(sample) => node.send_output_encoded(output, parameters, sample),
            Payload::Sample(sample) => {
                parameters.insert(FRAMING.to_owned(), Parameter::String(FRAMING_ARROW_IPC.to_owned()));
                node.send_output_sample(output, parameters, Some(sample))
            }
        }
    }
}

/// Sends the output `data`.
pub struct Emitter {
    chunk: ChunkBy,
    output: DataId,
    allocator: SampleAllocator,
    log: Log,
    counters: Counters,
    current: Option<Current>,
    parts: PartsEncoder,
    /// Times of the current message.
    times: Vec<f64>,
    /// Frames that were neither sent nor counted as lost: the next message counts them.
    owed: u64,
    missed_a_description: bool,
}

/// How the messages of one generation and description are rebuilt.
struct Current {
    rebuilder: Result<Rebuilder, String>,
    chunker: Option<Chunker>,
    /// Whether the array of such a message uses its samples in place.
    uses_samples: bool,
}

impl Emitter {
    /// Sends the messages of a stream as they were.
    pub fn new(node: &mut DoraNode, log: Log) -> Self {
        let output = DataId::from("data".to_owned());
        if !node.validate_output(&output) {
            log.warn("the dataflow gives this node no output `data`: nothing will be sent; add `outputs: [data]`");
        }
        let allocator = node.sample_allocator();
        Self {
            chunk: ChunkBy::Message,
            output,
            allocator,
            log,
            counters: Counters::default(),
            current: None,
            parts: PartsEncoder::default(),
            times: Vec::new(),
            owed: 0,
            missed_a_description: false,
        }
    }

    /// Cuts the messages of the next generation by `chunk`.
    pub fn cut_by(&mut self, chunk: ChunkBy) {
        self.chunk = chunk;
    }

    /// The line about messages that could not be sent, if it is time for one.
    pub fn refusals_due(&mut self, now: Instant) -> Option<String> {
        self.counters.refused.due(now)
    }

    /// The counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Copies a message from the ring into dora's memory. This is the only copy, unless the samples have to be
    /// converted or moved back into the source's order. Such samples are first copied out of the ring, because the
    /// writer may overwrite them at any moment.
    pub fn encode(&mut self, reader: &MessageReader, view: &MessageView) -> Encoded {
        self.follow(reader);
        let marks = self.marks(view.info());
        let parts = view.samples();
        let bytes: usize = parts.iter().map(SharedBytes::len).sum();
        let mut times = std::mem::take(&mut self.times);
        view.copy_times_to(&mut times);
        let encoded = self.encode_parts(&parts, bytes, &times, &marks);
        self.times = times;
        encoded
    }

    fn encode_parts(&mut self, parts: &[SharedBytes], bytes: usize, times: &[f64], marks: &Marks) -> Encoded {
        let uses_samples = self.current.as_ref().is_none_or(|current| current.uses_samples);
        if uses_samples && bytes > 0 {
            let blank = self.parts.blank(bytes);
            let (array, parameters) = self.rebuilt(&blank, times, marks)?;
            if let Some(sample) = self.parts.encode(&self.allocator, array, &blank, parts) {
                return Ok((parameters, Payload::Sample(sample?)));
            }
            if let Some(current) = &mut self.current {
                current.uses_samples = false;
            }
        }
        let mut samples = MutableBuffer::from_len_zeroed(bytes);
        let mut rest = samples.as_slice_mut();
        for part in parts {
            let (place, behind) = rest.split_at_mut(part.len());
            part.copy_to(place);
            rest = behind;
        }
        let (array, parameters) = self.rebuilt(&samples.into(), times, marks)?;
        encode(&self.allocator, DoraArray::from(array), parameters)
    }

    fn rebuilt(
        &self,
        samples: &Buffer,
        times: &[f64],
        marks: &Marks,
    ) -> Result<(ArrayRef, MetadataParameters), String> {
        self.rebuilder()?.message(std::slice::from_ref(samples), &[times], marks).map_err(|error| error.to_string())
    }

    /// Sends what [`Emitter::encode`] made of a message that is known to be whole. If it cannot be sent, the next
    /// message counts its frames as lost.
    pub fn send(&mut self, node: &mut DoraNode, encoded: Encoded, sent: Sent) -> eyre::Result<()> {
        let (parameters, payload) = match encoded {
            Ok(encoded) => encoded,
            Err(reason) => {
                if let Some(line) = self.counters.refused.add(reason, Instant::now()) {
                    self.log.warn(&line);
                }
                self.owed = self.owed.saturating_add(sent.lost).saturating_add(sent.frames);
                return Ok(());
            }
        };
        payload.send(node, self.output.clone(), parameters).wrap_err("output data could not be sent")?;
        self.owed = 0;
        self.counters.frames += sent.frames;
        self.counters.chunks += 1;
        self.counters.bytes += sent.bytes;
        Ok(())
    }

    /// Takes a copied message, and sends the runs that it completes.
    pub fn cut(&mut self, node: &mut DoraNode, reader: &MessageReader, message: &Message) -> eyre::Result<()> {
        self.follow(reader);
        if message.times().is_empty() && message.info().lost > 0 {
            // There is no run whose first frame could carry this count.
            self.flush(node)?;
            self.owed = self.owed.saturating_add(message.info().lost);
            return Ok(());
        }
        if let Some(chunker) = self.current.as_mut().and_then(|current| current.chunker.as_mut()) {
            chunker.push(message.info(), message.samples(), message.times(), Instant::now());
        }
        self.send_runs(node)
    }

    /// Sends frames that wait for their run to be complete.
    pub fn flush(&mut self, node: &mut DoraNode) -> eyre::Result<()> {
        if let Some(chunker) = self.current.as_mut().and_then(|current| current.chunker.as_mut()) {
            chunker.flush();
        }
        self.send_runs(node)
    }

    /// Sends a run whose time span is over.
    pub fn due(&mut self, node: &mut DoraNode, now: Instant) -> eyre::Result<()> {
        if let Some(chunker) = self.current.as_mut().and_then(|current| current.chunker.as_mut()) {
            chunker.due(now);
        }
        self.send_runs(node)
    }

    /// When [`Emitter::due`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.current.as_ref()?.chunker.as_ref()?.deadline()
    }

    fn send_runs(&mut self, node: &mut DoraNode) -> eyre::Result<()> {
        while let Some(run) = self.current.as_mut().and_then(|current| current.chunker.as_mut()?.next()) {
            let sent = Sent { frames: run.times.len() as u64, bytes: run.samples.len() as u64, lost: run.info.lost };
            let encoded = self.encode_run(run);
            self.send(node, encoded, sent)?;
        }
        Ok(())
    }

    fn encode_run(&mut self, run: Run) -> Encoded {
        let rebuilder = self.rebuilder()?;
        let samples = [Buffer::from_vec(run.samples)];
        let (array, parameters) =
            rebuilder.run(&samples, &[&run.times], &self.marks(&run.info)).map_err(|error| error.to_string())?;
        encode(&self.allocator, DoraArray::from(array), parameters)
    }

    fn marks(&self, info: &MessageInfo) -> Marks {
        let lost = info.lost.saturating_add(self.owed);
        Marks { send_ns: info.send_ns, generation: info.generation, position: info.first, lost }
    }

    fn rebuilder(&self) -> Result<&Rebuilder, String> {
        match &self.current {
            Some(current) => current.rebuilder.as_ref().map_err(Clone::clone),
            None => Err("the stream has no ring".into()),
        }
    }

    /// Sends what waits, because the next message has a different generation or description.
    pub fn renew(&mut self, node: &mut DoraNode) -> eyre::Result<()> {
        self.flush(node)?;
        self.current = None;
        Ok(())
    }

    /// Makes a rebuilder for the newest message, if there is none.
    fn follow(&mut self, reader: &MessageReader) {
        let missed = reader.description_missed();
        if missed && !self.missed_a_description {
            let refused = reader.info().ok().and_then(|info| info.ezmsg?.refused);
            match refused {
                Some(reason) => {
                    self.log.warn(&format!("the frames are sent without dims, labels and attributes: {reason}"));
                }
                None => self.log.warn(
                    "a description of the stream was replaced before it could be read; its messages are rebuilt with \
                     the last known description, so parameters that changed in between may be wrong",
                ),
            }
        }
        self.missed_a_description = missed;
        if self.current.is_some() {
            return;
        }
        let Some(format) = reader.format() else { return };
        let described = reader.description().cloned().unwrap_or_default();
        let clock = reader.clock().unwrap_or_default();
        let rebuilder = Rebuilder::new(format, &described).map(|rebuilder| rebuilder.on_clock(clock));
        self.current = Some(Current {
            rebuilder: rebuilder.map_err(|error| error.to_string()),
            chunker: rule(self.chunk, format).map(|rule| Chunker::new(rule, format.frame_bytes(), Instant::now())),
            uses_samples: true,
        });
    }
}

fn encode(allocator: &SampleAllocator, array: DoraArray, parameters: MetadataParameters) -> Encoded {
    let sample = allocator.encode_arrow(&array).map_err(|error| error.to_string())?;
    Ok((parameters, Payload::Encoded(sample)))
}

fn rule(chunk: ChunkBy, format: &Format) -> Option<Rule> {
    match chunk {
        ChunkBy::Message => None,
        ChunkBy::Frames(frames) => Some(Rule::Frames(frames)),
        ChunkBy::Duration(span) => Some(Rule::of_span(span, format.rate_hz())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use arrow::array::Float32Array;
    use dora_node_api::integration_testing::{
        IntegrationTestInput, TestingInput, TestingOptions, TestingOutput, output_channel,
    };
    use dora_shm_message::{Interpreter, MessageSettings, Placement};
    use dora_shm_node_kit::report::Level;
    use dora_shm_ring::{Clock, Outcome, ReaderOptions, Times, Writer, WriterOptions};

    use super::*;

    /// The parameters that a mirror sends with the next message of the stream.
    fn emitted(node: &mut DoraNode, reader: &mut MessageReader) -> MetadataParameters {
        let mut emitter = Emitter::new(node, Log::new("test", Level::default()));
        loop {
            match reader.view().unwrap() {
                Outcome::Data(view) => {
                    let (parameters, _) = emitter.encode(reader, &view).unwrap();
                    assert!(reader.finish(view), "the writer does not overwrite it");
                    return parameters;
                }
                Outcome::Closed => panic!("the stream has a message"),
                Outcome::Nothing | Outcome::Generation => drop(reader.wait(Duration::from_secs(1)).unwrap()),
            }
        }
    }

    #[test]
    fn a_second_ring_has_the_times_of_the_first_and_its_clock_unless_that_is_monotonic() {
        let (sender, _outputs) = output_channel();
        let input = IntegrationTestInput::new("test-node".parse().unwrap(), Vec::new());
        let options = TestingOptions { skip_output_time_offsets: true };
        let (mut node, _events) =
            DoraNode::init_testing(TestingInput::Input(input), TestingOutput::ToChannel(sender), options).unwrap();
        let array: ArrayRef = Arc::new(Float32Array::from(vec![0.5; 3]));
        // By the rate, and with a jump.
        for (test, stated) in [("even", vec![1000.5, 1000.75, 1001.0]), ("uneven", vec![1000.5, 1000.75, 1002.0])] {
            for (clock, expected) in
                [(Clock::Unix, Clock::Unix), (Clock::Source, Clock::Source), (Clock::Monotonic, Clock::Unix)]
            {
                let name = format!("dora-shm-mirror-test/{}/{test}-{clock}", std::process::id());
                let settings = MessageSettings { time: Some("t".into()), clock: Some(clock), ..Default::default() };
                let sent = MetadataParameters::from([
                    ("sample_rate".to_owned(), Parameter::Float(4.0)),
                    ("t".to_owned(), Parameter::ListFloat(stated.clone())),
                ]);
                let mut first = Interpreter::new("data", settings);
                let chunk = first.interpret(&array, &sent, 5).unwrap();
                let plan = chunk.plan().unwrap();
                let Placement::Given(times) = chunk.placement() else { panic!("{:?}", chunk.placement()) };
                let mut writer = Writer::create(&name, WriterOptions::default()).unwrap();
                let mut reader = MessageReader::open(&name, ReaderOptions::default()).unwrap();
                let format = Format::new(plan.dtype(), plan.frame_shape(), 4.0, 100).unwrap().on_clock(plan.clock());
                writer.begin(&format, plan.description(), 1).unwrap();
                writer.write_with(3, times, 5, |range, memory| chunk.fill(range, memory)).unwrap();

                let parameters = emitted(&mut node, &mut reader);
                assert_eq!(parameters.contains_key("axis_values"), test == "uneven", "{parameters:?}");
                let times = match clock {
                    Clock::Monotonic => reader.clock().unwrap().times_on(Clock::Unix, &stated).unwrap(),
                    _ => stated.clone(),
                };
                let mut second = Interpreter::new("data", MessageSettings::default());
                let again = second.interpret(&array, &parameters, 7).unwrap();
                assert_eq!(again.plan().unwrap().clock(), expected, "{parameters:?}");
                match again.placement() {
                    Placement::Given(Times::Values(values)) => assert_eq!(values, times),
                    Placement::Given(Times::Linear { start, step }) => assert_eq!((start, step), (times[0], 0.25)),
                    other => panic!("{other:?}"),
                }
                writer.close();
            }
        }
    }
}
