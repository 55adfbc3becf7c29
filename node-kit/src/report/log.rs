//! Structured log lines.

use std::io::{self, Write as _};

use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value};

use super::level::Level;

/// Writes log lines that dora understands: one JSON object per line on standard output, with `timestamp`, `level`,
/// `node_id`, `message` and `fields` (text by name). dora shows the message and keeps the fields in its log file.
///
/// Lines that cannot be written are dropped: a daemon that died is not a reason to stop.
#[derive(Clone, Debug)]
pub struct Log {
    node: String,
    least: Level,
}

impl Log {
    /// The log of the node `node`, without lines that are less urgent than `least`.
    pub fn new(node: impl Into<String>, least: Level) -> Self {
        Self { node: node.into(), least }
    }

    /// Logs something that the node does.
    pub fn info(&self, message: &str) {
        self.line(Level::Info, message, &[]);
    }

    /// Logs something that a user should look at.
    pub fn warn(&self, message: &str) {
        self.line(Level::Warn, message, &[]);
    }

    /// Logs why the node cannot do its work.
    pub fn error(&self, message: &str) {
        self.line(Level::Error, message, &[]);
    }

    /// Logs numbers: `message` followed by every field as `name=value`, and the fields by name.
    pub fn fields(&self, level: Level, message: &str, fields: &[(&str, String)]) {
        if level > self.least {
            return;
        }
        let mut line = message.to_owned();
        for (name, value) in fields {
            line.push_str(&format!(" {name}={value}"));
        }
        self.line(level, &line, fields);
    }

    fn line(&self, level: Level, message: &str, fields: &[(&str, String)]) {
        if level > self.least {
            return;
        }
        let timestamp = Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true);
        let line = render(&timestamp, level.name(), &self.node, message, fields);
        let mut out = io::stdout().lock();
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }
}

fn render(timestamp: &str, level: &str, node: &str, message: &str, fields: &[(&str, String)]) -> String {
    let mut entry = Map::new();
    entry.insert("timestamp".into(), timestamp.into());
    entry.insert("level".into(), level.into());
    entry.insert("node_id".into(), node.into());
    entry.insert("message".into(), message.into());
    if !fields.is_empty() {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), Value::String(value.clone()))).collect();
        entry.insert("fields".into(), Value::Object(fields));
    }
    format!("{}\n", Value::Object(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_json_object_for_any_message() {
        let line = render("t", "warn", "n", "two\nlines \"quoted\"", &[("frames", "5".into())]);
        assert_eq!(line.matches('\n').count(), 1);
        let entry: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(entry["message"], "two\nlines \"quoted\"");
        assert_eq!(entry["level"], "warn");
        assert_eq!(entry["node_id"], "n");
        assert_eq!(entry["fields"]["frames"], "5");
    }
}
