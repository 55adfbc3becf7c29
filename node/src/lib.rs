//! The sink: a dora node that writes the arrays of its input `data` into a stream in shared memory.
//!
//! [`run`] is the event loop, `open` opens the stream, `sink` handles one event, `stream` writes, counts and logs.
//! Decisions are pure and have their own files: `generations` (when a generation begins, and how long its ring is),
//! `length`, `format_change`, `gaps` and `stated_rate`. `held` keeps the first messages until the ring's `RingLength`
//! knows how many come. Times that no source gives come from the ring's `Timekeeper`. `ezmsg_conn` informs a listener
//! outside the dataflow of every step.

mod ezmsg_conn;
mod format_change;
mod gaps;
mod generations;
mod held;
mod length;
mod open;
mod sink;
mod stated_rate;
mod stream;

use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use dora_node_api::{DoraNode, Event, EventStream};
use dora_shm_node_kit::events::{Events, Next, Stopper};
use dora_shm_node_kit::failing::Failure;
use dora_shm_node_kit::launch::{Invocation, Surroundings, join};
use dora_shm_node_kit::recovery::{Recovery, Started};
use dora_shm_node_kit::report::{Reporter, State, Status};
use dora_shm_node_kit::settings::SinkSettings;
use dora_shm_node_kit::termination::Termination;
use eyre::bail;

use sink::Sink;

pub use open::Opened;

const PROGRAM: &str = "dora-shm-sink";
const ABOUT: &str = "Writes the arrays of a dora dataflow into shared memory.";

/// Runs the program: joins the dataflow and writes until its end.
///
/// # Errors
/// If the node cannot start, or has to end early.
pub fn main() -> eyre::Result<()> {
    let early = Surroundings::before_init()?;
    let arguments = Invocation::parse(PROGRAM, ABOUT, std::env::args().skip(1));
    let (name, failure) = match arguments {
        Ok(Invocation::Run { name }) => (name, None),
        Ok(Invocation::Print(text)) => {
            println!("{text}");
            return Ok(());
        }
        // A node that dora has started joins first, whatever is wrong: one that does not would fail the whole graph.
        Err(error) if early.is_some() => (None, Some(Failure::of_arguments(format!("{error:#}")))),
        Err(error) => return Err(error),
    };

    // If dora started the node, its settings are known before it joins, so its stream exists when the dataflow begins.
    // While the node waits for the other nodes, a signal closes the stream and ends the process.
    let opened: Arc<Mutex<Option<Opened>>> = Arc::default();
    let waiting = opened.clone();
    let termination = Termination::watch(move || {
        let opened = waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        let has_failed = opened.as_ref().is_some_and(|opened| opened.started.failure().is_some());
        drop(opened);
        process::exit(i32::from(has_failed));
    });
    if let Some(surroundings) = &early {
        // A signal that comes while the stream is being opened waits for this lock, so that it finds the stream.
        let mut place = opened.lock().unwrap_or_else(PoisonError::into_inner);
        let early = Opened::open_unless(failure, surroundings);
        if let Err(error) = &termination {
            early.log.warn(&format!("a signal will end this node without closing its stream: {error}"));
        }
        early.started.check_required()?;
        *place = Some(early);
    }
    let joined = join(name.as_deref());
    if joined.is_err() {
        // The signal thread also holds the stream. Without this, the process would end without closing it.
        drop(opened.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
    let (node, events) = joined?;
    if early.is_none() {
        let mut place = opened.lock().unwrap_or_else(PoisonError::into_inner);
        let late = Opened::open(&Surroundings::of_node(&node));
        late.started.check_required()?;
        *place = Some(late);
    }
    let stopper = Stopper::default();
    let signalled = stopper.clone();
    if let Ok(termination) = &termination {
        termination.instead(move || signalled.stop());
    }
    let opened = opened.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(opened) = opened else { bail!("a signal came before the node had joined the dataflow") };
    run(node, events, opened, stopper)
}

/// Writes messages until the dataflow ends, `stopper` stops the sink, the listener at `CONN` sends "quit", or a setting
/// ends the node. Closes the stream in any case. A sink that has failed takes and drops its messages until it can write.
///
/// # Errors
/// If a setting ends the node, the connection to dora is lost, or the sink is still failed at the end.
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
    let Opened { started: Started { state, mut starter }, fresh_name, log } = opened;
    let mut events = Events::new(events, stopper.clone());
    let mut status = Status { conn_dropped: Some(0), ..Status::new(State::Waiting) };
    let mut reporter = Reporter::new(&mut node, log.clone(), Instant::now());
    let name = |settings: &SinkSettings| open::name(settings, &fresh_name);
    let stream = match state {
        Ok(stream) => stream,
        Err(mut failing) => {
            let recovery = Recovery {
                starter: &mut starter,
                failing: &mut failing,
                reporter: &mut reporter,
                status: &mut status,
                log: &log,
                name: &name,
            };
            match recovery.run(&mut node, &mut events) {
                Ok(stream) => stream,
                Err(error) => {
                    reporter.last(&mut node, status, Instant::now());
                    return Err(error);
                }
            }
        }
    };
    let mut sink = Sink::new(stream, reporter, fresh_name, log);
    sink.continues(&status);
    sink.stops(stopper);
    let ended = loop {
        match events.next(sink.deadline()) {
            Next::Event(event) => {
                observe(&event);
                if let Err(error) = sink.handle(event) {
                    break Err(error);
                }
            }
            Next::Due => sink.due(&mut node, events.dropped("data")),
            Next::Stopped => break Ok(()),
            Next::End if events.has_stop() => break Ok(()),
            Next::End => break Err(eyre::eyre!("lost the connection to dora; the stream was closed")),
        }
    };
    let dropped = events.dropped("data");
    // Releases what the sources have sent: they do not have to wait until the stream is closed, which takes time if its
    // ring is large, nor until a listener has its last strings.
    drop(events);
    let closing = sink.close(&mut node, dropped);
    drop(node);
    drop(closing);
    ended
}
