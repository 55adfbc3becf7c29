//! The one copy: from the columns of a message to frames in the memory of a ring.

pub(crate) mod cast;
pub(crate) mod columns;
pub(crate) mod gather;
pub(crate) mod roll;
