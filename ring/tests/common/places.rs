//! Where a stream's segments and the words in them are, as `SPEC.md` has it: written down once more, so that what the ring
//! says of itself is not believed.

use std::path::{Path, PathBuf};

use dora_shm_ring::{SHM_DIR, shorten};

pub fn path(segment: &str) -> PathBuf {
    Path::new(SHM_DIR).join(segment)
}

pub fn header(stream: &str) -> PathBuf {
    path(&shorten(stream))
}

pub fn ring(stream: &str, generation: u32) -> PathBuf {
    path(&shorten(&format!("{stream}/buffer{generation}")))
}

pub fn metadata(stream: &str, meta_generation: u32) -> PathBuf {
    path(&shorten(&format!("{stream}/meta{meta_generation}")))
}

/// The public names of a stream in its first generation, with its first description.
pub fn publics(stream: &str) -> [PathBuf; 3] {
    [header(stream), ring(stream, 0), metadata(stream, 1)]
}

/// The writer's own name of a segment.
pub fn anchor(public: &Path) -> PathBuf {
    let mut name = public.as_os_str().to_owned();
    name.push(".anchor");
    name.into()
}

/// Offsets of the words that tests look at or patch (`SPEC.md`).
pub mod header_at {
    pub const MAGIC: u64 = 2048;
    pub const MAJOR: u64 = 2056;
    pub const MUST_UNDERSTAND: u64 = 2060;
    pub const STREAM_ID: u64 = 2064;
    pub const CREATED_NS: u64 = 2072;
    pub const WAKE: u64 = 2176;
    pub const STATE: u64 = 2180;
    pub const GENERATION: u64 = 2184;
    pub const META_GENERATION: u64 = 2188;
    pub const EPOCH: u64 = 2192;
    pub const WRITER_PID: u64 = 2196;
    pub const FINAL_POSITION: u64 = 2200;
    pub const WAKING: u64 = 2208;
    pub const NAME_LEN: u64 = 2304;
    pub const NAME: u64 = 2308;
}

/// Offsets from the start of a ring's trailer, its last 4096 bytes.
pub mod trailer_at {
    pub const LENGTH: u64 = 4096;
    pub const STREAM_ID: u64 = 16;
    pub const GENERATION: u64 = 24;
    pub const BASE: u64 = 32;
    pub const FRAMES: u64 = 40;
    pub const INDEX_OFFSET: u64 = 72;
    pub const RECORDS: u64 = 80;
    pub const META_GENERATION: u64 = 160;
    pub const CREATED_NS: u64 = 168;
    pub const CREATED_MONO_NS: u64 = 176;
    pub const RESERVED: u64 = 256;
    pub const RESERVED_CHUNKS: u64 = 264;
    pub const COMMITTED: u64 = 384;
    pub const COMMITTED_CHUNKS: u64 = 392;
    pub const COMMITTED_META_GENERATION: u64 = 400;
}

/// Offsets from the start of a metadata segment's footer, its last 64 bytes.
pub mod footer_at {
    pub const LENGTH: u64 = 64;
    pub const STREAM_ID: u64 = 16;
}

/// Offsets in a chunk record.
pub mod record_at {
    pub const LENGTH: u64 = 64;
    pub const MONO_NS: u64 = 24;
}
