//! `dora-shm record`, `replay` and `export` as their users meet them: processes, files, streams of this process.

#[path = "../../../ring/tests/common/mod.rs"]
mod common;
mod export;
mod record;
mod replay;
mod stage;
