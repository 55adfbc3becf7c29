//! A chunk record: one entry of a ring's chunk index.

use super::fields::fields;

fields! {
    /// The chunk of one `write`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Record, 64 bytes;
    /// Position of the first frame.
    0   first: u64,
    /// Number of frames; 0 for an empty message.
    8   frames: u64,
    /// When the message was sent, Unix nanoseconds.
    16  send_ns: i64,
    /// CLOCK_MONOTONIC when it was committed, nanoseconds.
    24  mono_ns: u64,
    /// The description that was current.
    32  meta_generation: u32,
    /// [`DISCONTINUITY`] or 0; readers ignore bits that they do not know.
    36  flags: u32,
}

/// Flag: the chunk's first frame does not follow the frame before it by one step.
pub(crate) const DISCONTINUITY: u32 = 1;
