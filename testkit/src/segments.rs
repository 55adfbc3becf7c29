//! A stream's segments as files. Names and offsets are repeated here from `SPEC.md`, so that a test does not depend on
//! what the ring reports about itself.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use dora_shm_ring::{SHM_DIR, shorten};

/// The path of a segment in shared memory.
pub fn path(segment: &str) -> PathBuf {
    Path::new(SHM_DIR).join(segment)
}

/// The public name of a stream's header.
pub fn header(stream: &str) -> PathBuf {
    path(&shorten(stream))
}

/// The public name of a generation's ring.
pub fn ring(stream: &str, generation: u32) -> PathBuf {
    path(&shorten(&format!("{stream}/buffer{generation}")))
}

/// The public name of a description.
pub fn metadata(stream: &str, meta_generation: u32) -> PathBuf {
    path(&shorten(&format!("{stream}/meta{meta_generation}")))
}

/// The public names of a stream in its first generation, with its first description.
pub fn publics(stream: &str) -> [PathBuf; 3] {
    [header(stream), ring(stream, 0), metadata(stream, 1)]
}

/// The anchor of a segment: the name that only writers use.
pub fn anchor(public: &Path) -> PathBuf {
    let mut name = public.as_os_str().to_owned();
    name.push(".anchor");
    name.into()
}

/// All files of a stream, for the generations that tests reach.
pub fn of(stream: &str) -> Vec<PathBuf> {
    let numbers = (0..160).chain(u32::MAX - 8..=u32::MAX);
    let publics = std::iter::once(header(stream))
        .chain(numbers.flat_map(|number| [ring(stream, number), metadata(stream, number)]));
    publics.flat_map(|public| [anchor(&public), public]).filter(|path| path.symlink_metadata().is_ok()).collect()
}

/// Removes all files of a stream.
pub fn remove(stream: &str) {
    of(stream).iter().for_each(|path| _ = std::fs::remove_file(path));
}

/// A folder with the name of a header's anchor: while it exists, no writer can make the header. Dropping it removes it,
/// also when a test fails.
pub struct Obstacle(PathBuf);

impl Obstacle {
    /// An obstacle to the header of `stream`.
    ///
    /// # Panics
    /// If the name is taken.
    pub fn to_header_of(stream: &str) -> Self {
        let anchor = anchor(&header(stream));
        std::fs::create_dir(&anchor).expect("the anchor's name is free");
        Self(anchor)
    }
}

impl Drop for Obstacle {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// The names of all files in shared memory, sorted.
pub fn listing() -> Vec<String> {
    let entries = std::fs::read_dir(SHM_DIR).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// The magic of a header, little-endian.
pub const MAGIC: u64 = u64::from_le_bytes(*b"DORASHMH");
/// `generation` before a stream's first ring.
pub const NO_GENERATION: u32 = u32::MAX;
/// `state` of a stream that was closed.
pub const STATE_CLOSED: u32 = 2;

/// Offsets of words in a header (`SPEC.md`).
#[expect(missing_docs, reason = "the names are those of the specification")]
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
    pub const REFUSED: u64 = 3456;
    pub const DROPPED: u64 = 3464;
    pub const GAPS: u64 = 3472;
    pub const COUNTED_BY: u64 = 3480;
}

/// Offsets from the start of a ring's trailer, its last 4096 bytes.
#[expect(missing_docs, reason = "the names are those of the specification")]
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
    pub const CLOCK: u64 = 192;
    pub const CLOCK_ID: u64 = 208;
    pub const RESERVED: u64 = 256;
    pub const RESERVED_CHUNKS: u64 = 264;
    pub const COMMITTED: u64 = 384;
    pub const COMMITTED_CHUNKS: u64 = 392;
    pub const COMMITTED_META_GENERATION: u64 = 400;
}

/// Offsets from the start of a metadata segment's footer, its last 64 bytes.
#[expect(missing_docs, reason = "the names are those of the specification")]
pub mod footer_at {
    pub const LENGTH: u64 = 64;
    pub const STREAM_ID: u64 = 16;
    pub const META_GENERATION: u64 = 24;
    pub const AUX_LEN: u64 = 32;
    pub const JSON_OFFSET: u64 = 40;
    pub const JSON_LEN: u64 = 48;
}

/// Offsets in a chunk record.
#[expect(missing_docs, reason = "the names are those of the specification")]
pub mod record_at {
    pub const LENGTH: u64 = 64;
    pub const MONO_NS: u64 = 24;
    pub const META_GENERATION: u64 = 32;
}

/// A copy of a segment's bytes, read as little-endian words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    /// The bytes of a segment.
    ///
    /// # Panics
    /// When the file cannot be read.
    #[track_caller]
    pub fn of(path: &Path) -> Self {
        Self(std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
    }

    /// The bytes of a segment; `None` if the file cannot be read.
    pub fn read(path: &Path) -> Option<Self> {
        std::fs::read(path).ok().map(Self)
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Offset of a ring's trailer.
    pub fn trailer(&self) -> u64 {
        self.len().saturating_sub(trailer_at::LENGTH)
    }

    /// Offset of a description's footer.
    pub fn footer(&self) -> u64 {
        self.len().saturating_sub(footer_at::LENGTH)
    }

    fn get<const N: usize>(&self, offset: u64) -> Option<[u8; N]> {
        self.0.get(offset as usize..)?.first_chunk().copied()
    }

    /// The word of four bytes at `offset`.
    ///
    /// # Panics
    /// When the segment is shorter.
    #[track_caller]
    pub fn u32(&self, offset: u64) -> u32 {
        self.get_u32(offset)
            .unwrap_or_else(|| panic!("no word at offset {offset}: the segment has {} bytes", self.len()))
    }

    /// The word of eight bytes at `offset`.
    ///
    /// # Panics
    /// When the segment is shorter.
    #[track_caller]
    pub fn u64(&self, offset: u64) -> u64 {
        self.get_u64(offset)
            .unwrap_or_else(|| panic!("no word at offset {offset}: the segment has {} bytes", self.len()))
    }

    /// The word of four bytes at `offset`, if the segment is that long.
    pub fn get_u32(&self, offset: u64) -> Option<u32> {
        self.get(offset).map(u32::from_le_bytes)
    }

    /// The word of eight bytes at `offset`, if the segment is that long.
    pub fn get_u64(&self, offset: u64) -> Option<u64> {
        self.get(offset).map(u64::from_le_bytes)
    }

    /// Stores bytes into this copy.
    ///
    /// # Panics
    /// When the segment is shorter.
    pub fn store(&mut self, offset: u64, value: &[u8]) {
        self.0[offset as usize..][..value.len()].copy_from_slice(value);
    }
}

/// Stores bytes into a segment in place.
///
/// # Errors
/// When the file cannot be opened or written.
pub fn patch(path: &Path, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all_at(bytes, offset)
}

/// Opens a segment for reading and patching.
///
/// # Errors
/// When the file cannot be opened.
pub fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Which of a segment's two names exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// Whether the public name exists.
    pub public: bool,
    /// Whether the anchor exists.
    pub anchor: bool,
}

impl Names {
    /// Both.
    pub const BOTH: Self = Self { public: true, anchor: true };
    /// The anchor alone.
    pub const ANCHOR: Self = Self { public: false, anchor: true };
    /// Neither.
    pub const NONE: Self = Self { public: false, anchor: false };

    /// The existing names of the segment with this public name.
    pub fn of(public: &Path) -> Self {
        Self { public: public.symlink_metadata().is_ok(), anchor: anchor(public).symlink_metadata().is_ok() }
    }
}

/// The state of a stream according to its files, while no process writes them. A field is 0 if its file is missing or
/// too short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub struct Snapshot {
    /// Whether the header has its anchor.
    pub anchor: bool,
    /// Whether the header has its magic.
    pub magic: bool,
    /// Whether the header has its public name.
    pub public: bool,
    pub stream_id: u64,
    pub closed: bool,
    pub generation: Option<u32>,
    pub meta_generation: u32,
    pub epoch: u32,
    pub final_position: u64,
    pub counted_by: u32,
    /// refused, dropped, gaps
    pub counts: [u64; 3],
    pub base: u64,
    pub reserved: u64,
    pub reserved_chunks: u64,
    pub committed: u64,
    pub committed_chunks: u64,
    /// The description of the ring's newest frames.
    pub committed_meta_generation: u32,
}

impl Snapshot {
    /// Reads the state of a stream.
    pub fn of(stream: &str) -> Self {
        let public = header(stream);
        let mut snapshot = Self { public: public.exists(), anchor: anchor(&public).exists(), ..Self::default() };
        let Some(header) = Bytes::read(&anchor(&public)) else { return snapshot };
        let (u32, u64) = (|at| header.get_u32(at).unwrap_or(0), |at| header.get_u64(at).unwrap_or(0));
        snapshot.magic = u64(header_at::MAGIC) == MAGIC;
        if !snapshot.magic {
            return snapshot;
        }
        snapshot.stream_id = u64(header_at::STREAM_ID);
        snapshot.closed = u32(header_at::STATE) == STATE_CLOSED;
        snapshot.generation = Some(u32(header_at::GENERATION)).filter(|&generation| generation != NO_GENERATION);
        snapshot.meta_generation = u32(header_at::META_GENERATION);
        snapshot.epoch = u32(header_at::EPOCH);
        snapshot.final_position = u64(header_at::FINAL_POSITION);
        snapshot.counted_by = u32(header_at::COUNTED_BY);
        snapshot.counts = [header_at::REFUSED, header_at::DROPPED, header_at::GAPS].map(u64);
        if let Some(generation) = snapshot.generation {
            let public = ring(stream, generation);
            if let Some(ring) = Bytes::read(&anchor(&public)).or_else(|| Bytes::read(&public)) {
                let word = |at| ring.get_u64(ring.trailer() + at).unwrap_or(0);
                snapshot.base = word(trailer_at::BASE);
                snapshot.reserved = word(trailer_at::RESERVED);
                snapshot.reserved_chunks = word(trailer_at::RESERVED_CHUNKS);
                snapshot.committed = word(trailer_at::COMMITTED);
                snapshot.committed_chunks = word(trailer_at::COMMITTED_CHUNKS);
                let of_frames = ring.get_u32(ring.trailer() + trailer_at::COMMITTED_META_GENERATION);
                snapshot.committed_meta_generation = of_frames.unwrap_or(0);
            }
        }
        snapshot
    }

    /// Number of frames committed under this `stream_id`.
    pub fn total(&self) -> u64 {
        self.base + self.committed
    }
}
