//! Writes a stream to draw or record, until it is stopped: `cargo run -p dora-shm-cli --example signals -- eeg`.
//!
//! `eeg`: 64 channels at 1 kHz. `probe`: 256 channels at 30 kHz. `camera`: pictures of 640 x 480. `depth`: 160 x 120 of
//! uint16. `imu`: six channels of two units. `speed`: one value at no fixed rate. `changes`: a new format every five
//! seconds. The stream has the signal's name, or the second argument as its name.

use std::time::{Duration, Instant};

use dora_shm_ring::internal::{monotonic_ns, unix_ns};
use dora_shm_ring::{
    Attr, Axis, Chunk, Clock, Description, Dtype, Error, Format, Result, Times, Writer, WriterOptions,
};
use serde_json::{Value, json};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let signal = arguments.next().unwrap_or_else(|| "eeg".to_owned());
    let name = arguments.next().unwrap_or_else(|| signal.clone());
    let mut writer = Writer::create(&name, WriterOptions::default())?;
    eprintln!("writing stream {name:?}; Ctrl-C stops");
    match signal.as_str() {
        "eeg" => run(&mut writer, &eeg(64)),
        "probe" => run(&mut writer, &probe()),
        "camera" => run(&mut writer, &camera()),
        "depth" => run(&mut writer, &depth()),
        "imu" => run(&mut writer, &imu()),
        "speed" => speed(&mut writer),
        "changes" => changes(&mut writer),
        other => Err(Error::BadArgument {
            reason: format!("unknown signal {other:?}; expected eeg, probe, camera, depth, imu, speed or changes"),
        }),
    }
}

/// A signal. `fill` makes the samples of a chunk: of a number of frames from a first one on.
struct Signal<F: Fn(u64, u64) -> Vec<u8>> {
    format: Format,
    description: Description,
    chunk: u64,
    fill: F,
}

fn run<F: Fn(u64, u64) -> Vec<u8>>(writer: &mut Writer, signal: &Signal<F>) -> Result<()> {
    run_for(writer, signal, Duration::MAX)
}

fn run_for<F: Fn(u64, u64) -> Vec<u8>>(writer: &mut Writer, signal: &Signal<F>, time: Duration) -> Result<()> {
    writer.begin(&signal.format.clone().on_clock(Clock::Unix), &signal.description, signal.chunk)?;
    // Repeats a few seconds: making samples must not cost more than drawing them.
    let rate = signal.format.rate_hz();
    let seconds = if signal.format.frame_bytes() > 100_000 { 2.0 } else { 10.0 };
    let chunks = (rate * seconds / signal.chunk as f64) as u64;
    let made: Vec<Vec<u8>> = (0..chunks.max(1)).map(|i| (signal.fill)(i * signal.chunk, signal.chunk)).collect();
    let (began, start) = (Instant::now(), now(writer));
    for i in 0.. {
        let frame = i as u64 * signal.chunk;
        let due = Duration::from_secs_f64((frame + signal.chunk) as f64 / rate);
        if due > time {
            break;
        }
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        let times = Times::Linear { start: start + frame as f64 / rate, step: 1.0 / rate };
        writer.write(&Chunk { samples: &made[i % made.len()], times, send_ns: unix_ns() })?;
    }
    Ok(())
}

/// The current time on the clock of the stream's generation.
fn now(writer: &Writer) -> f64 {
    writer.clock().and_then(|clock| clock.time_at(monotonic_ns())).expect("a generation on a named clock has begun")
}

fn described(dims: &[&str], unit: &str, labels: Option<Vec<Value>>) -> Description {
    let mut description =
        Description { dims: dims.iter().map(|dim| (*dim).to_owned()).collect(), ..Description::default() };
    if !unit.is_empty() {
        description.attrs.insert("unit".to_owned(), Attr::String(unit.to_owned()));
    }
    if let (Some(labels), Some(dim)) = (labels, dims.get(1)) {
        description.axes.insert((*dim).to_owned(), Axis::Coord { unit: String::new(), data: Some(labels) });
    }
    description
}

fn bytes(samples: impl Iterator<Item = f32>) -> Vec<u8> {
    samples.flat_map(f32::to_le_bytes).collect()
}

/// Between -1 and 1, the same for the same numbers.
fn noise(a: u64, b: u64) -> f64 {
    let mut x = a.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ b.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 30)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

fn sine(hertz: f64, time: f64) -> f64 {
    (std::f64::consts::TAU * hertz * time).sin()
}

const ELECTRODES: [&str; 16] =
    ["Fp1", "Fp2", "F3", "Fz", "F4", "C3", "Cz", "C4", "P3", "Pz", "P4", "T7", "T8", "O1", "Oz", "O2"];

fn eeg(channels: u64) -> Signal<impl Fn(u64, u64) -> Vec<u8>> {
    let labels = (0..channels).map(|channel| match ELECTRODES.get(channel as usize) {
        Some(label) => json!(label),
        None => json!(format!("E{}", channel + 1)),
    });
    Signal {
        format: Format::new(Dtype::F32, &[channels], 1000.0, 30_000).expect("a format"),
        description: described(&["time", "ch"], "µV", Some(labels.collect())),
        chunk: 20,
        fill: move |first, frames| {
            bytes((first..first + frames).flat_map(|frame| {
                let time = frame as f64 / 1000.0;
                // An alpha rhythm that comes and goes, stronger at the back, and a blink at the front.
                let alpha = sine(10.0, time) * sine(0.2, time).max(0.0);
                let blink = (-((time % 5.0 - 2.5) / 0.12).powi(2)).exp();
                (0..channels).map(move |channel| {
                    let back = (channel % 16) as f64 / 15.0;
                    let slow = 6.0 * sine(0.7 + 0.03 * channel as f64, time);
                    let value = 30.0 * back * alpha + 90.0 * (1.0 - back).powi(4) * blink + slow;
                    (value + 6.0 * noise(frame, channel)) as f32
                })
            }))
        },
    }
}

fn probe() -> Signal<impl Fn(u64, u64) -> Vec<u8>> {
    Signal {
        format: Format::new(Dtype::F32, &[256], 30_000.0, 150_000).expect("a format"),
        description: described(&["time", "site"], "µV", None),
        chunk: 300,
        fill: |first, frames| {
            bytes((first..first + frames).flat_map(|frame| {
                (0..256u64).map(move |site| {
                    let spike = noise(frame / 45, site / 6) > 0.995;
                    let shape = sine(30_000.0 / 45.0, frame as f64 / 30_000.0);
                    (8.0 * noise(frame, site) + if spike { 70.0 * shape } else { 0.0 }) as f32
                })
            }))
        },
    }
}

fn camera() -> Signal<impl Fn(u64, u64) -> Vec<u8>> {
    let mut description = described(&["time", "y", "x", "c"], "", None);
    description.attrs.insert("encoding".to_owned(), Attr::String("rgb8".to_owned()));
    Signal {
        format: Format::new(Dtype::U8, &[480, 640, 3], 30.0, 60).expect("a format"),
        description,
        chunk: 1,
        fill: |frame, _| {
            let time = frame as f64 / 30.0;
            // A ball over a landscape.
            let (ball_x, ball_y) = (320.0 + 220.0 * sine(0.5, time), 330.0 - 180.0 * sine(1.0, time).abs());
            let mut pixels = Vec::with_capacity(480 * 640 * 3);
            for y in 0..480 {
                for x in 0..640 {
                    let (dx, dy) = (f64::from(x) - ball_x, f64::from(y) - ball_y);
                    let distance = dx.hypot(dy) / 48.0;
                    let hill = 300.0 + 40.0 * (f64::from(x) / 90.0).sin() + 20.0 * (f64::from(x) / 31.0).cos();
                    let pixel = if distance < 1.0 {
                        let light = 1.0 - 0.6 * (dx + 20.0).hypot(dy + 24.0) / 80.0;
                        [255.0 * light, 90.0 * light, 40.0 * light]
                    } else if f64::from(y) > hill {
                        let depth = (f64::from(y) - hill) / 200.0;
                        [60.0 - 30.0 * depth, 140.0 - 60.0 * depth, 70.0 - 30.0 * depth]
                    } else {
                        let height = f64::from(y) / 300.0;
                        [90.0 + 120.0 * height, 150.0 + 70.0 * height, 235.0]
                    };
                    pixels.extend(pixel.map(|part: f64| part.clamp(0.0, 255.0) as u8));
                }
            }
            pixels
        },
    }
}

fn depth() -> Signal<impl Fn(u64, u64) -> Vec<u8>> {
    let mut description = described(&["time", "y", "x"], "mm", None);
    description.attrs.insert("encoding".to_owned(), Attr::String("mono16".to_owned()));
    Signal {
        format: Format::new(Dtype::U16, &[120, 160], 15.0, 90).expect("a format"),
        description,
        chunk: 1,
        fill: |frame, _| {
            let at = 80.0 + 50.0 * sine(0.5, frame as f64 / 15.0);
            let pixel = |x: u64, y: u64| {
                let near = (x as f64 - at).hypot(y as f64 - 60.0) < 30.0;
                if near { 900 } else { 2000 + 10 * y as u16 + x as u16 }
            };
            (0..120).flat_map(|y| (0..160).flat_map(move |x| pixel(x, y).to_le_bytes())).collect()
        },
    }
}

fn imu() -> Signal<impl Fn(u64, u64) -> Vec<u8>> {
    let axis = |label: &str, unit: &str| json!({"label": label, "unit": unit});
    let labels = ["ax", "ay", "az"].map(|label| axis(label, "m/s²"));
    let turns = ["gx", "gy", "gz"].map(|label| axis(label, "rad/s"));
    Signal {
        format: Format::new(Dtype::F32, &[6], 200.0, 12_000).expect("a format"),
        description: described(&["time", "axis"], "", Some(labels.into_iter().chain(turns).collect())),
        chunk: 4,
        fill: |first, frames| {
            bytes((first..first + frames).flat_map(|frame| {
                let time = frame as f64 / 200.0;
                let accelerations = [sine(0.7, time), 0.4 * sine(1.3, time), 9.81 + 0.2 * sine(2.1, time)];
                let turns = [0.05 * sine(0.9, time), 0.02 * sine(0.4, time), 0.3 * sine(0.2, time)];
                let quiet = move |value: f64, i: usize| (value + 0.02 * noise(frame, i as u64)) as f32;
                accelerations.into_iter().chain(turns).enumerate().map(move |(i, value)| quiet(value, i))
            }))
        },
    }
}

fn speed(writer: &mut Writer) -> Result<()> {
    let format = Format::new(Dtype::F64, &[], 0.0, 2000)?.on_clock(Clock::Unix);
    let description = Description { key: "speed".to_owned(), ..described(&["time"], "m/s", None) };
    writer.begin(&format, &description, 1)?;
    for i in 0u64.. {
        std::thread::sleep(Duration::from_millis(40 + (60.0 * noise(i, 0).abs()) as u64));
        let time = now(writer);
        let value = 1.5 + sine(0.15, time) + 0.1 * noise(i, 1);
        let times = Times::Values(&[time]);
        writer.write(&Chunk { samples: &value.to_le_bytes(), times, send_ns: unix_ns() })?;
    }
    Ok(())
}

fn changes(writer: &mut Writer) -> Result<()> {
    loop {
        for channels in [4, 8, 16] {
            run_for(writer, &eeg(channels), Duration::from_secs(5))?;
        }
    }
}
