//! What the nodes tell about themselves: log lines, counters, and refusals that do not flood.

mod log;
mod refusals;
mod reporter;
mod status;

pub use log::Log;
pub use refusals::Refusals;
pub use reporter::Reporter;
pub use status::{State, Status};
