//! What the campaign `graph` shares with the nodes that it runs: the numbering of their messages, and what the nodes report.

pub mod events;
pub mod sequence;
