//! What is known of streams that ezmsg itself writes.

use std::ffi::{CString, c_char};

use super::{dora_shm_reader, inside};
use crate::c_string::c_string;
use crate::call::{Out, call};
use crate::result::dora_shm_result;
use dora_shm_result::*;

/// The strings that were returned last, kept as long as C may read them.
pub(super) struct Texts {
    key: Option<CString>,
    refused: Option<CString>,
    left_out: CString,
}

/// What is known of a stream that ezmsg itself wrote, besides what is known of any stream.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_ezmsg {
    /// 1: ezmsg-tools 0.6, whose frames have no times. 2: ezmsg-tools 0.10.
    pub struct_version: u32,
    /// The signal's key in the header, UTF-8; NULL: it cannot be read. Owner: the reader.
    pub key: *const c_char,
    /// Why the description cannot be read, UTF-8; NULL: it was read, or there is none. Owner: the reader.
    pub refused: *const c_char,
    /// Parts of the description that this library has no equivalent for, UTF-8, one per line; may be empty, never NULL.
    /// Owner: the reader.
    pub left_out: *const c_char,
}

/// What is known of the stream if ezmsg itself wrote it.
///
/// @param ezmsg out; untouched unless DORA_SHM_OK is returned. Its strings are valid until the next call of this
///        function with the same reader, or until the reader is closed
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: ezmsg did not write the stream, or there is none; DORA_SHM_ERROR_IO: a system
///         call failed
/// @note Makes a few system calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_ezmsg(
    reader: *mut dora_shm_reader,
    ezmsg: *mut dora_shm_ezmsg,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (mut inside, out) = unsafe { (inside(reader)?, Out::new(ezmsg, "ezmsg")?) };
        let Some(found) = inside.info()?.ezmsg else { return Ok(DORA_SHM_NOTHING) };
        let texts = inside.ezmsg.insert(Texts {
            key: found.key.as_deref().map(c_string),
            refused: found.refused.as_deref().map(c_string),
            left_out: c_string(&found.left_out.join("\n")),
        });
        let pointer = |text: &Option<CString>| text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr());
        out.set(dora_shm_ezmsg {
            struct_version: found.struct_version,
            key: pointer(&texts.key),
            refused: pointer(&texts.refused),
            left_out: texts.left_out.as_ptr(),
        });
        Ok(DORA_SHM_OK)
    })
}
