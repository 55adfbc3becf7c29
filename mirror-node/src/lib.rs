//! The mirror: a dora node that re-emits a stream in shared memory as messages of its output `data`.
//!
//! [`run`] is the life of the node: `open` opens the stream, `mirror` reads it, and if that fails, the node waits until it can
//! be opened again. While it mirrors, one thread waits for the stream, another for dora's events (`control`), and each can wake
//! the other. `emit` turns messages of the stream into messages of dora, `parts` encodes them with one copy, and `chunker`
//! cuts them according to `CHUNK`.

mod chunker;
mod control;
mod emit;
mod mirror;
mod open;
mod parts;

use std::process;
use std::time::Instant;

use dora_node_api::{DoraNode, EventStream};
use dora_shm_node_kit::events::{Events, Stopper};
use dora_shm_node_kit::failing::{Failing, Failure};
use dora_shm_node_kit::launch::{Invocation, Surroundings, join};
use dora_shm_node_kit::recovery::{Recovery, Started};
use dora_shm_node_kit::report::{Reporter, State, Status};
use dora_shm_node_kit::settings::MirrorSettings;
use dora_shm_node_kit::termination::Termination;

use control::Control;
use emit::Emitter;
use mirror::Mirror;

pub use open::Opened;

const PROGRAM: &str = "dora-shm-mirror";
const ABOUT: &str = "Re-emits a stream in shared memory as messages of a dora dataflow.";

/// Runs the program: joins the dataflow and mirrors until its end.
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
    // If dora started the node, its settings are known before it joins. The mirror then opens the stream before the
    // dataflow begins, and misses nothing of a stream that the same dataflow writes.
    let early = early.map(|surroundings| Opened::open_unless(failure, &surroundings));
    // Until the node has joined, there is nothing to clean up.
    let has_failed = early.as_ref().is_some_and(|opened| opened.started.failure().is_some());
    let termination = Termination::watch(move || process::exit(i32::from(has_failed)));
    if let Some(opened) = &early {
        if let Err(error) = &termination {
            opened.log.warn(&format!("a signal will end this node at once: {error}"));
        }
        opened.started.check_required()?;
    }
    let (node, events) = join(name.as_deref())?;
    let opened = match early {
        Some(opened) => opened,
        None => {
            let opened = Opened::open(&Surroundings::of_node(&node));
            opened.started.check_required()?;
            opened
        }
    };
    let stopper = Stopper::default();
    let signalled = stopper.clone();
    if let Ok(termination) = &termination {
        termination.instead(move || signalled.stop());
    }
    run(node, events, opened, stopper)
}

/// Mirrors until the dataflow ends, `stopper` stops the mirror, or a setting ends it. While it cannot read its stream, it has
/// failed, and tries again.
///
/// # Errors
/// If a setting ends the node, the connection to dora is lost, or the mirror is still failed at the end.
pub fn run(mut node: DoraNode, events: EventStream, opened: Opened, stopper: Stopper) -> eyre::Result<()> {
    let Opened { started: Started { state, mut starter }, log } = opened;
    let mut events = Events::new(events, stopper);
    let emitter = Emitter::new(&mut node, log.clone());
    let mut reporter = Reporter::new(&mut node, log.clone(), Instant::now());
    let name = |settings: &MirrorSettings| settings.shmem_name.clone();
    let mut known_failing = None;
    let source = match state {
        Ok(source) => source,
        Err(failing) => {
            let failing = known_failing.insert(failing);
            let mut status = Status::new(State::Failed);
            let (starter, status) = (&mut starter, &mut status);
            let recovery = Recovery { starter, failing, reporter: &mut reporter, status, log: &log, name: &name };
            match recovery.run(&mut node, &mut events) {
                Ok(source) => {
                    failing.ends();
                    source
                }
                Err(error) => {
                    drop(events);
                    reporter.last(&mut node, status.clone(), Instant::now());
                    return Err(error);
                }
            }
        }
    };
    let mut mirror = Mirror::new(source, emitter, reporter, log.clone());
    loop {
        let control = Control::spawn(events, mirror.interrupter(), log.clone())?;
        let ended = mirror.mirror(&mut node, &control);
        // dora's events have to be dropped before the node, and both on this thread.
        let handed_back = control.join();
        let failure = match (&ended, handed_back) {
            (Err(error), Some(back)) if error.is::<dora_shm_ring::Error>() && !starter.is_required() => {
                events = back;
                Failure::of_stream(error)
            }
            (_, handed_back) => {
                drop(handed_back);
                mirror.report_last(&mut node, None);
                return ended;
            }
        };
        let now = Instant::now();
        let failing = match &mut known_failing {
            Some(failing) => {
                failing.failed(failure, now);
                failing
            }
            none => none.insert(Failing::new(failure, now)),
        };
        let mut status = mirror.status();
        let recovery = Recovery {
            starter: &mut starter,
            failing,
            reporter: mirror.reporter(),
            status: &mut status,
            log: &log,
            name: &name,
        };
        let recovered = recovery.run(&mut node, &mut events).and_then(|source| {
            let is_logged = failing.ends();
            mirror.resume(&mut node, source, is_logged)
        });
        if let Err(error) = recovered {
            drop(events);
            mirror.report_last(&mut node, Some(status));
            return Err(error);
        }
    }
}
