//! Segments as memory.

use std::io;
use std::os::fd::AsFd;
use std::ptr::{NonNull, null_mut};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};
use shared_memory::{Shmem, ShmemConf, ShmemError};

use super::{FileId, FileStat, stat_name};

/// A read-only mapping: the kernel prevents a reader from writing.
pub(crate) struct ReadMapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping does not belong to a thread, and it is only accessed by atomic loads and by racing copies, which
// are checked afterwards.
unsafe impl Send for ReadMapping {}
// SAFETY: as above.
unsafe impl Sync for ReadMapping {}

impl ReadMapping {
    /// Maps the first `length` bytes, which must lie within the file.
    pub fn new(file: impl AsFd, length: usize) -> io::Result<Self> {
        // SAFETY: a new mapping at an address that the kernel chooses aliases no other memory.
        let start = unsafe { mmap(null_mut(), length, ProtFlags::READ, MapFlags::SHARED, file, 0)? };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, length })
    }

    pub fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }
}

impl Drop for ReadMapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `new`, and nothing refers to it once its owner is dropped.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// A writable mapping of one of the writer's own segments.
pub(crate) struct WriteMapping {
    shmem: Shmem,
}

// SAFETY: as for `ReadMapping`; stores are made by the one owner of the stream, or by the service thread through
// `populate`, which changes no byte.
unsafe impl Send for WriteMapping {}
// SAFETY: as above.
unsafe impl Sync for WriteMapping {}

impl WriteMapping {
    /// Maps the segment behind `anchor`, which must still be the file `id` that was opened and checked.
    ///
    /// `shared_memory` opens by name and takes no descriptor, so the name is compared with the checked file after it
    /// has mapped. As a non-owner it never unlinks; an owner's drop would remove any file that has the name by then.
    pub fn new(anchor: &str, id: FileId, length: usize) -> io::Result<Self> {
        let shmem = ShmemConf::new().os_id(format!("/{anchor}")).open().map_err(|error| match error {
            ShmemError::MapOpenFailed(code) | ShmemError::MapCreateFailed(code) | ShmemError::UnknownOsError(code) => {
                io::Error::from_raw_os_error(code as i32)
            }
            other => io::Error::other(other.to_string()),
        })?;
        let same = stat_name(anchor)?.is_some_and(|stat: FileStat| stat.id == id);
        if !same || shmem.len() < length {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("{anchor} was replaced by another file")));
        }
        Ok(Self { shmem })
    }

    pub fn start(&self) -> *mut u8 {
        self.shmem.as_ptr()
    }

    pub fn length(&self) -> usize {
        self.shmem.len()
    }

    /// Prefaults the pages of a range for writing, so that no later store to it faults. Kernels before 5.14 refuse;
    /// then the first lap faults.
    pub fn populate(&self, offset: usize, length: usize) {
        let end = offset.saturating_add(length).min(self.length());
        // madvise needs the start of a page.
        let start = offset.min(end) & !(rustix::param::page_size() - 1);
        // SAFETY: the range lies in this mapping.
        let _ = unsafe { madvise(self.start().add(start).cast(), end - start, Advice::LinuxPopulateWrite) };
    }
}
