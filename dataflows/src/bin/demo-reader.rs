//! A process outside any graph: reads the stream of `demo.yml`, checks every sample, shows a live line on stderr, and
//! ends with the demo's one line on stdout when the stream closes.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use dora_shm_dataflows::duration;
use dora_shm_dataflows::judge::Judge;
use dora_shm_dataflows::latency::Latencies;
use dora_shm_dataflows::signal::{CHANNELS, FRAMES_PER_MESSAGE, RATE_HZ};
use dora_shm_ring::{Frames, Outcome, Reader, ReaderOptions, Start, monotonic_ns};
use eyre::{OptionExt as _, bail, ensure};

const STREAM: &str = "demo";

/// A graph needs a second or two to start; one that has not said anything for so long never will.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the live line is drawn.
const LINE_PERIOD: Duration = Duration::from_millis(500);

fn main() -> eyre::Result<ExitCode> {
    let (stream, expected_frames) = arguments()?;
    let report = read_to_the_end(&stream, expected_frames)?;
    Ok(if report.is_content() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `[--stream NAME] [--duration 10s]`: the stream's name, and the frames it must have when it closes.
fn arguments() -> eyre::Result<(String, Option<u64>)> {
    let mut stream = STREAM.to_owned();
    let mut frames = None;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_eyre("an argument lacks its value");
        match &*word {
            "--stream" => stream = value()?,
            "--duration" => frames = Some((duration::parse(&value()?)?.as_secs_f64() * RATE_HZ as f64).round() as u64),
            other => bail!("unknown argument {other:?}; known are --stream NAME and --duration 10s"),
        }
    }
    Ok((stream, frames))
}

fn read_to_the_end(stream: &str, expected_frames: Option<u64>) -> eyre::Result<Judge> {
    let options = ReaderOptions::default().start(Start::Oldest);
    let mut reader = Reader::open(stream, options)?;
    let mut frames = Frames::default();
    let mut judge = Judge::from_the_start();
    let mut latencies = Latencies::default();
    let mut recent = Latencies::default();
    let (mut last_news, mut last_line) = (Instant::now(), Instant::now());
    let mut dtype = "none";
    loop {
        match reader.read(&mut frames, u64::MAX)? {
            Outcome::Data(_) => {
                let copied_at = monotonic_ns() as f64 * 1e-9;
                last_news = Instant::now();
                let format = reader.format().ok_or_eyre("frames without a format")?;
                dtype = format.dtype().name();
                let samples = frames.samples_as::<f32>().filter(|_| format.frame_shape() == [CHANNELS as u64]);
                let Some(samples) = samples else {
                    bail!("expected frames of [{CHANNELS}] float32, found {:?} {dtype}", format.frame_shape());
                };
                for (frame, time) in samples.chunks(CHANNELS).zip(frames.times()) {
                    let number = judge.check(frame);
                    // The source stamps the newest frame of each message.
                    if number.is_some_and(|number| number % FRAMES_PER_MESSAGE as u64 == FRAMES_PER_MESSAGE as u64 - 1)
                    {
                        latencies.push_seconds(copied_at - time);
                        recent.push_seconds(copied_at - time);
                    }
                }
            }
            Outcome::Generation => {}
            Outcome::Nothing => {
                ensure!(last_news.elapsed() < PATIENCE, "no frame of stream {stream:?} for {PATIENCE:?}");
                reader.wait(LINE_PERIOD)?;
            }
            Outcome::Closed => break,
        }
        if last_line.elapsed() >= LINE_PERIOD {
            live_line(stream, &judge, reader.lost(), &mut recent)?;
            recent = Latencies::default();
            last_line = Instant::now();
        }
    }
    if let Some(expected) = expected_frames {
        judge.finish(expected);
    }
    eprintln!();
    println!(
        "demo: {} frames x {CHANNELS} {dtype} read outside the graph, {} lost, latency p50 {:.0} us p99 {:.0} us",
        judge.frames,
        // What this reader was too slow for is missing in the source's count as well: each frame is counted once.
        judge.missing.max(reader.lost()),
        latencies.quantile(0.50),
        latencies.quantile(0.99)
    );
    if judge.wrong > 0 {
        eprintln!("{} frames were not what the source sends", judge.wrong);
    }
    Ok(judge)
}

/// Draws over the line before it, where there is a terminal to draw on.
fn live_line(stream: &str, judge: &Judge, lost: u64, recent: &mut Latencies) -> eyre::Result<()> {
    let mut out = std::io::stderr().lock();
    let (start, end) = if std::io::IsTerminal::is_terminal(&out) { ("\r", "\x1b[K") } else { ("", "\n") };
    write!(
        out,
        "{start}{stream}: {} frames, {} lost, latency p50 {:.0} us, newest frame {}{end}",
        judge.frames,
        judge.missing.max(lost),
        recent.quantile(0.5),
        judge.frames.saturating_sub(1)
    )?;
    Ok(out.flush()?)
}
