//! `dora-shm watch`.

use std::process::{Command, Stdio};

use dora_shm_ring::*;
use dora_shm_testkit::process::Process;
use dora_shm_testkit::roles::DONE;
use dora_shm_testkit::{Name, segments};
use serde_json::{Value, json};

use crate::tool::*;

/// A running `dora-shm watch --json`.
struct Watch(Process);

impl Watch {
    fn start(name: &str, more: &[&str]) -> Self {
        Self(Process::start(tool().args(["watch", "--json", "--every", "50ms", name]).args(more)).unwrap())
    }

    #[track_caller]
    fn next(&mut self) -> Value {
        let line = self.0.read_line().unwrap().expect("it goes on");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// The next line that is not a status.
    #[track_caller]
    fn event(&mut self) -> Value {
        loop {
            let line = self.next();
            if line["event"] != "status" {
                return line;
            }
        }
    }

    /// The next event, which has to be `event`.
    #[track_caller]
    fn expect(&mut self, event: &str) -> Value {
        let found = self.event();
        assert_eq!(found["event"], event, "{found}");
        found
    }

    /// The next status for which this holds.
    #[track_caller]
    fn status(&mut self, holds: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..1000 {
            let line = self.next();
            if line["event"] == "status" && holds(&line) {
                return line;
            }
        }
        panic!("no such status");
    }
}

#[test]
fn watch_reports_the_events_of_a_stream_from_before_its_beginning_to_after_its_end() {
    let name = Name::new("watch/life");
    let mut watch = Watch::start(&name, &[]);
    let absent = watch.expect("absent");
    assert!(absent["text"].as_str().unwrap().contains("waiting for it"), "{absent}");

    let mut writer = live(&name);
    write(&mut writer, 10);
    let attached = watch.expect("attached");
    assert_eq!((&attached["generation"], &attached["pid"]), (&json!(0), &json!(std::process::id())));
    let status = watch.status(|status| status["frames"] == 10);
    assert_eq!((&status["state"], &status["lost"], &status["position"]), (&json!("live"), &json!(0), &json!(10)));

    let mut described = description();
    described.attrs.insert("gain".into(), Attr::Integer(12));
    writer.describe(&described).unwrap();
    write(&mut writer, 10);
    assert_eq!(watch.expect("description")["text"], "the description changed: attribute gain");

    let wider = Format::new(Dtype::F32, &[CHANNELS as u64], 200.0, 200).unwrap();
    writer.begin(&wider, &described, 10).unwrap();
    write(&mut writer, 10);
    let generation = watch.expect("generation");
    assert_eq!(generation["text"], "generation 1 begins: rate 200 Hz (was 100 Hz)");
    assert_eq!(generation["generation"], 1);

    drop(writer);
    watch.expect("closed");
    let writer = live(&name);
    watch.expect("attached");
    drop(writer);
    watch.expect("closed");

    watch.0.signal(rustix::process::Signal::INT);
    watch.0.end_well().unwrap();
}

#[test]
fn watch_reports_a_writers_death_and_its_successor() {
    let name = Name::new("watch/death");
    let first = start_writer(&name);
    let mut watch = Watch::start(&name, &[]);
    watch.expect("attached");
    let pid = first.pid();
    first.kill_and_wait().unwrap();
    let text = watch.expect("dead")["text"].as_str().unwrap().to_owned();
    assert!(text.contains(&format!("process {pid}")), "{text}");
    watch.status(|status| status["state"] == "dead");

    let mut second = start_writer(&name);
    let text = watch.expect("writer")["text"].as_str().unwrap().to_owned();
    assert!(text.contains("took the stream over") && text.contains(&format!("process {}", second.pid())), "{text}");
    watch.expect("generation");
    let before = watch.status(|status| status["state"] == "live")["frames"].as_u64().unwrap();
    second.request_expecting("write 5", DONE).unwrap();
    let after = watch.status(|status| status["frames"].as_u64().unwrap() >= before + 5);
    assert_eq!(after["lost"], 0);
    watch.0.signal(rustix::process::Signal::TERM);
    watch.0.end_well().unwrap();
    second.end_well().unwrap();
    assert!(segments::of(&name).is_empty());
}

#[test]
fn messages_are_measured_and_losses_counted() {
    let name = Name::new("watch/measures");
    let mut writer = live(&name);
    write(&mut writer, 10);
    let mut watch = Watch::start(&name, &[]);
    watch.expect("attached");
    // From here on, messages are measured.
    let mut frames = 0;
    let mut measured = None;
    for _ in 0..200 {
        write(&mut writer, 10);
        frames += 10;
        let status = watch.status(|status| status["frames"].as_u64().unwrap() >= frames);
        if status["latency_max_s"].is_number() && status["rate_hz"].as_f64().unwrap() > 0.0 {
            measured = Some(status);
            break;
        }
    }
    let status = measured.expect("a message was measured");
    let seconds = |member: &str| status[member].as_f64().unwrap();
    assert!(seconds("latency_min_s") > 0.0 && seconds("latency_min_s") <= seconds("latency_median_s"));
    assert!(seconds("latency_median_s") <= seconds("latency_max_s") && seconds("latency_max_s") < 30.0);
    assert!(seconds("lag_s") > 0.0 && status["lag_frames"].as_u64().unwrap() >= 10);
    let ratio = seconds("bytes_per_s") / seconds("rate_hz");
    assert!((ratio - 12.0).abs() < 1e-6, "a frame has 12 bytes: {ratio}");
    assert!(seconds("messages_hz") > 0.0);

    // While it is stopped, the watch is lapped; frames and losses still add up.
    watch.0.signal(rustix::process::Signal::STOP);
    for _ in 0..100 {
        write(&mut writer, 10);
    }
    frames += 1000;
    watch.0.signal(rustix::process::Signal::CONT);
    let total = |status: &Value| status["frames"].as_u64().unwrap() + status["lost"].as_u64().unwrap();
    let status = watch.status(|status| total(status) >= frames);
    assert_eq!(total(&status), frames);
    assert!(status["lost"].as_u64().unwrap() >= 1000 - writer.ring_frames(), "{status}");
    watch.0.kill();
    watch.0.end_killed().unwrap();
}

#[test]
fn without_a_terminal_watch_prints_plain_lines() {
    let name = Name::new("watch/lines");
    let mut writer = live(&name);
    write(&mut writer, 10);
    let ran = done(&["watch", "--count", "2", "--every", "50ms", &name]);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 3, "{}", ran.out);
    assert!(lines[0].starts_with("the stream is there, written by process"), "{}", lines[0]);
    for line in &lines[1..] {
        for expected in ["live", "lag 0", "lost 0", "gen 0", "MB/s", "Hz"].iter().filter(|text| **text != "MB/s") {
            assert!(line.contains(expected), "{expected} in {line}");
        }
        assert!(!line.contains('\u{1b}') && !line.contains('\r'), "{line:?}");
    }
    assert_eq!(ran.err, "");
}

#[test]
fn it_is_an_error_if_no_stream_comes_within_the_time() {
    let name = Name::new("watch/never");
    let ran = run(&["watch", "--for", "100ms", &name]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("waiting for it") && ran.err.contains("within 100 ms"), "{}", ran.err);
    assert_eq!(ran.out, "");
}

#[test]
fn a_watch_ends_when_its_time_is_over() {
    let name = Name::new("watch/for");
    let _writer = live(&name);
    assert_eq!(run(&["watch", "--for", "100ms", &name]).code, Some(0));
    let ran = run(&["watch", "--every", "1ms", &name]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
}

#[test]
fn on_a_terminal_one_line_is_rewritten_and_the_cursor_ends_below_it() {
    let name = Name::new("watch/terminal");
    let mut writer = live(&name);
    write(&mut writer, 10);
    let line = format!("{} watch --every 50ms --for 400ms '{}'", env!("CARGO_BIN_EXE_dora-shm"), &*name);
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm").env_remove("NO_COLOR").stdin(Stdio::null());
    let ran: Ran = script.output().unwrap().into();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.matches("\r\u{1b}[").count() >= 2, "{:?}", ran.out);
    assert!(ran.out.contains("\u{1b}[32mlive"), "{:?}", ran.out);
    assert!(ran.out.ends_with("\r\n"), "{:?}", ran.out);
}

#[test]
fn eighty_columns_have_room_for_everything_that_is_measured() {
    let name = Name::new("watch/narrow");
    let mut writer = live(&name);
    let is_over = std::sync::atomic::AtomicBool::new(false);
    let line = format!("stty cols 80; {} watch --every 100ms --count 10 '{}'", env!("CARGO_BIN_EXE_dora-shm"), &*name);
    let ran: Ran = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                write(&mut writer, 190);
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        });
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm").env("NO_COLOR", "1").stdin(Stdio::null());
        let ran = script.output().unwrap();
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        ran.into()
    });
    let lines: Vec<&str> = ran.out.split('\r').filter(|line| line.starts_with("live")).collect();
    let measured =
        lines.iter().filter(|line| line.contains("Hz  ") && line.contains("lag ") && !line.contains("latency -"));
    assert!(measured.count() > 5, "{}", ran.out);
    for line in lines {
        let line = line.split('\u{1b}').next().unwrap();
        assert!(line.contains("  latency ") && !line.contains('…') && line.chars().count() < 80, "{line:?}");
    }
}

#[test]
fn ctrl_c_ends_a_watch_cleanly_also_while_it_waits_for_a_stream() {
    for there in [false, true] {
        let name = Name::new("watch/ctrl-c");
        let _writer = there.then(|| live(&name));
        let mut watch = Watch::start(&name, &[]);
        watch.expect(if there { "attached" } else { "absent" });
        watch.0.signal(rustix::process::Signal::INT);
        watch.0.end_well().unwrap();
    }
}

#[test]
fn watch_counts_empty_messages_and_reports_when_only_they_come() {
    let name = Name::new("watch/empty");
    let mut writer = live(&name);
    write(&mut writer, 5);
    write(&mut writer, 0);
    let mut watch = Watch::start(&name, &[]);
    watch.expect("attached");
    write(&mut writer, 5);
    assert_eq!(watch.status(|status| status["frames"] == 5)["empty"], 0, "that one was there before");
    write(&mut writer, 0);
    assert_eq!(watch.expect("empty")["text"], "no frames come: the messages are empty, 1 message so far");
    assert_eq!(watch.status(|_| true)["empty"], 1);
    write(&mut writer, 0);
    write(&mut writer, 3);
    write(&mut writer, 0);
    writer.begin(&Format::new(Dtype::F32, &[CHANNELS as u64], 200.0, 200).unwrap(), &description(), 10).unwrap();
    write(&mut writer, 0);
    write(&mut writer, 2);
    assert_eq!(watch.status(|status| status["frames"] == 10)["empty"], 4, "each once, over generations");
}

#[test]
fn watch_reports_that_a_writer_refuses_messages() {
    let name = Name::new("watch/refused");
    let mut writer = live(&name);
    let mut watch = Watch::start(&name, &[]);
    watch.expect("attached");
    write(&mut writer, 5);
    let status = watch.status(|status| status["frames"] == 5);
    assert_eq!((&status["refused"], &status["dropped"], &status["gaps"]), (&json!(0), &json!(0), &json!(0)));
    writer.count_refused(2);
    let event = watch.expect("refused");
    assert_eq!(
        event["text"],
        "no frames come: the writer refuses what it is given, 2 messages so far; its log says why"
    );
    assert_eq!(watch.status(|_| true)["refused"], 2);
}
