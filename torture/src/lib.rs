//! What the campaigns share with the nodes that they run in dora's graphs: frames that say where they belong, and what the
//! nodes tell.

pub mod dice;
pub mod news;
pub mod sequence;
pub mod signal;
