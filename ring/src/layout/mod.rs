//! Where every byte of a segment is: each structure as a table of its fields, and the geometry of rings.

pub(crate) mod fields;
pub(crate) mod footer;
mod geometry;
pub(crate) mod header;
pub(crate) mod record;
#[cfg(test)]
mod spec_tables;
pub(crate) mod trailer;

#[cfg(not(loom))]
pub(crate) use fields::InPlace;
pub(crate) use footer::RawFooter;
pub(crate) use geometry::{Geometry, MAX_RECORDS, RECORD_BYTES};
pub(crate) use header::RawHeader;
pub(crate) use record::Record;
pub(crate) use trailer::RawTrailer;

use crate::stream::MAX_RANK;
use crate::stream::name::MAX_NAME_BYTES;

pub(crate) const MAJOR: u16 = 1;
/// Each segment states the one of the writer that made it. Nothing is decided by it: what a segment lacks is zero.
pub(crate) const MINOR: u16 = 1;

/// The version of a structure, unchecked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub major: u16,
    pub minor: u16,
    pub must_understand: u32,
}

impl Version {
    /// Whether this library can read it. A higher minor version only adds what may be ignored.
    pub fn is_known(self) -> bool {
        self.major == MAJOR && self.must_understand == 0
    }
}

/// Adds a method for the version words of structures.
macro_rules! versioned {
    ($($Structure:ident)+) => {$(
        impl $Structure {
            pub fn version(&self) -> Version {
                Version { major: self.major, minor: self.minor, must_understand: self.must_understand }
            }
        }
    )+};
}
versioned!(RawHeader RawTrailer RawFooter);

/// Lengths of ring and metadata segments are multiples of this, so that they are whole pages on every system.
pub(crate) const SEGMENT_UNIT: u64 = 16384;
/// Longest metadata segment that a reader maps.
pub(crate) const MAX_METADATA_BYTES: u64 = 64 << 20;
/// `generation` of a stream without a ring.
pub(crate) const NO_GENERATION: u32 = u32::MAX;
/// `final_position` of a stream whose total is unknown.
pub(crate) const UNKNOWN_POSITION: u64 = u64::MAX;
