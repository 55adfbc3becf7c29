//! What can be told of streams that ezmsg itself writes.

use std::ffi::{CString, c_char};

use super::{dora_shm_reader, inside};
use crate::call::{Out, call};
use crate::result::dora_shm_result;
use crate::text::c_string;
use dora_shm_result::*;

/// What C was given of a stream of ezmsg's, for as long as it may look at it.
pub(super) struct Texts {
    key: Option<CString>,
    refused: Option<CString>,
    left_out: CString,
}

/// What is known of a stream that ezmsg itself wrote, beside what is known of any.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_foreign {
    /// 1: ezmsg-tools 0.6, whose frames have no times. 2: ezmsg-tools 0.10.
    pub struct_version: u32,
    /// The signal's key as the header has it, UTF-8; NULL where it cannot be read. Owner: the reader.
    pub key: *const c_char,
    /// Why the description in force cannot be read, UTF-8; NULL when it was read, or there is none. Owner: the reader.
    pub refused: *const c_char,
    /// What that description says and this library has no word for: a line for each, UTF-8; empty when there is nothing.
    /// Never NULL. Owner: the reader.
    pub left_out: *const c_char,
}

/// What is known of the stream if ezmsg itself wrote it.
///
/// @param foreign out; untouched unless DORA_SHM_OK is returned. Its strings are valid until the next call of this function
///        with the same reader, or its end
/// @return DORA_SHM_OK; DORA_SHM_NOTHING when it is none of ezmsg's, or there is no stream; DORA_SHM_ERROR_IO when the
///         system does not tell
///
/// One thread at a time. Never blocks; a few system calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_foreign(
    reader: *mut dora_shm_reader,
    foreign: *mut dora_shm_foreign,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (mut inside, out) = unsafe { (inside(reader)?, Out::new(foreign, "foreign")?) };
        let Some(found) = inside.reader.info()?.foreign else { return Ok(DORA_SHM_NOTHING) };
        let texts = inside.foreign.insert(Texts {
            key: found.key.as_deref().map(c_string),
            refused: found.refused.as_deref().map(c_string),
            left_out: c_string(&found.left_out.join("\n")),
        });
        let pointer = |text: &Option<CString>| text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr());
        out.set(dora_shm_foreign {
            struct_version: found.struct_version,
            key: pointer(&texts.key),
            refused: pointer(&texts.refused),
            left_out: texts.left_out.as_ptr(),
        });
        Ok(DORA_SHM_OK)
    })
}
