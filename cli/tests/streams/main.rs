//! `list`, `info`, `watch`, `clean`, `doctor` and what all commands share, as processes, with real streams.

mod clean;
#[path = "../../../ring/tests/common/mod.rs"]
mod common;
mod doctor;
mod ezmsg;
mod info;
mod list;
mod shell;
mod tool;
mod users;
mod watch;
