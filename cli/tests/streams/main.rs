//! `list`, `info`, `watch`, `clean`, `doctor` and what all commands share, as processes, with real streams.

mod clean;
mod doctor;
mod ezmsg;
mod info;
mod list;
mod shell;
mod tool;
mod users;
mod watch;
