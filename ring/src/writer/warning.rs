//! What is reported to the user, and no call can return as an error.

use std::fmt;

use crate::Error;
use crate::times::OffRate;

/// Something that the user of a [`Writer`](super::Writer) should know, and that no call could return as an error. Its
/// text names the stream or the segment, and what to do.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// Another file has taken the name of a segment: see [`Error::NameTaken`].
    #[non_exhaustive]
    NameTaken {
        /// The stream.
        name: String,
        /// Name of the segment.
        segment: String,
        /// What that file is.
        found: String,
    },
    /// The names of a segment could not be checked or linked again.
    #[non_exhaustive]
    NotKept {
        /// Name of the segment.
        segment: String,
        /// The system's error.
        reason: String,
    },
    /// Frames of [`write_now`](super::Writer::write_now) come at another rate than the format says, by more than 3 % for ten seconds.
    /// Their times follow the rate at which they come. Reported once.
    OffRate(OffRate),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.clone() {
            Self::NameTaken { name, segment, found } => Error::NameTaken { name, segment, found }.fmt(f),
            Self::NotKept { segment, reason } => write!(f, "keeping the names of {segment}: {reason}"),
            Self::OffRate(off_rate) => write!(f, "{off_rate}; begin a generation with the rate at which they come"),
        }
    }
}
