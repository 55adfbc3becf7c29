//! What the series of graphs runs: dora nodes that send and receive, a reader outside the graph, and dora itself.

mod engine;
mod node;

use std::path::Path;

use eyre::WrapErr as _;
use serde::{Deserialize, Serialize};

use crate::statistics::Spread;

pub use engine::Stage;
pub use node::Part;

/// The first messages, in which memory is mapped and routes are found.
const WARM_UP: u64 = 20;

/// What a receiver has noted: durations in nanoseconds, one per message after the warm-up.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ages {
    /// From before the source's send to the receiver's knowing of the message.
    pub received: Vec<u64>,
    /// From before the source's send to the end of the receiver's copy.
    pub copied: Vec<u64>,
    /// From the sink's commit to the end of the receiver's copy; of a reader outside the graph only.
    #[serde(default)]
    pub since_commit: Vec<u64>,
}

/// The points in time of one message, by `CLOCK_MONOTONIC`.
struct Noted {
    committed_ns: Option<u64>,
    received_ns: u64,
    copied_ns: u64,
}

impl Ages {
    /// Notes a message, which begins with its number and the time of its start.
    fn note(&mut self, message: &[u8], noted: &Noted) {
        let (sequence, started_ns) = (crate::message::word(message, 0), crate::message::word(message, 1));
        if sequence < WARM_UP {
            return;
        }
        self.received.push(noted.received_ns.saturating_sub(started_ns));
        self.copied.push(noted.copied_ns.saturating_sub(started_ns));
        if let Some(committed_ns) = noted.committed_ns {
            self.since_commit.push(noted.copied_ns.saturating_sub(committed_ns));
        }
    }

    fn write(&self, path: &Path) -> eyre::Result<()> {
        std::fs::write(path, serde_json::to_string(self)?).wrap_err_with(|| format!("cannot write {}", path.display()))
    }

    /// What a receiver has written.
    pub fn read(path: &Path) -> eyre::Result<Self> {
        let text = std::fs::read_to_string(path).wrap_err_with(|| format!("{} was not written", path.display()))?;
        serde_json::from_str(&text).wrap_err_with(|| format!("{} cannot be understood", path.display()))
    }

    /// The spread of one of the three.
    pub fn spread(durations: Vec<u64>) -> eyre::Result<Spread> {
        Spread::of(durations).ok_or_else(|| eyre::eyre!("no message arrived after the warm-up"))
    }
}
