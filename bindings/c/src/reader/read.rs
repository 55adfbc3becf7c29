//! Reading by copy, into the caller's memory.

use dora_shm_ring::{Copied, Format, Outcome, Reader};

use super::message::dora_shm_message;
use super::{Frames, Inside, dora_shm_reader, inside, result_of};
use crate::call::{Out, borrow, call, check};
use crate::info::DORA_SHM_NONE;
use crate::result::{Failure, dora_shm_result};
use dora_shm_result::*;

/// Where frames are copied to: the caller's memory. Zero it, then set what is wanted; what is NULL is not copied. The
/// pieces must not overlap.
///
/// At most `max_frames` frames are copied at once, and, if `samples` is not NULL, no more than it has room for.
/// `times`, `positions` and `send_ns` must have room for as many.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_buffers {
    /// For samples in C order, frame after frame; any alignment. Bytes behind the last whole frame are left as they
    /// are.
    pub samples: *mut std::ffi::c_void,
    /// Bytes of `samples`: room for at least one frame (dora_shm_format.frame_bytes).
    pub samples_size: usize,
    /// For one value per frame on the buffered axis: seconds for a time axis.
    pub times: *mut f64,
    /// For one position per frame: `first`, `first` + 1, ...
    pub positions: *mut u64,
    /// For one send time per frame, Unix nanoseconds: that of the message that brought it. 0: it is no longer known.
    /// Send times of messages of few frames may be forgotten before the frames themselves are overwritten.
    pub send_ns: *mut i64,
    /// At least 1. UINT64_MAX: as many as `samples` has room for.
    pub max_frames: u64,
}

/// What was read: frames with the positions `first` to `first` + `frames` - 1 of a generation.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_frames {
    /// Position of the first frame in its generation.
    pub first: u64,
    /// Number of frames; 0 unless DORA_SHM_OK (or DORA_SHM_LAPPED) is returned.
    pub frames: u64,
    /// Frames lost just before the first one, since the previous read: exact.
    pub lost: u64,
    /// The generation that is read. DORA_SHM_NONE: there has been none yet.
    pub generation: u32,
}

/// A caller that sets 0 has most likely forgotten to set it.
pub(super) fn at_least_one(max_frames: u64) -> Result<(), Failure> {
    if max_frames == 0 {
        return Err(Failure::bad_argument("max_frames is 0, expected at least 1"));
    }
    Ok(())
}

/// The caller's memory as slices, of as many frames as can be copied at once.
struct Memory<'a> {
    samples: Option<&'a mut [u8]>,
    times: Option<&'a mut [f64]>,
    positions: Option<&'a mut [u64]>,
    send_ns: Option<&'a mut [i64]>,
    frames: usize,
}

/// # Safety
/// Unless it is NULL, `pointer` is valid for `count` values while the slice is used.
unsafe fn slice<'a, T>(pointer: *mut T, count: usize, name: &str) -> Result<Option<&'a mut [T]>, Failure> {
    if pointer.is_null() {
        return Ok(None);
    }
    check(pointer, name)?;
    if count > isize::MAX as usize / size_of::<T>() {
        return Err(Failure::bad_argument(format!("{name} cannot have room for that much")));
    }
    // SAFETY: checked, and the caller's promise. The slice is only written to.
    Ok(Some(unsafe { std::slice::from_raw_parts_mut(pointer, count) }))
}

impl dora_shm_buffers {
    /// The memory for frames of `format`.
    ///
    /// # Safety
    /// The pointers are NULL, or valid for as many bytes as the struct states.
    unsafe fn memory<'a>(&self, format: &Format) -> Result<Memory<'a>, Failure> {
        let mut frames = self.max_frames.min(format.frames());
        let mut samples_size = 0;
        if !self.samples.is_null() {
            // SAFETY: the caller's promise.
            unsafe { slice(self.samples.cast::<u8>(), self.samples_size, "samples") }?;
            frames = frames.min(self.samples_size as u64 / format.frame_bytes());
            if frames == 0 {
                let (needed, found) = (format.frame_bytes(), self.samples_size);
                let message = format!("samples has {found} bytes, expected at least the {needed} of one frame");
                return Err(Failure::new(DORA_SHM_ERROR_BUFFER_TOO_SMALL, message));
            }
            // Not more than `samples_size`.
            samples_size = (frames * format.frame_bytes()) as usize;
        }
        let frames = frames as usize;
        // SAFETY: `samples_size` bytes and `frames` values, no more than the caller states.
        unsafe {
            Ok(Memory {
                samples: slice(self.samples.cast::<u8>(), samples_size, "samples")?,
                times: slice(self.times, frames, "times")?,
                positions: slice(self.positions, frames, "positions")?,
                send_ns: slice(self.send_ns, frames, "send_ns")?,
                frames,
            })
        }
    }
}

impl Memory<'_> {
    /// Fills in the positions and the send times of the frames that were copied.
    fn fill_per_frame(&mut self, frames: &mut Frames, copied: &Copied) {
        let range = copied.first..copied.first + copied.frames;
        for (slot, position) in self.positions.iter_mut().flat_map(|slots| slots.iter_mut()).zip(range.clone()) {
            *slot = position;
        }
        let Some(send_ns) = &mut self.send_ns else { return };
        let send_ns = &mut send_ns[..copied.frames as usize];
        send_ns.fill(0);
        frames.messages.clear();
        frames.reader.messages(range.clone(), &mut frames.messages);
        for message in &frames.messages {
            let start = message.first.max(range.start);
            let end = message.first.saturating_add(message.frames).min(range.end);
            if start < end {
                send_ns[(start - range.start) as usize..(end - range.start) as usize].fill(message.send_ns);
            }
        }
    }
}

impl Inside {
    /// The result of a call that reads, and what was read.
    fn report(&mut self, outcome: Outcome<Copied>) -> Result<(dora_shm_result, dora_shm_frames), Failure> {
        let frames = self.frames()?;
        if outcome.is_data() {
            frames.lost_reported = frames.reader.lost();
        }
        frames.known_ring = frames.ring();
        let generation = frames.reader.generation().unwrap_or(DORA_SHM_NONE);
        let result = result_of(&outcome);
        let Copied { first, frames, lost, .. } = outcome.data().unwrap_or_default();
        Ok((result, dora_shm_frames { first, frames, lost, generation }))
    }
}

impl Frames {
    /// What to report before the frames of a ring that the caller does not know, since they may have any size. The
    /// cursor stays.
    fn unknown_ring(&mut self) -> Result<Option<Outcome<Copied>>, Failure> {
        if self.ring().is_some() && self.ring() == self.known_ring {
            return Ok(None);
        }
        let outcome = self.reader.advance()?;
        Ok(if outcome.is_data() { None } else { Some(outcome.map(|_| Copied::default())) })
    }

    /// Like the library's `read_into`, without the pieces that are NULL.
    fn read(&mut self, memory: &mut Memory<'_>) -> Result<Outcome<Copied>, Failure> {
        let spare = &mut self.spare_times;
        Ok(match (&mut memory.samples, &mut memory.times) {
            (Some(samples), Some(times)) => self.reader.read_into(samples, times)?,
            (Some(samples), None) => self.reader.read_into(samples, enough(spare, memory.frames))?,
            (None, Some(times)) => self.reader.read_times_into(times)?,
            (None, None) => self.reader.skip(memory.frames as u64)?,
        })
    }

    /// Copies at most `frames` frames with `copy`, which does not move the cursor, without the pieces that are NULL.
    fn copy_still(
        &mut self,
        memory: &mut Memory<'_>,
        frames: u64,
        copy: impl FnOnce(&mut Reader, &mut [u8], &mut [f64]) -> dora_shm_ring::Result<Copied>,
    ) -> Result<Outcome<Copied>, Failure> {
        let frame_bytes = self.reader.format().map_or(0, Format::frame_bytes) as usize;
        let frames = frames.min(memory.frames as u64) as usize;
        if frames == 0 {
            return Ok(Outcome::Nothing);
        }
        // The library always copies the samples.
        let mut unwanted = Vec::new();
        let samples = match &mut memory.samples {
            Some(samples) => &mut samples[..frames * frame_bytes],
            None => {
                unwanted.resize(frames * frame_bytes, 0);
                &mut unwanted[..]
            }
        };
        let spare = &mut self.spare_times;
        let copied = match &mut memory.times {
            Some(times) => copy(&mut self.reader, samples, &mut times[..frames])?,
            None => copy(&mut self.reader, samples, enough(spare, frames))?,
        };
        Ok(if copied.frames > 0 { Outcome::Data(copied) } else { Outcome::Nothing })
    }
}

fn enough(spare: &mut Vec<f64>, count: usize) -> &mut [f64] {
    if spare.len() < count {
        spare.resize(count, 0.0);
    }
    &mut spare[..count]
}

/// What all calls that copy have in common. `before` finds what to report before frames.
///
/// # Safety
/// The convention for arguments.
unsafe fn copy(
    reader: *mut dora_shm_reader,
    into: *const dora_shm_buffers,
    frames: *mut dora_shm_frames,
    before: impl FnOnce(&mut Frames) -> Result<Option<Outcome<Copied>>, Failure>,
    copy: impl FnOnce(&mut Frames, &mut Memory<'_>) -> Result<Outcome<Copied>, Failure>,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the caller's promise.
        let (mut inside, into, out) = unsafe { (inside(reader)?, borrow(into, "into")?, Out::new(frames, "frames")?) };
        at_least_one(into.max_frames)?;
        let frames = inside.frames()?;
        let before = before(frames)?;
        let outcome = match (before, frames.reader.format()) {
            (Some(outcome), _) => outcome,
            (None, None) => Outcome::Nothing,
            (None, Some(format)) => {
                // SAFETY: as above.
                let mut memory = unsafe { into.memory(format) }?;
                let outcome = copy(frames, &mut memory)?;
                if let Outcome::Data(copied) = &outcome {
                    memory.fill_per_frame(frames, copied);
                }
                outcome
            }
        };
        let (result, reported) = inside.report(outcome)?;
        out.set(reported);
        Ok(result)
    })
}

/// Copies new frames into the caller's memory. A reader that was lapped continues half a ring behind the writer, so
/// that it is not lapped again at once. `frames->lost` counts the frames that it skips.
///
/// @param into where to copy to, and how much
/// @param frames out; untouched on failure
/// @return DORA_SHM_OK; DORA_SHM_NOTHING; DORA_SHM_NEW_GENERATION; DORA_SHM_CLOSED; DORA_SHM_ERROR_BUFFER_TOO_SMALL:
///         `samples` has no room for one frame, and nothing was read; DORA_SHM_ERROR_CORRUPT, and the errors of
///         dora_shm_reader_open()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_read(
    reader: *mut dora_shm_reader,
    into: *const dora_shm_buffers,
    frames: *mut dora_shm_frames,
) -> dora_shm_result {
    // SAFETY: the convention for arguments.
    unsafe { copy(reader, into, frames, Frames::unknown_ring, Frames::read) }
}

/// Follows the stream to its newest frame, without counting what it passes as lost. Then copies the newest frames, as
/// many as `into` has room for. Displays call this for each picture.
///
/// @param into where to copy to, and how much
/// @param frames out; its `lost` is 0. Untouched on failure
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: there are no frames; DORA_SHM_NEW_GENERATION: the stream has come to another
///         ring; call again, with memory for its format; DORA_SHM_CLOSED; the errors of dora_shm_reader_read()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_newest(
    reader: *mut dora_shm_reader,
    into: *const dora_shm_buffers,
    frames: *mut dora_shm_frames,
) -> dora_shm_result {
    let follow = |frames: &mut Frames| {
        let met = frames.reader.skip_to_newest()?;
        frames.lost_reported = frames.reader.lost();
        let is_news = matches!(met, Outcome::Generation | Outcome::Closed);
        Ok(is_news.then(|| met.map(|_| Copied::default())))
    };
    let newest =
        |frames: &mut Frames, memory: &mut Memory<'_>| frames.copy_still(memory, u64::MAX, Reader::latest_into);
    // SAFETY: the convention for arguments.
    unsafe { copy(reader, into, frames, follow, newest) }
}

/// Copies the newest frames of the generation that is read, as many as `into` has room for, without moving the cursor:
/// nothing counts as read or lost. To follow the stream to its newest generation as well, call
/// dora_shm_reader_newest().
///
/// @param into where to copy to, and how much
/// @param frames out; its `lost` is 0. Untouched on failure
/// @return DORA_SHM_OK; DORA_SHM_NOTHING; DORA_SHM_NEW_GENERATION: the reader has come to its first ring; call again,
///         with memory for its format; the errors of dora_shm_reader_read()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_latest(
    reader: *mut dora_shm_reader,
    into: *const dora_shm_buffers,
    frames: *mut dora_shm_frames,
) -> dora_shm_result {
    let latest =
        |frames: &mut Frames, memory: &mut Memory<'_>| frames.copy_still(memory, u64::MAX, Reader::latest_into);
    // SAFETY: the convention for arguments.
    unsafe { copy(reader, into, frames, Frames::unknown_ring, latest) }
}

/// As dora_shm_reader_latest(), for the frames of the newest `seconds`. If the format states a rate, these are `seconds`
/// times the rate, rounded; otherwise the frames whose times are less than `seconds` before the newest frame's. If `into`
/// does not have room for all of them, copies the newest of them.
///
/// @param seconds 0 or more
/// @return as dora_shm_reader_latest()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_latest_seconds(
    reader: *mut dora_shm_reader,
    seconds: f64,
    into: *const dora_shm_buffers,
    frames: *mut dora_shm_frames,
) -> dora_shm_result {
    let latest = |frames: &mut Frames, memory: &mut Memory<'_>| {
        if seconds.is_nan() || seconds < 0.0 {
            return Err(Failure::bad_argument(format!("seconds is {seconds}, expected 0 or more")));
        }
        let within = frames.reader.frames_within(seconds)?;
        frames.copy_still(memory, within, Reader::latest_into)
    };
    // SAFETY: the convention for arguments.
    unsafe { copy(reader, into, frames, Frames::unknown_ring, latest) }
}

/// Copies the frames from position `first` on of the generation that is read, as many as `into` has room for, as far as
/// the ring holds them, without moving the cursor: nothing counts as read or lost.
///
/// @param first a position; see dora_shm_reader_held() and dora_shm_reader_position_at()
/// @param into where to copy to, and how much
/// @param frames out: which frames were copied; its `lost` is 0. Untouched on failure
/// @return DORA_SHM_OK; DORA_SHM_NOTHING: the ring holds none of them; DORA_SHM_NEW_GENERATION as
///         dora_shm_reader_latest(); the errors of dora_shm_reader_read()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_read_at(
    reader: *mut dora_shm_reader,
    first: u64,
    into: *const dora_shm_buffers,
    frames: *mut dora_shm_frames,
) -> dora_shm_result {
    let read = |frames: &mut Frames, memory: &mut Memory<'_>| {
        frames.copy_still(memory, u64::MAX, |reader, samples, times| reader.read_at_into(first, samples, times))
    };
    // SAFETY: the convention for arguments.
    unsafe { copy(reader, into, frames, Frames::unknown_ring, read) }
}

/// The messages that contain the frames `first` to `first` + `frames` - 1 of the generation that is read, and the empty
/// messages directly before each of these frames, oldest first. The first and the last message with frames may contain
/// other frames, too. `samples` and `times` of each are NULL, and `samples_size` and `lost` are 0.
///
/// An empty message thus belongs to the frame that follows it: a caller that passes the positions of all that it reads,
/// by copy or by view, gets each empty message once. An empty message alone is no update for a reader of frames. To get
/// those behind the newest frame at once, pass the position of the next frame, which has not been written. Those at the
/// end of a generation belong to the first frame of the next one with frames, and keep their own `generation`. Messages
/// whose records have been overwritten are left out, which may happen before their frames are overwritten.
///
/// @param first a position, such as dora_shm_frames.first
/// @param frames how many, such as dora_shm_frames.frames; 0: no messages
/// @param into for at most `room` messages; the others are left out. NULL with 0 `room`: only count them
/// @param count out: how many messages there are, which may be more than `room`; untouched on failure
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_ARGUMENT: the reader was opened for messages
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_messages(
    reader: *mut dora_shm_reader,
    first: u64,
    frames: u64,
    into: *mut dora_shm_message,
    room: usize,
    count: *mut usize,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (mut inside, count) = unsafe { (inside(reader)?, Out::new(count, "count")?) };
        if room > 0 {
            check(into, "into")?;
        }
        let Frames { reader, messages, .. } = inside.frames()?;
        messages.clear();
        reader.messages(first..first.saturating_add(frames), messages);
        for (place, info) in messages.iter().take(room).enumerate() {
            // SAFETY: below `room`, and the convention for arguments. The memory may be uninitialised.
            unsafe { into.add(place).write(dora_shm_message::without_frames(info)) };
        }
        count.set(messages.len());
        Ok(DORA_SHM_OK)
    })
}

/// Positions of the frames that the ring holds now, in the generation that is read. The oldest may be overwritten at
/// any moment.
///
/// @param first out: position of the oldest
/// @param count out: how many; 0 before the first ring
/// @return DORA_SHM_OK
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_held(
    reader: *mut dora_shm_reader,
    first: *mut u64,
    count: *mut u64,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (mut inside, first, count) =
            unsafe { (inside(reader)?, Out::new(first, "first")?, Out::new(count, "count")?) };
        let held = inside.frames()?.reader.held();
        first.set(held.start);
        count.set(held.end - held.start);
        Ok(DORA_SHM_OK)
    })
}

/// Position of the first frame that the ring holds whose time is `time` or later, in the generation that is read. It is
/// found by binary search, so the frames' times must not decrease.
///
/// @param time a value on the buffered axis: seconds for a time axis
/// @param position out: behind the newest frame if every frame is earlier
/// @return DORA_SHM_OK
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_position_at(
    reader: *mut dora_shm_reader,
    time: f64,
    position: *mut u64,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (mut inside, position) = unsafe { (inside(reader)?, Out::new(position, "position")?) };
        position.set(inside.frames()?.reader.position_at(time));
        Ok(DORA_SHM_OK)
    })
}

/// Passes over new frames without copying them; they count as read. dora_shm_reader_skip_to_newest() passes all that is
/// there, without counting it as lost.
///
/// @param max_frames at least 1; UINT64_MAX: all of this generation
/// @param frames out: what was passed over; untouched on failure
/// @return as dora_shm_reader_read()
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_skip(
    reader: *mut dora_shm_reader,
    max_frames: u64,
    frames: *mut dora_shm_frames,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (mut inside, out) = unsafe { (inside(reader)?, Out::new(frames, "frames")?) };
        at_least_one(max_frames)?;
        let outcome = inside.frames()?.reader.skip(max_frames)?;
        let (result, reported) = inside.report(outcome)?;
        out.set(reported);
        Ok(result)
    })
}
