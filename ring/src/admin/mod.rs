//! Listing the streams in shared memory, and removing what dead writers left.

mod clean;
mod list;

pub use clean::{Leftover, clean, leftovers};
pub use list::{StreamInfo, streams, streams_of};
