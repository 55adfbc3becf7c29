//! The part of a stream that an unmodified `EZShmMirror` of ezmsg-tools 0.10 reads: the first 1334 bytes of the header
//! and the pickle in the metadata segment.

pub(crate) mod header;
pub(crate) mod pickle;
