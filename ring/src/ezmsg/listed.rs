//! What a single read of a header that ezmsg wrote shows, for the list of streams.

use std::os::fd::OwnedFd;

use super::header::{LENGTH, peek};
use super::seen::{Layout, Seen, Track, is_read};
use crate::Format;
use crate::shm::read_fully;

/// A stream that ezmsg wrote, as its header alone describes it.
pub(crate) struct Listed {
    pub struct_version: u32,
    /// The signal's key, if it has one.
    pub key: Option<String>,
    /// Number of its ring; `None` before the first, or while its writer creates another.
    pub generation: Option<u32>,
    /// Format of that ring, if it is supported.
    pub format: Option<Format>,
    /// Size of that ring, in bytes.
    pub ring_bytes: Option<u64>,
    /// Frames written to that ring, as far as a single read can show.
    pub position: u64,
}

/// The stream with the header `file`; `None`: ezmsg did not write it.
pub(crate) fn listed(file: &OwnedFd) -> Option<Listed> {
    let mut bytes = [0; LENGTH];
    let read = read_fully(file, &mut bytes, 0).ok()?;
    let header = peek(&bytes).filter(|_| read == bytes.len())?;
    let seen = Seen::new(bytes).filter(|_| is_read(header.struct_version));
    let ring = seen.filter(Seen::is_valid).and_then(|seen| Some((seen, seen.layout().ok()?)));
    let place = |(seen, layout): &(Seen, Layout)| Track::begin(layout.frames, seen).ok().map(|track| track.position());
    Some(Listed {
        struct_version: header.struct_version,
        key: header.key,
        generation: seen.filter(Seen::is_valid).and_then(|seen| seen.generation()),
        position: ring.as_ref().and_then(place).unwrap_or(0),
        ring_bytes: ring.as_ref().map(|(_, layout)| layout.length),
        format: ring.map(|(_, layout)| layout.format),
    })
}
