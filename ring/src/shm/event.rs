//! A file descriptor that can be made readable.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

/// An eventfd: readable from [`set`](Self::set) to [`clear`](Self::clear).
pub(crate) struct Event {
    file: OwnedFd,
}

impl Event {
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let file = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if file < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just made, and owned by nothing else.
        Ok(Self { file: unsafe { OwnedFd::from_raw_fd(file) } })
    }

    pub fn set(&self) {
        // Fails only if the counter is full, and then it is readable.
        let _ = rustix::io::write(&self.file, &1_u64.to_ne_bytes());
    }

    pub fn clear(&self) {
        // Fails only if it was clear.
        let _ = rustix::io::read(&self.file, &mut [0; 8]);
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
