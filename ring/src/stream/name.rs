//! Stream names, and the names of a stream's segments in the POSIX shared-memory folder.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use sha2::{Digest, Sha256};

use crate::Error;

/// Folder of POSIX shared memory on Linux.
pub const SHM_DIR: &str = "/dev/shm";

/// Longest stream name, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 1024;

/// Length of every segment name, in bytes.
pub const SEGMENT_NAME_BYTES: usize = SEGMENT_PREFIX.len() + 20;

/// What every segment name starts with.
pub(crate) const SEGMENT_PREFIX: &str = "sm_";

/// What the anchor of a segment, the writer's own name of it, ends with.
pub(crate) const ANCHOR_SUFFIX: &str = ".anchor";

/// The segment name of `long_name`: `sm_` and the first 20 characters of the URL-safe base64 of its SHA-256.
/// The rule is ezmsg's (`shorten_shmem_name`).
///
/// ```
/// assert_eq!(dora_shm_ring::shorten("demo"), "sm_KpdRbDVLaISM29j1SiJq");
/// assert_eq!(dora_shm_ring::shorten("demo/buffer0"), "sm_EbUZRBVI4CmwsJ_eTvd0");
/// ```
pub fn shorten(long_name: &str) -> String {
    let digest = Sha256::digest(long_name.as_bytes());
    let mut name = format!("{SEGMENT_PREFIX}{}", URL_SAFE.encode(digest));
    name.truncate(SEGMENT_NAME_BYTES);
    name
}

/// Whether `name` has the form of a segment's public name, as [`shorten`] returns it.
///
/// ```
/// assert!(dora_shm_ring::is_segment_name("sm_KpdRbDVLaISM29j1SiJq"));
/// assert!(!dora_shm_ring::is_segment_name("demo"));
/// ```
pub fn is_segment_name(name: &str) -> bool {
    let is_url_safe = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    name.len() == SEGMENT_NAME_BYTES
        && name.strip_prefix(SEGMENT_PREFIX).is_some_and(|rest| rest.bytes().all(is_url_safe))
}

/// Checks that `name` can be a stream's name: 1..=1024 bytes, no NUL, and not the name of another stream's ring or
/// metadata segment (`.../buffer7`, `.../meta7`).
///
/// # Errors
/// [`Error::BadName`] with the reason.
pub fn check_name(name: &str) -> Result<(), Error> {
    let bad = |reason: &str| Err(Error::BadName { name: name.to_owned(), reason: reason.to_owned() });
    if name.is_empty() {
        return bad("it is empty");
    }
    if name.len() > MAX_NAME_BYTES {
        return bad("it is longer than 1024 bytes of UTF-8");
    }
    if name.contains('\0') {
        return bad("it contains a NUL character");
    }
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.len() < name.len() && (stem.ends_with("/buffer") || stem.ends_with("/meta")) {
        return bad("it ends in /buffer or /meta and digits, which names another stream's segments");
    }
    Ok(())
}

/// The two names of one segment: the public one, which readers open, and the writer's anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentName {
    pub public: String,
    pub anchor: String,
}

impl SegmentName {
    fn of(long_name: &str) -> Self {
        let public = shorten(long_name);
        let anchor = format!("{public}{ANCHOR_SUFFIX}");
        Self { public, anchor }
    }

    pub fn header(stream: &str) -> Self {
        Self::of(stream)
    }

    pub fn ring(stream: &str, generation: u32) -> Self {
        Self::of(&format!("{stream}/buffer{generation}"))
    }

    pub fn metadata(stream: &str, meta_generation: u32) -> Self {
        Self::of(&format!("{stream}/meta{meta_generation}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_names_are_those_that_ezmsg_gives() {
        assert_eq!(SegmentName::header("demo").public, "sm_KpdRbDVLaISM29j1SiJq");
        assert_eq!(SegmentName::ring("demo", 0).public, "sm_EbUZRBVI4CmwsJ_eTvd0");
        assert_eq!(SegmentName::metadata("demo", 1).public, "sm_Jo4zWIC2kxSJn2s5QMs2");
        assert_eq!(SegmentName::header("demo").anchor, "sm_KpdRbDVLaISM29j1SiJq.anchor");
    }

    #[test]
    fn segment_names_are_told_from_other_names_by_their_form() {
        for name in ["demo", "größe", "a/b", "sm_"] {
            assert!(is_segment_name(&shorten(name)) && !is_segment_name(name), "{name:?}");
        }
        let anchor = SegmentName::header("demo").anchor;
        for name in ["", "sm_KpdRbDVLaISM29j1SiJ", "sm_KpdRbDVLaISM29j1SiJ/", "xx_KpdRbDVLaISM29j1SiJq", &anchor] {
            assert!(!is_segment_name(name), "{name:?}");
        }
    }

    #[test]
    fn names_that_collide_with_segments_of_other_streams_are_refused() {
        for bad in ["", "a/buffer0", "a/meta12", "/buffer3", "a\0b"] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "a/buffer", "a/buffer0x", "buffer0", "a/metal1", "größe/eeg"] {
            assert!(check_name(good).is_ok(), "{good:?}");
        }
        assert!(check_name(&"x".repeat(1024)).is_ok());
        assert!(check_name(&"x".repeat(1025)).is_err());
    }

    #[test]
    fn the_sentence_about_no_room_names_the_folder() {
        let said = Error::NoSpace { needed: 2, free: 1 }.to_string();
        assert!(said.contains(SHM_DIR), "{said}");
    }
}
