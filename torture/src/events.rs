//! What the nodes of the campaign `graph` report: one line of JSON each, over the socket that their environment names.

use std::io::Write;

/// Environment variable with the path of the campaign's socket.
pub const SOCKET: &str = "DORA_SHM_TORTURE_SOCKET";

/// What the campaign sends to its source: no more floods and changes; a long ring, and a message every few milliseconds.
pub const CALM: &str = "calm";

/// One report.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum NodeEvent {
    /// The first line of the source.
    Source,
    /// The first line of the mirror's consumer.
    Check,
    /// So many messages, documents of settings, and documents that must be refused were sent since the last line.
    Sent {
        /// Messages.
        messages: u64,
        /// Documents that change settings.
        documents: u64,
        /// Documents that must change nothing.
        refused: u64,
    },
    /// So many frames came and are right; so many more were marked as lost.
    Received {
        /// Frames that came.
        frames: u64,
        /// Frames that the mirror said are lost.
        lost: u64,
    },
    /// The consumer's newest message.
    Stands(u64),
    /// A message that came out of the mirror after another one, of another ring or with a mark.
    Mark(Mark),
    /// Frames are missing that no mark says are lost: right only when a mirror was killed in between.
    Jump(String),
    /// The source was stopped; this was its last message.
    Last(u64),
    /// Something that must not be.
    Defect(String),
}

/// Two messages, one after the other, and the loss that the mirror marks between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mark {
    /// Number of the first message.
    pub from: u64,
    /// Its frames.
    pub frames: u64,
    /// Number of the second one.
    pub to: u64,
    /// Frames that are marked as lost before it.
    pub lost: u64,
}

impl NodeEvent {
    /// Sends it. Nobody listens any more when the campaign is over.
    pub fn send(&self, to: &mut impl Write) {
        let line = serde_json::json!(self).to_string() + "\n";
        let _ = to.write_all(line.as_bytes());
    }

    /// The report in a line; `None` for a line that was cut by a death.
    pub fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}
