//! The mirror: a dora node that re-emits a stream in shared memory as messages of its output `data`.
//!
//! [`run`] is the loop: one thread waits for the stream, another for dora's events, and each can wake the other. `emit`
//! turns messages of the stream into messages of dora, `parts` encodes them with one copy, and `chunker` cuts them
//! according to `CHUNK`.

mod chunker;
mod control;
mod emit;
mod mirror;
mod parts;

use std::process;

use dora_node_api::{DoraNode, EventStream};
use dora_shm_node_kit::events::Stopper;
use dora_shm_node_kit::launch::{Invocation, Surroundings, join};
use dora_shm_node_kit::report::Log;
use dora_shm_node_kit::settings::MirrorSettings;
use dora_shm_node_kit::termination::Termination;
use eyre::Context as _;

use control::Control;
use mirror::Mirror;

pub use mirror::Opened;

const ABOUT: &str = "Re-emits a stream in shared memory as messages of a dora dataflow.";

/// Runs the program: joins the dataflow and mirrors until its end.
///
/// # Errors
/// If the node cannot start, or has to end early.
pub fn main() -> eyre::Result<()> {
    let name = match Invocation::parse("dora-shm-mirror", ABOUT, std::env::args().skip(1))? {
        Invocation::Run { name } => name,
        Invocation::Print(text) => {
            println!("{text}");
            return Ok(());
        }
    };
    // Until the node has joined, there is nothing to clean up.
    let termination = Termination::watch(|| process::exit(0)).wrap_err("cannot handle signals")?;
    // If dora started the node, its settings are known before it joins. The mirror then opens the stream before the
    // dataflow begins, and misses nothing of a stream that the same dataflow writes.
    let early = Surroundings::before_init()?.map(|surroundings| open(&surroundings)).transpose()?;
    let (node, events) = join(name.as_deref())?;
    let opened = match early {
        Some(opened) => opened,
        None => open(&Surroundings::of_node(&node))?,
    };
    let stopper = Stopper::default();
    let signalled = stopper.clone();
    termination.instead(move || signalled.stop());
    run(node, events, opened, stopper)
}

fn open(surroundings: &Surroundings) -> eyre::Result<Opened> {
    Opened::open(MirrorSettings::from_env(&surroundings.env).wrap_err("the settings of this node are wrong")?)
}

/// Mirrors until the dataflow ends, `stopper` stops the mirror, or a setting ends it.
///
/// # Errors
/// If a setting ends the node, the stream cannot be read, or the connection to dora is lost.
pub fn run(mut node: DoraNode, events: EventStream, opened: Opened, stopper: Stopper) -> eyre::Result<()> {
    let log = Log::new(node.id().to_string());
    let mut mirror = Mirror::new(&mut node, opened, log.clone());
    let control = Control::spawn(events, stopper, mirror.interrupter(), log)?;
    let ended = mirror.mirror(&mut node, &control);
    // dora's events have to be dropped before the node, and both on this thread.
    drop(control.join());
    mirror.report_last(&mut node);
    ended
}
