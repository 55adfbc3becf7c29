//! The whole mirror without a daemon: a real stream in, the recorded outputs out.

use std::thread::JoinHandle;

use dora_node_api::DoraNode;
use dora_node_api::integration_testing::integration_testing_format::{IncomingEvent, InputData, TimedIncomingEvent};
use dora_node_api::integration_testing::{
    IntegrationTestInput, OutputReceiver, TestingInput, TestingOptions, TestingOutput, drain_outputs, output_channel,
};
use dora_shm_mirror::{Opened, run};
use dora_shm_node_kit::events::Stopper;
use dora_shm_node_kit::launch::Surroundings;
use dora_shm_node_kit::settings::NodeEnv;
use dora_shm_ring::{Chunk, Description, Dtype, Format, SHM_DIR, Times, Writer, WriterOptions, shorten};
use dora_shm_testkit::wait_until;
use serde_json::{Value, json};

fn stream_name(test: &str) -> String {
    format!("dora-shm-mirror-test/{}/{test}", std::process::id())
}

fn settings(name: &str, others: &[(&str, &str)]) -> Opened {
    let named = [("SHMEM_NAME", name)];
    let opened = open(&others.iter().copied().chain(named).collect::<Vec<_>>());
    assert_eq!(opened.started.failure(), None);
    opened
}

fn open(own: &[(&str, &str)]) -> Opened {
    let own = own.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    let env = NodeEnv { own, ..NodeEnv::default() };
    Opened::open(&Surroundings { node: "test-node".into(), dataflow: "test".into(), env, min_log_level: None })
}

fn writer_of(name: &str, frames: u64) -> Writer {
    let mut writer = Writer::create(name, WriterOptions::default()).unwrap();
    let format = Format::new(Dtype::F32, &[2], 100.0, frames).unwrap();
    let description = Description { dims: vec!["time".into(), "ch".into()], ..Description::default() };
    writer.begin(&format, &description, 1).unwrap();
    writer
}

/// Writes `frames` frames of two channels that count on from `first`.
fn write(writer: &mut Writer, first: u32, frames: u32) {
    let samples: Vec<u8> = (2 * first..2 * (first + frames)).flat_map(|sample| (sample as f32).to_le_bytes()).collect();
    let times = Times::Linear { start: f64::from(first) * 0.01, step: 0.01 };
    writer.write(&Chunk { samples: &samples, times, send_ns: 1 }).unwrap();
}

fn counted(first: u32, frames: u32) -> Value {
    json!((2 * first..2 * (first + frames)).map(|sample| sample as f32).collect::<Vec<_>>())
}

/// A mirror that runs on its own thread.
struct Mirroring {
    thread: JoinHandle<eyre::Result<()>>,
    outputs: OutputReceiver,
    messages: Vec<Value>,
    /// The rows of the output `status`.
    reports: Vec<Value>,
    stopper: Stopper,
}

impl Mirroring {
    fn start(opened: Opened) -> Self {
        Self::start_with(opened, Vec::new())
    }

    /// A mirror that gets `documents` on its input `settings`, before anything else.
    fn start_with(opened: Opened, documents: Vec<String>) -> Self {
        // Outputs are recorded only when an event is due: a tick every 2 ms, for longer than any test runs.
        let tick = |i| TimedIncomingEvent {
            time_offset_secs: 0.002 * f64::from(i),
            event: IncomingEvent::Input { id: "tick".to_owned().into(), metadata: None, data: None },
        };
        let document = |document: String| TimedIncomingEvent {
            time_offset_secs: 0.0,
            event: IncomingEvent::Input {
                id: "settings".to_owned().into(),
                metadata: None,
                data: Some(Box::new(InputData::JsonObject { data: json!([document]), data_type: Some(json!("Utf8")) })),
            },
        };
        let events = documents.into_iter().map(document).chain((0..30_000).map(tick)).collect();
        let input = IntegrationTestInput::new("test-node".parse().unwrap(), events);
        let (sender, outputs) = output_channel();
        let stopper = Stopper::default();
        let stopped = stopper.clone();
        let thread = std::thread::spawn(move || {
            let options = TestingOptions { skip_output_time_offsets: true };
            let (node, events) =
                DoraNode::init_testing(TestingInput::Input(input), TestingOutput::ToChannel(sender), options)?;
            run(node, events, opened, stopped)
        });
        Self { thread, outputs, messages: Vec::new(), reports: Vec::new(), stopper }
    }

    /// Waits until the mirror has sent this many messages.
    fn until(&mut self, messages: usize) {
        wait_until(&format!("{messages} messages"), || {
            let ended = self.thread.is_finished();
            self.collect();
            let there = self.messages.len() >= messages;
            assert!(there || !ended, "it ended after {:?}", self.messages);
            there
        });
    }

    fn collect(&mut self) {
        for output in drain_outputs(&mut self.outputs) {
            match output["id"].as_str() {
                Some("data") => self.messages.push(output["data"].clone()),
                Some("status") => self.reports.push(output["data"][0].clone()),
                other => panic!("an output {other:?}"),
            }
        }
    }

    fn stop(self) -> (eyre::Result<()>, Vec<Value>) {
        self.stopper.stop();
        self.finish()
    }

    fn finish(mut self) -> (eyre::Result<()>, Vec<Value>) {
        wait_until("the mirror ends", || self.thread.is_finished());
        self.collect();
        (self.thread.join().unwrap(), self.messages)
    }
}

#[test]
fn messages_come_out_as_they_went_in_even_empty_ones() {
    let name = stream_name("messages");
    let mut writer = writer_of(&name, 100);
    for (first, frames) in [(0, 3), (3, 0), (3, 5)] {
        write(&mut writer, first, frames);
    }
    let mut mirroring = Mirroring::start(settings(&name, &[("START", "oldest"), ("ON_CLOSE", "stop")]));
    mirroring.until(3);
    write(&mut writer, 8, 1);
    writer.close();
    let (ended, messages) = mirroring.finish();
    ended.unwrap();
    assert_eq!(messages, [counted(0, 3), json!([]), counted(3, 5), counted(8, 1)]);
}

#[test]
fn messages_that_wrap_around_the_rings_end_come_out_as_they_went_in() {
    let name = stream_name("wraps");
    let mut writer = writer_of(&name, 10);
    let mut mirroring = Mirroring::start(settings(&name, &[("START", "oldest"), ("ON_CLOSE", "stop")]));
    let mut expected = Vec::new();
    for (i, frames) in [3, 3, 3, 3, 3, 3, 3, 3, 3, 7, 7, 7, 3, 3, 3, 3].into_iter().enumerate() {
        let first = 100 * i as u32;
        write(&mut writer, first, frames);
        expected.push(counted(first, frames));
        mirroring.until(i + 1);
    }
    writer.close();
    let (ended, messages) = mirroring.finish();
    ended.unwrap();
    assert_eq!(messages, expected);
}

#[test]
fn a_stream_that_begins_later_is_mirrored_from_its_first_frame_and_so_is_its_next_writer() {
    let name = stream_name("waits");
    let mut mirroring = Mirroring::start(settings(&name, &[]));
    let mut writer = writer_of(&name, 100);
    write(&mut writer, 0, 2);
    mirroring.until(1);
    writer.close();
    let mut writer = writer_of(&name, 200);
    write(&mut writer, 5, 2);
    mirroring.until(2);
    let (ended, messages) = mirroring.stop();
    ended.unwrap();
    assert_eq!(messages, [counted(0, 2), counted(5, 2)]);
}

#[test]
fn messages_can_be_cut_to_another_length_and_the_rest_comes_at_the_end() {
    let name = stream_name("cut");
    let mut writer = writer_of(&name, 100);
    for first in 0..5 {
        write(&mut writer, 2 * first, 2);
    }
    let chunks = [("START", "oldest"), ("ON_CLOSE", "stop"), ("CHUNK", "3")];
    let mut mirroring = Mirroring::start(settings(&name, &chunks));
    mirroring.until(3);
    writer.close();
    let (ended, messages) = mirroring.finish();
    ended.unwrap();
    assert_eq!(messages, [counted(0, 3), counted(3, 3), counted(6, 3), counted(9, 1)]);
}

#[test]
fn with_on_loss_stop_a_loss_ends_the_mirror_and_the_error_counts_the_frames() {
    let name = stream_name("loss");
    let mut writer = writer_of(&name, 16);
    let mut mirroring = Mirroring::start(settings(&name, &[("START", "oldest"), ("ON_LOSS", "stop")]));
    write(&mut writer, 0, 1);
    mirroring.until(1);
    // These are written without a pause, while the mirror at most waits for an output to be recorded, so it is lapped
    // many times.
    for first in 1..100_000 {
        write(&mut writer, first, 1);
    }
    let (ended, _) = mirroring.finish();
    let error = format!("{:#}", ended.unwrap_err());
    assert!(error.contains("ON_LOSS: stop") && error.contains("frames were lost"), "{error}");
}

#[test]
fn an_order_to_stop_ends_a_mirror_of_a_stream_that_never_comes() {
    let mirroring = Mirroring::start(settings(&stream_name("never"), &[]));
    let (ended, messages) = mirroring.stop();
    ended.unwrap();
    assert!(messages.is_empty());
}

/// Waits until the mirror reports that it has failed, in a report that has not been collected yet.
fn until_failed(mirroring: &mut Mirroring) -> Value {
    mirroring.reports.clear();
    wait_until("the mirror reports a failure", || {
        mirroring.collect();
        mirroring.reports.last().is_some_and(|report| report["state"] == "failed")
    });
    mirroring.reports.last().unwrap().clone()
}

#[test]
fn a_mirror_without_a_name_reports_it_and_mirrors_once_a_document_names_the_stream() {
    let name = stream_name("named-later");
    let mut writer = writer_of(&name, 100);
    write(&mut writer, 0, 3);
    let opened = open(&[("START", "oldest"), ("ON_CLOSED", "wait")]);
    assert!(opened.started.failure().is_some_and(|failure| failure.contains("SHMEM_NAME is missing")));
    let documents = ["shmem_name: [no, name]".into(), "on_close: stop".into(), format!("shmem_name: {name}")];
    let mut mirroring = Mirroring::start_with(opened, documents.into());
    mirroring.until(1);
    writer.close();
    let (ended, messages) = mirroring.finish();
    ended.unwrap();
    assert_eq!(messages, [counted(0, 3)]);
}

#[test]
fn a_mirror_that_has_failed_reports_the_stream_that_its_settings_name() {
    let name = stream_name("named");
    let mut mirroring = Mirroring::start(open(&[("SHMEM_NAME", &name), ("CHUNK", "some")]));
    assert_eq!(until_failed(&mut mirroring)["stream"], json!(name));
    assert!(mirroring.stop().0.is_err());
}

#[test]
fn a_mirror_that_is_still_failed_at_its_end_ends_with_the_reason() {
    let mut mirroring = Mirroring::start(open(&[("CHUNK", "some")]));
    let report = until_failed(&mut mirroring);
    let reason = report["error"].as_str().unwrap();
    assert!(reason.contains("SHMEM_NAME is missing") && reason.contains("20ms"), "{reason}");
    assert_eq!(report["stream"], json!(""));
    let (ended, messages) = mirroring.stop();
    let error = format!("{:#}", ended.unwrap_err());
    assert!(error.contains("has not recovered") && error.contains("SHMEM_NAME"), "{error}");
    assert!(messages.is_empty());
}

#[test]
fn a_mirror_that_cannot_read_its_stream_goes_on_with_the_next_writer() {
    let name = stream_name("unreadable");
    let header = format!("{SHM_DIR}/{}", shorten(&name));
    // A folder has the name of the stream's header.
    std::fs::create_dir(&header).unwrap();
    let mut mirroring = Mirroring::start(open(&[("SHMEM_NAME", &name), ("START", "oldest")]));
    until_failed(&mut mirroring);
    std::fs::remove_dir(&header).unwrap();
    let mut writer = writer_of(&name, 100);
    write(&mut writer, 0, 2);
    mirroring.until(1);
    // The same while it mirrors: the header becomes unreadable, and then the stream begins again.
    writer.close();
    std::fs::create_dir(&header).unwrap();
    until_failed(&mut mirroring);
    std::fs::remove_dir(&header).unwrap();
    let mut writer = writer_of(&name, 100);
    write(&mut writer, 7, 2);
    mirroring.until(2);
    let (ended, messages) = mirroring.stop();
    ended.unwrap();
    assert_eq!(messages, [counted(0, 2), counted(7, 2)]);
}

/// A stream as ezmsg itself wrote it (20 frames of 3 float32 channels), put back into shared memory and removed when
/// dropped.
struct Golden(String);

impl Golden {
    fn put(version: &str) -> Self {
        let golden = Self(stream_name(&format!("ezmsg-{version}")));
        let folder = format!("{}/../tests/vectors/ezmsg/{version}/eeg_f32_wrapped", env!("CARGO_MANIFEST_DIR"));
        // The header comes last: with it, the stream exists.
        for (file, path) in ["data.bin", "aux.bin", "header.bin"].into_iter().zip(golden.segments()) {
            std::fs::copy(format!("{folder}/{file}"), path).unwrap();
        }
        golden
    }

    fn segments(&self) -> [String; 3] {
        ["/buffer0", "/meta1", ""].map(|part| format!("{SHM_DIR}/{}", shorten(&format!("{}{part}", self.0))))
    }

    /// Each sample is 100 times its frame's position plus its channel.
    fn counted(first: u32, frames: u32) -> Value {
        let sample = |i| f64::from(100 * (first + i / 3) + i % 3);
        json!((0..3 * frames).map(sample).collect::<Vec<_>>())
    }
}

impl Drop for Golden {
    fn drop(&mut self) {
        for path in self.segments() {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[test]
fn a_stream_that_ezmsg_wrote_is_mirrored_in_runs_or_as_found() {
    for version in ["v1", "v2"] {
        let golden = Golden::put(version);
        // One message holds what is found at once, but at most half the ring.
        let mut mirroring = Mirroring::start(settings(&golden.0, &[("START", "oldest")]));
        mirroring.until(2);
        let (ended, messages) = mirroring.stop();
        ended.unwrap();
        assert_eq!(messages, [Golden::counted(4, 10), Golden::counted(14, 10)]);

        let mut mirroring = Mirroring::start(settings(&golden.0, &[("START", "oldest"), ("CHUNK", "8")]));
        mirroring.until(2);
        let (ended, messages) = mirroring.stop();
        ended.unwrap();
        assert_eq!(messages, [Golden::counted(4, 8), Golden::counted(12, 8), Golden::counted(20, 4)]);
    }
}
