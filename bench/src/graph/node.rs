//! The programs inside and outside a graph, each a role of this program.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use arrow::array::AsArray as _;
use arrow::datatypes::UInt8Type;
use clap::Subcommand;
use dora_node_api::dora_core::config::NodeId;
use dora_node_api::{DoraNode, Event, EventStream, MetadataParameters};
use dora_shm_node_kit::events::Stopper;
use dora_shm_node_kit::launch::Surroundings;
use dora_shm_ring::{MessageReader, Outcome, ReaderOptions};
use dora_shm_sink::Opened;
use eyre::{OptionExt as _, WrapErr as _, bail, eyre};

use super::{Ages, Noted};
use crate::clock::now_ns;
use crate::message::Source;

/// How long a receiver that dora does not start tries to join its graph, and how long a reader waits for its stream.
const PATIENCE: Duration = Duration::from_secs(20);

/// A role in a graph.
#[derive(Clone, Debug, Subcommand)]
pub enum Part {
    /// Sends messages on the output `data`
    Send {
        #[arg(long)]
        payload: usize,
        #[arg(long)]
        rate: u64,
        #[arg(long)]
        count: u64,
    },
    /// Receives the input `data`
    Receive {
        #[arg(long)]
        out: PathBuf,
        /// The node that this process is, when dora has not started it
        #[arg(long)]
        dynamic: Option<String>,
    },
    /// The sink itself, which notes when it received what
    Sink {
        #[arg(long)]
        out: PathBuf,
    },
    /// Reads a stream, outside any graph
    Outside {
        #[arg(long)]
        stream: String,
        #[arg(long)]
        out: PathBuf,
    },
}

impl Part {
    /// Runs the role to its end.
    pub fn play(&self) -> eyre::Result<()> {
        match self {
            Part::Send { payload, rate, count } => send(*payload, *rate, *count),
            Part::Receive { out, dynamic } => {
                let (node, mut events) = join(dynamic.as_deref())?;
                let ages = receive(&mut events)?;
                drop((node, events));
                ages.write(out)
            }
            Part::Sink { out } => sink()?.write(out),
            Part::Outside { stream, out } => read(stream)?.write(out),
        }
    }
}

fn send(payload: usize, rate: u64, count: u64) -> eyre::Result<()> {
    let (mut node, mut events) = DoraNode::init_from_env()?;
    let mut source = Source::new(payload);
    let period = Duration::from_nanos(1_000_000_000 / rate);
    let begin = Instant::now();
    for sequence in 0..count {
        let due = begin + period * sequence as u32;
        while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            // A timeout comes as an error event, which adds nothing to the clock.
            if let None | Some(Event::Stop(_)) = events.recv_timeout(left) {
                return Ok(());
            }
        }
        let message = source.stamped(sequence, now_ns());
        let send = node.send_output_raw("data".to_owned().into(), MetadataParameters::default(), payload, |memory| {
            memory.copy_from_slice(message);
        });
        send.wrap_err("cannot send")?;
    }
    Ok(())
}

/// Joins the graph that this process was started in, or, as the node `dynamic`, the one that runs.
fn join(dynamic: Option<&str>) -> eyre::Result<(DoraNode, EventStream)> {
    let Some(id) = dynamic else { return Ok(DoraNode::init_from_env()?) };
    let id: NodeId = id.parse().map_err(|error| eyre!("{error}"))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match DoraNode::init_from_node_id(id.clone()) {
            Ok(joined) => return Ok(joined),
            Err(error) if Instant::now() > deadline => return Err(error).wrap_err("cannot join the graph"),
            // It is still being started.
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn receive(events: &mut EventStream) -> eyre::Result<Ages> {
    let (mut ages, mut copy) = (Ages::default(), Vec::new());
    while let Some(event) = events.recv() {
        let received_ns = now_ns();
        match event {
            Event::Input { data, .. } => {
                let message = data.as_array().as_primitive_opt::<UInt8Type>().ok_or_else(|| eyre!("not bytes"))?;
                copy.clear();
                copy.extend_from_slice(message.values());
                let noted = Noted { committed_ns: None, received_ns, copied_ns: now_ns() };
                ages.note(&copy, &noted);
            }
            Event::Error(error) => bail!("dora: {error}"),
            _ => {}
        }
    }
    Ok(ages)
}

/// The sink as its own program runs it, except for signals.
fn sink() -> eyre::Result<Ages> {
    let surroundings = Surroundings::before_init()?.ok_or_eyre("dora starts this node")?;
    let opened = Opened::open(&surroundings);
    let (node, events) = DoraNode::init_from_env()?;
    let mut ages = Ages::default();
    dora_shm_sink::run_observed(node, events, opened, Stopper::default(), |event| {
        let received_ns = now_ns();
        if let Event::Input { data, .. } = event
            && let Some(message) = data.as_array().as_primitive_opt::<UInt8Type>()
        {
            ages.note(message.values(), &Noted { committed_ns: None, received_ns, copied_ns: received_ns });
        }
    })?;
    Ok(ages)
}

fn read(stream: &str) -> eyre::Result<Ages> {
    let mut reader = MessageReader::open(stream, ReaderOptions::default())?;
    println!("outside: attached");
    let (mut ages, mut copy) = (Ages::default(), Vec::new());
    let mut quiet_since = Instant::now();
    loop {
        match reader.view()? {
            Outcome::Data(message) => {
                // From here on, the whole message could be read in place.
                let received_ns = now_ns();
                let [front, back] = message.samples();
                copy.resize(front.len() + back.len(), 0);
                front.copy_to(&mut copy[..front.len()]);
                back.copy_to(&mut copy[front.len()..]);
                let noted = Noted { committed_ns: Some(message.info().mono_ns), received_ns, copied_ns: now_ns() };
                if reader.finish(message) {
                    ages.note(&copy, &noted);
                }
                quiet_since = Instant::now();
            }
            Outcome::Generation => {}
            Outcome::Closed => return Ok(ages),
            Outcome::Nothing => {
                reader.wait(Duration::from_secs(1))?;
            }
        }
        if quiet_since.elapsed() > PATIENCE {
            bail!("nothing came for {PATIENCE:?}");
        }
    }
}
