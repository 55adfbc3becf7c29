//! `dora-shm record`, `replay` and `export` as processes, with files and with streams of this process.

mod export;
mod fixture;
mod record;
mod replay;
