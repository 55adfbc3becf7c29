//! The times of frames in a running graph, beside the truth that each frame tells: see `clock-source`.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use dora_shm_ring::{Clock, GenerationClock, Message, Outcome};
use dora_shm_tests::dora::run;
use dora_shm_tests::programs::program;
use dora_shm_tests::reading::message_reader;
use dora_shm_tests::stage::Stage;
use dora_shm_tests::until::PATIENCE;

/// Other work of the machine may delay a message by this much, in seconds.
const DELAY_S: f64 = 0.08;

/// Unix seconds are doubles in steps of 238 ns. A conversion rounds twice.
const ROUNDING_S: f64 = 1e-6;

/// One message in a stream.
#[derive(Debug)]
struct Seen {
    generation: u32,
    clock: GenerationClock,
    /// When it was sent, Unix seconds.
    sent_s: f64,
    discontinuity: bool,
    times: Vec<f64>,
    /// When its samples were taken, seconds of CLOCK_MONOTONIC.
    taken_s: Vec<f64>,
}

impl Seen {
    /// Its times on CLOCK_MONOTONIC.
    fn monotonic_s(&self) -> Vec<f64> {
        self.clock.times_on(Clock::Monotonic, &self.times).expect("a clock that can be compared")
    }

    /// By how much each time is later than the truth, in seconds.
    fn off_s(&self) -> Vec<f64> {
        self.monotonic_s().iter().zip(&self.taken_s).map(|(time, taken)| time - taken).collect()
    }
}

/// By how much times may be off: more if the source itself was late.
fn most_off_s(seen: &[Seen]) -> f64 {
    let late = seen.iter().map(|message| {
        let mut unix = message.clock;
        unix.clock = Clock::Unix;
        let sent = unix.times_on(Clock::Monotonic, &[message.sent_s]).expect("a clock that can be compared");
        sent[0] - message.taken_s.last().expect("a frame")
    });
    DELAY_S + late.fold(0.0, f64::max)
}

fn all_off_s(seen: &[Seen]) -> Vec<f64> {
    seen.iter().flat_map(Seen::off_s).collect()
}

/// The part `part` of `values`, 0.5 for the median.
fn quantile(values: &[f64], part: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * part) as usize]
}

/// The graph of all tests in this file: they share one run.
struct Graph {
    stage: Stage,
    nodes: String,
}

impl Graph {
    fn source(&mut self, mode: &str) {
        self.nodes.push_str(&format!(
            "  - {{id: {mode}, path: {}, outputs: [data, record], env: {{MODE: {mode}}}}}\n",
            program("clock-source").display()
        ));
    }

    /// A sink named `word` behind `output`, and what a reader of its stream sees.
    fn sink(&mut self, word: &str, output: &str, settings: &str) -> JoinHandle<Vec<Seen>> {
        self.sink_with(word, output, settings, "")
    }

    /// As `sink`, with another input.
    fn sink_with(&mut self, word: &str, output: &str, settings: &str, input: &str) -> JoinHandle<Vec<Seen>> {
        let stream = self.stage.stream(word);
        // Every message is counted, so dora must drop none.
        self.nodes.push_str(&format!(
            "  - id: sink-{word}
    path: {}
    inputs: {{data: {{source: {output}, queue_size: 5000, queue_policy: backpressure}}{input}}}
    env: {{SHMEM_NAME: {stream}, BUF_FRAMES: 20000, {settings}}}\n",
            program("dora-shm-sink").display()
        ));
        thread::spawn(move || watch(&stream))
    }

    /// A sink as `sink` makes it, whose settings change by one of `documents` each second.
    fn live_sink(&mut self, word: &str, output: &str, settings: &str, documents: &[&str]) -> JoinHandle<Vec<Seen>> {
        let documents: String = documents.iter().map(|document| format!("'{document}' ")).collect();
        self.nodes.push_str(&format!(
            "  - id: settings
    path: {}
    args: \"{documents}\"
    inputs: {{tick: {{source: dora/timer/secs/1, queue_size: 1}}}}
    outputs: [settings]\n",
            program("settings-sender").display()
        ));
        self.sink_with(word, output, settings, ", settings: {source: settings/settings, queue_size: 100}")
    }

    /// A mirror of the stream of the sink `word`.
    fn mirror(&mut self, word: &str) {
        self.nodes.push_str(&format!(
            "  - {{id: mirror, path: {}, outputs: [data], env: {{SHMEM_NAME: {}, START: oldest, ON_CLOSE: stop}}}}\n",
            program("dora-shm-mirror").display(),
            self.stage.stream(word)
        ));
    }
}

/// Reads a stream until it is closed.
fn watch(stream: &str) -> Vec<Seen> {
    let (mut reader, mut message, mut seen) = (message_reader(stream), Message::default(), Vec::new());
    let end = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < end, "{stream} was not closed, after {} messages", seen.len());
        match reader.next(&mut message).expect("a healthy stream") {
            Outcome::Data(info) => {
                assert_eq!(info.lost, 0, "{stream}");
                let format = reader.format().expect("a format");
                let frame = message.samples().chunks(format.frame_bytes() as usize);
                let taken = frame.map(|frame| i64::from_ne_bytes(frame[..8].try_into().expect("eight bytes")) as f64);
                seen.push(Seen {
                    generation: info.generation,
                    clock: reader.clock().expect("a clock"),
                    sent_s: info.send_ns as f64 * 1e-9,
                    discontinuity: info.discontinuity,
                    times: message.times().to_vec(),
                    taken_s: taken.map(|ns| ns * 1e-9).collect(),
                });
            }
            Outcome::Generation => {}
            Outcome::Nothing => drop(reader.wait(Duration::from_millis(50)).expect("a healthy stream")),
            Outcome::Closed => return seen,
        }
    }
}

/// Frames are numbers, and a message has a varying number of them.
const ROWS: &str = "FRAMES: rows, SHAPE: '[]'";

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn the_times_of_real_sources_are_right_on_the_clock_that_each_stream_names() {
    let mut graph = Graph { stage: Stage::new("times"), nodes: "nodes:\n".into() };
    ["bursts", "blocks", "pause", "plain", "stamped"].iter().for_each(|mode| graph.source(mode));
    let bursts = graph.sink("bursts", "bursts/data", ROWS);
    let monotonic = graph.sink("monotonic", "bursts/data", &format!("{ROWS}, CLOCK: monotonic"));
    let blocks = graph.sink("blocks", "blocks/data", ROWS);
    graph.mirror("blocks");
    let mirrored = graph.sink("mirrored", "mirror/data", ROWS);
    let pause = graph.sink("pause", "pause/data", ROWS);
    let plain = graph.sink("plain", "plain/data", ROWS);
    let stamped = graph.sink("stamped", "stamped/data", &format!("{ROWS}, TIME: stamp, TIME_UNIT: us"));
    let record = graph.sink("record", "stamped/record", "FIELD: x, TIME: header.stamp, CLOCK: monotonic");
    let live = graph.live_sink(
        "live",
        "stamped/data",
        ROWS,
        &["clock: monotonic", "{time: stamp, time_unit: us, clock: null}", "clock: monotonic"],
    );
    let mut dora = run(&graph.stage, "graph", &graph.nodes);
    let [bursts, monotonic, blocks, mirrored, pause, plain, stamped, record, live] =
        [bursts, monotonic, blocks, mirrored, pause, plain, stamped, record, live]
            .map(|reader| reader.join().expect("a reader"));
    dora.succeed().unwrap();
    one_generation(&[(&bursts, Clock::Unix), (&blocks, Clock::Unix), (&mirrored, Clock::Unix), (&pause, Clock::Unix)]);
    one_generation(&[(&plain, Clock::Unix), (&monotonic, Clock::Monotonic), (&record, Clock::Monotonic)]);
    one_generation(&[(&stamped, Clock::Source)]);

    rises_by_the_rate("bursts", &bursts);
    rises_by_the_rate("blocks", &blocks);
    two_clocks_agree(&bursts, &monotonic);
    blocks_end_when_they_were_sent(&blocks);
    a_mirror_repeats_times(&blocks, &mirrored);
    a_pause_is_one_jump(&pause);
    frames_without_a_rate_end_when_they_were_sent(&plain);
    given_times_are_stored_as_given(&stamped, &record);
    each_change_of_the_settings_begins_a_generation(&live);
}

fn one_generation(streams: &[(&[Seen], Clock)]) {
    for (seen, clock) in streams {
        assert!(!seen.is_empty() && seen.iter().all(|message| message.generation == 0), "{clock}: {seen:?}");
        assert!(seen.iter().all(|message| message.clock.clock == *clock), "{clock}: {:?}", seen[0]);
    }
}

fn rises_by_the_rate(word: &str, seen: &[Seen]) {
    let times: Vec<f64> = seen.iter().flat_map(|message| message.times.clone()).collect();
    assert!(times.len() >= 5900, "{word}: {}", times.len());
    for pair in times.windows(2) {
        let off = (pair[1] - pair[0] - 0.001).abs();
        assert!(off <= 0.000_05 + ROUNDING_S, "{word}: a step of {} s", pair[1] - pair[0]);
    }
    let off_s = all_off_s(seen);
    println!("{word}: off by {:.6} s (median), {:.6} s (p99)", quantile(&off_s, 0.5), quantile(&off_s, 0.99));
    let most = most_off_s(seen);
    assert!(off_s.iter().all(|off| off.abs() < most), "{word}: off by up to {} s", quantile(&off_s, 1.0));
}

fn two_clocks_agree(unix: &[Seen], monotonic: &[Seen]) {
    assert_eq!(unix.len(), monotonic.len());
    let most = most_off_s(monotonic);
    for (unix, monotonic) in unix.iter().zip(monotonic) {
        assert_eq!(unix.taken_s, monotonic.taken_s);
        assert_eq!(unix.clock.id, monotonic.clock.id);
        assert!(monotonic.off_s().iter().all(|off| off.abs() < most), "{monotonic:?}");
        for (one, other) in unix.monotonic_s().iter().zip(&monotonic.times) {
            assert!((one - other).abs() < DELAY_S, "{one} and {other}");
        }
    }
}

fn blocks_end_when_they_were_sent(seen: &[Seen]) {
    let late_s: Vec<f64> = seen.iter().map(|message| message.sent_s - message.times[99]).collect();
    let median = quantile(&late_s, 0.5);
    println!("blocks: sent {median:.6} s (median) after their last frame");
    assert!(median.abs() < DELAY_S / 2.0, "blocks were sent {median} s after their last frame");
}

fn a_mirror_repeats_times(seen: &[Seen], mirrored: &[Seen]) {
    assert_eq!(seen.len(), mirrored.len());
    for (before, after) in seen.iter().zip(mirrored) {
        assert_eq!(before.taken_s, after.taken_s);
        assert!((before.times[0] - after.times[0]).abs() <= ROUNDING_S, "{before:?} is {after:?} behind the mirror");
        // The mirror tells the time of the first frame and the nominal rate. The steps are within 5 % of that.
        assert!((before.times[99] - after.times[99]).abs() <= 0.005, "{before:?} is {after:?} behind the mirror");
    }
}

fn a_pause_is_one_jump(seen: &[Seen]) {
    let most = most_off_s(seen);
    let jumps = seen.iter().filter(|message| message.discontinuity).count();
    assert_eq!(jumps, 1);
    let after: Vec<_> = seen.iter().skip_while(|message| !message.discontinuity).collect();
    for message in seen.iter().take_while(|message| message.taken_s[0] - seen[0].taken_s[0] < 1.9).chain(after) {
        assert!(message.off_s().iter().all(|off| off.abs() < most), "{message:?}");
    }
    let jump = seen.iter().position(|message| message.discontinuity).expect("a jump");
    // The frames of the first half second after the pause bear the times before it.
    let late_s = seen[jump].taken_s[0] - seen[0].taken_s[0] - 4.0;
    assert!(late_s < 0.8, "the jump came {late_s} s after the pause");
}

fn frames_without_a_rate_end_when_they_were_sent(seen: &[Seen]) {
    // The frames of the first message have one time: there is no interval yet.
    let mut before = seen[0].times[3];
    for message in &seen[1..] {
        assert!(message.times[0] >= before && message.times.is_sorted_by(|a, b| a < b), "{before}: {message:?}");
        before = message.times[3];
        assert!((before - message.sent_s).abs() < DELAY_S, "{message:?}");
    }
    let off_s = all_off_s(&seen[1..]);
    println!("no rate: off by {:.6} s (median), {:.6} s (p99)", quantile(&off_s, 0.5), quantile(&off_s, 0.99));
    // The source may be late, but its frames are 10 ms apart.
    let spread_s: Vec<f64> = seen[1..].iter().map(|message| message.times[3] - message.times[0]).collect();
    assert!(quantile(&spread_s, 0.9) > 0.015 && quantile(&spread_s, 0.5) < 0.045, "{spread_s:?}");
}

fn given_times_are_stored_as_given(stamped: &[Seen], record: &[Seen]) {
    assert!(stamped.len() == 120 && record.len() == 120, "{} {}", stamped.len(), record.len());
    for message in stamped {
        // In whole microseconds.
        let off = message.taken_s[0] - message.times[0];
        assert!((-1e-9..1e-6).contains(&off), "{message:?}");
        assert!(message.clock.times_on(Clock::Unix, &message.times).is_err(), "nothing is known about its clock");
    }
    for message in record {
        assert!((message.taken_s[0] - message.times[0]).abs() < 1e-9, "{message:?}");
    }
}

fn each_change_of_the_settings_begins_a_generation(seen: &[Seen]) {
    assert_eq!(seen.len(), 120, "no message may be lost at a change");
    let mut clocks: Vec<_> = seen.iter().map(|message| (message.generation, message.clock.clock)).collect();
    clocks.dedup();
    // The sink makes the times of the first two. The others have those of the source.
    assert_eq!(clocks, [(0, Clock::Unix), (1, Clock::Monotonic), (2, Clock::Source), (3, Clock::Monotonic)]);
    for message in seen {
        if message.generation < 2 {
            let times = message.clock.times_on(Clock::Unix, &message.times).expect("a clock that can be compared");
            assert!((times[0] - message.sent_s).abs() < DELAY_S, "{message:?}");
        } else {
            // In whole microseconds of CLOCK_MONOTONIC.
            let off = message.taken_s[0] - message.times[0];
            assert!((-1e-9..1e-6).contains(&off), "{message:?}");
        }
    }
}
