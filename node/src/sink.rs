//! From events to the stream: messages, live settings, reports.

use std::time::Instant;

use dora_node_api::{DoraArray, DoraNode, Event, Metadata};
use dora_shm_message::{Interpreter, send_ns};
use dora_shm_node_kit::events::Stopper;
use dora_shm_node_kit::report::{Log, Reporter};
use dora_shm_node_kit::settings::SinkSettings;
use serde_json::Value;

use crate::document::document;
use crate::log_limit::LogLimit;
use crate::stream::SinkStream;

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
    /// Limits the log of refused changes of settings.
    refused_changes: LogLimit,
}

impl Sink {
    /// A sink that writes `stream`.
    pub fn new(node: &mut DoraNode, stream: SinkStream, fresh_name: String, log: Log) -> Self {
        let initial = stream.settings().clone();
        Self {
            interpreter: Interpreter::new("data", initial.message.clone()),
            reporter: Reporter::new(node, log.clone(), stream.status(), Instant::now()),
            stream,
            log,
            fresh_name,
            initial,
            refused_changes: LogLimit::default(),
        }
    }

    /// Sets what "quit" from a listener stops.
    pub fn stops(&self, stopper: Stopper) {
        self.stream.conn.stops(stopper);
    }

    /// When [`Sink::due`] has to be called at the latest.
    pub fn deadline(&self) -> Instant {
        let report_at = self.reporter.due_at();
        self.stream.deadline().map_or(report_at, |deadline| deadline.min(report_at))
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
            self.stream.settings().changed_by_document(&self.initial, &document).map_err(|error| error.to_string())
        });
        self.change(changed, now);
    }

    fn param(&mut self, key: &str, value: &Value, now: Instant) {
        let changed = self.stream.settings().changed_by_param(&self.initial, key, value);
        self.change(changed.map_err(|error| error.to_string()), now);
    }

    fn change(&mut self, changed: Result<SinkSettings, String>, now: Instant) {
        let outcome = changed.and_then(|settings| {
            let name = settings.shmem_name.clone().unwrap_or_else(|| self.fresh_name.clone());
            let message = settings.message.clone();
            self.stream.change_settings(settings, &name, now).map_err(|error| format!("{error:#}"))?;
            if *self.interpreter.settings() != message {
                self.interpreter.set_settings(message);
            }
            Ok(())
        });
        match outcome {
            Ok(()) => self.log.info("settings are in force"),
            Err(reason) => {
                let reason = format!("settings refused, nothing changed: {reason}");
                if let Some(line) = self.refused_changes.pass(reason, now) {
                    self.log.warn(&line);
                }
            }
        }
    }

    /// Does what is due by time alone: writes messages that were held back, and reports. `dropped`: messages lost in
    /// dora's queues since the last call.
    pub fn due(&mut self, node: &mut DoraNode, dropped: u64) {
        let now = Instant::now();
        self.stream.counters.dropped += dropped;
        self.stream.due(now);
        if now >= self.reporter.due_at() {
            self.stream.maintain();
            self.reporter.due(node, self.stream.status(), now);
        }
    }

    /// Closes the stream and reports for the last time.
    pub fn close(mut self, node: &mut DoraNode, dropped: u64) {
        let now = Instant::now();
        self.stream.counters.dropped += dropped;
        let status = self.stream.close(now);
        self.reporter.last(node, status, now);
    }
}
