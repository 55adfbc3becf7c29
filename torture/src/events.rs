//! What the nodes of the campaign `graph` report: lines of JSON, through the socket that an environment variable names.

use std::io::Write;

/// Environment variable with the path of the campaign's socket.
pub const SOCKET: &str = "DORA_SHM_TORTURE_SOCKET";

/// The command that the campaign sends to its source: stop the floods and changes, set a long ring, and send a message
/// every few milliseconds.
pub const CALM: &str = "calm";

/// One report.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum NodeEvent {
    /// The source has started: its first line.
    Source,
    /// The mirror's consumer has started: its first line.
    Check,
    /// What the source has sent since its previous line.
    Sent {
        /// Messages.
        messages: u64,
        /// Settings documents that are valid.
        documents: u64,
        /// Settings documents that must be refused and change nothing.
        refused: u64,
    },
    /// What the consumer has received since its previous line.
    Received {
        /// Frames that arrived and are correct.
        frames: u64,
        /// Frames that the mirror marked as lost.
        lost: u64,
    },
    /// Number of the consumer's newest message.
    Newest(u64),
    /// A message from the mirror that belongs to a different ring than the one before, or is marked with a loss.
    Mark(Mark),
    /// Frames are missing that no mark announces. Correct only if a mirror was killed in between.
    Jump(String),
    /// The source was stopped; the number of its last message.
    Last(u64),
    /// A defect.
    Defect(String),
}

/// Two consecutive messages, and the loss that the mirror marks between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mark {
    /// Number of the first message.
    pub from: u64,
    /// Number of frames in the first message.
    pub frames: u64,
    /// Number of the second message.
    pub to: u64,
    /// Number of frames that are marked as lost before the second message.
    pub lost: u64,
}

impl NodeEvent {
    /// Sends the report. Errors are ignored, since the campaign closes the socket when it is over.
    pub fn send(&self, to: &mut impl Write) {
        let line = serde_json::json!(self).to_string() + "\n";
        let _ = to.write_all(line.as_bytes());
    }

    /// The report in a line; `None` for a line that the node's death cut short.
    pub fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}
