//! Readers: opening, waiting, closing, and what they know.

mod foreign;
mod read;
mod view;

use std::ffi::c_char;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use dora_shm_ring::{Description, Interrupter, Liveness, MessageInfo, Reader, ReaderOptions, Start, Wait};

use crate::call::{Out, borrow, borrow_optional, call, enter, give, take};
use crate::description::dora_shm_description;
use crate::format::dora_shm_format;
use crate::info::{DORA_SHM_NONE, dora_shm_info, dora_shm_state};
use crate::result::{Failure, dora_shm_result};
use crate::text::string;
use dora_shm_result::*;
use dora_shm_start::*;

/// A cursor over the frames of a stream. It maps the stream read-only: it cannot slow, block or hurt it.
pub struct dora_shm_reader {
    inside: Mutex<Inside>,
    interrupter: Interrupter,
}

pub(crate) struct Inside {
    reader: Reader,
    idle_after: Duration,
    /// The description that was told of last, and how many there have been.
    description: Option<Arc<Description>>,
    descriptions: u64,
    /// Frames lost in all when something was delivered last.
    lost_told: u64,
    /// The ring that the caller knows of: its stream and its generation.
    ring_told: Option<(u64, u32)>,
    /// For values that the library copies and the caller does not want.
    spare_times: Vec<f64>,
    messages: Vec<MessageInfo>,
    /// What C was told of a stream of ezmsg's last.
    foreign: Option<foreign::Texts>,
}

impl Inside {
    /// The ring that is read.
    fn ring(&self) -> Option<(u64, u32)> {
        Some((self.reader.writer_of_ring()?.stream_id, self.reader.generation()?))
    }

    /// The number of the description that is held.
    fn count_descriptions(&mut self) -> u64 {
        let held = self.reader.description();
        let same = match (&self.description, held) {
            (Some(told), Some(held)) => Arc::ptr_eq(told, held),
            (None, None) => true,
            _ => false,
        };
        if !same {
            self.description = held.cloned();
            self.descriptions += u64::from(self.description.is_some());
        }
        if self.description.is_some() { self.descriptions } else { 0 }
    }
}

/// Where a reader begins in a stream that is there already. A reader that came before the stream's first ring always begins
/// at its first frame.
#[repr(u32)]
pub enum dora_shm_start {
    /// Only what comes from now on.
    DORA_SHM_START_NEWEST = 0,
    /// The oldest frame that is still there.
    DORA_SHM_START_OLDEST = 1,
    /// The last frames that are there (`last_frames`), then what comes.
    DORA_SHM_START_LAST = 2,
}

/// How a stream is read. All zero is the default.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_reader_options {
    /// One of dora_shm_start.
    pub start: u32,
    /// Not 0: read the stream of the user `owner`. 0: only a stream of this process's own user or root.
    pub has_owner: u32,
    /// A user id; ignored unless `has_owner`.
    pub owner: u32,
    /// With DORA_SHM_START_LAST, how many; else ignored.
    pub last_frames: u64,
    /// Largest ring that is mapped, in bytes; 0: no limit.
    pub max_ring_bytes: u64,
    /// A live stream without a new message for this many seconds is called idle; 0: one second.
    pub idle_after_seconds: f64,
    /// Not 0: frames that are read at once all have the same description, and the one that is held is theirs. 0: it is that
    /// of the newest frames of the ring.
    pub each_description: u32,
    /// For a steady stream: a wait does not sleep but polls from so many seconds before the next message is due until so many
    /// after. The message is seen within a microsecond instead of after the 10 to 50 us in which a system wakes a thread, for
    /// that much of a core's time each message, and it takes a core that nobody else wants. 100e-6 to 300e-6 are of use; 0:
    /// always sleep.
    pub spin_seconds: f64,
}

impl dora_shm_reader_options {
    pub(crate) fn to_library(self) -> Result<ReaderOptions, Failure> {
        let start = match self.start {
            start if start == DORA_SHM_START_NEWEST as u32 => Start::Newest,
            start if start == DORA_SHM_START_OLDEST as u32 => Start::Oldest,
            start if start == DORA_SHM_START_LAST as u32 => Start::Last(self.last_frames),
            other => return Err(Failure::bad_argument(format!("start is {other}; see dora_shm_start"))),
        };
        let mut options = ReaderOptions::default().start(start);
        options.each_description = self.each_description != 0;
        options.owner = (self.has_owner != 0).then_some(self.owner);
        if self.max_ring_bytes != 0 {
            options.max_ring_bytes = self.max_ring_bytes;
        }
        if self.idle_after_seconds != 0.0 {
            options.idle_after = seconds(self.idle_after_seconds, "idle_after_seconds")?;
        }
        options.spin = seconds(self.spin_seconds, "spin_seconds")?;
        Ok(options)
    }
}

/// A duration that the caller gives: 0 or more, and infinity is for ever.
pub(crate) fn seconds(seconds: f64, name: &str) -> Result<Duration, Failure> {
    if seconds.is_nan() || seconds < 0.0 {
        return Err(Failure::bad_argument(format!("{name} is {seconds}, expected 0 or more")));
    }
    // What is longer than that is for ever.
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// Where a reader is.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_cursor {
    /// The generation that is read; DORA_SHM_NONE before the first.
    pub generation: u32,
    /// Which of the stream's writers made the ring: 1 for the first, one more for each that took over from a dead one; 0
    /// before the first ring. Another one is the event "the writer was restarted".
    pub epoch: u32,
    /// Not 0: the description in force was gone before it could be read; the one that is held is older, or there is none.
    pub description_missed: u32,
    /// Identity of the stream that the ring is of; 0 before the first ring. Another one is the event "the stream was closed
    /// and made anew".
    pub stream_id: u64,
    /// Which description is held: 1 for the reader's first, one more for each after it; 0 for none. Another number is the
    /// event "new description".
    pub description: u64,
    /// Position of the next frame that will be read.
    pub position: u64,
    /// Frames lost since the reader was opened, in all: exact.
    pub lost: u64,
    /// Frames that are committed and not read.
    pub lag_frames: u64,
    /// Time since the oldest of them was committed, nanoseconds.
    pub lag_ns: u64,
}

/// # Safety
/// The convention for arguments.
unsafe fn inside<'a>(reader: *const dora_shm_reader) -> Result<MutexGuard<'a, Inside>, Failure> {
    // SAFETY: the caller's promise.
    enter(&unsafe { borrow(reader, "reader") }?.inside, "reader")
}

/// Attaches to a stream, or, if it does not exist yet, will attach as soon as it does.
///
/// @param name the stream's name, UTF-8, at most DORA_SHM_NAME_SIZE - 1 bytes
/// @param options NULL: the defaults
/// @param reader out. Owner: the caller, who gives it back to dora_shm_reader_close(). Untouched when this fails
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_NAME, or what is wrong with what is found under that name:
///         DORA_SHM_ERROR_CORRUPT, _VERSION, _WRONG_OWNER, _PERMISSION, _FOREIGN, _TOO_LARGE, _IO
///
/// Any thread. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_open(
    name: *const c_char,
    options: *const dora_shm_reader_options,
    reader: *mut *mut dora_shm_reader,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (name, reader) = unsafe { (string(name, "name")?, Out::new(reader, "reader")?) };
        // SAFETY: as above.
        let options = unsafe { borrow_optional(options, "options") }?;
        let options = options.map_or_else(|| Ok(ReaderOptions::default()), |options| options.to_library())?;
        let idle_after = options.idle_after;
        let mut library = Reader::open(name, options)?;
        let interrupter = library.interrupter();
        let mut inside = Inside {
            reader: library,
            idle_after,
            description: None,
            descriptions: 0,
            lost_told: 0,
            ring_told: None,
            spare_times: Vec::new(),
            messages: Vec::new(),
            foreign: None,
        };
        inside.ring_told = inside.ring();
        give(&reader, dora_shm_reader { inside: Mutex::new(inside), interrupter });
        Ok(DORA_SHM_OK)
    })
}

/// Closes a reader. Views of it stay valid until they are closed themselves.
///
/// @param reader in: the reader, or a pointer to NULL, with which nothing happens. out: NULL
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BUSY when another thread is in a call with it: interrupt it first, and wait for
///         that thread
///
/// One thread, the last one that uses the reader. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_close(reader: *mut *mut dora_shm_reader) -> dora_shm_result {
    call(|| {
        let unused = |reader: &dora_shm_reader| enter(&reader.inside, "reader").map(drop);
        // SAFETY: the convention for handles.
        drop(unsafe { take(reader, "reader", unused) }?);
        Ok(DORA_SHM_OK)
    })
}

/// Sleeps until there is something to read (frames, a new generation, the stream's end), or the time is over. Uses no CPU
/// meanwhile: it wakes four times a second to see whether the writer lives, and, while the stream does not exist, twenty
/// times to look for it. Signals do not end it: call dora_shm_reader_interrupt() in their handlers.
///
/// @param timeout_seconds 0 or more; 0 only looks; INFINITY waits for ever
/// @return DORA_SHM_OK: read; DORA_SHM_TIMED_OUT; DORA_SHM_WRITER_DEAD; DORA_SHM_INTERRUPTED;
///         DORA_SHM_ERROR_BAD_ARGUMENT, and those of dora_shm_reader_open()
///
/// One thread at a time. Blocks, up to `timeout_seconds`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_wait(reader: *mut dora_shm_reader, timeout_seconds: f64) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let mut inside = unsafe { inside(reader) }?;
        let timeout = seconds(timeout_seconds, "timeout_seconds")?;
        Ok(waited(inside.reader.wait(timeout)?))
    })
}

/// What a wait is answered with.
pub(crate) fn waited(wait: Wait) -> dora_shm_result {
    match wait {
        Wait::Ready => DORA_SHM_OK,
        Wait::Interrupted => DORA_SHM_INTERRUPTED,
        Wait::Quiet(Liveness::Dead) => DORA_SHM_WRITER_DEAD,
        Wait::Quiet(_) => DORA_SHM_TIMED_OUT,
    }
}

/// Makes the current dora_shm_reader_wait(), or the next one, return DORA_SHM_INTERRUPTED at once (on Linux before 5.16:
/// within 250 ms).
///
/// @return DORA_SHM_OK
///
/// Any thread, also while another one waits or reads, and also a signal handler; but the reader must not be closed
/// meanwhile. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_interrupt(reader: *const dora_shm_reader) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        unsafe { borrow(reader, "reader") }?.interrupter.interrupt();
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
pub unsafe extern "C" fn dora_shm_reader_format(
    reader: *const dora_shm_reader,
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

/// The description of the newest frames of the ring that is read: dims, axes, labels, units, attributes. One that was
/// published since, and has no frames yet, comes with its first. Ask again when dora_shm_cursor.description, or the
/// same number in dora_shm_frames, has changed.
///
/// @param description out. Owner: the caller, who gives it back to dora_shm_description_close(). It does not change any
///        more, whatever the stream does. Untouched unless DORA_SHM_OK is returned
/// @return DORA_SHM_OK; DORA_SHM_NOTHING when there is none (yet)
///
/// One thread at a time. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_description(
    reader: *const dora_shm_reader,
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

/// Where the reader is and what it has lost.
///
/// @param cursor out
/// @return DORA_SHM_OK
///
/// One thread at a time. Never blocks, and makes no system call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_cursor(
    reader: *const dora_shm_reader,
    cursor: *mut dora_shm_cursor,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (mut inside, cursor) = unsafe { (inside(reader)?, Out::new(cursor, "cursor")?) };
        let description = inside.count_descriptions();
        let (reader, lag) = (&inside.reader, inside.reader.lag());
        let writer = reader.writer_of_ring();
        cursor.set(dora_shm_cursor {
            generation: reader.generation().unwrap_or(DORA_SHM_NONE),
            description_missed: reader.description_missed().into(),
            stream_id: writer.map_or(0, |writer| writer.stream_id),
            epoch: writer.map_or(0, |writer| writer.epoch),
            description,
            position: reader.position(),
            lost: reader.lost(),
            lag_frames: lag.frames,
            lag_ns: lag.time.as_nanos().try_into().unwrap_or(u64::MAX),
        });
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
pub unsafe extern "C" fn dora_shm_reader_state(
    reader: *const dora_shm_reader,
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
pub unsafe extern "C" fn dora_shm_reader_info(
    reader: *const dora_shm_reader,
    info: *mut dora_shm_info,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (inside, info) = unsafe { (inside(reader)?, Out::new(info, "info")?) };
        info.set(dora_shm_info::of(&inside.reader.info()?));
        Ok(DORA_SHM_OK)
    })
}
