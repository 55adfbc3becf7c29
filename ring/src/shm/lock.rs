//! Ownership of a stream: an open-file-description lock, which the kernel releases even if its holder is killed.

use std::io;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use super::ForkGuard;

/// The exclusive lock on a header's anchor. Its descriptor is never mapped (a mapping keeps an open file, and with it
/// the lock, alive) and never reaches a child.
pub(crate) struct Lock {
    fork: ForkGuard,
    /// `Some` until the drop.
    file: Option<OwnedFd>,
}

/// The byte of a header that its writer locks, and the one that waiting readers lock. What is stored there does not
/// matter.
const WRITERS_BYTE: libc::off_t = 0;
const WAITERS_BYTE: libc::off_t = 1;

fn byte(offset: libc::off_t, kind: libc::c_int) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: offset,
        l_len: 1,
        l_pid: 0,
    }
}

impl Lock {
    /// Takes the lock, or returns the descriptor if another process holds a lock.
    pub fn try_take(file: OwnedFd) -> io::Result<Result<Lock, OwnedFd>> {
        // Registered before it is locked: a child that is forked in between must not keep the lock.
        let fork = ForkGuard::new(file.as_raw_fd());
        match fcntl(&file, FcntlArg::F_OFD_SETLK(&byte(WRITERS_BYTE, libc::F_WRLCK))) {
            Ok(_) => Ok(Ok(Lock { fork, file: Some(file) })),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(Err(file)),
            Err(errno) => Err(errno.into()),
        }
    }

    /// The locked descriptor, for `fstat` and `fchmod`; it must not be mapped.
    pub fn file(&self) -> &OwnedFd {
        self.file.as_ref().expect("only the drop takes it")
    }

    /// Whether this is the process that took the lock, not a forked child.
    pub fn is_own_process(&self) -> bool {
        self.fork.is_own_process()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let Some(file) = self.file.take() else { return };
        if self.fork.is_own_process() {
            // Unlocked explicitly, not by closing: a child forked this instant still has a copy of the descriptor.
            let _ = fcntl(&file, FcntlArg::F_OFD_SETLK(&byte(WRITERS_BYTE, libc::F_UNLCK)));
            self.fork.forget();
        } else {
            // The fork handler has closed the child's copy already. The number may be that of another file by now.
            let _ = file.into_raw_fd();
        }
    }
}

/// Whether a live writer holds the file's lock. It tests for a read lock (`F_RDLCK`), so that a reader's lock does not
/// count.
pub(crate) fn is_write_locked(file: impl AsFd) -> io::Result<bool> {
    let mut answer = byte(WRITERS_BYTE, libc::F_RDLCK);
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut answer))?;
    Ok(answer.l_type != libc::F_UNLCK as libc::c_short)
}

/// Takes a waiter lock on a header that is open for reading, which means that a reader waits on the wake word. Any
/// number of readers can hold one. The kernel releases it with the last descriptor and mapping of this open file.
pub(crate) fn take_waiter_lock(file: impl AsFd) -> io::Result<()> {
    fcntl(file, FcntlArg::F_OFD_SETLK(&byte(WAITERS_BYTE, libc::F_RDLCK)))?;
    Ok(())
}

/// Whether a process holds a waiter lock.
pub(crate) fn has_waiter_lock(file: impl AsFd) -> io::Result<bool> {
    let mut answer = byte(WAITERS_BYTE, libc::F_WRLCK);
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut answer))?;
    Ok(answer.l_type != libc::F_UNLCK as libc::c_short)
}
