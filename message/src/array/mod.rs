//! What an Arrow array is made of.

pub(crate) mod arrow_types;
pub(crate) mod null_rows;
pub(crate) mod payload;
pub(crate) mod select;
