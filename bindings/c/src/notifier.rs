//! A stream's news as a file descriptor.

use std::ffi::c_char;
use std::os::fd::AsRawFd;

use dora_shm_ring::{Notifier, ReaderOptions};

use crate::call::{Out, borrow, borrow_optional, call, give, take};
use crate::reader::dora_shm_reader_options;
use crate::result::dora_shm_result;
use crate::text::string;
use dora_shm_result::*;

/// A file descriptor that becomes readable when a stream has something for a reader, for loops that sleep on many things at
/// once: poll, epoll, Qt's QSocketNotifier, GLib. In a forked child it does nothing.
pub struct dora_shm_notifier {
    notifier: Notifier,
}

/// Watches a stream, which need not exist yet. A thread of its own sleeps on the stream; once the descriptor is readable, it
/// rests until that is cleared.
///
/// The descriptor begins readable. Each time it is: clear first, then read until there is nothing left (or set it again).
/// Now and then it becomes readable for frames that have just been read.
///
/// @param name as of dora_shm_reader_open()
/// @param options as the reader has them; NULL: the defaults
/// @param notifier out. Owner: the caller, who gives it back to dora_shm_notifier_close(). Untouched when this fails
/// @return DORA_SHM_OK; the errors of dora_shm_reader_open(), and DORA_SHM_ERROR_IO when there are no descriptors or threads
///         left
///
/// Any thread. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_notifier_open(
    name: *const c_char,
    options: *const dora_shm_reader_options,
    notifier: *mut *mut dora_shm_notifier,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (name, notifier) = unsafe { (string(name, "name")?, Out::new(notifier, "notifier")?) };
        // SAFETY: as above.
        let options = unsafe { borrow_optional(options, "options") }?;
        let options = options.map_or_else(|| Ok(ReaderOptions::default()), |options| options.to_library())?;
        give(&notifier, dora_shm_notifier { notifier: Notifier::open(name, options)? });
        Ok(DORA_SHM_OK)
    })
}

/// The descriptor to wait on.
///
/// @param descriptor out. Owner: the notifier: do not read, write or close it. Valid until the notifier is closed
/// @return DORA_SHM_OK
///
/// Any thread. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_notifier_descriptor(
    notifier: *const dora_shm_notifier,
    descriptor: *mut i32,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (notifier, descriptor) = unsafe { (borrow(notifier, "notifier")?, Out::new(descriptor, "descriptor")?) };
        descriptor.set(notifier.notifier.as_raw_fd());
        Ok(DORA_SHM_OK)
    })
}

/// Makes the descriptor unreadable until there is something new. Call it before reading, not after.
///
/// @return DORA_SHM_OK
///
/// Any thread. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_notifier_clear(notifier: *const dora_shm_notifier) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        unsafe { borrow(notifier, "notifier") }?.notifier.clear();
        Ok(DORA_SHM_OK)
    })
}

/// Makes the descriptor readable, for a reader that has left something unread.
///
/// @return DORA_SHM_OK
///
/// Any thread. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_notifier_set(notifier: *const dora_shm_notifier) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        unsafe { borrow(notifier, "notifier") }?.notifier.set();
        Ok(DORA_SHM_OK)
    })
}

/// Closes a notifier and its descriptor, which has to be taken out of all loops before.
///
/// @param notifier in: the notifier, or a pointer to NULL, with which nothing happens. out: NULL
/// @return DORA_SHM_OK
///
/// One thread, the last one that uses the notifier. Waits for the notifier's own thread to end, which it does at once (on
/// Linux before 5.16: within 250 ms).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_notifier_close(notifier: *mut *mut dora_shm_notifier) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for handles.
        drop(unsafe { take(notifier, "notifier", |_| Ok(())) }?);
        Ok(DORA_SHM_OK)
    })
}
