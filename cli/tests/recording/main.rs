//! `dora-shm record`, `replay` and `export` as their users meet them: processes, files, streams of this process.

mod export;
mod record;
mod replay;
mod stage;
