//! The metadata parameters of a message, read one by one.

pub(crate) mod attr;
pub(crate) mod axes;
pub(crate) mod keys;
pub(crate) mod read;
pub(crate) mod time_unit;
