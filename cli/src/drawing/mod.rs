//! What `scope` and `plot` share: channels and their names, min/max decimation, what has been read of the ring,
//! pictures, ranges and ticks.

pub mod channels;
pub mod columns;
pub mod numbers;
pub mod picture;
pub mod plot_data;
pub mod range;
