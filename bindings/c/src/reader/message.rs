//! A stream as the messages that were written, one at a time.

use std::ffi::c_void;

use dora_shm_ring::{Message, MessageInfo};

use super::{Unit, dora_shm_reader, inside, result_of};
use crate::call::{Out, call, flag};
use crate::result::{Failure, dora_shm_result};

/// A message: frames with the positions `first` to `first` + `frames` - 1 of a generation, written together. From
/// dora_shm_reader_messages(), it has neither samples nor times.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_message {
    /// Samples in C order, frame after frame, aligned to 64 bytes. Owner: the reader. Valid until the next
    /// dora_shm_reader_next_message() with it, or until it is closed. Do not dereference it if the message is empty.
    pub samples: *const c_void,
    /// Bytes of `samples`.
    pub samples_size: usize,
    /// One value per frame on the buffered axis: seconds for a time axis. Owner and validity as for `samples`.
    pub times: *const f64,
    /// Number of frames; 0 for an empty message.
    pub frames: u64,
    /// Position of the first frame in its generation; for an empty message, of the frame that follows it there.
    pub first: u64,
    /// Frames lost just before this message, since the message before it: exact.
    pub lost: u64,
    /// Number of the message in its generation, from 0.
    pub chunk: u64,
    /// Position of the first frame in the stream, over all generations.
    pub stream_position: u64,
    /// CLOCK_MONOTONIC when the message was written, in nanoseconds.
    pub mono_ns: u64,
    /// When the message was sent, Unix nanoseconds.
    pub send_ns: i64,
    /// The generation of the message.
    pub generation: u32,
    /// Whether the time of its first frame does not follow that of the frame before it, of the same generation. With a
    /// rate: it is off by more than half a step and more than 1 us; without one: it is lower.
    pub discontinuity: flag,
}

/// Copies the next message of a reader that was opened for messages.
///
/// @param message out; untouched unless DORA_SHM_OK is returned. The memory that it points to belongs to the reader.
///        That of the previous message is not valid after this call, whatever the result
/// @return DORA_SHM_OK; DORA_SHM_NOTHING; DORA_SHM_NEW_GENERATION; DORA_SHM_CLOSED; DORA_SHM_ERROR_BAD_ARGUMENT: the
///         reader was opened for frames; the errors of dora_shm_reader_read()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_next_message(
    reader: *mut dora_shm_reader,
    message: *mut dora_shm_message,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (mut inside, out) = unsafe { (inside(reader)?, Out::new(message, "message")?) };
        let outcome = match &mut inside.unit {
            Unit::Messages { reader, message } => reader.next(message)?,
            Unit::Frames(_) => {
                return Err(Failure::bad_argument(
                    "this reader was opened for frames; open one with dora_shm_reader_open_messages()",
                ));
            }
        };
        if outcome.is_data()
            && let Unit::Messages { message, .. } = &inside.unit
        {
            out.set(dora_shm_message::of(message));
        }
        Ok(result_of(&outcome))
    })
}

impl dora_shm_message {
    fn of(message: &Message) -> Self {
        let (samples, times) = (message.samples(), message.times());
        Self {
            samples: samples.as_ptr().cast(),
            samples_size: samples.len(),
            times: times.as_ptr(),
            ..Self::without_frames(message.info())
        }
    }

    pub(super) fn without_frames(info: &MessageInfo) -> Self {
        Self {
            samples: std::ptr::null(),
            samples_size: 0,
            times: std::ptr::null(),
            frames: info.frames,
            first: info.first,
            lost: info.lost,
            chunk: info.chunk,
            stream_position: info.stream_position,
            mono_ns: info.mono_ns,
            send_ns: info.send_ns,
            generation: info.generation,
            discontinuity: flag::of(info.discontinuity),
        }
    }
}
