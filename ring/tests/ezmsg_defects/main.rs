//! The defects of ezmsg's shared memory that concern the ring (D1..D21, numbered by this project), each with a test
//! that this library does not have it.

mod contents;
mod life;
mod reading;
