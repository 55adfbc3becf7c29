//! Frames in place.

use std::ffi::c_void;

use dora_shm_ring::View;

use super::read::{at_least_one, dora_shm_frames};
use super::{dora_shm_reader, inside};
use crate::call::{Out, call, give, take};
use crate::info::DORA_SHM_NONE;
use crate::result::dora_shm_result;
use dora_shm_result::*;

/// Frames of a ring that are lent in place. It keeps their memory mapped, also after its reader was closed.
pub struct dora_shm_view {
    view: View,
}

/// Frames that lie one behind the other in memory.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_part {
    /// Samples in C order, frame after frame. Owner: the view. Valid until it is finished or closed.
    pub samples: *const c_void,
    /// Bytes of `samples`.
    pub samples_size: usize,
    /// One value per frame on the buffered axis. Owner and validity: as of `samples`.
    pub times: *const f64,
    /// How many frames.
    pub frames: u64,
}

/// What a view lends: frames with the positions `first` to `first` + `frames` - 1.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_parts {
    /// Position of the first frame in its generation.
    pub first: u64,
    /// How many frames, in both parts.
    pub frames: u64,
    /// Which description is held; see dora_shm_cursor.
    pub description: u64,
    /// The generation that is read; DORA_SHM_NONE before the first.
    pub generation: u32,
    /// 2 where the ring wraps, else 1; 0 unless DORA_SHM_OK is returned.
    pub count: u32,
    /// The frames in order. What is not there is zero.
    pub part: [dora_shm_part; 2],
}

fn part(view: &View, which: usize) -> dora_shm_part {
    let (samples, times) = (&view.samples()[which], view.times()[which]);
    let samples = samples.as_ref();
    if times.is_empty() {
        return NO_PART;
    }
    dora_shm_part {
        samples: samples.as_ptr().cast(),
        samples_size: samples.len(),
        times: times.as_ptr(),
        frames: times.len() as u64,
    }
}

const NO_PART: dora_shm_part =
    dora_shm_part { samples: std::ptr::null(), samples_size: 0, times: std::ptr::null(), frames: 0 };

/// Lends what is new, at most `max_frames`, in place. The writer may overwrite it at any moment: whether it was whole is
/// known when the view is finished, so act on nothing that was read from it before that. The cursor moves then, too.
///
/// The memory can only be read: writing to it is a SIGSEGV.
///
/// @param max_frames at least 1
/// @param view out. Owner: the caller, who gives it to dora_shm_reader_finish() or dora_shm_view_close(). Untouched unless
///        DORA_SHM_OK is returned
/// @param parts out: where the frames are; untouched when this fails
/// @return DORA_SHM_OK; DORA_SHM_NOTHING; DORA_SHM_NEW_GENERATION; DORA_SHM_CLOSED; the errors of dora_shm_reader_read()
///
/// One thread at a time; the parts can be read from any. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_view(
    reader: *mut dora_shm_reader,
    max_frames: u64,
    view: *mut *mut dora_shm_view,
    parts: *mut dora_shm_parts,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (mut inside, out) = unsafe { (inside(reader)?, Out::new(view, "view")?) };
        // SAFETY: as above.
        let parts = unsafe { Out::new(parts, "parts") }?;
        at_least_one(max_frames)?;
        let outcome = inside.reader.view(max_frames)?;
        inside.ring_told = inside.ring();
        let mut told = dora_shm_parts {
            first: 0,
            frames: 0,
            description: inside.count_descriptions(),
            generation: inside.reader.generation().unwrap_or(DORA_SHM_NONE),
            count: 0,
            part: [NO_PART; 2],
        };
        let result = match outcome {
            Outcome::Nothing => DORA_SHM_NOTHING,
            Outcome::Generation => DORA_SHM_NEW_GENERATION,
            Outcome::Closed => DORA_SHM_CLOSED,
            Outcome::Data(view) => {
                told.first = view.first();
                told.frames = view.frames();
                told.part = [part(&view, 0), part(&view, 1)];
                told.count = told.part.iter().map(|part| u32::from(part.frames > 0)).sum();
                give(&out, dora_shm_view { view });
                DORA_SHM_OK
            }
        };
        parts.set(told);
        Ok(result)
    })
}

/// Ends a view, moves the cursor behind it, and tells which of its frames were whole all the time: all of them, or those at
/// its end. The others are counted as lost. Of a view of another reader, or of a generation that the reader has left, or of
/// frames that were read in another way meanwhile, none are.
///
/// @param view in: the view. out: NULL
/// @param frames out: the frames that were whole, and how many were lost just before them; untouched when this fails
/// @return DORA_SHM_OK: all were whole; DORA_SHM_LAPPED: not all, or none
///
/// One thread at a time. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_finish(
    reader: *mut dora_shm_reader,
    view: *mut *mut dora_shm_view,
    frames: *mut dora_shm_frames,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (mut inside, frames) = unsafe { (inside(reader)?, Out::new(frames, "frames")?) };
        // SAFETY: the convention for handles.
        let view = unsafe { take(view, "view", |_| Ok(())) }?;
        let Some(view) = view else {
            return Err(crate::result::Failure::new(DORA_SHM_ERROR_NULL, "*view is NULL"));
        };
        let lent = view.view.frames();
        let whole = inside.reader.finish(view.view);
        let count = whole.end - whole.start;
        let lost = inside.reader.lost();
        let lost_before = lost - inside.lost_told;
        if count > 0 {
            inside.lost_told = lost;
        }
        frames.set(dora_shm_frames {
            first: whole.start,
            frames: count,
            lost: if count > 0 { lost_before } else { 0 },
            description: inside.count_descriptions(),
            generation: inside.reader.generation().unwrap_or(DORA_SHM_NONE),
        });
        Ok(if count == lent { DORA_SHM_OK } else { DORA_SHM_LAPPED })
    })
}

/// Gives a view up without a check: the cursor stays where it is.
///
/// @param view in: the view, or a pointer to NULL, with which nothing happens. out: NULL
/// @return DORA_SHM_OK
///
/// One thread, the last one that uses the view; its reader may be closed, or in use by another. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_view_close(view: *mut *mut dora_shm_view) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for handles.
        drop(unsafe { take(view, "view", |_| Ok(())) }?);
        Ok(DORA_SHM_OK)
    })
}
