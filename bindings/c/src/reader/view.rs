//! Frames in place.

use std::ffi::c_void;

use dora_shm_ring::{Outcome, View};

use super::read::{at_least_one, dora_shm_frames};
use super::{dora_shm_reader, inside, result_of};
use crate::call::{Out, call, give, take};
use crate::info::DORA_SHM_NONE;
use crate::result::dora_shm_result;
use dora_shm_result::*;

/// Frames of a ring that are lent in place. A view keeps their memory mapped, even after its reader was closed.
pub struct dora_shm_view {
    view: View,
}

/// Frames that are contiguous in memory.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_part {
    /// Samples in C order, frame after frame. Owner: the view. Valid until it is finished or closed.
    pub samples: *const c_void,
    /// Bytes of `samples`.
    pub samples_size: usize,
    /// One value per frame on the buffered axis. Owner and validity as for `samples`.
    pub times: *const f64,
    /// Number of frames.
    pub frames: u64,
}

/// What a view lends: frames with the positions `first` to `first` + `frames` - 1.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_parts {
    /// Position of the first frame in its generation.
    pub first: u64,
    /// Number of frames, in both parts.
    pub frames: u64,
    /// The generation that is read. DORA_SHM_NONE: there has been none yet.
    pub generation: u32,
    /// Number of parts: 2 where the ring wraps, otherwise 1; 0 unless DORA_SHM_OK is returned.
    pub count: u32,
    /// The parts in order. Those that do not exist are all zero.
    pub part: [dora_shm_part; 2],
}

fn part(view: &View, which: usize) -> dora_shm_part {
    let (samples, times) = (&view.samples()[which], &view.times_bytes()[which]);
    if times.is_empty() {
        return NO_PART;
    }
    dora_shm_part {
        samples: samples.as_ptr().cast(),
        samples_size: samples.len(),
        times: times.as_ptr().cast(),
        frames: (times.len() / size_of::<f64>()) as u64,
    }
}

const NO_PART: dora_shm_part =
    dora_shm_part { samples: std::ptr::null(), samples_size: 0, times: std::ptr::null(), frames: 0 };

/// Lends new frames in place, at most `max_frames`. The writer may overwrite them at any moment.
/// dora_shm_reader_finish() reports which of them stayed whole: do not act on anything that was read from them before
/// that. It also moves the cursor.
///
/// The memory is read-only: writing to it raises SIGSEGV.
///
/// @param max_frames at least 1
/// @param view out. Owner: the caller, who ends it with dora_shm_reader_finish() or dora_shm_view_close(). Untouched
///        unless DORA_SHM_OK is returned
/// @param parts out: where the frames are; untouched on failure
/// @return DORA_SHM_OK; DORA_SHM_NOTHING; DORA_SHM_NEW_GENERATION; DORA_SHM_CLOSED; the errors of
///         dora_shm_reader_read()
/// @note Any thread may read the parts.
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
        let frames = inside.frames()?;
        let outcome = frames.reader.view(max_frames)?;
        frames.known_ring = frames.ring();
        let mut lent = dora_shm_parts {
            first: 0,
            frames: 0,
            generation: inside.generation().unwrap_or(DORA_SHM_NONE),
            count: 0,
            part: [NO_PART; 2],
        };
        let result = result_of(&outcome);
        if let Outcome::Data(view) = outcome {
            lent.first = view.first();
            lent.frames = view.frames();
            lent.part = [part(&view, 0), part(&view, 1)];
            lent.count = lent.part.iter().map(|part| u32::from(part.frames > 0)).sum();
            give(&out, dora_shm_view { view });
        }
        parts.set(lent);
        Ok(result)
    })
}

/// Ends a view, moves the cursor behind it, and reports which of its frames stayed whole: all, or the last ones. The
/// others count as lost. None are whole if the view belongs to another reader or to a generation that the reader has
/// left, or if its frames were read in another way meanwhile.
///
/// @param view in: the view. out: NULL
/// @param frames out: the frames that are whole, and how many were lost just before them; untouched on failure
/// @return DORA_SHM_OK: all are whole; DORA_SHM_LAPPED: not all, or none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_finish(
    reader: *mut dora_shm_reader,
    view: *mut *mut dora_shm_view,
    frames: *mut dora_shm_frames,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (mut inside, frames) = unsafe { (inside(reader)?, Out::new(frames, "frames")?) };
        inside.frames()?;
        // SAFETY: the convention for handles.
        let view = unsafe { take(view, "view", |_| Ok(())) }?;
        let Some(view) = view else {
            return Err(crate::result::Failure::new(DORA_SHM_ERROR_NULL, "*view is NULL"));
        };
        let lent = view.view.frames();
        let reader = inside.frames()?;
        let whole = reader.reader.finish(view.view);
        let (count, lost) = (whole.end - whole.start, reader.reader.lost());
        let lost_before = lost - reader.lost_reported;
        if count > 0 {
            reader.lost_reported = lost;
        }
        frames.set(dora_shm_frames {
            first: whole.start,
            frames: count,
            lost: if count > 0 { lost_before } else { 0 },
            generation: inside.generation().unwrap_or(DORA_SHM_NONE),
        });
        Ok(if count == lent { DORA_SHM_OK } else { DORA_SHM_LAPPED })
    })
}

/// Ends a view without a check: the cursor does not move.
///
/// @param view in: the view, or a pointer to NULL, which does nothing. out: NULL
/// @return DORA_SHM_OK
/// @note Only for the last thread that uses the view. Its reader may be closed, or in use by another thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_view_close(view: *mut *mut dora_shm_view) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for handles.
        drop(unsafe { take(view, "view", |_| Ok(())) }?);
        Ok(DORA_SHM_OK)
    })
}
