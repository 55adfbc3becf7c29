//! Reading by copy, into memory of the caller's.

use dora_shm_ring::{Copied, Format, Outcome};

use super::{Inside, dora_shm_reader, inside};
use crate::call::{Out, borrow, call, check};
use crate::info::DORA_SHM_NONE;
use crate::result::{Failure, dora_shm_result};
use dora_shm_result::*;

/// Memory of the caller's that frames are copied into. What is NULL is not copied. Zero it, then set what is wanted. The
/// pieces must not overlap.
///
/// So many frames are copied at once at most: `max_frames`, and as `samples` has room for, if it is not NULL. `times`,
/// `positions` and `send_ns` must have room for that many.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_buffers {
    /// For samples in C order, frame after frame; any alignment. Bytes behind the last whole frame are not touched.
    pub samples: *mut std::ffi::c_void,
    /// Bytes of `samples`: room for at least one frame (dora_shm_format.frame_bytes).
    pub samples_size: usize,
    /// For one value per frame on the buffered axis: seconds for a time axis.
    pub times: *mut f64,
    /// For one position per frame, which are consecutive: `first`, `first` + 1, ...
    pub positions: *mut u64,
    /// For one send time per frame, Unix nanoseconds: that of the message that brought it. 0 where it is not known any
    /// more, which of messages of few frames happens before the frames themselves are overwritten.
    pub send_ns: *mut i64,
    /// At least 1. UINT64_MAX when `samples` alone is to say how many.
    pub max_frames: u64,
}

/// What was read: frames with the positions `first` to `first` + `frames` - 1 of a generation.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_frames {
    /// Position of the first frame in its generation.
    pub first: u64,
    /// How many frames; 0 unless DORA_SHM_OK (or DORA_SHM_LAPPED) is returned.
    pub frames: u64,
    /// Frames lost just before the first one, since those that were read before: exact.
    pub lost: u64,
    /// Which description is held; see dora_shm_cursor.
    pub description: u64,
    /// The generation that is read; DORA_SHM_NONE before the first.
    pub generation: u32,
}

/// A caller that asks for no frames at all has forgotten something.
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
/// Unless it is NULL, `pointer` is valid for `count` values while the answer is used.
unsafe fn slice<'a, T>(pointer: *mut T, count: usize, name: &str) -> Result<Option<&'a mut [T]>, Failure> {
    if pointer.is_null() {
        return Ok(None);
    }
    check(pointer, name)?;
    if count > isize::MAX as usize / size_of::<T>() {
        return Err(Failure::bad_argument(format!("{name} cannot have room for that much")));
    }
    // SAFETY: checked, and the caller's promise. What C left in there counts as bytes like others; it is only written to.
    Ok(Some(unsafe { std::slice::from_raw_parts_mut(pointer, count) }))
}

impl dora_shm_buffers {
    /// The memory for frames of `format`.
    ///
    /// # Safety
    /// The pointers are NULL or valid for as much as is said of them.
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
        // SAFETY: `samples_size` bytes, and so many frames, which are no more than the caller says.
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
    /// What follows from where the frames are: their positions, and when they were sent.
    fn fill_beside(&mut self, inside: &mut Inside, copied: &Copied) {
        let range = copied.first..copied.first + copied.frames;
        for (slot, position) in self.positions.iter_mut().flat_map(|slots| slots.iter_mut()).zip(range.clone()) {
            *slot = position;
        }
        let Some(send_ns) = &mut self.send_ns else { return };
        let send_ns = &mut send_ns[..copied.frames as usize];
        send_ns.fill(0);
        inside.messages.clear();
        inside.reader.messages(range.clone(), &mut inside.messages);
        for message in &inside.messages {
            let start = message.first.max(range.start);
            let end = message.first.saturating_add(message.frames).min(range.end);
            if start < end {
                send_ns[(start - range.start) as usize..(end - range.start) as usize].fill(message.send_ns);
            }
        }
    }
}

impl Inside {
    /// What the caller is told.
    fn told(&mut self, outcome: Outcome, copied: Copied) -> (dora_shm_result, dora_shm_frames) {
        if outcome.is_data() {
            self.lost_told = self.reader.lost();
        }
        self.ring_told = self.ring();
        let result = match outcome {
            Outcome::Data(_) => DORA_SHM_OK,
            Outcome::Nothing => DORA_SHM_NOTHING,
            Outcome::Generation => DORA_SHM_NEW_GENERATION,
            Outcome::Closed => DORA_SHM_CLOSED,
        };
        let frames = dora_shm_frames {
            first: copied.first,
            frames: copied.frames,
            lost: copied.lost,
            description: self.count_descriptions(),
            generation: self.reader.generation().unwrap_or(DORA_SHM_NONE),
        };
        (result, frames)
    }

    /// Whether the caller has been told of the ring that is read. One that has not is told first, since its frames may be of
    /// any size.
    fn knows_ring(&self) -> bool {
        self.ring().is_some() && self.ring() == self.ring_told
    }

    /// What there is beside frames. Moves the cursor over none.
    fn news(&mut self) -> Result<Option<Outcome>, Failure> {
        Ok(match self.reader.view(1)? {
            Outcome::Data(_) => None,
            Outcome::Nothing => Some(Outcome::Nothing),
            Outcome::Generation => Some(Outcome::Generation),
            Outcome::Closed => Some(Outcome::Closed),
        })
    }

    /// As the library's `read_into`, for a caller who wants no samples: with the times, if asked for, or nothing.
    fn pass_over(&mut self, max_frames: u64, mut times: Option<&mut [f64]>) -> Result<(Outcome, Copied), Failure> {
        // A reader too slow gets an answer, not a loop.
        for _ in 0..4 {
            let view = match self.reader.view(max_frames)? {
                Outcome::Data(view) => view,
                Outcome::Nothing => break,
                Outcome::Generation => return Ok((Outcome::Generation, Copied::default())),
                Outcome::Closed => return Ok((Outcome::Closed, Copied::default())),
            };
            let (first, generation, parts) = (view.first(), view.generation(), view.times_bytes());
            if let Some(times) = times.as_deref_mut() {
                let mut at = 0;
                for part in &parts {
                    let (from, count) = (part.as_ref(), part.as_ref().len() / size_of::<f64>());
                    let to = times[at..at + count].as_mut_ptr();
                    // SAFETY: as long as each other: the view has no more frames than `times` room. Times that the writer
                    // overwrites meanwhile are not looked at: the view's end says which were whole.
                    unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.cast(), count * size_of::<f64>()) };
                    at += count;
                }
            }
            let whole = self.reader.finish(view);
            let frames = whole.end - whole.start;
            if frames > 0 {
                if let Some(times) = times.as_deref_mut() {
                    let start = (whole.start - first) as usize;
                    times.copy_within(start..start + frames as usize, 0);
                }
                let lost = self.reader.lost() - self.lost_told;
                return Ok((Outcome::Data, Copied { first: whole.start, frames, lost, generation }));
            }
        }
        Ok((Outcome::Nothing, Copied::default()))
    }

    /// As the library's `read_into`, without what is not wanted.
    fn read(&mut self, memory: &mut Memory<'_>) -> Result<(Outcome, Copied), Failure> {
        let Some(samples) = &mut memory.samples else {
            return self.pass_over(memory.frames as u64, memory.times.as_deref_mut());
        };
        let spare = &mut self.spare_times;
        Ok(match &mut memory.times {
            Some(times) => self.reader.read_into(samples, times)?,
            None => self.reader.read_into(samples, enough(spare, memory.frames))?,
        })
    }

    /// As the library's `latest_into`, of `frames` frames.
    fn latest(&mut self, memory: &mut Memory<'_>, frames: u64) -> Result<(Outcome, Copied), Failure> {
        let frame_bytes = self.reader.format().map_or(0, Format::frame_bytes) as usize;
        let frames = frames.min(memory.frames as u64) as usize;
        if frames == 0 {
            return Ok((Outcome::Nothing, Copied::default()));
        }
        // The library has no way to leave them out.
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
            Some(times) => self.reader.latest_into(samples, &mut times[..frames])?,
            None => self.reader.latest_into(samples, enough(spare, frames))?,
        };
        Ok((if copied.frames > 0 { Outcome::Data } else { Outcome::Nothing }, copied))
    }
}

fn enough(spare: &mut Vec<f64>, count: usize) -> &mut [f64] {
    if spare.len() < count {
        spare.resize(count, 0.0);
    }
    &mut spare[..count]
}

/// What all copying calls do around the copying itself.
///
/// # Safety
/// The convention for arguments.
unsafe fn copy(
    reader: *mut dora_shm_reader,
    into: *const dora_shm_buffers,
    frames: *mut dora_shm_frames,
    copy: impl FnOnce(&mut Inside, &mut Memory<'_>) -> Result<(Outcome, Copied), Failure>,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the caller's promise.
        let (mut inside, into, frames) =
            unsafe { (inside(reader)?, borrow(into, "into")?, Out::new(frames, "frames")?) };
        let inside = &mut *inside;
        at_least_one(into.max_frames)?;
        let news = if inside.knows_ring() { None } else { inside.news()? };
        let (outcome, copied) = match (news, inside.reader.format()) {
            (None, Some(format)) => {
                // SAFETY: as above.
                let mut memory = unsafe { into.memory(format) }?;
                let (outcome, copied) = copy(inside, &mut memory)?;
                memory.fill_beside(inside, &copied);
                (outcome, copied)
            }
            (news, _) => (news.unwrap_or(Outcome::Nothing), Copied::default()),
        };
        let (result, told) = inside.told(outcome, copied);
        frames.set(told);
        Ok(result)
    })
}

/// Copies what is new into memory of the caller's. A reader that was lapped goes on half a ring behind the writer, so that
/// it is not lapped again at once; what it passes over is in `frames->lost`.
///
/// @param into where to, and how much
/// @param frames out; untouched when this fails
/// @return DORA_SHM_OK; DORA_SHM_NOTHING; DORA_SHM_NEW_GENERATION; DORA_SHM_CLOSED; DORA_SHM_ERROR_BUFFER_TOO_SMALL when
///         `samples` has no room for one frame (nothing has been read then); DORA_SHM_ERROR_CORRUPT, and those of
///         dora_shm_reader_open()
///
/// One thread at a time. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_read(
    reader: *mut dora_shm_reader,
    into: *const dora_shm_buffers,
    frames: *mut dora_shm_frames,
) -> dora_shm_result {
    // SAFETY: the convention for arguments.
    unsafe { copy(reader, into, frames, Inside::read) }
}

/// Copies the newest frames, as many as `into` has room for, without moving the cursor: nothing is read or lost by it.
///
/// They are those of the generation that the cursor is in. Where only the newest are wanted, as in a display, call
/// dora_shm_reader_skip() first, which follows the stream to where it is.
///
/// @param into where to, and how much
/// @param frames out; its `lost` is 0. Untouched when this fails
/// @return DORA_SHM_OK; DORA_SHM_NOTHING; DORA_SHM_NEW_GENERATION when the reader has just come to its first ring: ask
///         again, in its format; the errors of dora_shm_reader_read()
///
/// One thread at a time. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_latest(
    reader: *mut dora_shm_reader,
    into: *const dora_shm_buffers,
    frames: *mut dora_shm_frames,
) -> dora_shm_result {
    // SAFETY: the convention for arguments.
    unsafe { copy(reader, into, frames, |inside, memory| inside.latest(memory, u64::MAX)) }
}

/// As dora_shm_reader_latest(), for the frames of the newest `seconds` by their times: those that are less than `seconds`
/// older than the newest. When there is no room for all of them in `into`, the newest of them.
///
/// @param seconds 0 or more
/// @return as dora_shm_reader_latest()
///
/// One thread at a time. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_latest_seconds(
    reader: *mut dora_shm_reader,
    seconds: f64,
    into: *const dora_shm_buffers,
    frames: *mut dora_shm_frames,
) -> dora_shm_result {
    // SAFETY: the convention for arguments.
    unsafe {
        copy(reader, into, frames, |inside, memory| {
            if seconds.is_nan() || seconds < 0.0 {
                return Err(Failure::bad_argument(format!("seconds is {seconds}, expected 0 or more")));
            }
            let frames = inside.reader.frames_within(seconds);
            inside.latest(memory, frames)
        })
    }
}

/// Passes over what is new, as if it had been read, without copying it. Loop while it returns DORA_SHM_OK or
/// DORA_SHM_NEW_GENERATION to come to the end of what is there.
///
/// @param max_frames at most so many, at least 1; UINT64_MAX for all of the generation
/// @param frames out: what was passed over; untouched when this fails
/// @return as dora_shm_reader_read()
///
/// One thread at a time. Never blocks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_reader_skip(
    reader: *mut dora_shm_reader,
    max_frames: u64,
    frames: *mut dora_shm_frames,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (mut inside, frames) = unsafe { (inside(reader)?, Out::new(frames, "frames")?) };
        at_least_one(max_frames)?;
        let (outcome, copied) = inside.pass_over(max_frames, None)?;
        let (result, told) = inside.told(outcome, copied);
        frames.set(told);
        Ok(result)
    })
}
