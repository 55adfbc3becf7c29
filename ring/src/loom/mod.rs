//! The protocol code under loom, which plays a story once for every order of its threads' steps and for every value that
//! the memory model lets a load return. The writer's steps, the cursor and the wake-ups are the real code; files, ezmsg's
//! bytes and streaming stores are not in the model, locks are loom's, and copies are word by word.
//!
//! A test says how many preemptions it allows: switches away from a thread that could have gone on. `--nocapture` shows how
//! many executions that makes, up to half a million, and how often anybody slept, was lapped, moved on or died.

mod death;
mod frames;
mod generations;
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
