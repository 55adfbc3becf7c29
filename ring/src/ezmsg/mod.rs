//! ezmsg's own bytes, both ways. What an unmodified `EZShmMirror` of ezmsg-tools 0.10 reads of our streams: the first 1334
//! bytes of the header (`header`) and the pickle in the metadata segment (`pickle`). And what ezmsg-tools 0.6 and 0.10
//! write themselves: a header (`foreign`) and a pickle (`metadata`, by the decoder `unpickle`).

pub(crate) mod foreign;
pub(crate) mod header;
pub(crate) mod metadata;
pub(crate) mod pickle;
mod unpickle;
