//! `CONN`: what a real Python listener receives, and what it can do.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::{Scope, ScopedJoinHandle};

use dora_node_api::Parameter;
use dora_node_api::integration_testing::OutputJson;
use dora_node_api::integration_testing::integration_testing_format::IncomingEvent;
use dora_shm_node_kit::events::Stopper;
use dora_shm_ring::{Message, MessageReader, ReaderOptions};
use dora_shm_testkit::wait_until;
use serde_json::{Map, Value, json};

use crate::listener::{Listener, file, printed_for, socket, steps};
use crate::{counted, input, last_status, opened, play, play_at, play_until, reader_of, signal, stream_name};

const OPENED: [&str; 3] = ["buffer cleanup", "meta cleanup", "meta reset"];
const BEGUN: [&str; 4] = ["begin update", "meta updated", "buffer reset", "aux updated"];
const CLOSED: [&str; 3] = ["buffer cleanup", "meta cleanup", "close"];

type RunningSink<'scope> = ScopedJoinHandle<'scope, (eyre::Result<()>, Vec<OutputJson>)>;

fn all_printed_for(parts: &[&[&str]]) -> Vec<String> {
    printed_for(&parts.concat())
}

fn conn(path: &Path) -> (&'static str, &str) {
    ("CONN", path.to_str().unwrap())
}

fn settings(document: &str) -> IncomingEvent {
    input("settings", json!([document]), "Utf8", &[])
}

/// A sink on its own thread with messages for a long time, and the stopper that ends it.
fn running<'scope>(scope: &'scope Scope<'scope, '_>, name: &str, path: &Path) -> (Stopper, RunningSink<'scope>) {
    let stopper = Stopper::default();
    let opened = opened(name, &[conn(path)]);
    let signalled = stopper.clone();
    let events: Vec<_> = (0..8000).map(|i| signal(10 * i, 10)).collect();
    let sink = scope.spawn(move || play_until(opened, events, signalled));
    (stopper, sink)
}

/// The message that `table` describes.
fn message(table: &Map<String, Value>) -> IncomingEvent {
    let texts = |value: &Value| -> Option<Vec<String>> {
        value.as_array().map(|texts| texts.iter().map(|text| text.as_str().unwrap().to_owned()).collect())
    };
    let shape: Vec<i64> = table["shape"].as_array().unwrap().iter().map(|size| size.as_i64().unwrap()).collect();
    let data_type = match table["dtype"].as_str().unwrap() {
        "float32" => "Float32",
        "float64" => "Float64",
        "int16" => "Int16",
        other => panic!("{other}"),
    };
    let data = vec![0; shape.iter().product::<i64>() as usize];
    let mut parameters = vec![
        ("shape", Parameter::ListInt(shape)),
        ("dims", Parameter::ListString(texts(&table["dims"]).unwrap())),
        ("sample_rate", Parameter::Float(table["rate"].as_f64().unwrap())),
        ("key", Parameter::String(table["key"].as_str().unwrap().into())),
    ];
    if let Some(dim) = table["stream_dim"].as_str() {
        parameters.push(("stream_dim", Parameter::String(dim.into())));
    }
    if let Some(labels) = texts(&table["labels"]) {
        let axes = json!({"ch": {"kind": "coord", "unit": "", "data": labels}});
        parameters.push(("axes", Parameter::String(axes.to_string())));
    }
    let attrs = table["attrs"].as_object().unwrap();
    parameters
        .extend(attrs.iter().map(|(key, value)| (key.as_str(), Parameter::String(value.as_str().unwrap().into()))));
    input("data", json!(data), data_type, &parameters)
}

#[test]
fn each_step_sends_the_strings_of_the_original() {
    let table = steps();
    let scenarios = table["scenarios"].as_array().unwrap();
    assert!(!scenarios.is_empty());
    for (index, scenario) in scenarios.iter().enumerate() {
        let stream =
            |name: &Value| format!("{}-{}", stream_name(&format!("conn-steps-{index}")), name.as_str().unwrap());
        let mut current = table["settings"].as_object().unwrap().clone();
        current.extend(scenario["settings"].as_object().cloned().unwrap_or_default());
        let mut of_messages = table["message"].as_object().unwrap().clone();
        let (mut events, mut expected) = (Vec::new(), Vec::new());
        for step in scenario["steps"].as_array().unwrap() {
            match step["do"].as_str().unwrap() {
                "message" => {
                    of_messages.extend(step["message"].as_object().cloned().unwrap_or_default());
                    events.push(message(&of_messages));
                }
                "settings" => {
                    let changed = step["settings"].as_object().unwrap();
                    let mut document: Map<String, Value> = changed.clone();
                    if let Some(name) = document.remove("name") {
                        document.insert("shmem_name".into(), stream(&name).into());
                    }
                    events.push(settings(&Value::Object(document).to_string()));
                }
                "open" | "close" => {}
                other => panic!("{other}"),
            }
            expected.extend(step["strings"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()));
        }

        let path = socket(&format!("steps-{index}"));
        let mut listener = Listener::start(&path, &[]);
        let duration = current["buf_dur"].to_string();
        let axis = current["axis"].as_str().map(|axis| ("AXIS", axis));
        let own: Vec<_> = [("BUF_DUR", &*duration), conn(&path)].into_iter().chain(axis).collect();
        let sink = opened(&stream(&current["name"]), &own);
        listener.expect(&["accepted"]);
        let (ended, outputs) = play(sink, events);
        ended.unwrap();
        assert_eq!(last_status(&outputs)["refused"], json!(0), "{}", scenario["name"]);
        let received = listener.until("end EOFError");
        let expected: Vec<String> = printed_for(&expected).into_iter().chain(["end EOFError".into()]).collect();
        assert_eq!(received, expected, "{}", scenario["name"]);
    }
}

#[test]
#[ignore = "needs both versions of ezmsg-tools: cargo xtask ezmsg"]
fn the_original_itself_sends_these_strings() {
    for variable in ["DORA_SHM_EZMSG06_PYTHON", "DORA_SHM_EZMSG_PYTHON"] {
        let output = Command::new(python(variable)).arg(file("original.py")).output().unwrap();
        assert!(output.status.success(), "{variable}:\n{}", printed(&output));
    }
}

#[test]
#[ignore = "needs ezmsg-tools 0.6: cargo xtask ezmsg"]
fn a_graph_of_the_original_sends_its_listener_the_same_from_the_start_to_quit() {
    let path = socket("original-graph");
    let expected = all_printed_for(&[&OPENED, &BEGUN, &CLOSED]);

    let mut listener = Listener::start(&path, &["--quit-after", "aux updated"]);
    let output = Command::new(python("DORA_SHM_EZMSG06_PYTHON")).arg(file("original_graph.py")).arg(&path).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", printed(&output));
    listener.expect(&["accepted"]);
    let of_the_original = listener.until("end EOFError");
    drop(listener);

    let mut listener = Listener::start(&path, &["--quit-after", "aux updated"]);
    let (ended, _) =
        play(opened(&stream_name("original-graph"), &[conn(&path)]), (0..4000).map(|i| signal(10 * i, 10)).collect());
    ended.unwrap();
    listener.expect(&["accepted"]);
    let of_ours = listener.until("end EOFError");
    assert_eq!(of_ours, of_the_original);
    assert_eq!(of_ours[..of_ours.len() - 1], expected);
}

fn python(variable: &str) -> PathBuf {
    let python = std::env::var_os(variable);
    python.unwrap_or_else(|| panic!("{variable} names a Python; `cargo xtask ezmsg` sets it")).into()
}

fn printed(output: &std::process::Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}

#[test]
fn quit_closes_the_stream_and_ends_the_node_whatever_was_said_before() {
    for protocol in 0..=5 {
        let name = stream_name(&format!("conn-quit-{protocol}"));
        let path = socket(&format!("quit-{protocol}"));
        let mut listener = Listener::start(&path, &[]);
        std::thread::scope(|scope| {
            let reader = reader_of(&name);
            let (_, sink) = running(scope, &name, &path);
            listener.until("got aux updated");
            listener.send_line("send hello");
            listener.send_line(&format!("send {}", "quit ".repeat(5000)));
            // A pickle that would create a file, a pickled number, and bytes that are not a pickle.
            let evil = std::env::temp_dir().join(format!("dora-shm-conn-evil-{}", std::process::id()));
            let pickle = format!("cos\nsystem\n(Vtouch {}\ntR.", evil.display());
            for bytes in [pickle.as_bytes(), b"\x80\x04K\x07.", b"", b"\xff\xff\xff\xff"] {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                listener.send_line(&format!("bytes {digits}"));
            }
            listener.send_line(&format!("pickle {protocol} quit"));
            let (ended, outputs) = sink.join().unwrap();
            ended.unwrap();
            assert!(!evil.exists(), "what a listener sends is never executed");
            let status = last_status(&outputs);
            assert_eq!((&status["state"], &status["conn_dropped"]), (&json!("closed"), &json!(0)));
            let frames = status["frames"].as_u64().unwrap();
            assert!(frames < 80_000, "it ended before the messages did");
            let seen = reader.join().unwrap();
            assert_eq!((seen.messages.len() as u64 * 10, seen.lost), (frames, 0), "the stream was closed cleanly");
        });
        assert_eq!(listener.until("end EOFError"), [printed_for(&CLOSED), vec!["end EOFError".into()]].concat());
    }
}

#[test]
fn a_listener_that_comes_late_leaves_and_comes_again_gets_the_current_state_and_no_frame_is_lost() {
    let (name, path) = (stream_name("conn-late"), socket("late"));
    std::thread::scope(|scope| {
        let reader = reader_of(&name);
        let (stopper, sink) = running(scope, &name, &path);
        // The ring exists before the first listener.
        next_message(&mut MessageReader::open(&name, ReaderOptions::default()).unwrap());
        for round in 0..3 {
            let mut listener = Listener::start(&path, &[]);
            listener.expect(&["accepted"]);
            assert_eq!(listener.until("got aux updated"), all_printed_for(&[&OPENED, &BEGUN]), "round {round}");
            match round {
                // The listener hangs up, but keeps listening.
                0 => {
                    listener.send_line("hang up");
                    listener.until("accepted");
                    assert_eq!(listener.until("got aux updated"), all_printed_for(&[&OPENED, &BEGUN]));
                    listener.leave();
                }
                1 => listener.leave(),
                // The listener sends bytes that are not a message: the sink hangs up and connects again.
                2 => {
                    listener.send_line("raw fffffffe");
                    listener.until("accepted");
                    assert_eq!(listener.until("got aux updated"), all_printed_for(&[&OPENED, &BEGUN]));
                    stopper.stop();
                    assert_eq!(listener.until("end EOFError")[..3], printed_for(&CLOSED));
                }
                _ => unreachable!(),
            }
        }
        let (ended, outputs) = sink.join().unwrap();
        ended.unwrap();
        let seen = reader.join().unwrap();
        let expected: Vec<_> = (0..seen.messages.len() as u32).map(|i| counted(10 * i, 10)).collect();
        assert_eq!((seen.messages == expected, seen.lost), (true, 0));
        let status = last_status(&outputs);
        assert_eq!(status["frames"], json!(10 * expected.len()));
    });
}

#[test]
fn a_listener_that_never_reads_costs_no_frame_and_does_not_keep_the_node_from_ending() {
    const CHANGES: u32 = 1500;
    let (name, path) = (stream_name("conn-asleep"), socket("asleep"));
    let mut listener = Listener::start(&path, &["--asleep"]);
    let sink = opened(&name, &[("BUF_FRAMES", "20000"), conn(&path)]);
    let reader = reader_of(&name);
    listener.expect(&["accepted"]);
    // Each change of the settings sends one string. Then come the last ring's four, and the end.
    let changes = (0..CHANGES).map(|i| settings(&format!("buf_frames: {}", 20_001 + i % 2)));
    let events = std::iter::once(signal(0, 10)).chain(changes).chain((1..101).map(|i| signal(10 * i, 10)));
    let events = events.chain([IncomingEvent::Stop]).enumerate();
    let (ended, outputs) =
        play_at(sink, events.map(|(i, event)| (0.001 * i as f64, event)).collect(), Stopper::default());
    ended.unwrap();
    let seen = reader.join().unwrap();
    assert_eq!(seen.messages, (0..101).map(|i| counted(10 * i, 10)).collect::<Vec<_>>());
    assert_eq!(seen.lost, 0);
    let status = last_status(&outputs);
    assert!(status["conn_dropped"].as_u64().unwrap() > 0, "{status}");

    // The listener gets only what the socket held, which is what was sent first: the sink did not wait for it to read.
    listener.send_line("read");
    let received = listener.until("end EOFError");
    let expected = all_printed_for(&[&OPENED, &BEGUN, &["buffer cleanup"; CHANGES as usize]]);
    let kept = received.len() - 1;
    assert!(kept < CHANGES as usize && received[..kept] == expected[..kept], "{received:?}");
}

#[test]
fn a_listener_that_reads_again_after_a_while_gets_the_strings_that_lead_to_the_current_state() {
    let (name, path) = (stream_name("conn-dozed"), socket("dozed"));
    let mut listener = Listener::start(&path, &["--asleep"]);
    let opened = opened(&name, &[conn(&path)]);
    let changes = (0..1500).map(|i| settings(&format!("buf_dur: {}", 3 + i % 2)));
    let late = (0..4000).map(|i| signal(10 * i, 10));
    let changes = changes.enumerate().map(|(i, event)| (0.001 * i as f64, event));
    let late = late.enumerate().map(|(i, event)| (1.6 + 0.005 * i as f64, event));
    let events = changes.chain(late).collect();
    let stopper = Stopper::default();
    let signalled = stopper.clone();
    std::thread::scope(|scope| {
        let sink = scope.spawn(move || play_at(opened, events, signalled));
        next_message(&mut MessageReader::open(&name, ReaderOptions::default()).unwrap());
        listener.send_line("read");
        // Whatever came before, the strings end with the whole current state.
        let received = listener.until("got aux updated");
        let cleanups = received.iter().filter(|line| *line == "got buffer cleanup").count();
        assert!(cleanups < 1500, "{cleanups} strings of 1500 changes");
        assert!(received.ends_with(&printed_for(&BEGUN)), "{received:?}");
        let again = received.iter().skip(4).position(|line| line == "got meta reset");
        assert!(again.is_some(), "the strings restart after those that were dropped: {received:?}");
        stopper.stop();
        let (ended, outputs) = sink.join().unwrap();
        ended.unwrap();
        assert!(last_status(&outputs)["conn_dropped"].as_u64().unwrap() > 0);
    });
    assert_eq!(listener.until("end EOFError")[..3], printed_for(&CLOSED));
}

#[test]
fn a_listener_that_talks_without_end_costs_no_frame_and_can_still_say_quit() {
    let (name, path) = (stream_name("conn-talks"), socket("talks"));
    let mut listener = Listener::start(&path, &[]);
    std::thread::scope(|scope| {
        let mut reader = MessageReader::open(&name, ReaderOptions::default()).unwrap();
        let (_, sink) = running(scope, &name, &path);
        listener.until("got aux updated");
        listener.send_line("talk");
        for expected in 0..200 {
            assert_eq!(next_message(&mut reader), counted(10 * expected, 10));
        }
        listener.send_line("send quit");
        let (ended, outputs) = sink.join().unwrap();
        ended.unwrap();
        assert!(last_status(&outputs)["frames"].as_u64().unwrap() < 80_000, "it ended before the messages did");
    });
    assert_eq!(listener.until("got close"), printed_for(&CLOSED));
}

#[test]
fn the_listener_of_the_documentation_receives_every_string() {
    let (name, path) = (stream_name("conn-page"), socket("page"));
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/conn.md")).unwrap();
    let program = page.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(program.contains("/tmp/my-signal.sock"));
    let program = program.replace("/tmp/my-signal.sock", path.to_str().unwrap());
    let listener = Command::new("python3").args(["-c", &program]).stdout(Stdio::piped()).spawn().unwrap();
    wait_until("the program listens", || path.exists());
    play(opened(&name, &[conn(&path)]), (0..400).map(|i| signal(10 * i, 10)).collect()).0.unwrap();
    let output = listener.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", printed(&output));
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().collect::<Vec<_>>(), [&OPENED[..], &BEGUN, &CLOSED].concat());
}

/// Samples of the reader's next message.
fn next_message(reader: &mut MessageReader) -> Vec<f32> {
    let mut message = Message::new();
    wait_until("the next message", || reader.next(&mut message).unwrap().is_data());
    assert_eq!(reader.lost(), 0);
    message.samples().chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

#[test]
fn a_listener_that_requests_a_key_does_not_disturb_the_stream() {
    let (name, path) = (stream_name("conn-authkey"), socket("authkey"));
    let mut listener = Listener::start(&path, &["--authkey", "secret"]);
    let sink = opened(&name, &[conn(&path)]);
    let reader = reader_of(&name);
    let (ended, _) = play(sink, (0..20).map(|i| signal(10 * i, 10)).collect());
    ended.unwrap();
    assert_eq!(reader.join().unwrap().messages.len(), 20);
    listener.expect(&["refused AuthenticationError"]);
}

#[test]
fn the_connection_moves_with_its_setting() {
    let name = stream_name("conn-moves");
    let paths = ["moves-1", "moves-2"].map(socket);
    let mut listeners = paths.each_ref().map(|path| Listener::start(path, &[]));
    let sink = opened(&name, &[conn(&paths[0])]);
    let [first, second] = paths.each_ref().map(|path| path.to_str().unwrap());
    let events = [
        signal(0, 10),
        settings(&format!("conn: {second}")),
        signal(10, 10),
        settings(&format!("conn: {second}")),
        settings("conn: ''"),
        settings("conn: null"),
        settings(&format!("conn: {}", "x".repeat(200))),
        signal(20, 10),
    ];
    let (ended, _) = play_at(
        sink,
        events
            .into_iter()
            .chain([IncomingEvent::Stop])
            .enumerate()
            .map(|(i, event)| (0.02 * i as f64, event))
            .collect(),
        Stopper::default(),
    );
    ended.unwrap();
    let whole = |ends: &[&str]| {
        let expected = all_printed_for(&[&OPENED, &BEGUN, ends]);
        [vec!["accepted".into()], expected, vec!["end EOFError".into()]].concat()
    };
    assert_eq!(listeners[1].until("end EOFError"), whole(&["close"]));
    assert_eq!(listeners[0].until("end EOFError"), whole(&["close"]), "{first}");
    // `null` restored the first path.
    assert_eq!(listeners[0].until("end EOFError"), whole(&CLOSED));
}
