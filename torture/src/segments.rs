//! A stream's segments as files: their paths, and the words in them that campaigns look at or spoil.

use std::os::unix::fs::FileExt as _;
use std::path::Path;

use dora_shm_ring::SHM_DIR;

#[allow(dead_code, reason = "the ring's tests use the rest")]
#[path = "../../ring/tests/common/places.rs"]
mod places;

pub use places::*;

pub const NO_GENERATION: u32 = u32::MAX;
pub const STATE_CLOSED: u32 = 2;
pub const TRAILER_BYTES: u64 = trailer_at::LENGTH;
pub const FOOTER_BYTES: u64 = footer_at::LENGTH;

/// What is in shared memory, which is this campaign's alone.
pub fn listing() -> Vec<String> {
    let entries = std::fs::read_dir(SHM_DIR).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// A segment's bytes as they stand in the file.
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    pub fn of(path: &Path) -> Option<Self> {
        std::fs::read(path).ok().map(Self)
    }

    pub fn u32(&self, offset: u64) -> u32 {
        let bytes = self.0.get(offset as usize..offset as usize + 4);
        bytes.map_or(0, |bytes| u32::from_le_bytes(bytes.try_into().expect("four bytes")))
    }

    pub fn u64(&self, offset: u64) -> u64 {
        u64::from(self.u32(offset)) | u64::from(self.u32(offset + 4)) << 32
    }
}

/// Stores bytes into a segment where they stand.
pub fn patch(path: &Path, offset: u64, bytes: &[u8]) -> Result<(), String> {
    let told = |error: std::io::Error| format!("patching {}: {error}", path.display());
    let file = std::fs::OpenOptions::new().write(true).open(path).map_err(told)?;
    file.write_all_at(bytes, offset).map_err(told)
}

/// Both names of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    pub public: bool,
    pub anchor: bool,
}

impl Names {
    pub const BOTH: Self = Self { public: true, anchor: true };
    pub const ANCHOR: Self = Self { public: false, anchor: true };
    pub const NONE: Self = Self { public: false, anchor: false };

    pub fn of(public: &Path) -> Self {
        Self { public: public.symlink_metadata().is_ok(), anchor: anchor(public).symlink_metadata().is_ok() }
    }
}

/// A stream as its files show it, while nobody writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Whether the header's anchor exists, and whether the header has its magic.
    pub anchor: bool,
    pub magic: bool,
    pub public: bool,
    pub stream_id: u64,
    pub closed: bool,
    pub generation: Option<u32>,
    pub meta_generation: u32,
    pub epoch: u32,
    pub final_position: u64,
    pub base: u64,
    pub reserved: u64,
    pub reserved_chunks: u64,
    pub committed: u64,
    pub committed_chunks: u64,
}

impl Snapshot {
    pub fn of(stream: &str) -> Self {
        let public = header(stream);
        let mut snapshot = Self { public: public.exists(), anchor: anchor(&public).exists(), ..Self::default() };
        let Some(header) = Bytes::of(&anchor(&public)) else { return snapshot };
        snapshot.magic = header.u64(header_at::MAGIC) == u64::from_le_bytes(*b"DORASHMH");
        if !snapshot.magic {
            return snapshot;
        }
        snapshot.stream_id = header.u64(header_at::STREAM_ID);
        snapshot.closed = header.u32(header_at::STATE) == STATE_CLOSED;
        snapshot.generation = Some(header.u32(header_at::GENERATION)).filter(|&generation| generation != NO_GENERATION);
        snapshot.meta_generation = header.u32(header_at::META_GENERATION);
        snapshot.epoch = header.u32(header_at::EPOCH);
        snapshot.final_position = header.u64(header_at::FINAL_POSITION);
        if let Some(generation) = snapshot.generation {
            let public = ring(stream, generation);
            if let Some(ring) = Bytes::of(&anchor(&public)).or_else(|| Bytes::of(&public)) {
                let trailer = (ring.0.len() as u64).saturating_sub(TRAILER_BYTES);
                snapshot.base = ring.u64(trailer + trailer_at::BASE);
                snapshot.reserved = ring.u64(trailer + trailer_at::RESERVED);
                snapshot.reserved_chunks = ring.u64(trailer + trailer_at::RESERVED_CHUNKS);
                snapshot.committed = ring.u64(trailer + trailer_at::COMMITTED);
                snapshot.committed_chunks = ring.u64(trailer + trailer_at::COMMITTED_CHUNKS);
            }
        }
        snapshot
    }

    /// Frames committed under this stream_id.
    pub fn total(&self) -> u64 {
        self.base + self.committed
    }
}
