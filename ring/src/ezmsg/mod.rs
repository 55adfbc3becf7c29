//! Everything that exists because of ezmsg.
//!
//! What an unmodified `EZShmMirror` of ezmsg-tools 0.10 reads of our streams: the first 1334 bytes of the header
//! (`header`) and the pickle in the metadata segment (`pickle`). And what ezmsg-tools 0.6 and 0.10 write themselves: a
//! header (`seen`), a pickle (`metadata`, by the decoder `unpickle`), and segments as files (`files`), which together are
//! a stream that our readers read (`source`).

mod chars;
#[cfg(not(loom))]
mod files;
pub(crate) mod header;
#[cfg(not(loom))]
mod listed;
pub(crate) mod metadata;
pub(crate) mod pickle;
#[cfg(not(loom))]
mod refuse;
pub(crate) mod seen;
#[cfg(not(loom))]
pub(crate) mod source;
mod unpickle;

#[cfg(not(loom))]
pub(crate) use listed::{Listed, listed};
#[cfg(not(loom))]
pub(crate) use refuse::open_header;
