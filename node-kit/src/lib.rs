//! How a node process of dora-shm lives: how it starts, which settings it has, how it waits for events, what it reports
//! about itself, and how it ends.

pub mod events;
pub mod failing;
pub mod launch;
pub mod recovery;
mod release;
pub mod report;
pub mod settings;
pub mod termination;
