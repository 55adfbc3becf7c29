//! Who owns a stream: an open-file-description lock, which the kernel drops however its holder dies.

use std::io;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use super::ForkGuard;

/// The exclusive lock on a header's anchor. Its descriptor is never mapped (a mapping keeps an open file, and with it
/// the lock, alive) and never reaches a child.
pub(crate) struct Lock {
    fork: ForkGuard,
    /// Always there until the drop.
    file: Option<OwnedFd>,
}

/// The byte of a header that its writer locks, and the one that waiting readers lock. Locks are of bytes, which need not
/// have to do with what is stored there.
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
    /// Takes the lock, or gives the descriptor back when somebody else holds one.
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
        self.file.as_ref().expect("taken by the drop only")
    }

    /// Whether this is the process that took the lock, not a forked child.
    pub fn is_home(&self) -> bool {
        self.fork.is_home()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let Some(file) = self.file.take() else { return };
        if self.fork.is_home() {
            // Unlocked by name, not by closing: a child forked this instant still has a copy of the descriptor.
            let _ = fcntl(&file, FcntlArg::F_OFD_SETLK(&byte(WRITERS_BYTE, libc::F_UNLCK)));
            self.fork.forget();
        } else {
            // The fork handler has closed the child's copy already; the number may be another file's by now.
            let _ = file.into_raw_fd();
        }
    }
}

/// Whether a live writer holds the file's lock. Asks as a reader would (`F_RDLCK`), so that a reader's own lock is not
/// taken for a writer.
pub(crate) fn is_write_locked(file: impl AsFd) -> io::Result<bool> {
    let mut answer = byte(WRITERS_BYTE, libc::F_RDLCK);
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut answer))?;
    Ok(answer.l_type != libc::F_UNLCK as libc::c_short)
}

/// Takes a waiter lock on a header that is open for reading: it says that somebody sleeps on the wake word. Any number
/// of readers can hold one; the kernel drops it with the last descriptor and mapping of this open file.
pub(crate) fn take_waiter_lock(file: impl AsFd) -> io::Result<()> {
    fcntl(file, FcntlArg::F_OFD_SETLK(&byte(WAITERS_BYTE, libc::F_RDLCK)))?;
    Ok(())
}

/// Whether somebody holds a waiter lock.
pub(crate) fn has_waiter_lock(file: impl AsFd) -> io::Result<bool> {
    let mut answer = byte(WAITERS_BYTE, libc::F_WRLCK);
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut answer))?;
    Ok(answer.l_type != libc::F_UNLCK as libc::c_short)
}
