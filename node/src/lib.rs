//! The sink: a dora node that writes the arrays of its input `data` into a stream in shared memory.
//!
//! [`run`] is the event loop, `sink` handles one event, `stream` writes, counts and logs. Decisions are pure and have
//! their own files: `generations` (when a generation begins, and how long its ring is), `length`, `format_change`,
//! `grace` (how long a ring stays for late readers) and `gaps`. `rate` measures the rate of the messages, and `held`
//! keeps the first ones until it is known. `ezmsg_conn` informs a listener outside the dataflow of every step.

mod document;
mod ezmsg_conn;
mod format_change;
mod gaps;
mod generations;
mod grace;
mod held;
mod length;
mod log_limit;
mod open;
mod rate;
mod sink;
mod stream;

use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use dora_node_api::{DoraNode, Event, EventStream};
use dora_shm_node_kit::events::{Events, Next, Stopper};
use dora_shm_node_kit::launch::{Invocation, Surroundings, join};
use dora_shm_node_kit::termination::Termination;
use eyre::{Context as _, bail};

pub use open::Opened;

const ABOUT: &str = "Writes the arrays of a dora dataflow into shared memory.";

/// Runs the program: joins the dataflow and writes until its end.
///
/// # Errors
/// If the node cannot start, or has to end early.
pub fn main() -> eyre::Result<()> {
    let name = match Invocation::parse("dora-shm-sink", ABOUT, std::env::args().skip(1))? {
        Invocation::Run { name } => name,
        Invocation::Print(text) => {
            println!("{text}");
            return Ok(());
        }
    };

    // If dora started the node, its settings are known before it joins, so its stream exists when the dataflow begins.
    // While the node waits for the other nodes, a signal closes the stream and ends the process.
    let opened: Arc<Mutex<Option<Opened>>> = Arc::default();
    let waiting = opened.clone();
    let termination = Termination::watch(move || {
        let mut opened = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        drop(opened.take());
        process::exit(0);
    })
    .wrap_err("cannot handle signals")?;
    let early = Surroundings::before_init()?;
    if let Some(surroundings) = &early {
        *opened.lock().unwrap_or_else(PoisonError::into_inner) = Some(Opened::open(surroundings)?);
    }
    let joined = join(name.as_deref());
    if joined.is_err() {
        // The signal thread also holds the stream. Without this, the process would end without closing it.
        drop(opened.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
    let (node, events) = joined?;
    if early.is_none() {
        let surroundings = Surroundings::of_node(&node);
        *opened.lock().unwrap_or_else(PoisonError::into_inner) = Some(Opened::open(&surroundings)?);
    }
    let stopper = Stopper::default();
    let signalled = stopper.clone();
    termination.instead(move || signalled.stop());
    let opened = opened.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(opened) = opened else { bail!("a signal came before the node had joined the dataflow") };
    run(node, events, opened, stopper)
}

/// Writes messages until the dataflow ends, `stopper` stops the sink, the listener at `CONN` sends "quit", or a setting
/// ends the node. Closes the stream in any case.
///
/// # Errors
/// If a setting ends the node, or the connection to dora is lost.
pub fn run(node: DoraNode, events: EventStream, opened: Opened, stopper: Stopper) -> eyre::Result<()> {
    run_observed(node, events, opened, stopper, |_| {})
}

/// Like [`run`], but calls `observe` with every event before it is handled, for measurements.
///
/// # Errors
/// As [`run`].
pub fn run_observed(
    mut node: DoraNode,
    events: EventStream,
    opened: Opened,
    stopper: Stopper,
    mut observe: impl FnMut(&Event),
) -> eyre::Result<()> {
    let mut sink = opened.into_sink(&mut node);
    sink.stops(stopper.clone());
    let mut events = Events::new(events, stopper);
    let mut has_stop = false;
    let ended = loop {
        match events.next(sink.deadline()) {
            Next::Event(event) => {
                observe(&event);
                has_stop |= matches!(event, Event::Stop(_));
                if let Err(error) = sink.handle(event) {
                    break Err(error);
                }
            }
            Next::Due => sink.due(&mut node, dropped(&mut events)),
            Next::Stopped => break Ok(()),
            Next::End if has_stop => break Ok(()),
            Next::End => break Err(eyre::eyre!("lost the connection to dora; the stream was closed")),
        }
    };
    let dropped = dropped(&mut events);
    sink.close(&mut node, dropped);
    ended
}

/// Messages of `data` that dora's queues dropped since the last call.
fn dropped(events: &mut Events) -> u64 {
    events.stream().drain_drop_counts().iter().filter(|(input, _)| input.as_str() == "data").map(|(_, n)| n).sum()
}
