//! The length of rings in seconds, for sources that state no rate.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use dora_shm_ring::{Message, Outcome};
use dora_shm_testkit::segments;
use dora_shm_tests::dora::run;
use dora_shm_tests::programs::program;
use dora_shm_tests::reading::message_reader;
use dora_shm_tests::stage::Stage;
use rustix::process::Signal;

/// Seconds that each ring is to hold.
const BUFFER_S: f64 = 5.0;

/// How long the sources run, in seconds. `cargo xtask ring-length` says how long in `RING_LENGTH_SECONDS`.
const SECONDS: u64 = 6;

/// A ring must have its length this long after the first message.
const BY: Duration = Duration::from_secs(4);

/// How often a stream's memory is looked at, beside the beginning of each generation.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A source: so many messages at each tick, behind so many at the start.
struct Source {
    id: &'static str,
    ticks_hz: f64,
    messages: u64,
    burst: u64,
    /// Seconds before the first tick.
    after_s: f64,
}

const SOURCES: [Source; 5] = [
    Source { id: "camera", ticks_hz: 30.0, messages: 1, burst: 20, after_s: 0.0 },
    Source { id: "imu", ticks_hz: 100.0, messages: 1, burst: 20, after_s: 0.0 },
    Source { id: "pairs", ticks_hz: 30.0, messages: 2, burst: 0, after_s: 0.0 },
    Source { id: "batches", ticks_hz: 10.0, messages: 10, burst: 0, after_s: 0.0 },
    Source { id: "late", ticks_hz: 100.0, messages: 1, burst: 1, after_s: 1.5 },
];

/// What a reader outside saw of a source.
#[derive(Debug, Default)]
struct Seen {
    /// When the first message of each ring was sent, after the first message of all, and the ring's frames.
    rings: Vec<(Duration, u64)>,
    frames: u64,
    lost: u64,
    /// From the first message after the burst to the last, as they were sent.
    seconds: f64,
    /// Most bytes that the stream's files had, and what they have with the last ring alone.
    most_bytes: u64,
    final_bytes: u64,
}

impl Seen {
    /// Frames of the ring at `at` after the first message.
    fn at(&self, at: Duration) -> u64 {
        self.rings.iter().rfind(|ring| ring.0 <= at).expect("a ring").1
    }

    fn corrections(&self) -> usize {
        self.rings.len() - 1
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = self.most_bytes as f64 / self.final_bytes as f64;
        write!(f, "{:.1?}, {} frames, {} lost, memory {memory:.2} times", self.rings, self.frames, self.lost)
    }
}

#[test]
#[ignore = "needs the dora command line: cargo xtask system"]
fn real_sources_without_a_rate_get_rings_of_the_seconds_asked_for_and_a_wrong_rate_is_told() {
    let seconds = std::env::var("RING_LENGTH_SECONDS").map_or(SECONDS, |text| text.parse().expect("seconds"));
    let stage = Stage::new("ring-length");
    let streams = SOURCES.map(|source| stage.stream(source.id));
    let readers: Vec<_> = SOURCES
        .into_iter()
        .zip(&streams)
        .map(|(source, stream)| {
            let stream = stream.clone();
            thread::spawn(move || watch(&source, &stream, Duration::from_secs(seconds)))
        })
        .collect();
    let graph: String = SOURCES.iter().zip(&streams).map(|(source, stream)| nodes(source, stream)).collect();
    let wrong = sink("wrong", "imu", &stage.stream("wrong"), "SAMPLE_RATE: 16000");
    let mut dora = run(&stage, "graph", &format!("nodes:\n{graph}{wrong}"));
    let seen = readers.into_iter().map(|reader| reader.join().expect("a reader")).collect::<Vec<_>>();
    dora.signal(Signal::INT);
    dora.succeed().unwrap();
    let warning = dora.line("FRAMES: rows").unwrap_or_else(|| panic!("no warning in\n{}", dora.log()));
    assert!(warning.contains("the stated rate is 16000 Hz, but about 1"), "{warning}");
    println!("| source | rings | off at {BY:?} | off at the end | memory | lost |\n|---|---|---|---|---|---|");
    for (source, seen) in SOURCES.iter().zip(&seen) {
        let needed = (seen.frames - source.burst) as f64 / (seen.seconds - source.after_s) * BUFFER_S;
        let off = [BY, Duration::MAX].map(|at| seen.at(at) as f64 / needed - 1.0);
        let memory = seen.most_bytes as f64 / seen.final_bytes as f64;
        let [early, late] = off.map(|off| format!("{:.1} %", off * 100.0));
        println!("| {} | {:.1?} | {early} | {late} | {memory:.2} x | {} |", source.id, seen.rings, seen.lost);
        assert!(off.iter().all(|off| off.abs() <= 0.25), "{}: {off:?} off: {seen}", source.id);
        assert_eq!(seen.lost, 0, "{}: {seen}", source.id);
        assert!(seen.corrections() <= 2 && memory <= 3.0, "{}: {seen}", source.id);
    }
}

fn nodes(source: &Source, stream: &str) -> String {
    let Source { id, ticks_hz, messages, burst, after_s } = source;
    format!(
        "  - id: {id}
    path: {}
    outputs: [data]
    env: {{TICKS_HZ: {ticks_hz}, MESSAGES: {messages}, BURST: {burst}, AFTER_S: {after_s}}}
{}",
        program("tick-source").display(),
        sink(id, id, stream, &format!("BUF_DUR: {BUFFER_S}"))
    )
}

fn sink(id: &str, source: &str, stream: &str, setting: &str) -> String {
    // Every message is counted, so dora must drop none.
    format!(
        "  - id: {id}-sink
    path: {}
    inputs:
      data: {{source: {source}/data, queue_size: 5000, queue_policy: backpressure}}
    env: {{SHMEM_NAME: {stream}, {setting}}}
",
        program("dora-shm-sink").display()
    )
}

/// Reads the stream from its first message on for as long as `lasts`, and checks each number.
fn watch(source: &Source, stream: &str, lasts: Duration) -> Seen {
    let (mut reader, mut message, mut seen) = (message_reader(stream), Message::default(), Seen::default());
    let (mut first, mut steady, mut looked) = (None, None, Instant::now());
    while first.is_none_or(|first: (Instant, i64)| first.0.elapsed() < lasts) {
        let outcome = reader.next(&mut message).expect("a healthy stream");
        if outcome == Outcome::Generation || looked.elapsed() > LOOK_EVERY {
            looked = Instant::now();
            seen.final_bytes = bytes(stream);
            seen.most_bytes = seen.most_bytes.max(seen.final_bytes);
        }
        match outcome {
            Outcome::Data(_) => {
                let sent_ns = message.info().send_ns;
                let since = *first.get_or_insert((Instant::now(), sent_ns));
                let ring = reader.format().expect("a format").frames();
                if seen.rings.last().is_none_or(|last| last.1 != ring) {
                    seen.rings.push((between(since.1, sent_ns), ring));
                }
                seen.lost += message.info().lost;
                seen.frames += message.info().frames;
                let number = i64::from_ne_bytes(message.samples().try_into().expect("one number"));
                assert_eq!(number as u64, seen.frames + seen.lost - 1, "{stream}");
                if seen.frames >= source.burst {
                    seen.seconds = between(*steady.get_or_insert(sent_ns), sent_ns).as_secs_f64();
                }
            }
            Outcome::Generation => {}
            Outcome::Nothing => drop(reader.wait(Duration::from_millis(20)).expect("a healthy stream")),
            Outcome::Closed => panic!("{stream} was closed"),
        }
    }
    seen
}

/// From one time of sending to another, in nanoseconds.
fn between(earlier_ns: i64, later_ns: i64) -> Duration {
    Duration::from_nanos(later_ns.saturating_sub(earlier_ns).max(0) as u64)
}

/// The memory of a stream's files.
fn bytes(stream: &str) -> u64 {
    // Each has a public name and an anchor.
    let publics = segments::of(stream).into_iter().filter(|path| path.extension().is_none_or(|end| end != "anchor"));
    publics.filter_map(|path| path.metadata().ok()).map(|file| file.len()).sum()
}
