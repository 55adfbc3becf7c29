//! The segments of a stream that ezmsg wrote, as files.
//!
//! They are read, never mapped: reading a hole allocates no memory, a segment that is truncated causes an error rather
//! than a SIGBUS, and nothing has to be aligned.

use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::error::io_error;
use crate::ezmsg::header::LENGTH;
use crate::ezmsg::seen::{Layout, Refusal, Seen, Track, is_read};
use crate::layout::MAX_METADATA_BYTES;
use crate::shm::memory::runs;
use crate::shm::open::{Owner, corrupt, open_public, public_id};
use crate::shm::read_fully;
use crate::shm::{FileId, FileStat, Opened};
use crate::stream::name::SegmentName;
use crate::{Error, Result};

/// How often a header that is being stored to is read before a poll gives up.
const TRIES: usize = 8;
/// How many times are read at once.
const TIMES: usize = 256;

/// A header that ezmsg wrote.
pub(super) struct HeaderFile {
    file: OwnedFd,
    id: FileId,
    /// User ID of the stream's owner. Its rings and metadata must belong to the same user.
    pub owner: u32,
    pub segment: String,
    pub struct_version: u32,
}

impl HeaderFile {
    /// Opens the header of the stream `name`; `None` if there is none, or if it is not ezmsg's.
    pub fn open(name: &str, owner: Owner) -> Result<Option<Self>> {
        let segment = SegmentName::header(name).public;
        let Some(Opened { file, stat }) = open_public(&segment, owner)? else { return Ok(None) };
        let mut header = Self { file, id: stat.id, owner: stat.owner, segment, struct_version: 0 };
        let Some(seen) = header.read()? else { return Ok(None) };
        header.struct_version = seen.struct_version();
        if !is_read(header.struct_version) {
            return Err(Error::Ezmsg { name: name.to_owned(), struct_version: header.struct_version });
        }
        Ok(Some(header))
    }

    /// A single copy; `None` if the header is too short or has no magic.
    fn read(&self) -> Result<Option<Seen>> {
        let mut bytes = [0; LENGTH];
        let read = read_fully(&self.file, &mut bytes, 0).map_err(io_error("reading", &self.segment))?;
        Ok(if read == LENGTH { Seen::new(bytes) } else { None })
    }

    /// A copy whose fields belong together, as far as two equal copies can show. `None`: there is no such copy at the
    /// moment.
    pub fn poll(&self) -> Result<Option<Seen>> {
        for _ in 0..TRIES {
            let Some(first) = self.read()? else { return Ok(None) };
            if self.read()? == Some(first) {
                return Ok(Some(first));
            }
        }
        Ok(None)
    }

    /// The file's inode number.
    pub fn number(&self) -> u64 {
        self.id.number()
    }

    /// What the stream's public name refers to.
    pub fn name(&self) -> Result<Name> {
        Ok(match public_id(&self.segment).map_err(io_error("looking for", &self.segment))? {
            Some(id) if id == self.id => Name::Mine,
            Some(_) => Name::Replaced,
            None => Name::Gone,
        })
    }
}

/// What the public name of a header refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Mine,
    /// Another writer's file.
    Replaced,
    /// Nothing. The writer removes the name at its end, but so does any of ezmsg's mirrors.
    Gone,
}

/// A ring that ezmsg wrote.
pub(super) struct RingFile {
    file: OwnedFd,
    pub layout: Layout,
    pub generation: u32,
    pub track: Track,
    pub segment: String,
    /// Shared by the views of this ring, and by no others.
    pub token: Arc<()>,
    /// Frames for which the file is known to have memory.
    backed: u64,
}

impl RingFile {
    /// Opens the ring that `seen` describes; `None` if that ring does not exist yet, or is gone.
    pub fn open(name: &str, header: &HeaderFile, seen: &Seen, max_bytes: u64) -> Result<Option<Self>> {
        let Some(generation) = seen.generation() else { return Ok(None) };
        let layout = seen.layout().map_err(|refusal| match refusal {
            Refusal::Corrupt(reason) => corrupt(&header.segment, reason),
            Refusal::Unsupported(reason) => Error::Unsupported { name: name.to_owned(), reason },
        })?;
        let track = Track::begin(layout.frames, seen).map_err(|reason| corrupt(&header.segment, reason))?;
        let segment = SegmentName::ring(name, generation).public;
        let Some(Opened { file, stat }) = open_public(&segment, Owner::User(header.owner))? else { return Ok(None) };
        // The writer may have moved on to another ring in the meantime, and made another file of that name.
        if !header.poll()?.is_some_and(|now| now.is_valid() && now.is_same_ring_as(seen)) {
            return Ok(None);
        }
        if layout.length > max_bytes {
            return Err(Error::TooLarge { needed: layout.length, limit: max_bytes });
        }
        if stat.length < layout.length {
            let reason = format!("it has {} bytes, expected {} according to its header", stat.length, layout.length);
            return Err(corrupt(&segment, reason));
        }
        Ok(Some(Self { file, layout, generation, track, segment, token: Arc::new(()), backed: 0 }))
    }

    /// Checks that the frames up to `position` have memory. A file with holes can claim any number of frames, and a
    /// reader's copies would allocate memory for all of them. ezmsg's writer fills the pages as it writes.
    pub fn check_backing(&mut self, position: u64) -> Result<()> {
        let frames = position.min(self.layout.frames);
        if frames > self.backed {
            let stat = FileStat::of(&self.file).map_err(io_error("asking for the size of", &self.segment))?;
            let bytes = frames * self.layout.frame_bytes;
            if stat.allocated < bytes {
                let reason = format!("it has {} bytes of memory, expected {bytes} for {frames} frames", stat.allocated);
                return Err(corrupt(&self.segment, reason));
            }
            self.backed = frames;
        }
        Ok(())
    }

    /// Copies the samples of `range`, no longer than the ring, to `to`, which has exactly their size. The copy may be
    /// torn.
    pub fn copy_samples(&self, range: &Range<u64>, to: &mut [u8]) -> Result<()> {
        let frame_bytes = self.layout.frame_bytes;
        let mut rest = to;
        for run in runs(range, self.layout.frames) {
            let (now, later) = rest.split_at_mut((run.frames * frame_bytes) as usize);
            self.read(now, self.layout.samples_offset + run.slot * frame_bytes)?;
            rest = later;
        }
        Ok(())
    }

    /// Copies the times of `range`, as [`copy_samples`](Self::copy_samples). If the ring has no times, they are
    /// computed from the rate, in seconds since the generation's first frame, or NaN without a rate.
    pub fn copy_times(&self, range: &Range<u64>, to: &mut [f64]) -> Result<()> {
        if !self.layout.has_times {
            let rate = self.layout.format.rate_hz();
            let time = |position: u64| if rate > 0.0 { position as f64 / rate } else { f64::NAN };
            for (time_of, position) in to.iter_mut().zip(range.clone()) {
                *time_of = time(position);
            }
            return Ok(());
        }
        let mut buffer = [0; 8 * TIMES];
        let mut rest = to;
        for run in runs(range, self.layout.frames) {
            let (now, later) = rest.split_at_mut(run.frames as usize);
            for (i, times) in now.chunks_mut(TIMES).enumerate() {
                let bytes = &mut buffer[..8 * times.len()];
                self.read(bytes, 8 * (run.slot + (i * TIMES) as u64))?;
                for (time, bytes) in times.iter_mut().zip(bytes.as_chunks().0) {
                    *time = f64::from_le_bytes(*bytes);
                }
            }
            rest = later;
        }
        Ok(())
    }

    fn read(&self, to: &mut [u8], offset: u64) -> Result<()> {
        let read = read_fully(&self.file, to, offset).map_err(io_error("reading", &self.segment))?;
        if read < to.len() {
            return Err(corrupt(&self.segment, "it was truncated while it was read"));
        }
        Ok(())
    }
}

/// The pickle of description `seen.meta_generation()`; `None` if its segment is gone.
///
/// The inner error states why the pickle can never be read.
pub(super) fn read_pickle(
    name: &str,
    header: &HeaderFile,
    seen: &Seen,
) -> Result<Option<std::result::Result<Vec<u8>, String>>> {
    let segment = SegmentName::metadata(name, seen.meta_generation()).public;
    let Some(Opened { file, stat }) = open_public(&segment, Owner::User(header.owner))? else { return Ok(None) };
    let length = u64::from(seen.aux_nbytes());
    if length > stat.length || length > MAX_METADATA_BYTES {
        return Ok(Some(Err(format!(
            "the header states {length} bytes of metadata, expected at most {MAX_METADATA_BYTES} and the segment's {}",
            stat.length
        ))));
    }
    let mut bytes = vec![0; length as usize];
    let read = read_fully(&file, &mut bytes, 0).map_err(io_error("reading", &segment))?;
    bytes.truncate(read);
    Ok(Some(Ok(bytes)))
}
