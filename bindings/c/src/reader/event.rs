//! What happens to a stream besides its frames.

use dora_shm_ring::EventKind;

use super::{Frames, Unit, dora_shm_reader, inside};
use crate::call::{Out, call};
use crate::info::DORA_SHM_NONE;
use crate::result::dora_shm_result;
use dora_shm_event_kind::*;
use dora_shm_result::*;

/// What happened.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum dora_shm_event_kind {
    /// The reader came to a new ring: the type, shape, rate, length or key changed, or the stream appeared.
    DORA_SHM_EVENT_NEW_GENERATION = 0,
    /// Labels, units or attributes changed, and nothing else.
    DORA_SHM_EVENT_NEW_DESCRIPTION = 1,
    /// Another writer has the stream: it took over from a dead one, or created the stream again after it was closed.
    DORA_SHM_EVENT_WRITER_RESTARTED = 2,
    /// The writer closed the stream.
    DORA_SHM_EVENT_WRITER_CLOSED = 3,
    /// The writer died without closing the stream.
    DORA_SHM_EVENT_WRITER_DIED = 4,
}

/// Something that happened to a stream, in order with its frames.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_event {
    /// What happened.
    pub kind: dora_shm_event_kind,
    /// The generation that was read then. DORA_SHM_NONE: there was no ring.
    pub generation: u32,
    /// Position of the first frame after the event, in that generation.
    pub position: u64,
}

/// The oldest event that was not returned yet. Calls that read, view, skip or wait notice events, and so does
/// dora_shm_reader_state(). Call this after each of them: an event precedes the frames that the same call returned. The
/// newest 64 events are kept. Where the reader begins is not an event.
///
/// @param event out; untouched unless DORA_SHM_OK is returned
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: there is none
/// @note Makes no system call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_next_event(
    reader: *mut dora_shm_reader,
    event: *mut dora_shm_event,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (mut inside, out) = unsafe { (inside(reader)?, Out::new(event, "event")?) };
        let Some(found) = either!(&mut inside.unit, reader => reader.next_event()) else {
            return Ok(DORA_SHM_NOTHING);
        };
        out.set(dora_shm_event {
            kind: match found.kind {
                EventKind::NewGeneration => DORA_SHM_EVENT_NEW_GENERATION,
                EventKind::NewDescription => DORA_SHM_EVENT_NEW_DESCRIPTION,
                EventKind::WriterRestarted => DORA_SHM_EVENT_WRITER_RESTARTED,
                EventKind::WriterGone { orderly: true } => DORA_SHM_EVENT_WRITER_CLOSED,
                EventKind::WriterGone { orderly: false } => DORA_SHM_EVENT_WRITER_DIED,
            },
            generation: found.generation.unwrap_or(DORA_SHM_NONE),
            position: found.position,
        });
        Ok(DORA_SHM_OK)
    })
}
