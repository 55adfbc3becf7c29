//! The protocol code under loom, which runs a story once for every order of its threads' steps and for every value that
//! the memory model allows a load to return. The writer's steps, the cursor and the wake-ups are the production code.
//! Files, ezmsg's bytes and streaming stores are not modelled, locks are loom's, and copies are word by word.
//!
//! A test limits the number of preemptions: switches away from a thread that could have continued. `--nocapture` prints
//! the number of executions, up to a million, and how often a reader slept, was lapped or moved on, and a writer
//! died.

mod counts;
mod death;
mod frames;
mod generations;
mod kept;
mod memory;
mod messages;
mod mutations;
mod reader;
mod source;
mod story;
mod two_readers;
mod wake;
mod witness;
mod writer;
