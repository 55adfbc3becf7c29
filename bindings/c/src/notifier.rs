//! A file descriptor that shows when a stream has something to read.

use std::ffi::c_char;
use std::os::fd::AsRawFd;

use dora_shm_ring::Notifier;

use crate::call::{Out, borrow, call, give, take};
use crate::reader::dora_shm_reader_options;
use crate::result::dora_shm_result;
use crate::text::string;
use dora_shm_result::*;

/// A file descriptor that becomes readable when a stream has something for a reader, for loops that wait on many
/// descriptors: poll, epoll, Qt's QSocketNotifier, GLib. In a forked child it does nothing.
pub struct dora_shm_notifier {
    notifier: Notifier,
}

/// Watches a stream, which need not exist yet. The notifier's own thread waits for the stream. Once the descriptor is
/// readable, the thread pauses until dora_shm_notifier_clear() is called.
///
/// The descriptor begins readable. Each time it is readable: clear it first, then read until there is nothing left, or
/// set it again. Occasionally it becomes readable for frames that have just been read.
///
/// @param name as for dora_shm_reader_open()
/// @param options the reader's; NULL: the defaults
/// @param notifier out. Owner: the caller, who closes it with dora_shm_notifier_close(). Untouched on failure
/// @return DORA_SHM_OK; the errors of dora_shm_reader_open(); DORA_SHM_ERROR_IO also when no descriptor or thread is
///         available
/// @note Any thread.
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
        let (options, _) = unsafe { dora_shm_reader_options::to_library(options) }?;
        give(&notifier, dora_shm_notifier { notifier: Notifier::open(name, options)? });
        Ok(DORA_SHM_OK)
    })
}

/// The descriptor to wait on.
///
/// @param descriptor out. Owner: the notifier; do not read, write or close it. Valid until the notifier is closed
/// @return DORA_SHM_OK
/// @note Any thread.
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
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_notifier_clear(notifier: *const dora_shm_notifier) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        unsafe { borrow(notifier, "notifier") }?.notifier.clear();
        Ok(DORA_SHM_OK)
    })
}

/// Makes the descriptor readable: for a reader that left something unread.
///
/// @return DORA_SHM_OK
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_notifier_set(notifier: *const dora_shm_notifier) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        unsafe { borrow(notifier, "notifier") }?.notifier.set();
        Ok(DORA_SHM_OK)
    })
}

/// Closes a notifier and its descriptor. Remove the descriptor from all loops first.
///
/// @param notifier in: the notifier, or a pointer to NULL, which does nothing. out: NULL
/// @return DORA_SHM_OK
/// @note Only for the last thread that uses the notifier. Waits for the notifier's thread, which ends at once (on Linux
///       before 5.16: within 250 ms).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_notifier_close(notifier: *mut *mut dora_shm_notifier) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for handles.
        drop(unsafe { take(notifier, "notifier", |_| Ok(())) }?);
        Ok(DORA_SHM_OK)
    })
}
