//! What the frames of a stream mean, as a handle: read from a stream, or made to be written.

mod build;
mod read;

use std::sync::{Arc, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};

use dora_shm_ring::Description;

use crate::call::{borrow, busy, call, take};
use crate::result::{Failure, dora_shm_result};
use dora_shm_result::*;
use read::Texts;

/// What the frames of a stream mean: names of dimensions, axes with units and labels, attributes.
/// dora_shm_reader_description() returns one; dora_shm_description_create() makes a new one, to be filled and passed to
/// a writer.
///
/// Strings that it returns belong to it. They are valid until it is changed or closed.
pub struct dora_shm_description {
    inside: RwLock<Inside>,
}

struct Inside {
    description: Arc<Description>,
    /// Strings that were returned to C. Made on first use.
    texts: OnceLock<Texts>,
}

impl Inside {
    fn texts(&self) -> &Texts {
        self.texts.get_or_init(|| Texts::of(&self.description))
    }
}

impl dora_shm_description {
    pub(crate) fn new(description: Arc<Description>) -> Self {
        Self { inside: RwLock::new(Inside { description, texts: OnceLock::new() }) }
    }

    /// The library's description.
    pub(crate) fn to_library(&self) -> Result<Arc<Description>, Failure> {
        Ok(self.read()?.description.clone())
    }

    fn read(&self) -> Result<RwLockReadGuard<'_, Inside>, Failure> {
        match self.inside.try_read() {
            Ok(inside) => Ok(inside),
            // After a panic, which was reported, the content is still valid.
            Err(TryLockError::Poisoned(inside)) => Ok(inside.into_inner()),
            Err(TryLockError::WouldBlock) => Err(busy("description")),
        }
    }

    fn write(&self) -> Result<RwLockWriteGuard<'_, Inside>, Failure> {
        match self.inside.try_write() {
            Ok(inside) => Ok(inside),
            Err(TryLockError::Poisoned(inside)) => Ok(inside.into_inner()),
            Err(TryLockError::WouldBlock) => Err(busy("description")),
        }
    }
}

/// # Safety
/// The convention for arguments.
unsafe fn inside<'a>(description: *const dora_shm_description) -> Result<RwLockReadGuard<'a, Inside>, Failure> {
    // SAFETY: the caller's promise.
    unsafe { borrow(description, "description") }?.read()
}

/// Closes a description, and with it all strings that it returned.
///
/// @param description in: the description, or a pointer to NULL, which does nothing. out: NULL
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BUSY: another thread is in a call with it
/// @note Only for the last thread that uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_description_close(description: *mut *mut dora_shm_description) -> dora_shm_result {
    call(|| {
        let unused = |description: &dora_shm_description| description.write().map(drop);
        // SAFETY: the convention for handles.
        drop(unsafe { take(description, "description", unused) }?);
        Ok(DORA_SHM_OK)
    })
}
