//! What the campaign `graph` shares with the nodes that it runs: the numbering of their messages, and the nodes'
//! reports.

pub mod events;
pub mod sequence;
