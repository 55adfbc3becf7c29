//! What the samples of a message are: their element type, their shape, and which of its dims counts frames.

pub(crate) mod arrangement;
pub(crate) mod element_type;
pub(crate) mod picture;
