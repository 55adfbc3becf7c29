//! Memory that two processes map: the floors' rings, and the control segment.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use eyre::WrapErr;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};

/// A file of shared memory, mapped for reading and writing. It is removed when its creator drops it.
pub struct Shared {
    start: *mut u8,
    length: usize,
    /// The file to remove in the end.
    created: Option<PathBuf>,
}

// SAFETY: plain memory that does not belong to a thread. What is shared in it is accessed through atomics, or copied
// raw under the protocol of the row that owns it.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// Creates `/dev/shm/<name>` with all of its pages present.
    pub fn create(name: &str, length: usize) -> eyre::Result<Self> {
        let path = Path::new("/dev/shm").join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = file.wrap_err_with(|| format!("cannot create {}", path.display()))?;
        let mut shared = Self { start: std::ptr::null_mut(), length: 0, created: Some(path) };
        file.set_len(length as u64).wrap_err("no room in shared memory")?;
        shared.map(&file, length)?;
        Ok(shared)
    }

    /// Maps what another process created.
    pub fn open(name: &str) -> eyre::Result<Self> {
        let path = Path::new("/dev/shm").join(name);
        let file = OpenOptions::new().read(true).write(true).open(&path);
        Self::from_file(&file.wrap_err_with(|| format!("cannot open {}", path.display()))?)
    }

    /// Maps an open file.
    pub fn from_file(file: &File) -> eyre::Result<Self> {
        let length = file.metadata()?.len() as usize;
        let mut shared = Self { start: std::ptr::null_mut(), length: 0, created: None };
        shared.map(file, length)?;
        Ok(shared)
    }

    fn map(&mut self, file: &File, length: usize) -> eyre::Result<()> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at a place of the kernel's choice.
        let start = unsafe { mmap(std::ptr::null_mut(), length, access, MapFlags::SHARED, file, 0) };
        self.start = start.wrap_err("cannot map shared memory")?.cast();
        self.length = length;
        // Kernels before 5.14 refuse; then the warm-up faults the pages in. SAFETY: the whole of our own mapping;
        // populating does not change its content.
        let _ = unsafe { madvise(self.start.cast(), length, Advice::LinuxPopulateWrite) };
        Ok(())
    }

    /// Where it is mapped.
    pub fn start(&self) -> *mut u8 {
        self.start
    }

    /// Its length in bytes.
    pub fn length(&self) -> usize {
        self.length
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.length > 0 {
            // SAFETY: mapped by us, and nothing borrows from it.
            let _ = unsafe { munmap(self.start.cast(), self.length) };
        }
        if let Some(path) = &self.created {
            let _ = fs::remove_file(path);
        }
    }
}
