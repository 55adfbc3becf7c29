//! In a running dora graph: how old a message is when a process outside the graph has it, compared with nodes of the
//! graph.

use std::path::Path;
use std::process::Command;

use eyre::OptionExt as _;

use super::{Point, Setting, point, unique};
use crate::graph::{Ages, Stage};
use crate::machine::{PYTHON, python};
use crate::statistics::Spread;
use crate::task::{PAYLOADS, payload_name};

/// What receives the messages of a graph's source. Each is measured alone: on few cores they would disturb each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receiver {
    /// A Rust node that dora starts: a direct edge, as the sink itself has.
    Static,
    /// A Rust node that joins the running graph.
    DynamicRust,
    /// A Python node that joins the running graph.
    DynamicPython,
    /// The sink, and a process outside the graph.
    Outside,
    /// The sink, and a node in another graph behind the mirror.
    Mirrored,
}

impl Receiver {
    const ALL: [Receiver; 5] =
        [Receiver::Static, Receiver::DynamicRust, Receiver::DynamicPython, Receiver::Outside, Receiver::Mirrored];

    fn name(self) -> &'static str {
        match self {
            Receiver::Static => STATIC,
            Receiver::DynamicRust => DYNAMIC_RUST,
            Receiver::DynamicPython => "dynamic Python node",
            Receiver::Outside => OUTSIDE,
            Receiver::Mirrored => MIRRORED,
        }
    }

    fn is_dynamic(self) -> bool {
        matches!(self, Receiver::DynamicRust | Receiver::DynamicPython)
    }
}

/// Names of receivers in the targets.
pub const STATIC: &str = "static Rust node";
pub const DYNAMIC_RUST: &str = "dynamic Rust node";
pub const OUTSIDE: &str = "outside reader";
pub const MIRRORED: &str = "node behind the mirror";

/// Messages per second that dora carries without a queue.
fn rate_hz(payload: usize) -> u64 {
    match payload {
        0..=65_536 => 200,
        65_537..=1_048_576 => 100,
        _ => 30,
    }
}

pub fn run(setting: &Setting) -> eyre::Result<Vec<Point>> {
    let payloads = if setting.quick { &PAYLOADS[..1] } else { &PAYLOADS[..] };
    let seconds = if setting.quick { 1 } else { 2 };
    let mut points = Vec::new();
    for &payload in payloads {
        for receiver in Receiver::ALL {
            let (ages, sinks) = measure(receiver, payload, seconds)?;
            let mut add = |what: &str, durations: Vec<u64>| -> eyre::Result<()> {
                let Spread { p50_ns, p99_ns, .. } = Ages::spread(durations)?;
                for (share, value) in [("p50", p50_ns), ("p99", p99_ns)] {
                    points.push(point(
                        format!("{}, {what}, {share}", receiver.name()),
                        payload as f64,
                        "B",
                        value,
                        "ns",
                    ));
                }
                Ok(())
            };
            if let Some(sinks) = sinks {
                add("received by its sink", sinks.received)?;
                add("copied since the sink's commit", ages.since_commit)?;
            }
            add("received", ages.received)?;
            add("copied", ages.copied)?;
        }
    }
    Ok(points)
}

/// What the receiver has noted and, for a reader outside the graph, what the sink before it has noted.
fn measure(receiver: Receiver, payload: usize, seconds: u64) -> eyre::Result<(Ages, Option<Ages>)> {
    let rate = rate_hz(payload);
    // A node that joins a running graph misses what was sent before.
    let seconds = if receiver.is_dynamic() { seconds + 2 } else { seconds };
    let stream = unique("graph");
    let mut stage = Stage::new(&unique(&format!("graph-{receiver:?}")))?;
    let (out, sinks) = (stage.file("ages.json"), stage.file("sink.json"));
    let this = std::env::current_exe()?;
    let receive = format!("graph receive --out {}", out.display());

    if receiver == Receiver::Mirrored {
        let mirror = stage.program("dora-shm-mirror");
        let mirrored = format!(
            "nodes:\n{}{}",
            node(
                "mirror",
                &mirror,
                "",
                &format!("outputs: [data], {}, env: {{SHMEM_NAME: {stream}, ON_CLOSE: stop}}", POOL)
            ),
            node("receiver", &this, &receive, &from("mirror")),
        );
        stage.graph("mirrored", &mirrored)?;
        stage.wait_for_line("mirrored", "mirrors stream")?;
    }
    if receiver == Receiver::Outside {
        let mut reader = Command::new(&this);
        stage.start("reader", reader.args(["graph", "outside", "--stream", &stream, "--out"]).arg(&out))?;
        stage.wait_for_line("reader", "attached")?;
    }

    let send = format!("graph send --payload {payload} --rate {rate} --count {}", seconds * rate);
    let consumer = match receiver {
        Receiver::Static => node("receiver", &this, &receive, &from("source")),
        Receiver::DynamicRust | Receiver::DynamicPython => node("receiver", Path::new("dynamic"), "", &from("source")),
        Receiver::Outside | Receiver::Mirrored => {
            let env = format!("env: {{SHMEM_NAME: {stream}, BUF_FRAMES: {}}}", ring_frames(payload));
            let rest = format!("{}, {env}", from("source"));
            if receiver == Receiver::Outside {
                node("sink", &this, &format!("graph sink --out {}", sinks.display()), &rest)
            } else {
                node("sink", &stage.program("dora-shm-sink"), "", &rest)
            }
        }
    };
    let source = node("source", &this, &send, &format!("outputs: [data], {POOL}"));
    stage.graph("graph", &format!("nodes:\n{source}{consumer}"))?;
    match receiver {
        Receiver::DynamicRust => {
            let mut command = Command::new(&this);
            stage.start("receiver", command.args(["graph", "receive", "--dynamic", "receiver", "--out"]).arg(&out))?;
        }
        Receiver::DynamicPython => {
            let python = python().ok_or_eyre(format!("{PYTHON} is not set; `cargo xtask bench` sets it"))?;
            let script = stage.file("receive.py");
            std::fs::write(&script, RECEIVE_PY)?;
            stage.start("receiver", Command::new(python).arg(script).arg("receiver").arg(&out))?;
        }
        _ => {}
    }
    stage.finish().map_err(|error| error.wrap_err(format!("{receiver:?} at {}", payload_name(payload))))?;
    let sinks = (receiver == Receiver::Outside).then(|| Ages::read(&sinks)).transpose()?;
    Ok((Ages::read(&out)?, sinks))
}

/// The Python node. It is a separate file, because Python has to read it.
const RECEIVE_PY: &str = include_str!("../../peers/receive.py");

/// Room for a burst of the largest messages; dora's default of 8 MB holds one of them.
const POOL: &str = "shared_memory_pool_size: 64MB";

/// At least two seconds, and no more memory than fits a cache, if that is enough.
fn ring_frames(payload: usize) -> usize {
    ((16 << 20) / payload).clamp(16, 1024)
}

fn node(id: &str, path: &Path, args: &str, rest: &str) -> String {
    let args = if args.is_empty() { String::new() } else { format!("args: \"{args}\", ") };
    format!("  - {{id: {id}, path: {}, {args}{rest}}}\n", path.display())
}

fn from(source: &str) -> String {
    format!("inputs: {{data: {{source: {source}/data, queue_size: 100}}}}")
}
