//! `dora-shm record`, `replay` and `export` as their users meet them: processes, files, streams of this process.

mod export;
mod fixture;
mod record;
mod replay;
