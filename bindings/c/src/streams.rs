//! The streams of the machine.

use std::ffi::{CString, c_char};

use dora_shm_ring::{StreamInfo, streams};

use crate::c_string::c_string;
use crate::call::{Out, borrow, call, give, take};
use crate::info::{DORA_SHM_NONE, dora_shm_info};
use crate::result::{Failure, dora_shm_result};
use dora_shm_result::*;
use dora_shm_stream_kind::*;

/// The streams of the machine, as they were when they were listed.
pub struct dora_shm_streams {
    streams: Vec<Stream>,
}

struct Stream {
    found: StreamInfo,
    segment: CString,
    text: CString,
}

/// What was found.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum dora_shm_stream_kind {
    /// A stream of this process's user or of root; dora_shm_streams_info() has the details.
    DORA_SHM_STREAM_OURS = 0,
    /// Another user's stream. To open it, set `owner` in the reader's options.
    DORA_SHM_STREAM_OTHER_USER = 1,
    /// A stream of this user or of root that cannot be read; `text` has the reason.
    DORA_SHM_STREAM_UNREADABLE = 2,
    /// A stream that ezmsg itself wrote. Its name is unknown; `text` is its key.
    DORA_SHM_STREAM_EZMSG = 3,
}

/// One stream of a list.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_stream {
    /// What was found.
    pub kind: dora_shm_stream_kind,
    /// For another user's stream, the user id. Otherwise DORA_SHM_NONE.
    pub owner: u32,
    /// For a stream that ezmsg wrote, its struct version, 1 or 2. Otherwise 0.
    pub struct_version: u32,
    /// Name of the header segment in /dev/shm. Owner: the list.
    pub segment: *const c_char,
    /// The stream's name, or the text that its kind states; UTF-8, may be empty, never NULL. Owner: the list.
    pub text: *const c_char,
}

fn stream(found: StreamInfo) -> Stream {
    let text = match &found {
        StreamInfo::Stream(info) => &info.name,
        StreamInfo::OtherUser { .. } => "",
        StreamInfo::Unreadable { reason, .. } => reason,
        StreamInfo::Ezmsg { key, .. } => key.as_deref().unwrap_or_default(),
        _ => "a kind of stream that this version does not know",
    };
    let (segment, text) = (c_string(found.segment()), c_string(text));
    Stream { found, segment, text }
}

/// Lists all streams of the machine.
///
/// @param list out. Owner: the caller, who closes it with dora_shm_streams_close(). Untouched on failure
/// @return DORA_SHM_OK; DORA_SHM_ERROR_IO: /dev/shm cannot be listed
/// @note Any thread. Makes some system calls per file in /dev/shm.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_streams_list(list: *mut *mut dora_shm_streams) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let list = unsafe { Out::new(list, "list") }?;
        give(&list, dora_shm_streams { streams: streams()?.into_iter().map(stream).collect() });
        Ok(DORA_SHM_OK)
    })
}

/// Number of streams in a list.
///
/// @param count out
/// @return DORA_SHM_OK
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_streams_count(list: *const dora_shm_streams, count: *mut usize) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (list, count) = unsafe { (borrow(list, "list")?, Out::new(count, "count")?) };
        count.set(list.streams.len());
        Ok(DORA_SHM_OK)
    })
}

impl dora_shm_streams {
    fn at(&self, index: usize) -> Result<&Stream, Failure> {
        let count = self.streams.len();
        let missing = || Failure::bad_argument(format!("there is no stream {index} in this list of {count}"));
        self.streams.get(index).ok_or_else(missing)
    }
}

/// One stream of a list.
///
/// @param index from 0
/// @param stream out: its strings belong to the list
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_ARGUMENT: the list is shorter
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_streams_get(
    list: *const dora_shm_streams,
    index: usize,
    stream: *mut dora_shm_stream,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (list, out) = unsafe { (borrow(list, "list")?, Out::new(stream, "stream")?) };
        let stream = list.at(index)?;
        let (kind, owner, struct_version) = match &stream.found {
            StreamInfo::Stream(_) => (DORA_SHM_STREAM_OURS, DORA_SHM_NONE, 0),
            StreamInfo::OtherUser { owner, .. } => (DORA_SHM_STREAM_OTHER_USER, *owner, 0),
            StreamInfo::Ezmsg { struct_version, .. } => (DORA_SHM_STREAM_EZMSG, DORA_SHM_NONE, *struct_version),
            _ => (DORA_SHM_STREAM_UNREADABLE, DORA_SHM_NONE, 0),
        };
        let (segment, text) = (stream.segment.as_ptr(), stream.text.as_ptr());
        out.set(dora_shm_stream { kind, owner, struct_version, segment, text });
        Ok(DORA_SHM_OK)
    })
}

/// What is known of a stream of a list.
///
/// @param index from 0
/// @param info out; untouched unless DORA_SHM_OK is returned
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: its kind is not DORA_SHM_STREAM_OURS; DORA_SHM_ERROR_BAD_ARGUMENT: the list
///         is shorter
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_streams_info(
    list: *const dora_shm_streams,
    index: usize,
    info: *mut dora_shm_info,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (list, out) = unsafe { (borrow(list, "list")?, Out::new(info, "info")?) };
        let StreamInfo::Stream(info) = &list.at(index)?.found else { return Ok(DORA_SHM_NOTHING) };
        out.set(dora_shm_info::of(info));
        Ok(DORA_SHM_OK)
    })
}

/// Closes a list, and with it its strings.
///
/// @param list in: the list, or a pointer to NULL, which does nothing. out: NULL
/// @return DORA_SHM_OK
/// @note Only for the last thread that uses the list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_streams_close(list: *mut *mut dora_shm_streams) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for handles.
        drop(unsafe { take(list, "list", |_| Ok(())) }?);
        Ok(DORA_SHM_OK)
    })
}
