//! What both nodes share: how they start, their settings, what they report, and how dora messages and the frames of a
//! stream correspond.

pub mod events;
pub mod launch;
pub mod message;
pub mod report;
pub mod settings;
pub mod termination;
