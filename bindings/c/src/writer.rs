//! Writers.

use std::collections::VecDeque;
use std::ffi::{CString, c_char, c_void};
use std::sync::{Mutex, MutexGuard};

use dora_shm_ring::internal::{LazyWriter, unix_ns};
use dora_shm_ring::{Chunk, Clock, Description, Times, Warning, Writer, WriterOptions};

use crate::c_string::c_string;
use crate::call::{Options, Out, borrow, borrow_optional, call, enter, flag, give, options, take};
use crate::description::dora_shm_description;
use crate::format::dora_shm_format;
use crate::info::DORA_SHM_NONE;
use crate::result::{Failure, dora_shm_result};
use crate::text::{list, string};
use dora_shm_result::*;

/// The one writer of a stream.
pub struct dora_shm_writer {
    inside: Mutex<Inside>,
}

struct Inside {
    writer: LazyWriter,
    warnings: VecDeque<Warning>,
    /// The warning that was returned last.
    warning: CString,
}

/// How a stream is written. Initialise it with DORA_SHM_WRITER_OPTIONS_INIT, then set members.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_writer_options {
    /// Bytes of this struct, as the initialiser sets it.
    pub size: usize,
    /// Largest ring, in bytes of shared memory. 0: 1 GiB.
    pub max_ring_bytes: u64,
    /// Who may read: 0600 (this user), 0640 (the group, too) or 0644 (all users). 0: 0600. Only this user may write.
    pub mode: u32,
    /// Whether descriptions that are replaced stay readable for about a second, at most eight of them. Useful if
    /// descriptions change within a burst of frames.
    pub keep_replaced: flag,
}

// SAFETY: `repr(C)`, begins with a usize, and every member is valid for any bytes.
unsafe impl Options for dora_shm_writer_options {
    const FIRST_SIZE: usize = 24;
    const INIT: &str = "DORA_SHM_WRITER_OPTIONS_INIT";
    const DEFAULT: Self = Self { size: size_of::<Self>(), max_ring_bytes: 0, mode: 0, keep_replaced: flag::NO };
}

impl dora_shm_writer_options {
    /// # Safety
    /// The convention for options.
    unsafe fn to_library(pointer: *const Self) -> Result<WriterOptions, Failure> {
        // SAFETY: the caller's promise.
        let given = unsafe { options(pointer, "options") }?;
        let mut made = WriterOptions::default();
        made.keep_replaced = given.keep_replaced.is_set();
        if given.mode != 0 {
            made.mode = given.mode;
        }
        if given.max_ring_bytes != 0 {
            made.max_ring_bytes = given.max_ring_bytes;
        }
        Ok(made)
    }
}

/// Progress of a writer.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_progress {
    /// The current generation. DORA_SHM_NONE: there has been none yet.
    pub generation: u32,
    /// 1 for the stream's first writer, one more for each that took over from a dead one.
    pub epoch: u32,
    /// Identity of the stream. It differs each time the stream is created again.
    pub stream_id: u64,
    /// Frames written in the current generation.
    pub position: u64,
    /// Frames written in all generations of the stream, including those of a dead writer that was taken over.
    pub stream_position: u64,
    /// Frames that the current ring holds; 0 before the first.
    pub ring_frames: u64,
}

/// # Safety
/// The convention for arguments.
unsafe fn inside<'a>(writer: *const dora_shm_writer) -> Result<MutexGuard<'a, Inside>, Failure> {
    // SAFETY: the caller's promise.
    enter(&unsafe { borrow(writer, "writer") }?.inside, "writer")
}

/// Creates a stream, or takes over the stream of a dead writer, whose readers then continue. The stream has no ring
/// until dora_shm_writer_begin().
///
/// A thread of the library maintains the stream until it is closed. If the process ends without closing it, readers see
/// the stream as dead. In a forked child every call returns DORA_SHM_ERROR_FORKED, and closing does nothing.
///
/// @param name name of the stream, UTF-8, at most DORA_SHM_NAME_SIZE - 1 bytes
/// @param options NULL: the defaults
/// @param writer out. Owner: the caller, who closes it with dora_shm_writer_close(). Untouched on failure
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_NAME, _BAD_ARGUMENT (options), _LIVE, _OBSTRUCTED, _NAME_TAKEN,
///         _WRONG_OWNER, _NO_SPACE, _IO
/// @note Any thread. Blocks for at most 2 s while the previous writer is closing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_writer_create(
    name: *const c_char,
    options: *const dora_shm_writer_options,
    writer: *mut *mut dora_shm_writer,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (name, writer) = unsafe { (string(name, "name")?, Out::new(writer, "writer")?) };
        // SAFETY: as above.
        let options = unsafe { dora_shm_writer_options::to_library(options) }?;
        let lazy = LazyWriter::new(Writer::create(name, options)?);
        let inside = Inside { writer: lazy, warnings: VecDeque::new(), warning: CString::default() };
        give(&writer, dora_shm_writer { inside: Mutex::new(inside) });
        Ok(DORA_SHM_OK)
    })
}

/// Closes a writer, and with it the stream: readers read what is left and see it closed. Nothing is left in shared
/// memory.
///
/// @param writer in: the writer, or a pointer to NULL, which does nothing. out: NULL
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BUSY: another thread is in a call with it
/// @note Only for the last thread that uses the writer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_writer_close(writer: *mut *mut dora_shm_writer) -> dora_shm_result {
    call(|| {
        let unused = |writer: &dora_shm_writer| enter(&writer.inside, "writer").map(drop);
        // SAFETY: the convention for handles.
        drop(unsafe { take(writer, "writer", unused) }?);
        Ok(DORA_SHM_OK)
    })
}

/// Begins the next generation in a new ring. Readers finish the previous one first.
///
/// A generation never mixes clocks. If `format->clock` is DORA_SHM_CLOCK_UNIX or _MONOTONIC, all its times are on that
/// clock. If it is 0, another generation begins with the first frames that do not fit it: on DORA_SHM_CLOCK_UNIX if the
/// first frames of all come by dora_shm_writer_write_now(), on DORA_SHM_CLOCK_SOURCE if times are given later.
///
/// @param format format of its frames, and how many the ring holds
/// @param description what the frames mean; NULL: an empty one. It is copied
/// @param chunk_frames frames that one message usually has, which decides how many messages the ring remembers; 0: 1
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_FORMAT, _UNKNOWN_DTYPE, _BAD_ARGUMENT (the dims do not fit the format),
///         _TOO_LARGE, _NO_SPACE: the current generation continues; _IO
/// @note Blocks while memory is reserved, 60 to 250 ms per GiB. If there is no room for both rings, it also waits up to
///       half a second until readers have unmapped the previous one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_writer_begin(
    writer: *mut dora_shm_writer,
    format: *const dora_shm_format,
    description: *const dora_shm_description,
    chunk_frames: u64,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (mut inside, format) = unsafe { (inside(writer)?, borrow(format, "format")?) };
        // SAFETY: as above.
        let description = unsafe { borrow_optional(description, "description") }?;
        let description = description.map(dora_shm_description::to_library).transpose()?;
        let none = Description::default();
        let description = description.as_deref().unwrap_or(&none);
        let format = format.to_library()?;
        // 0 is both the source's own clock and what a program leaves that does not know of clocks.
        let is_named = format.clock() != Clock::Source;
        inside.writer.begin(&format, description, chunk_frames.max(1), is_named)?;
        Ok(DORA_SHM_OK)
    })
}

/// Publishes a new description for the frames that are written from now on. Does nothing if it equals the current one.
///
/// @param description it is copied
/// @return DORA_SHM_OK; DORA_SHM_ERROR_NO_GENERATION, _BAD_ARGUMENT (the dims do not fit the format), _NO_SPACE, _IO
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_writer_describe(
    writer: *mut dora_shm_writer,
    description: *const dora_shm_description,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (mut inside, description) = unsafe { (inside(writer)?, borrow(description, "description")?) };
        inside.writer.describe(&*description.to_library()?)?;
        Ok(DORA_SHM_OK)
    })
}

/// # Safety
/// The convention for arguments; `samples_size` bytes at `samples`.
unsafe fn write(
    inside: &mut Inside,
    samples: *const c_void,
    samples_size: usize,
    times: Times<'_>,
    send_ns: i64,
) -> Result<dora_shm_result, Failure> {
    // SAFETY: the caller's promise.
    let samples = unsafe { list(samples.cast::<u8>(), samples_size, "samples") }?;
    inside.writer.write(&Chunk { samples, times, send_ns: sent(send_ns) })?;
    Ok(DORA_SHM_OK)
}

/// Writes one message of frames that are evenly spaced on the buffered axis. Its samples are copied once, into the
/// ring. If it is longer than the ring, its newest frames are kept.
///
/// @param samples whole frames in C order; NULL with 0 bytes: an empty message
/// @param samples_size their bytes, a multiple of a frame's
/// @param start value of the first frame on the buffered axis: seconds for a time axis
/// @param step from one frame to the next
/// @param send_ns when the message was sent, Unix nanoseconds; 0: now
/// @return DORA_SHM_OK; DORA_SHM_ERROR_NO_GENERATION, _BAD_ARGUMENT: nothing was written
/// @note Never waits for readers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_writer_write(
    writer: *mut dora_shm_writer,
    samples: *const c_void,
    samples_size: usize,
    start: f64,
    step: f64,
    send_ns: i64,
) -> dora_shm_result {
    // SAFETY: the convention for arguments.
    call(|| unsafe { write(&mut *inside(writer)?, samples, samples_size, Times::Linear { start, step }, send_ns) })
}

/// As dora_shm_writer_write(), with a value on the buffered axis for each frame.
///
/// @param times one value per frame
/// @param times_count how many; must be the number of frames
/// @return as dora_shm_writer_write()
/// @note Never waits for readers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_writer_write_times(
    writer: *mut dora_shm_writer,
    samples: *const c_void,
    samples_size: usize,
    times: *const f64,
    times_count: usize,
    send_ns: i64,
) -> dora_shm_result {
    // SAFETY: the convention for arguments.
    call(|| unsafe {
        let times = Times::Values(list(times, times_count, "times")?);
        write(&mut *inside(writer)?, samples, samples_size, times, send_ns)
    })
}

/// As dora_shm_writer_write(), but the writer gives the frames their times, on the clock of the generation. Set `clock` of
/// the format to DORA_SHM_CLOCK_UNIX before you begin.
///
/// On DORA_SHM_CLOCK_UNIX and _MONOTONIC with a rate, the last frame was taken now, and the others follow by the rate:
/// even, strictly rising. Their rate and their phase are learned from when messages are written: a late burst moves
/// nothing, and a pause makes one jump, about half a second after it. Without a rate, the last frame was taken now, and
/// the frames before it are spread over the time since the last message. In both cases, no frame is before the frame
/// before it. On DORA_SHM_CLOCK_SOURCE, frames follow the newest frame by the rate.
///
/// If the system's clock was set, a generation on DORA_SHM_CLOCK_UNIX ends, at most once a minute, and the message begins
/// the next one. If frames come at another rate than the format says, by more than 3 % for ten seconds, this is a
/// warning: see dora_shm_writer_next_warning().
///
/// @param samples whole frames in C order; NULL with 0 bytes: an empty message
/// @param samples_size their bytes, a multiple of a frame's
/// @param send_ns when the message was sent, Unix nanoseconds; 0: now
/// @return as dora_shm_writer_write(). DORA_SHM_ERROR_BAD_ARGUMENT also for frames on DORA_SHM_CLOCK_SOURCE without a
///         rate. The errors of dora_shm_writer_begin(), if a generation has to begin
/// @note Never waits for readers. Blocks as dora_shm_writer_begin() does, if a generation has to begin.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_writer_write_now(
    writer: *mut dora_shm_writer,
    samples: *const c_void,
    samples_size: usize,
    send_ns: i64,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (mut inside, samples) = unsafe { (inside(writer)?, list(samples.cast::<u8>(), samples_size, "samples")?) };
        inside.writer.write_now(samples, sent(send_ns))?;
        Ok(DORA_SHM_OK)
    })
}

/// When a message was sent: now, unless the caller states it.
fn sent(send_ns: i64) -> i64 {
    if send_ns == 0 { unix_ns() } else { send_ns }
}

/// Recreates segments that were removed from shared memory. Writing does the same: call this about once a second while
/// there is nothing to write.
///
/// @return DORA_SHM_OK; the errors of dora_shm_writer_create() and dora_shm_writer_begin(), after which the next call
///         tries again
/// @note Blocks as dora_shm_writer_begin() does, if there is something to create.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_writer_maintain(writer: *mut dora_shm_writer) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        unsafe { inside(writer) }?.writer.writer_mut().maintain()?;
        Ok(DORA_SHM_OK)
    })
}

/// Progress of the writer.
///
/// @param progress out
/// @return DORA_SHM_OK
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_writer_progress(
    writer: *const dora_shm_writer,
    progress: *mut dora_shm_progress,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (inside, progress) = unsafe { (inside(writer)?, Out::new(progress, "progress")?) };
        let writer = inside.writer.writer();
        progress.set(dora_shm_progress {
            generation: writer.generation().unwrap_or(DORA_SHM_NONE),
            epoch: writer.epoch(),
            stream_id: writer.stream_id(),
            position: writer.position(),
            stream_position: writer.stream_position(),
            ring_frames: writer.ring_frames(),
        });
        Ok(DORA_SHM_OK)
    })
}

/// The next warning: something that a user should know and that no call could report, such as a name that something
/// else has taken, or frames that do not come at the rate of the format. Each warning is returned once.
///
/// @param text out: UTF-8; NULL: there is none. Owner: the writer. Valid until the next call of this function with the
///        same writer, or until the writer is closed
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: there is none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_writer_next_warning(
    writer: *mut dora_shm_writer,
    text: *mut *const c_char,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (mut inside, text) = unsafe { (inside(writer)?, Out::new(text, "text")?) };
        let inside = &mut *inside;
        inside.warnings.extend(inside.writer.writer_mut().warnings());
        let Some(warning) = inside.warnings.pop_front() else {
            text.set(std::ptr::null());
            return Ok(DORA_SHM_NOTHING);
        };
        inside.warning = c_string(&warning.to_string());
        text.set(inside.warning.as_ptr());
        Ok(DORA_SHM_OK)
    })
}
