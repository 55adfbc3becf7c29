//! What the ring does because of ezmsg: the writer, the reader and the listing call it from here. Outside the ring that is
//! `node/src/ezmsg_conn`, `bindings/c/src/reader/ezmsg.rs` and the Python package `dora_shm.ezmsg`.
//!
//! For the unmodified `EZShmMirror` of ezmsg-tools 0.10, which reads dora-shm's streams: the first 1334 bytes of the
//! header (`header`) and the pickle in the metadata segment (`pickle`).
//!
//! For streams that ezmsg-tools 0.6 and 0.10 write: their header (`seen`), their pickle (`metadata`, with the decoder
//! `unpickle`) and their segments as files (`files`), which together are a cursor's source (`source`).

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
