//! A process outside any graph. It reads the stream of `demo.yml`, checks every sample and shows a live line on stderr.
//! When the stream closes, it prints the demo's result as one line on stdout and ends. It fails if a sample is wrong, or if
//! frames are missing that neither this reader nor the sink has counted as lost.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use dora_shm_dataflows::duration;
use dora_shm_dataflows::judge::Judge;
use dora_shm_dataflows::latency::Latencies;
use dora_shm_dataflows::signal::{CHANNELS, FRAMES_PER_MESSAGE, RATE_HZ};
use dora_shm_ring::internal::monotonic_ns;
use dora_shm_ring::{Frames, Outcome, Reader, ReaderOptions, Start};
use eyre::{OptionExt as _, bail, ensure};

const STREAM: &str = "demo";

/// Time limit without a frame. A graph needs a second or two to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// Time between two updates of the live line.
const LINE_PERIOD: Duration = Duration::from_millis(500);

fn main() -> eyre::Result<ExitCode> {
    let (stream, expected_frames) = arguments()?;
    let is_right = read_to_the_end(&stream, expected_frames)?;
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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

/// Returns whether every sample was right, and every missing frame was counted.
fn read_to_the_end(stream: &str, expected_frames: Option<u64>) -> eyre::Result<bool> {
    let options = ReaderOptions::default().start(Start::Oldest);
    let mut reader = Reader::open(stream, options)?;
    let mut frames = Frames::default();
    let mut judge = Judge::from_the_start();
    let mut latencies = Latencies::default();
    let mut recent = Latencies::default();
    let (mut last_data, mut last_line) = (Instant::now(), Instant::now());
    let mut dtype = "none";
    // Frames missing when they were last accounted for, and those that the sink then said it had not received.
    let (mut accounted, mut not_received) = (0, 0);
    loop {
        match reader.read(&mut frames, u64::MAX)? {
            Outcome::Data(_) => {
                let copied_at = monotonic_ns() as f64 * 1e-9;
                last_data = Instant::now();
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
                if judge.missing_between() != accounted {
                    accounted = judge.missing_between();
                    // The sink counts a gap before it writes the message after it.
                    let counted = reader.info()?.counted.ok_or_eyre("the sink does not count what it misses")?;
                    not_received = counted.gaps * FRAMES_PER_MESSAGE as u64;
                }
            }
            Outcome::Generation => {}
            Outcome::Nothing => {
                ensure!(
                    last_data.elapsed() < PATIENCE,
                    "no frame of the stream {stream:?} for {PATIENCE:?}; check that its graph runs"
                );
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
    let (between, lost) = (judge.missing_between(), reader.lost());
    if let Some(expected) = expected_frames {
        judge.finish(expected);
    }
    eprintln!();
    println!(
        "demo: {} frames x {CHANNELS} {dtype} read outside the graph, {} lost, latency p50 {:.0} us p99 {:.0} us",
        judge.frames,
        // The frames that this reader lost are also missing in the source's count. The maximum counts each frame once.
        judge.missing.max(reader.lost()),
        latencies.quantile(0.50),
        latencies.quantile(0.99)
    );
    if judge.wrong > 0 {
        eprintln!("{} frames differ from what the source sends", judge.wrong);
    }
    if between != lost + not_received {
        eprintln!(
            "{between} frames are missing, but {lost} were lost on the way to this reader and the sink missed {not_received}"
        );
    }
    Ok(judge.wrong == 0 && between == lost + not_received)
}

/// Replaces the previous line on a terminal. Otherwise prints a new line.
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
