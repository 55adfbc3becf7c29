//! Counters of a node, as log fields and as the row of its `status` output.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, StringArray, StructArray, UInt32Array, UInt64Array};
use arrow::datatypes::{DataType, Field, Fields};

/// What the node is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No ring yet: the sink has no message to make one from, or the mirror's stream does not exist.
    Waiting,
    /// Frames come, or may come at any moment.
    Live,
    /// The writer of the mirror's stream died.
    Dead,
    /// The stream was closed.
    Closed,
    /// The node cannot do its work: [`Status::error`] has the reason.
    Failed,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Live => "live",
            State::Dead => "dead",
            State::Closed => "closed",
            State::Failed => "failed",
        }
    }
}

/// Counters of a node since it started.
#[derive(Clone, Debug, PartialEq)]
pub struct Status {
    /// Name of the stream; empty while wrong settings leave it open.
    pub stream: String,
    /// What the node is doing.
    pub state: State,
    /// The current generation; none before the first ring.
    pub generation: Option<u32>,
    /// Frames written into the stream, or taken from it.
    pub frames: u64,
    /// Chunks, empty ones included.
    pub chunks: u64,
    /// Messages that were refused.
    pub refused: u64,
    /// Sink: messages that dora dropped from the node's queues. Mirror: frames lost because it was lapped.
    pub dropped: u64,
    /// Sink: messages missing by the parameter `sequence`. Mirror: times that frames were lost.
    pub gaps: u64,
    /// Bytes of samples.
    pub bytes: u64,
    /// Bytes of samples per second since the last report. [`super::Reporter`] fills it in.
    pub bytes_per_second: f64,
    /// Sink: strings that were dropped because the listener at `CONN` does not read. A mirror has no such counter.
    pub conn_dropped: Option<u64>,
    /// Why the node has failed, if it has.
    pub error: Option<String>,
}

impl Status {
    /// The counters of a node that has just started, without a name of its stream.
    pub fn new(state: State) -> Self {
        Self {
            stream: String::new(),
            state,
            generation: None,
            frames: 0,
            chunks: 0,
            refused: 0,
            dropped: 0,
            gaps: 0,
            bytes: 0,
            bytes_per_second: 0.0,
            conn_dropped: None,
            error: None,
        }
    }

    /// Every counter by name, for the log.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            ("stream", if self.stream.is_empty() { "none".to_owned() } else { self.stream.clone() }),
            ("state", self.state.name().to_owned()),
            ("generation", self.generation.map_or_else(|| "none".to_owned(), |generation| generation.to_string())),
            ("frames", self.frames.to_string()),
            ("chunks", self.chunks.to_string()),
            ("refused", self.refused.to_string()),
            ("dropped", self.dropped.to_string()),
            ("gaps", self.gaps.to_string()),
            ("bytes", self.bytes.to_string()),
            ("bytes_per_second", format!("{:.0}", self.bytes_per_second)),
        ];
        fields.extend(self.conn_dropped.map(|dropped| ("conn_dropped", dropped.to_string())));
        fields.push(("error", self.error.as_ref().map_or_else(|| "none".to_owned(), |error| format!("{error:?}"))));
        fields
    }

    /// The counters at the node's end, for the log: without the throughput of its last second, and without the error, which
    /// the log has already.
    pub fn totals(&self) -> Vec<(&'static str, String)> {
        self.fields().into_iter().filter(|(name, _)| !["bytes_per_second", "error"].contains(name)).collect()
    }

    /// A struct of one row, for the output `status`. `generation` is null before the first ring, `error` unless
    /// the node has failed.
    pub fn row(&self) -> StructArray {
        let counter = |value: u64| -> ArrayRef { Arc::new(UInt64Array::from(vec![value])) };
        let mut columns: Vec<(&str, DataType, ArrayRef)> = vec![
            ("stream", DataType::Utf8, Arc::new(StringArray::from(vec![self.stream.as_str()]))),
            ("state", DataType::Utf8, Arc::new(StringArray::from(vec![self.state.name()]))),
            ("generation", DataType::UInt32, Arc::new(UInt32Array::from(vec![self.generation]))),
            ("frames", DataType::UInt64, counter(self.frames)),
            ("chunks", DataType::UInt64, counter(self.chunks)),
            ("refused", DataType::UInt64, counter(self.refused)),
            ("dropped", DataType::UInt64, counter(self.dropped)),
            ("gaps", DataType::UInt64, counter(self.gaps)),
            ("bytes", DataType::UInt64, counter(self.bytes)),
            ("bytes_per_second", DataType::Float64, Arc::new(Float64Array::from(vec![self.bytes_per_second]))),
        ];
        columns.extend(self.conn_dropped.map(|dropped| ("conn_dropped", DataType::UInt64, counter(dropped))));
        columns.push(("error", DataType::Utf8, Arc::new(StringArray::from(vec![self.error.as_deref()]))));
        let fields: Fields =
            columns.iter().map(|(name, data_type, _)| Field::new(*name, data_type.clone(), true)).collect();
        StructArray::new(fields, columns.into_iter().map(|(_, _, column)| column).collect(), None)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Array as _;

    use super::*;

    fn status() -> Status {
        Status {
            stream: "eeg".into(),
            state: State::Live,
            generation: None,
            frames: 10,
            chunks: 2,
            refused: 1,
            dropped: 0,
            gaps: 3,
            bytes: 40,
            bytes_per_second: 12.6,
            conn_dropped: None,
            error: None,
        }
    }

    #[test]
    fn the_row_and_the_log_have_the_same_columns_in_the_same_order() {
        for status in [status(), Status { conn_dropped: Some(7), ..status() }] {
            let names: Vec<_> = status.fields().into_iter().map(|(name, _)| name).collect();
            assert_eq!(names, status.row().column_names());
            assert_eq!(names.contains(&"conn_dropped"), status.conn_dropped.is_some());
        }
        let row = status().row();
        assert_eq!(row.len(), 1);
        assert!(
            row.column_by_name("generation").unwrap().is_null(0) && row.column_by_name("error").unwrap().is_null(0)
        );
        assert_eq!(row.column_by_name("frames").unwrap().as_any().downcast_ref::<UInt64Array>().unwrap().value(0), 10);
    }
}
