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

/// How many rings, and how many descriptions, before the current one may keep their names. As fast as a writer can be,
/// it begins that many generations in 10 ms.
pub(crate) const MOST_KEPT: u32 = 128;

/// The generation after `generation`.
pub(crate) fn next_generation(generation: Option<u32>) -> u32 {
    match generation {
        None => 0,
        Some(generation) => (generation + 1) % NO_GENERATION,
    }
}

/// The generations before `generation` whose rings may have kept their names, newest first.
pub(crate) fn kept_generations(generation: u32) -> impl DoubleEndedIterator<Item = u32> + ExactSizeIterator {
    (0..MOST_KEPT).map(move |back| {
        let wrapped = u64::from(generation) + u64::from(NO_GENERATION) - u64::from(back) - 1;
        (wrapped % u64::from(NO_GENERATION)) as u32
    })
}

/// The metadata generation after `meta_generation`; 0 means none and is skipped.
pub(crate) fn next_meta_generation(meta_generation: u32) -> u32 {
    meta_generation.wrapping_add(1).max(1)
}

/// The metadata generations before `meta_generation` whose descriptions may have kept their names, newest first.
pub(crate) fn kept_meta_generations(meta_generation: u32) -> impl Iterator<Item = u32> {
    let previous = |&meta: &u32| Some(if meta <= 1 { u32::MAX } else { meta - 1 });
    std::iter::successors(Some(meta_generation), previous).skip(1).take(MOST_KEPT as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_that_may_be_kept_are_the_last_ones_also_where_they_wrap() {
        let last = NO_GENERATION - 1;
        assert!(kept_generations(200).eq((72..200).rev()));
        assert!(kept_generations(2).eq([1, 0].into_iter().chain((last - 125..=last).rev())));
        assert!(kept_meta_generations(200).eq((72..200).rev()));
        assert!(kept_meta_generations(2).eq([1].into_iter().chain((u32::MAX - 126..=u32::MAX).rev())));
    }

    #[test]
    fn each_number_is_kept_before_the_next_one() {
        for generation in [0, 1, 7, NO_GENERATION - 1] {
            assert_eq!(kept_generations(next_generation(Some(generation))).next(), Some(generation));
        }
        for meta_generation in [1, 2, u32::MAX] {
            assert_eq!(kept_meta_generations(next_meta_generation(meta_generation)).next(), Some(meta_generation));
        }
    }
}
