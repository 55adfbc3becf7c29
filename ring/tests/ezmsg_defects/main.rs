//! The defects of ezmsg's shared memory that concern the ring (D1..D21 as the project numbers them), each with the
//! proof that our writer and our reader do not have it.

mod contents;
mod life;
mod reading;
