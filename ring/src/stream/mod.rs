//! What a stream is: its name, the type and shape of its frames, and its description.

mod description;
mod dtype;
pub(crate) mod format;
pub(crate) mod json;
pub(crate) mod name;

pub use description::{Attr, Axis, Description};
pub use dtype::Dtype;
pub use format::Format;
