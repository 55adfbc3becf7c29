//! A stream as the messages that were written, one at a time.

use std::ffi::{c_char, c_void};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use dora_shm_ring::{Description, Interrupter, Message, MessageReader, Outcome, ReaderOptions};

use crate::call::{Out, borrow, borrow_optional, call, enter, give, take};
use crate::description::dora_shm_description;
use crate::format::dora_shm_format;
use crate::info::{dora_shm_info, dora_shm_state};
use crate::reader::{dora_shm_reader_options, seconds, waited};
use crate::result::{Failure, dora_shm_result};
use crate::text::string;
use dora_shm_result::*;

/// A cursor over the messages of a stream: each comes as it was written, whole, or all its frames are counted as lost. Of a
/// stream that ezmsg itself writes, which does not say where its messages end, a message is what is new at a look.
///
/// Everything said of dora_shm_reader holds; only the unit is another.
pub struct dora_shm_message_reader {
    inside: Mutex<Inside>,
    interrupter: Interrupter,
}

struct Inside {
    reader: MessageReader,
    message: Message,
    idle_after: Duration,
    /// The description that was told of last, and how many there have been.
    description: Option<Arc<Description>>,
    descriptions: u64,
}

/// A message: frames with the positions `first` to `first` + `frames` - 1 of a generation, written at once.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_message {
    /// Samples in C order, frame after frame, aligned to 64 bytes. Owner: the message reader. Valid until the next
    /// dora_shm_message_reader_next() with it, or its end. Of an empty message not to be looked at.
    pub samples: *const c_void,
    /// Bytes of `samples`.
    pub samples_size: usize,
    /// One value per frame on the buffered axis: seconds for a time axis. Owner and validity: as of `samples`.
    pub times: *const f64,
    /// How many frames; 0 for an empty message.
    pub frames: u64,
    /// Position of the first frame in its generation.
    pub first: u64,
    /// Frames lost just before it, since the message before: exact.
    pub lost: u64,
    /// Number of the message in its generation, from 0.
    pub chunk: u64,
    /// Which description it was sent under: 1 for the reader's first, one more for each after it; 0 for none.
    pub description: u64,
    /// Position of the first frame in the stream, over all generations.
    pub stream_position: u64,
    /// CLOCK_MONOTONIC when it was written, nanoseconds.
    pub mono_ns: u64,
    /// When it was sent, Unix nanoseconds.
    pub send_ns: i64,
    /// The generation it belongs to.
    pub generation: u32,
}

impl Inside {
    fn count_descriptions(&mut self) -> u64 {
        let held = self.reader.description();
        if !matches!((&self.description, held), (Some(told), Some(held)) if Arc::ptr_eq(told, held)) {
            self.description = held.cloned();
            self.descriptions += u64::from(self.description.is_some());
        }
        if self.description.is_some() { self.descriptions } else { 0 }
    }
}

/// # Safety
/// The convention for arguments.
unsafe fn inside<'a>(reader: *const dora_shm_message_reader) -> Result<MutexGuard<'a, Inside>, Failure> {
    // SAFETY: the caller's promise.
    enter(&unsafe { borrow(reader, "reader") }?.inside, "message reader")
}

/// Attaches to a stream, or, if it does not exist yet, will attach as soon as it does.
///
/// @param name as of dora_shm_reader_open()
/// @param options NULL: the defaults. `last_frames` counts messages here; each message has one description anyway
/// @param reader out. Owner: the caller, who gives it back to dora_shm_message_reader_close(). Untouched when this fails
/// @return as dora_shm_reader_open()
///
/// Any thread. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_message_reader_open(
    name: *const c_char,
    options: *const dora_shm_reader_options,
    reader: *mut *mut dora_shm_message_reader,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (name, reader) = unsafe { (string(name, "name")?, Out::new(reader, "reader")?) };
        // SAFETY: as above.
        let options = unsafe { borrow_optional(options, "options") }?;
        let options = options.map_or_else(|| Ok(ReaderOptions::default()), |options| options.to_library())?;
        let idle_after = options.idle_after;
        let mut library = MessageReader::open(name, options)?;
        let interrupter = library.interrupter();
        let inside =
            Inside { reader: library, message: Message::new(), idle_after, description: None, descriptions: 0 };
        give(&reader, dora_shm_message_reader { inside: Mutex::new(inside), interrupter });
        Ok(DORA_SHM_OK)
    })
}

/// Closes a message reader, and with it the message that it gave last.
///
/// @param reader in: the reader, or a pointer to NULL, with which nothing happens. out: NULL
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BUSY when another thread is in a call with it: interrupt it first, and wait for
///         that thread
///
/// One thread, the last one that uses the reader. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_message_reader_close(reader: *mut *mut dora_shm_message_reader) -> dora_shm_result {
    call(|| {
        let unused = |reader: &dora_shm_message_reader| enter(&reader.inside, "message reader").map(drop);
        // SAFETY: the convention for handles.
        drop(unsafe { take(reader, "reader", unused) }?);
        Ok(DORA_SHM_OK)
    })
}

/// As dora_shm_reader_wait().
///
/// @param timeout_seconds 0 or more; 0 only looks; INFINITY waits for ever
/// @return as dora_shm_reader_wait()
///
/// One thread at a time. Blocks, up to `timeout_seconds`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_message_reader_wait(
    reader: *mut dora_shm_message_reader,
    timeout_seconds: f64,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let mut inside = unsafe { inside(reader) }?;
        let timeout = seconds(timeout_seconds, "timeout_seconds")?;
        Ok(waited(inside.reader.wait(timeout)?))
    })
}

/// As dora_shm_reader_interrupt().
///
/// @return DORA_SHM_OK
///
/// Any thread, also while another one waits or reads, and also a signal handler; but the reader must not be closed
/// meanwhile. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_message_reader_interrupt(reader: *const dora_shm_message_reader) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        unsafe { borrow(reader, "reader") }?.interrupter.interrupt();
        Ok(DORA_SHM_OK)
    })
}

/// Copies the next message.
///
/// @param message out; untouched unless DORA_SHM_OK is returned. What it points to belongs to the reader, and what the one
///        before pointed to is gone, whatever is returned
/// @return DORA_SHM_OK; DORA_SHM_NOTHING; DORA_SHM_NEW_GENERATION; DORA_SHM_CLOSED; the errors of dora_shm_reader_read()
///
/// One thread at a time. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_message_reader_next(
    reader: *mut dora_shm_message_reader,
    message: *mut dora_shm_message,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (mut inside, out) = unsafe { (inside(reader)?, Out::new(message, "message")?) };
        let inside = &mut *inside;
        match inside.reader.next(&mut inside.message)? {
            Outcome::Nothing => return Ok(DORA_SHM_NOTHING),
            Outcome::Generation => return Ok(DORA_SHM_NEW_GENERATION),
            Outcome::Closed => return Ok(DORA_SHM_CLOSED),
            Outcome::Data(_) => {}
        }
        let description = inside.count_descriptions();
        let (info, samples, times) = (inside.message.info(), inside.message.samples(), inside.message.times());
        out.set(dora_shm_message {
            samples: samples.as_ptr().cast(),
            samples_size: samples.len(),
            times: times.as_ptr(),
            frames: info.frames,
            first: info.first,
            lost: info.lost,
            chunk: info.chunk,
            description,
            stream_position: info.stream_position,
            mono_ns: info.mono_ns,
            send_ns: info.send_ns,
            generation: info.generation,
        });
        Ok(DORA_SHM_OK)
    })
}

/// The format of the ring that is read. It changes with DORA_SHM_NEW_GENERATION only.
///
/// @param format out
/// @return DORA_SHM_OK; DORA_SHM_NOTHING when there is no ring (yet): `format` is all zero then
///
/// One thread at a time. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_message_reader_format(
    reader: *const dora_shm_message_reader,
    format: *mut dora_shm_format,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (inside, format) = unsafe { (inside(reader)?, Out::new(format, "format")?) };
        let found = inside.reader.format();
        format.set(found.map_or_else(dora_shm_format::none, dora_shm_format::of));
        Ok(if found.is_some() { DORA_SHM_OK } else { DORA_SHM_NOTHING })
    })
}

/// The description that the message returned last was sent under. Ask again when dora_shm_message.description has changed.
///
/// @param description out. Owner: the caller, who gives it back to dora_shm_description_close(). It does not change any
///        more, whatever the stream does. Untouched unless DORA_SHM_OK is returned
/// @return DORA_SHM_OK; DORA_SHM_NOTHING when there is none (yet)
///
/// One thread at a time. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_message_reader_description(
    reader: *const dora_shm_message_reader,
    description: *mut *mut dora_shm_description,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (inside, description) = unsafe { (inside(reader)?, Out::new(description, "description")?) };
        let Some(found) = inside.reader.description() else { return Ok(DORA_SHM_NOTHING) };
        give(&description, dora_shm_description::new(found.clone()));
        Ok(DORA_SHM_OK)
    })
}

/// Frames lost since the reader was opened, in all: exact.
///
/// @param lost out
/// @return DORA_SHM_OK
///
/// One thread at a time. Never blocks, and makes no system call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_message_reader_lost(
    reader: *const dora_shm_message_reader,
    lost: *mut u64,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (inside, lost) = unsafe { (inside(reader)?, Out::new(lost, "lost")?) };
        lost.set(inside.reader.lost());
        Ok(DORA_SHM_OK)
    })
}

/// How the stream is now.
///
/// @param state out
/// @return DORA_SHM_OK; DORA_SHM_ERROR_IO when the system does not tell
///
/// One thread at a time. Never blocks; a few system calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_message_reader_state(
    reader: *const dora_shm_message_reader,
    state: *mut dora_shm_state,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (inside, state) = unsafe { (inside(reader)?, Out::new(state, "state")?) };
        state.set(dora_shm_state::of(inside.reader.liveness(inside.idle_after)?));
        Ok(DORA_SHM_OK)
    })
}

/// Everything that can be told of the stream.
///
/// @param info out
/// @return DORA_SHM_OK; DORA_SHM_ERROR_IO when the system does not tell
///
/// One thread at a time. Never blocks; a few system calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_message_reader_info(
    reader: *const dora_shm_message_reader,
    info: *mut dora_shm_info,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (inside, info) = unsafe { (inside(reader)?, Out::new(info, "info")?) };
        info.set(dora_shm_info::of(&inside.reader.info()?));
        Ok(DORA_SHM_OK)
    })
}
