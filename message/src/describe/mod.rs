//! What goes into a stream's description, and what is remembered of a source for it.

pub(crate) mod history;
pub(crate) mod plan;
pub(crate) mod source_axes;
pub(crate) mod static_params;
pub(crate) mod wrapping;
