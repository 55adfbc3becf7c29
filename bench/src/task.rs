//! What one measurement is: given to both processes as JSON.

use serde::{Deserialize, Serialize};

/// How messages follow each other, and whether there is a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// No reader; back to back.
    AloneFlatOut,
    /// No reader; at the payload's rate.
    AlonePaced,
    /// A reader; at the payload's rate.
    Paced,
    /// A reader that gets everything; back to back.
    Lossless,
}

impl Mode {
    /// All of them.
    pub const ALL: [Mode; 4] = [Mode::AloneFlatOut, Mode::AlonePaced, Mode::Paced, Mode::Lossless];

    /// Whether a reader takes part.
    pub fn has_reader(self) -> bool {
        matches!(self, Mode::Paced | Mode::Lossless)
    }

    /// Whether messages come at the payload's rate.
    pub fn is_paced(self) -> bool {
        matches!(self, Mode::AlonePaced | Mode::Paced)
    }

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Mode::AloneFlatOut => "no reader, back to back",
            Mode::AlonePaced => "no reader, paced",
            Mode::Paced => "paced",
            Mode::Lossless => "lossless, back to back",
        }
    }
}

/// Payloads in bytes; the last is a 1080p RGB frame.
pub const PAYLOADS: [usize; 4] = [1 << 10, 64 << 10, 1 << 20, 6_220_800];
/// Rings in bytes: larger than a last-level cache, and one that fits most.
pub const RINGS: [usize; 2] = [256 << 20, 16 << 20];

/// Messages per second of the paced modes.
pub fn rate_hz(payload: usize) -> u64 {
    match payload {
        0..=65_536 => 500,
        65_537..=1_048_576 => 250,
        _ => 60,
    }
}

/// A payload in words.
pub fn payload_name(payload: usize) -> String {
    match payload {
        6_220_800 => "1080p (6.2 MB)".to_owned(),
        bytes if bytes >= 1 << 20 && bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        bytes if bytes >= 1 << 10 && bytes % (1 << 10) == 0 => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} B"),
    }
}

/// One measurement's conditions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Task {
    /// The row that plays both roles.
    pub row: String,
    /// Unique name of the stream, service, key or file.
    pub name: String,
    pub mode: Mode,
    /// Bytes of one message.
    pub payload: usize,
    /// Bytes of the ring.
    pub ring: usize,
    /// Messages before the measured ones: they fault all pages in.
    pub warm_up: u64,
    /// Most measured messages.
    pub messages: u64,
    /// Most time for them in the flat-out modes.
    pub limit_ns: u64,
    pub writer_cpu: usize,
    pub reader_cpu: usize,
}

impl Task {
    /// Messages that the ring holds: the fewest that give its size, at least four.
    pub fn ring_messages(&self) -> u64 {
        self.ring.div_ceil(self.payload).max(4) as u64
    }

    /// How far a lossless writer may be ahead of its reader.
    pub fn window(&self) -> u64 {
        self.ring_messages() / 2
    }

    /// Nanoseconds from one message to the next in the paced modes.
    pub fn period_ns(&self) -> u64 {
        1_000_000_000 / rate_hz(self.payload)
    }
}
