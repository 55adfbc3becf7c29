//! Reports at intervals.

use std::time::{Duration, Instant};

use dora_node_api::dora_core::config::DataId;
use dora_node_api::{DoraArray, DoraNode, MetadataParameters};

use super::{Level, Log, Status};

/// How often counters are reported.
const EVERY: Duration = Duration::from_secs(1);

/// Reports a node's counters: on the output `status` if the dataflow wires it, and in the log at debug level.
pub struct Reporter {
    log: Log,
    output: Option<DataId>,
    due_at: Instant,
    reported_at: Instant,
    reported_bytes: u64,
}

impl Reporter {
    /// Reports from `now` on.
    pub fn new(node: &mut DoraNode, log: Log, now: Instant) -> Self {
        let output = DataId::from("status".to_owned());
        let output = node.validate_output(&output).then_some(output);
        Self { log, output, due_at: now + EVERY, reported_at: now, reported_bytes: 0 }
    }

    /// When [`Reporter::due`] has something to do.
    pub fn due_at(&self) -> Instant {
        self.due_at
    }

    /// Reports `status`; its `bytes_per_second` is filled in here.
    pub fn due(&mut self, node: &mut DoraNode, status: Status, now: Instant) {
        self.due_at = now + EVERY;
        let status = self.timed(status, now);
        self.send(node, &status);
        self.reported_bytes = status.bytes;
        self.reported_at = now;
    }

    /// Reports `status` for the last time. The log has the totals at info level.
    pub fn last(mut self, node: &mut DoraNode, status: Status, now: Instant) {
        let status = self.timed(status, now);
        self.log.fields(Level::Info, "end", &status.totals());
        self.send(node, &status);
    }

    fn timed(&self, status: Status, now: Instant) -> Status {
        let seconds = now.saturating_duration_since(self.reported_at).as_secs_f64();
        let bytes = status.bytes.saturating_sub(self.reported_bytes) as f64;
        Status { bytes_per_second: if seconds > 0.0 { bytes / seconds } else { 0.0 }, ..status }
    }

    fn send(&mut self, node: &mut DoraNode, status: &Status) {
        self.log.fields(Level::Debug, "status", &status.fields());
        let Some(output) = &self.output else { return };
        let row = DoraArray::from_array(status.row());
        if let Err(error) = node.send_output(output.clone(), MetadataParameters::default(), row) {
            self.log.warn(&format!("output status could not be sent: {error}"));
            // If dora is gone, each report would fail, and this would be logged every second.
            self.output = None;
        }
    }
}
