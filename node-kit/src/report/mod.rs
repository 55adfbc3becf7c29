//! What the nodes report about themselves: log lines, counters, and refusals without a flood.

mod level;
mod log;
mod refusals;
mod reporter;
mod status;

pub use level::Level;
pub use log::Log;
pub use refusals::Refusals;
pub use reporter::Reporter;
pub use status::{State, Status};
