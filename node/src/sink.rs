//! From events to the stream: messages, live settings, reports.

use std::time::{Duration, Instant};

use dora_node_api::{DoraArray, DoraNode, Event, Metadata};
use dora_shm_message::{Interpreter, send_ns};
use dora_shm_node_kit::events::Stopper;
use dora_shm_node_kit::recovery::refused_change;
use dora_shm_node_kit::report::{Log, Refusals, Reporter, Status};
use dora_shm_node_kit::settings::{SinkSettings, document};
use dora_shm_ring::{Closing, Error};
use serde_json::Value;

use crate::open;
use crate::stream::SinkStream;

/// How long a change of the stream's name is tried again while another writer has that stream.
const MOVE_PATIENCE: Duration = Duration::from_secs(2);
/// Time between two attempts.
const MOVE_PAUSE: Duration = Duration::from_millis(100);

/// Changed settings that are not in force yet, since another writer may be about to close the stream that they name.
struct Pending {
    settings: SinkSettings,
    /// Why not yet.
    reason: String,
    again: Instant,
    until: Instant,
}

/// The sink without its event loop.
pub struct Sink {
    interpreter: Interpreter,
    stream: SinkStream,
    log: Log,
    reporter: Reporter,
    /// The stream's name when `SHMEM_NAME` is unset.
    fresh_name: String,
    /// The settings at the node's start, which a `null` restores.
    initial: SinkSettings,
    pending: Option<Pending>,
    /// Limits the log of refused changes of settings.
    refused_changes: Refusals,
    /// Limits the log of messages that were lost before they came.
    losses: Refusals,
}

impl Sink {
    /// A sink that writes `stream`.
    pub fn new(stream: SinkStream, reporter: Reporter, fresh_name: String, log: Log) -> Self {
        let initial = stream.settings().clone();
        Self {
            interpreter: Interpreter::new("data", initial.message.clone()),
            stream,
            log,
            reporter,
            fresh_name,
            initial,
            pending: None,
            refused_changes: Refusals::default(),
            losses: Refusals::default(),
        }
    }

    /// Continues the counters of a sink that had failed.
    pub fn continues(&mut self, status: &Status) {
        self.stream.counters.refused.count(status.refused);
        self.stream.counters.dropped += status.dropped;
    }

    /// Sets what "quit" from a listener stops.
    pub fn stops(&self, stopper: Stopper) {
        self.stream.conn.stops(stopper);
    }

    /// When [`Sink::due`] has to be called at the latest.
    pub fn deadline(&self) -> Instant {
        let pending = self.pending.as_ref().map(|pending| pending.again);
        let others = self.stream.deadline().into_iter().chain(pending);
        others.fold(self.reporter.due_at(), Instant::min)
    }

    /// Handles one event. An input is dropped before this returns, because its memory belongs to the sender's pool.
    ///
    /// # Errors
    /// If the node must end.
    pub fn handle(&mut self, event: Event) -> eyre::Result<()> {
        let now = Instant::now();
        match event {
            Event::Input { id, metadata, data } => match id.as_str() {
                "data" => self.message(&metadata, &data, now)?,
                "settings" => self.settings(&data, now),
                other => self
                    .stream
                    .refuse(format!("input {other} is not known; this node's inputs are `data` and `settings`"), now),
            },
            Event::ParamUpdate { key, value } => self.param(&key, &value, now),
            Event::ParamDeleted { key } => self.param(&key, &Value::Null, now),
            Event::Error(error) => self.log.warn(&format!("dora: {}", error.lines().next().unwrap_or_default())),
            // Stop and InputClosed come before inputs that are already queued, so only the end of the event stream ends
            // the node.
            _ => {}
        }
        Ok(())
    }

    fn message(&mut self, metadata: &Metadata, data: &DoraArray, now: Instant) -> eyre::Result<()> {
        match self.interpreter.interpret(data.as_array(), &metadata.parameters, send_ns(metadata)) {
            Ok(chunk) => self.stream.take(&chunk, now),
            Err(refusal) => {
                let reason = refusal.to_string();
                self.stream.counters.gaps.refused();
                self.stream.refuse(reason, now);
                Ok(())
            }
        }
    }

    fn settings(&mut self, data: &DoraArray, now: Instant) {
        let changed = document(data.as_array()).and_then(|document| {
            self.latest_settings().changed_by_document(&self.initial, &document).map_err(|error| error.to_string())
        });
        self.change(changed, now);
    }

    fn param(&mut self, key: &str, value: &Value, now: Instant) {
        let changed = self.latest_settings().changed_by_param(&self.initial, key, value);
        self.change(changed.map_err(|error| error.to_string()), now);
    }

    /// The settings in force, or those that are about to be.
    fn latest_settings(&self) -> &SinkSettings {
        self.pending.as_ref().map_or(self.stream.settings(), |pending| &pending.settings)
    }

    fn change(&mut self, changed: Result<SinkSettings, String>, now: Instant) {
        match changed {
            Ok(settings) => {
                self.pending = None;
                self.put_in_force(settings, now + MOVE_PATIENCE, now);
            }
            Err(reason) => self.refuse_change(&reason, now),
        }
    }

    /// Puts settings in force. If another writer has the stream that they name, tries again until `until`.
    fn put_in_force(&mut self, settings: SinkSettings, until: Instant, now: Instant) {
        // A source that repeats its settings needs no line each time.
        if settings == *self.stream.settings() {
            return;
        }
        let name = open::name(&settings, &self.fresh_name);
        match self.stream.change_settings(settings.clone(), &name, now) {
            Ok(()) => {
                if *self.interpreter.settings() != settings.message {
                    self.interpreter.set_settings(settings.message);
                }
                self.log.info("settings are in force");
            }
            Err(error) if now < until && may_pass(&error) => {
                self.pending = Some(Pending { settings, reason: format!("{error:#}"), again: now + MOVE_PAUSE, until });
            }
            Err(error) => self.refuse_change(&format!("{error:#}"), now),
        }
    }

    fn refuse_change(&mut self, reason: &str, now: Instant) {
        warn(&self.log, self.refused_changes.add(refused_change(reason), now));
    }

    /// Does what is due by time alone: writes messages that were held back, and reports. `dropped`: messages lost in
    /// dora's queues since the last call.
    pub fn due(&mut self, node: &mut DoraNode, dropped: u64) {
        let now = Instant::now();
        self.dropped(dropped, now);
        self.stream.due(now);
        if let Some(Pending { settings, until, .. }) = self.pending.take_if(|pending| pending.again <= now) {
            self.put_in_force(settings, until, now);
        }
        if now >= self.reporter.due_at() {
            self.stream.maintain();
            for refusals in [&mut self.stream.counters.refused, &mut self.refused_changes, &mut self.losses] {
                warn(&self.log, refusals.due(now));
            }
            self.reporter.due(node, self.stream.status(), now);
        }
    }

    fn dropped(&mut self, dropped: u64, now: Instant) {
        if dropped == 0 {
            return;
        }
        self.stream.counters.dropped += dropped;
        let reason = "dora dropped messages from the queue of the input `data`; raise its queue_size";
        warn(&self.log, self.losses.add_many(reason.to_owned(), dropped, now));
    }

    /// Begins to close the stream and reports for the last time. What is returned must be kept until the process ends.
    pub fn close(mut self, node: &mut DoraNode, dropped: u64) -> Vec<Closing> {
        let now = Instant::now();
        self.dropped(dropped, now);
        if let Some(pending) = self.pending.take() {
            self.refuse_change(&pending.reason, now);
        }
        let (status, closing) = self.stream.close(now);
        self.reporter.last(node, status, now);
        closing
    }
}

/// Whether the stream that the settings name may be free soon.
fn may_pass(error: &eyre::Report) -> bool {
    matches!(error.downcast_ref(), Some(Error::Live { .. } | Error::Obstructed { .. }))
}

fn warn(log: &Log, line: Option<String>) {
    if let Some(line) = line {
        log.warn(&line);
    }
}
