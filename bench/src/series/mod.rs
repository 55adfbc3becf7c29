//! What a figure depends on: readers, streams, channels, frames per chunk, the ring's size, time. Only for our ring.
//!
//! Each series runs in its own process and prints its points.

mod channels;
mod chunk;
pub mod graph;
mod helper;
mod idle;
mod laps;
mod memory;
mod readers;
mod start;
mod streams;

use std::process::Command;

use clap::ValueEnum;
use dora_shm_ring as ring;
use dora_shm_ring::{Chunk, Description, Dtype, Format, Times, WriterOptions};
use eyre::ensure;
use serde::{Deserialize, Serialize};

use crate::clock::{now_ns, spin_until};
use crate::measure;
use crate::probe::Class;
use crate::processes::{interrupted, output_of};

pub use helper::Helper;

/// A series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Series {
    /// Writer's cost over the number of readers
    Readers,
    /// CPU time and wake-ups of a writer and a waiting reader with nothing to do
    Idle,
    /// Writer's cost and listing time over the number of streams on the machine
    Streams,
    /// Cost of a chunk of constant size over the number of channels
    Channels,
    /// Cost of a frame over the frames of a chunk
    Chunk,
    /// Memory per process over the ring's size
    Memory,
    /// From a process's start to its first frame
    Start,
    /// First lap of a ring against later ones
    Laps,
    /// A message's age at receivers in and outside of a running dora graph
    Graph,
}

/// One value of a series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The series' line, and what it shows.
    pub line: String,
    /// What the series varies, in `x_unit`.
    pub x: f64,
    #[allow(missing_docs)]
    pub x_unit: String,
    #[allow(missing_docs)]
    pub value: f64,
    #[allow(missing_docs)]
    pub unit: String,
}

/// A point of one round.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct SeriesEntry {
    pub series: Series,
    pub round: usize,
    /// `None`: the cores' distance differed before and after the series.
    pub class: Option<Class>,
    pub round_trip_ns: [f64; 2],
    pub point: Point,
}

/// What a series is given.
pub struct Setting {
    /// Short runs.
    pub quick: bool,
    pub writer_cpu: usize,
    pub reader_cpu: usize,
}

impl Series {
    /// Its name in tables and on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// What it shows.
    pub fn about(self) -> &'static str {
        match self {
            Series::Readers => {
                "Writer's cost by attached readers, each a process of its own; 1 KiB at 500 Hz. Those that wait sleep in \
                 Reader::wait, those that do not have attached and read, and then do nothing"
            }
            Series::Idle => "A live writer and a waiting reader with nothing to do, a process each, for five seconds",
            Series::Streams => "Streams on one machine, written in turn by one process, 1 KiB each",
            Series::Channels => "Chunks of 64 KiB of float32: channels times frames is constant",
            Series::Chunk => "Frames of 32 bytes, ring of 256 MiB, back to back, no reader attached",
            Series::Memory => "A writer and a reader after one whole lap, a process each",
            Series::Start => "From the start of a process to its first frame of a live stream",
            Series::Laps => "Median write of 64 KiB in the laps of a fresh ring of 64 MiB",
            Series::Graph => {
                "In running graphs of dora 1.1.0, from before the source's send: 200 messages a second up to 64 KiB, 100 up \
                 to 1 MiB, 30 above, each receiver alone with the source, nothing bound to a core. A direct edge (static \
                 node) is what the sink has, too; outside reader and mirror sleep until they are woken; every receiver \
                 copies the message out"
            }
        }
    }

    /// Runs it in this process and prints its points as JSON.
    pub fn print(self, setting: &Setting) -> eyre::Result<()> {
        let points = match self {
            Series::Readers => readers::run(setting),
            Series::Idle => idle::run(setting),
            Series::Streams => streams::run(setting),
            Series::Channels => channels::run(setting),
            Series::Chunk => chunk::run(setting),
            Series::Memory => memory::run(setting),
            Series::Start => start::run(setting),
            Series::Laps => laps::run(setting),
            Series::Graph => graph::run(setting),
        }?;
        println!("{}", serde_json::to_string(&points)?);
        Ok(())
    }

    /// Runs it in its own process.
    pub fn measure(self, round: usize, quick: bool, cpus: (usize, usize)) -> eyre::Result<Vec<SeriesEntry>> {
        let before = measure::distance(cpus)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["series", &self.name(), &cpus.0.to_string(), &cpus.1.to_string()]);
        let printed = output_of(if quick { command.arg("--quick") } else { &mut command })?;
        let round_trip_ns = [before, measure::distance(cpus)?];
        let points: Vec<Point> = serde_json::from_str(&printed)?;
        let [class, after] = round_trip_ns.map(Class::of);
        let class = (class == after).then_some(class);
        Ok(points.into_iter().map(|point| SeriesEntry { series: self, round, class, round_trip_ns, point }).collect())
    }
}

fn unique(what: &str) -> String {
    format!("dsb-{}-{what}", std::process::id())
}

/// A writer with a ring of `frames` frames.
fn writer(name: &str, dtype: Dtype, shape: &[u64], frames: u64, first_chunk: u64) -> eyre::Result<ring::Writer> {
    let mut writer = ring::Writer::create(name, WriterOptions::default())?;
    writer.begin(&Format::new(dtype, shape, 0.0, frames)?, &Description::default(), first_chunk)?;
    Ok(writer)
}

fn chunk(samples: &[u8]) -> Chunk<'_> {
    Chunk { samples, times: Times::Linear { start: 0.0, step: 0.001 }, send_ns: 0 }
}

/// Durations of `count` writes in nanoseconds, `period_ns` apart (0: back to back), of chunks that are taken in turn
/// from 8 MiB of samples.
fn write_costs(writer: &mut ring::Writer, bytes: usize, count: usize, period_ns: u64) -> eyre::Result<Vec<u64>> {
    let source = vec![1_u8; (8 << 20_usize).max(2 * bytes)];
    let mut chunks = source.chunks_exact(bytes).cycle();
    let mut costs = Vec::with_capacity(count);
    let begin = now_ns();
    for index in 0..count as u64 {
        let Some(samples) = chunks.next() else { break };
        if period_ns > 0 {
            spin_until(begin + (index + 1) * period_ns);
        }
        ensure!(!interrupted(), "interrupted");
        let start = now_ns();
        writer.write(&chunk(samples))?;
        costs.push(now_ns() - start);
    }
    Ok(costs)
}

fn point(line: impl Into<String>, x: f64, x_unit: &str, value: f64, unit: &str) -> Point {
    Point { line: line.into(), x, x_unit: x_unit.to_owned(), value, unit: unit.to_owned() }
}
