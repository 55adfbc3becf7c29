//! What a stream is: its name, the type and shape of its frames, their clock, and its description.

pub(crate) mod clock;
mod description;
mod dtype;
mod event;
pub(crate) mod format;
pub(crate) mod json;
pub(crate) mod name;
pub mod picture;

pub use clock::{Clock, ClockId, GenerationClock};
pub use description::{Attr, Axis, Description};
pub use dtype::Dtype;
pub use event::{Event, EventKind, Liveness, WriterId};
pub use format::{Format, MAX_RANK};
#[cfg(not(loom))]
pub(crate) use name::SegmentName;
