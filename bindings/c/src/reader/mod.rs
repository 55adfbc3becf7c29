//! Readers: opening, waiting, closing, and what they know.

/// Calls a method that readers of frames and of messages have in common.
macro_rules! either {
    ($unit:expr, $reader:ident => $call:expr) => {
        match $unit {
            Unit::Frames(Frames { reader: $reader, .. }) => $call,
            Unit::Messages { reader: $reader, .. } => $call,
        }
    };
}

mod event;
mod ezmsg;
mod message;
mod read;
mod view;

use std::ffi::c_char;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use dora_shm_ring::{
    Info, Interrupter, Liveness, Message, MessageInfo, MessageReader, Outcome, Reader, ReaderOptions, Start, Wait,
};

use crate::call::{Options, Out, borrow, call, enter, flag, give, options, take};
use crate::description::dora_shm_description;
use crate::format::dora_shm_format;
use crate::info::{DORA_SHM_NONE, dora_shm_info, dora_shm_state};
use crate::result::{Failure, dora_shm_result};
use crate::text::string;
use dora_shm_result::*;
use dora_shm_start::*;

/// A cursor over the frames of a stream, or over its messages. It maps the stream read-only: it cannot slow, block or
/// damage the stream.
pub struct dora_shm_reader {
    inside: Mutex<Inside>,
    interrupter: Interrupter,
}

pub(crate) struct Inside {
    unit: Unit,
    idle_after: Duration,
    /// The strings about an ezmsg stream that were returned last.
    ezmsg: Option<ezmsg::Texts>,
}

/// What a reader moves over.
enum Unit {
    Frames(Frames),
    Messages { reader: MessageReader, message: Box<Message> },
}

/// A reader of frames, and what belongs to it.
struct Frames {
    reader: Reader,
    /// The number of lost frames when frames were returned last.
    lost_reported: u64,
    /// The ring that the caller knows of: its stream and its generation.
    known_ring: Option<(u64, u32)>,
    /// Room for times that the caller does not want.
    spare_times: Vec<f64>,
    messages: Vec<MessageInfo>,
}

impl Frames {
    fn new(reader: Reader) -> Self {
        let mut made =
            Self { reader, lost_reported: 0, known_ring: None, spare_times: Vec::new(), messages: Vec::new() };
        made.known_ring = made.ring();
        made
    }

    /// The reader has skipped everything written so far, and the result reports it.
    fn come_to_newest(&mut self) {
        self.known_ring = self.ring();
        self.lost_reported = self.reader.lost();
    }

    /// The ring that is read.
    fn ring(&self) -> Option<(u64, u32)> {
        Some((self.reader.writer_of_ring()?.stream_id, self.reader.generation()?))
    }
}

impl Inside {
    fn new(unit: Unit, idle_after: Duration) -> Self {
        Self { unit, idle_after, ezmsg: None }
    }

    /// The reader, if it was opened for frames.
    fn frames(&mut self) -> Result<&mut Frames, Failure> {
        match &mut self.unit {
            Unit::Frames(frames) => Ok(frames),
            Unit::Messages { .. } => Err(Failure::bad_argument(
                "this reader was opened for messages; call dora_shm_reader_next_message(), or dora_shm_reader_open()",
            )),
        }
    }

    fn generation(&self) -> Option<u32> {
        either!(&self.unit, reader => reader.generation())
    }

    fn info(&self) -> dora_shm_ring::Result<Info> {
        either!(&self.unit, reader => reader.info())
    }
}

/// Where a reader begins in a stream that exists already. A reader that was opened before the stream's first ring
/// always begins at its first frame.
#[repr(C)]
pub enum dora_shm_start {
    /// With the next frame that is written.
    DORA_SHM_START_NEWEST = 0,
    /// With the oldest frame in the ring.
    DORA_SHM_START_OLDEST = 1,
    /// With the newest `last_frames` frames in the ring.
    DORA_SHM_START_LAST = 2,
    /// With the frames of the newest `last_seconds`, as dora_shm_reader_latest_seconds() counts them. Not for readers of
    /// messages.
    DORA_SHM_START_LAST_SECONDS = 3,
}

/// How a stream is read. Initialise it with DORA_SHM_READER_OPTIONS_INIT, then set members.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_reader_options {
    /// Bytes of this struct, as the initialiser sets it.
    pub size: usize,
    /// One of dora_shm_start.
    pub start: u32,
    /// Read the stream of this user id. DORA_SHM_NONE: only streams of this process's user or of root.
    pub owner: u32,
    /// With DORA_SHM_START_LAST: how many frames (how many messages, if the reader is opened for messages). Otherwise
    /// ignored.
    pub last_frames: u64,
    /// With DORA_SHM_START_LAST_SECONDS: how many seconds. Otherwise ignored.
    pub last_seconds: f64,
    /// Largest ring to map, in bytes. 0: no limit.
    pub max_ring_bytes: u64,
    /// A live stream without a new message for this many seconds is idle. 0: one second.
    pub idle_after_seconds: f64,
    /// For steady streams: instead of sleeping, poll from this many seconds before the next message is due until as
    /// many seconds after. The message is seen within a microsecond instead of after the 10 to 50 us that the system
    /// takes to wake a thread. It costs that much of a core's time for each message, and needs a core that is otherwise
    /// idle. Useful values are 100e-6 to 300e-6. 0: always sleep.
    pub spin_seconds: f64,
    /// Whether frames that are returned together always share one description, which is then the one that is held. If
    /// false, the description that is held is that of the ring's newest frame. A message has one description in any
    /// case.
    pub each_description: flag,
}

// SAFETY: `repr(C)`, begins with a usize, and every member is valid for any bytes.
unsafe impl Options for dora_shm_reader_options {
    const FIRST_SIZE: usize = 64;
    const INIT: &str = "DORA_SHM_READER_OPTIONS_INIT";
    const DEFAULT: Self = Self {
        size: size_of::<Self>(),
        start: DORA_SHM_START_NEWEST as u32,
        owner: DORA_SHM_NONE,
        last_frames: 0,
        last_seconds: 0.0,
        max_ring_bytes: 0,
        idle_after_seconds: 0.0,
        spin_seconds: 0.0,
        each_description: flag::NO,
    };
}

impl dora_shm_reader_options {
    /// The library's options, and how many of the newest seconds a reader skips to once it is open.
    ///
    /// # Safety
    /// The convention for options.
    pub(crate) unsafe fn to_library(pointer: *const Self) -> Result<(ReaderOptions, Option<f64>), Failure> {
        // SAFETY: the caller's promise.
        let given = unsafe { options(pointer, "options") }?;
        let (start, last_seconds) = match given.start {
            start if start == DORA_SHM_START_NEWEST as u32 => (Start::Newest, None),
            start if start == DORA_SHM_START_OLDEST as u32 => (Start::Oldest, None),
            start if start == DORA_SHM_START_LAST as u32 => (Start::Last(given.last_frames), None),
            start if start == DORA_SHM_START_LAST_SECONDS as u32 => {
                seconds(given.last_seconds, "last_seconds")?;
                (Start::Oldest, Some(given.last_seconds))
            }
            other => return Err(Failure::bad_argument(format!("start is {other}; see dora_shm_start"))),
        };
        let owner = (given.owner != DORA_SHM_NONE).then_some(given.owner);
        let mut made = ReaderOptions::default().start(start).owner(owner);
        made.each_description = given.each_description.is_set();
        if given.max_ring_bytes != 0 {
            made.max_ring_bytes = given.max_ring_bytes;
        }
        if given.idle_after_seconds != 0.0 {
            made.idle_after = seconds(given.idle_after_seconds, "idle_after_seconds")?;
        }
        made.spin = seconds(given.spin_seconds, "spin_seconds")?;
        Ok((made, last_seconds))
    }
}

/// The result that stands for an outcome.
fn result_of<T>(outcome: &Outcome<T>) -> dora_shm_result {
    match outcome {
        Outcome::Data(_) => DORA_SHM_OK,
        Outcome::Nothing => DORA_SHM_NOTHING,
        Outcome::Generation => DORA_SHM_NEW_GENERATION,
        Outcome::Closed => DORA_SHM_CLOSED,
    }
}

/// A duration of the caller: 0 or more, may be infinite.
fn seconds(seconds: f64, name: &str) -> Result<Duration, Failure> {
    if seconds.is_nan() || seconds < 0.0 {
        return Err(Failure::bad_argument(format!("{name} is {seconds}, expected 0 or more")));
    }
    // A duration that does not fit counts as infinite.
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// Where a reader is.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_cursor {
    /// The generation that is read. DORA_SHM_NONE: there has been none yet.
    pub generation: u32,
    /// Which of the stream's writers created the ring: 1 for the first, one more for each that took over from a dead
    /// one; 0 before the first ring.
    pub epoch: u32,
    /// Identity of the stream that the ring belongs to. It differs each time the stream is created again. 0 before the
    /// first ring.
    pub stream_id: u64,
    /// Position of the next frame that will be read.
    pub position: u64,
    /// All frames lost since the reader was opened: exact.
    pub lost: u64,
    /// Frames that are committed and not read.
    pub lag_frames: u64,
    /// Time since the oldest of them was committed, in nanoseconds.
    pub lag_ns: u64,
    /// Whether the description in force was gone before it could be read. If so, the description that is held is a
    /// different one of the same generation, or there is none.
    pub description_missed: bool,
}

/// # Safety
/// The convention for arguments.
unsafe fn inside<'a>(reader: *const dora_shm_reader) -> Result<MutexGuard<'a, Inside>, Failure> {
    // SAFETY: the caller's promise.
    enter(&unsafe { borrow(reader, "reader") }?.inside, "reader")
}

/// # Safety
/// The convention for arguments.
unsafe fn open(
    name: *const c_char,
    options: *const dora_shm_reader_options,
    reader: *mut *mut dora_shm_reader,
    unit: impl FnOnce(&str, ReaderOptions, Option<f64>) -> Result<Unit, Failure>,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the caller's promise.
        let (name, reader) = unsafe { (string(name, "name")?, Out::new(reader, "reader")?) };
        // SAFETY: as above.
        let (options, last_seconds) = unsafe { dora_shm_reader_options::to_library(options) }?;
        let idle_after = options.idle_after;
        let mut inside = Inside::new(unit(name, options, last_seconds)?, idle_after);
        let interrupter = either!(&mut inside.unit, reader => reader.interrupter());
        give(&reader, dora_shm_reader { inside: Mutex::new(inside), interrupter });
        Ok(DORA_SHM_OK)
    })
}

/// Opens a reader of frames. If the stream does not exist yet, the reader attaches to it as soon as it does.
///
/// @param name name of the stream, UTF-8, at most DORA_SHM_NAME_SIZE - 1 bytes
/// @param options NULL: the defaults
/// @param reader out. Owner: the caller, who closes it with dora_shm_reader_close(). Untouched on failure
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_NAME, DORA_SHM_ERROR_BAD_ARGUMENT (options); or why a stream of that name
///         cannot be read: DORA_SHM_ERROR_CORRUPT, _VERSION, _WRONG_OWNER, _PERMISSION, _EZMSG, _UNSUPPORTED,
///         _TOO_LARGE, _IO
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_open(
    name: *const c_char,
    options: *const dora_shm_reader_options,
    reader: *mut *mut dora_shm_reader,
) -> dora_shm_result {
    let frames = |name: &str, options, last_seconds| {
        let mut reader = Reader::open(name, options)?;
        if let Some(seconds) = last_seconds {
            reader.skip_to_last(seconds)?;
        }
        Ok(Unit::Frames(Frames::new(reader)))
    };
    // SAFETY: the convention for arguments.
    unsafe { open(name, options, reader, frames) }
}

/// Opens a reader of messages: dora_shm_reader_next_message() returns each message as it was written, or all its frames
/// are counted as lost. Functions that return frames return DORA_SHM_ERROR_BAD_ARGUMENT for such a reader.
///
/// A stream that ezmsg itself writes does not record where its messages end. There, a message is what one poll finds.
///
/// @param name as for dora_shm_reader_open()
/// @param options NULL: the defaults
/// @param reader out. Owner: the caller, who closes it with dora_shm_reader_close(). Untouched on failure
/// @return as dora_shm_reader_open()
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_open_messages(
    name: *const c_char,
    options: *const dora_shm_reader_options,
    reader: *mut *mut dora_shm_reader,
) -> dora_shm_result {
    let messages = |name: &str, options, last_seconds: Option<f64>| {
        if last_seconds.is_some() {
            let message = "start is DORA_SHM_START_LAST_SECONDS, which is only for readers of frames";
            return Err(Failure::bad_argument(message));
        }
        let reader = MessageReader::open(name, options)?;
        Ok(Unit::Messages { reader, message: Box::new(Message::new()) })
    };
    // SAFETY: the convention for arguments.
    unsafe { open(name, options, reader, messages) }
}

/// Closes a reader, and with it the message that it returned last. Views of it stay valid until they are closed
/// themselves.
///
/// @param reader in: the reader, or a pointer to NULL, which does nothing. out: NULL
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BUSY: another thread is in a call with it; interrupt that call and wait for the
///         thread
/// @note Only for the last thread that uses the reader.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_close(reader: *mut *mut dora_shm_reader) -> dora_shm_result {
    call(|| {
        let unused = |reader: &dora_shm_reader| enter(&reader.inside, "reader").map(drop);
        // SAFETY: the convention for handles.
        drop(unsafe { take(reader, "reader", unused) }?);
        Ok(DORA_SHM_OK)
    })
}

/// Sleeps until there is something to read (frames, a new generation, the stream's end), or the time is over. It uses
/// almost no CPU: it wakes four times a second to check whether the writer lives, and twenty times a second while the
/// stream does not exist. Signals do not end it: call dora_shm_reader_interrupt() in their handlers.
///
/// @param timeout_seconds 0 or more; 0 does not sleep; INFINITY waits without end
/// @return DORA_SHM_OK: there is something to read; DORA_SHM_TIMED_OUT; DORA_SHM_WRITER_DEAD; DORA_SHM_INTERRUPTED;
///         DORA_SHM_ERROR_BAD_ARGUMENT, and the errors of dora_shm_reader_open()
/// @note Blocks, up to `timeout_seconds`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_wait(reader: *mut dora_shm_reader, timeout_seconds: f64) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let mut inside = unsafe { inside(reader) }?;
        let timeout = seconds(timeout_seconds, "timeout_seconds")?;
        Ok(match either!(&mut inside.unit, reader => reader.wait(timeout))? {
            Wait::Ready => DORA_SHM_OK,
            Wait::Interrupted => DORA_SHM_INTERRUPTED,
            Wait::Timeout(Liveness::Dead) => DORA_SHM_WRITER_DEAD,
            Wait::Timeout(_) => DORA_SHM_TIMED_OUT,
        })
    })
}

/// Makes the current dora_shm_reader_wait(), or the next one, return DORA_SHM_INTERRUPTED at once (on Linux before
/// 5.16: within 250 ms).
///
/// @return DORA_SHM_OK
/// @note Any thread, even while another one waits or reads, and signal handlers. The reader must not be closed
///       meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_interrupt(reader: *const dora_shm_reader) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        unsafe { borrow(reader, "reader") }?.interrupter.interrupt();
        Ok(DORA_SHM_OK)
    })
}

/// Skips everything written so far, generations included, without counting it as lost.
///
/// @return DORA_SHM_CLOSED if the stream ended; otherwise DORA_SHM_NEW_GENERATION if the reader came to another ring;
///         otherwise DORA_SHM_OK if frames were skipped; otherwise DORA_SHM_NOTHING; the errors of
///         dora_shm_reader_read()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_skip_to_newest(reader: *mut dora_shm_reader) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let mut inside = unsafe { inside(reader) }?;
        let outcome = either!(&mut inside.unit, reader => reader.skip_to_newest())?;
        if let Unit::Frames(frames) = &mut inside.unit {
            frames.come_to_newest();
        }
        Ok(result_of(&outcome))
    })
}

/// Format of the ring that is read. It changes only with DORA_SHM_NEW_GENERATION.
///
/// @param format out
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: there is no ring (yet), and `format` is all zero
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_format(
    reader: *const dora_shm_reader,
    format: *mut dora_shm_format,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (inside, format) = unsafe { (inside(reader)?, Out::new(format, "format")?) };
        let found = either!(&inside.unit, reader => reader.format());
        format.set(found.map_or_else(dora_shm_format::none, dora_shm_format::of));
        Ok(if found.is_some() { DORA_SHM_OK } else { DORA_SHM_NOTHING })
    })
}

/// The description that is held: dims, axes, labels, units, attributes. For a reader of frames, see `each_description`.
/// For a reader of messages, it is the description of the message that was returned last. Call this again after
/// DORA_SHM_NEW_GENERATION, and after the event DORA_SHM_EVENT_NEW_DESCRIPTION.
///
/// @param description out. Owner: the caller, who closes it with dora_shm_description_close(). It never changes, even
///        if the stream does. Untouched unless DORA_SHM_OK is returned
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: there is none (yet)
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_description(
    reader: *const dora_shm_reader,
    description: *mut *mut dora_shm_description,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (inside, description) = unsafe { (inside(reader)?, Out::new(description, "description")?) };
        let found = either!(&inside.unit, reader => reader.description().cloned());
        let Some(found) = found else { return Ok(DORA_SHM_NOTHING) };
        give(&description, dora_shm_description::new(found));
        Ok(DORA_SHM_OK)
    })
}

/// Where the reader is and what it has lost.
///
/// @param cursor out
/// @return DORA_SHM_OK
/// @note Makes no system call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_cursor(
    reader: *const dora_shm_reader,
    cursor: *mut dora_shm_cursor,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (inside, cursor) = unsafe { (inside(reader)?, Out::new(cursor, "cursor")?) };
        let made = either!(&inside.unit, reader => {
            let (writer, lag) = (reader.writer_of_ring(), reader.lag());
            dora_shm_cursor {
                generation: reader.generation().unwrap_or(DORA_SHM_NONE),
                epoch: writer.map_or(0, |writer| writer.epoch),
                stream_id: writer.map_or(0, |writer| writer.stream_id),
                position: reader.position(),
                lost: reader.lost(),
                lag_frames: lag.frames,
                lag_ns: lag.time.as_nanos().try_into().unwrap_or(u64::MAX),
                description_missed: reader.description_missed(),
            }
        });
        cursor.set(made);
        Ok(DORA_SHM_OK)
    })
}

/// State of the stream now.
///
/// @param state out
/// @return DORA_SHM_OK; DORA_SHM_ERROR_IO: a system call failed
/// @note Makes a few system calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_state(
    reader: *const dora_shm_reader,
    state: *mut dora_shm_state,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (mut inside, state) = unsafe { (inside(reader)?, Out::new(state, "state")?) };
        let idle_after = inside.idle_after;
        let liveness = either!(&mut inside.unit, reader => reader.liveness(idle_after))?;
        state.set(dora_shm_state::of(liveness));
        Ok(DORA_SHM_OK)
    })
}

/// What is known of the stream now.
///
/// @param info out
/// @return DORA_SHM_OK; DORA_SHM_ERROR_IO: a system call failed
/// @note Makes a few system calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_info(
    reader: *const dora_shm_reader,
    info: *mut dora_shm_info,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (inside, info) = unsafe { (inside(reader)?, Out::new(info, "info")?) };
        info.set(dora_shm_info::of(&inside.info()?));
        Ok(DORA_SHM_OK)
    })
}
