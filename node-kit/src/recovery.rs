//! From a node that cannot work to one that does: the attempts to open its stream, and what it does meanwhile.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dora_node_api::{DoraNode, Event};

use crate::events::{Events, Next};
use crate::failing::{Failing, Failure};
use crate::report::{Log, Refusals, Reporter, State, Status};
use crate::settings::{StartSettings, document};

/// How long a node that has not joined yet waits for an obstacle that may pass. Later on it waits for none: it tries again,
/// and its end must not have to wait for an attempt.
const PATIENCE: Duration = Duration::from_secs(2);

/// Opens a stream by its settings, and waits at most for a duration for an obstacle that may pass. It may take a moment, so a
/// node that has joined calls it on a thread of its own.
type Open<S, T> = Arc<dyn Fn(S, Duration) -> eyre::Result<T> + Send + Sync>;

/// Makes a node of settings `S` work by opening its stream `T`.
pub struct Starter<S: 'static, T> {
    settings: StartSettings<S>,
    open: Open<S, T>,
    /// A failure that no setting corrects.
    hopeless: Option<Failure>,
}

impl<S: Send + 'static, T: Send + 'static> Starter<S, T> {
    /// A start with `settings`, by `open`.
    pub fn new(
        settings: StartSettings<S>,
        open: impl Fn(S, Duration) -> eyre::Result<T> + Send + Sync + 'static,
    ) -> Self {
        Self { settings, open: Arc::new(open), hopeless: None }
    }

    /// Makes every attempt fail.
    pub fn fails_by(&mut self, failure: Failure) {
        self.hopeless = Some(failure);
    }

    /// Whether a failure is to fail the graph.
    pub fn is_required(&self) -> bool {
        self.settings.is_required()
    }

    /// Opens the stream. Blocks until that has succeeded or failed.
    pub fn start(self) -> Started<S, T> {
        let opened = self.settings().and_then(|settings| {
            let opened = (self.open)(settings, PATIENCE);
            opened.map_err(|error| Failure::of_stream(&error))
        });
        Started { state: opened.map_err(|failure| Failing::new(failure, Instant::now())), starter: self }
    }

    fn settings(&self) -> Result<S, Failure> {
        match &self.hopeless {
            Some(failure) => Err(failure.clone()),
            None => self.settings.read().map_err(Failure::of_settings),
        }
    }
}

/// A node that has not joined the dataflow yet: its stream, or the reason why it has none. A failure does not keep the node
/// from joining.
pub struct Started<S: 'static, T> {
    /// The open stream. Dropping it closes it.
    pub state: Result<T, Failing>,
    /// What opens the stream later, if it is not open.
    pub starter: Starter<S, T>,
}

impl<S: Send + 'static, T: Send + 'static> Started<S, T> {
    /// Why the node has no stream, if it has none.
    pub fn failure(&self) -> Option<&str> {
        self.state.as_ref().err().map(Failing::sentence)
    }

    /// # Errors
    /// If the node has failed, and `REQUIRED` says that the graph must not run without it.
    pub fn check_required(&self) -> eyre::Result<()> {
        match self.failure() {
            Some(sentence) if self.starter.is_required() => eyre::bail!("REQUIRED: true: {sentence}"),
            _ => Ok(()),
        }
    }
}

/// A node that has failed, in its event loop.
pub struct Recovery<'a, S: 'static, T> {
    /// What opens the stream.
    pub starter: &'a mut Starter<S, T>,
    /// Why the node has failed, and when it tries again.
    pub failing: &'a mut Failing,
    /// Reports the counters.
    pub reporter: &'a mut Reporter,
    /// Counters. Those of messages that are dropped go on here, and `state` and `error` are set while the node has failed.
    pub status: &'a mut Status,
    /// The node's log.
    pub log: &'a Log,
    /// How a report names the stream while it is not open.
    pub name: &'a dyn Fn(&S) -> String,
}

/// An attempt that runs on its own thread. Dropping it waits for its end, and closes the stream if it has opened one: a
/// process that ended in the middle would leave it behind.
struct Attempt<T> {
    outcome: Receiver<Result<T, Failure>>,
    thread: Option<JoinHandle<()>>,
}

impl<T> Attempt<T> {
    /// The outcome, once there is one.
    fn outcome(&self) -> Option<Result<T, Failure>> {
        match self.outcome.try_recv() {
            Ok(outcome) => Some(outcome),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                Some(Err(Failure::of_stream(&eyre::eyre!("the attempt to open the stream ended without an outcome"))))
            }
        }
    }
}

impl<T> Drop for Attempt<T> {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            // If it has panicked, there is no stream to close.
            let _ = thread.join();
        }
    }
}

impl<S: Send + 'static, T: Send + 'static> Recovery<'_, S, T> {
    /// Takes and drops every message, obeys corrected settings, and tries again, until the stream is open.
    ///
    /// # Errors
    /// If the node is still failed when its event stream ends, or when a signal ends it.
    pub fn run(mut self, node: &mut DoraNode, events: &mut Events) -> eyre::Result<T> {
        let mut attempt: Option<Attempt<T>> = None;
        let mut refused_changes = Refusals::default();
        self.name_stream();
        loop {
            let now = Instant::now();
            if let Some(outcome) = attempt.as_ref().and_then(Attempt::outcome) {
                attempt = None;
                match outcome {
                    Ok(stream) if self.failing.succeeded(now) => {
                        self.status.error = None;
                        return Ok(stream);
                    }
                    // Settings have changed meanwhile: the stream is closed again, and the next attempt is due.
                    Ok(_) => {}
                    Err(failure) => self.failing.failed(failure, now),
                }
            }
            if attempt.is_none() && self.failing.begins_attempt(now) {
                match self.attempt(events) {
                    Ok(begun) => attempt = Some(begun),
                    Err(failure) => self.failing.failed(failure, now),
                }
            }
            self.log_failure(now);
            let report_at = self.reporter.due_at();
            let due = self.failing.due_at().map_or(report_at, |due| due.min(report_at));
            match events.next(due) {
                Next::Event(event) => self.handle(event, &mut refused_changes),
                Next::Due => self.report_if_due(node, events, &mut refused_changes),
                Next::Stopped => break,
                Next::End if events.has_stop() => break,
                Next::End => eyre::bail!("lost the connection to dora; before, {}", self.failing.sentence()),
            }
        }
        self.status.dropped += events.dropped("data");
        eyre::bail!("the node has not recovered: {}", self.failing.sentence())
    }

    /// Begins an attempt with the settings as they are now.
    fn attempt(&self, events: &Events) -> Result<Attempt<T>, Failure> {
        let settings = self.starter.settings()?;
        let (open, nudge, (sender, outcome)) = (self.starter.open.clone(), events.nudge(), channel());
        let opening = move || {
            // The receiver waits for this thread.
            let _ = sender.send(open(settings, Duration::ZERO).map_err(|error| Failure::of_stream(&error)));
            nudge.nudge();
        };
        let thread = std::thread::Builder::new().name("start".into()).spawn(opening);
        match thread {
            Ok(thread) => Ok(Attempt { outcome, thread: Some(thread) }),
            Err(error) => Err(Failure::of_stream(&eyre::eyre!("cannot start a thread: {error}"))),
        }
    }

    fn log_failure(&mut self, now: Instant) {
        self.status.state = State::Failed;
        self.status.error = Some(self.failing.sentence().to_owned());
        let tries = if self.failing.passes() { ", and tries again every second" } else { "" };
        if let Some(sentence) = self.failing.line(now) {
            self.log.error(&format!(
                "{sentence}. Until this is corrected, the node takes and drops its messages{tries}; the rest of the graph \
                 runs"
            ));
        }
    }

    /// Handles one event. An input is dropped before this returns, because its memory belongs to the sender's pool.
    fn handle(&mut self, event: Event, refused_changes: &mut Refusals) {
        let changed = match &event {
            Event::Input { id, data, .. } => match id.as_str() {
                "data" => {
                    self.status.refused += 1;
                    return;
                }
                "settings" => document(data.as_array()).and_then(|document| {
                    self.starter.settings.correct_by_document(&document).map_err(|error| error.to_string())
                }),
                _ => return,
            },
            Event::ParamUpdate { key, value } => {
                self.starter.settings.correct_by_param(key, value).map_err(|error| error.to_string())
            }
            Event::ParamDeleted { key } => {
                let restored = self.starter.settings.correct_by_param(key, &serde_json::Value::Null);
                restored.map_err(|error| error.to_string())
            }
            Event::Error(error) => {
                self.log.warn(&format!("dora: {}", error.lines().next().unwrap_or_default()));
                return;
            }
            _ => return,
        };
        let now = Instant::now();
        match changed {
            Ok(()) => {
                self.name_stream();
                self.failing.corrected(now);
            }
            Err(reason) => {
                if let Some(line) = refused_changes.add(refused_change(&reason), now) {
                    self.log.warn(&line);
                }
            }
        }
    }

    fn report_if_due(&mut self, node: &mut DoraNode, events: &mut Events, refused_changes: &mut Refusals) {
        let now = Instant::now();
        if now < self.reporter.due_at() {
            return;
        }
        self.status.dropped += events.dropped("data");
        if let Some(line) = refused_changes.due(now) {
            self.log.warn(&line);
        }
        self.reporter.due(node, self.status.clone(), now);
    }

    /// Names the stream that the settings ask for, if that is known.
    fn name_stream(&mut self) {
        self.status.stream = self.starter.settings.read_name().as_ref().map(self.name).unwrap_or_default();
    }
}

/// The line about a change of settings that is refused.
pub fn refused_change(reason: &str) -> String {
    format!("settings refused, nothing changed: {reason}")
}
