//! What is known of a stream.

use std::ffi::c_char;

use dora_shm_ring::internal::{MAX_NAME_BYTES, SEGMENT_NAME_BYTES};
use dora_shm_ring::{ClockId, GenerationClock, Info, Liveness, shorten};

use crate::call::{call, check, flag};
use crate::format::{clock, dora_shm_format};
use crate::result::{Failure, dora_shm_result};
use crate::text::{array, copy, list_mut, string};
use dora_shm_result::*;

/// Longest stream name with its NUL. `header/src/main.rs` writes its value into the header.
pub const DORA_SHM_NAME_SIZE: usize = MAX_NAME_BYTES + 1;
/// A segment name with its NUL. `header/src/main.rs` writes its value into the header.
pub const DORA_SHM_SEGMENT_SIZE: usize = SEGMENT_NAME_BYTES + 1;
/// There is none. `header/src/main.rs` writes its value into the header.
pub const DORA_SHM_NONE: u32 = u32::MAX;

/// State of a stream.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum dora_shm_state {
    /// There is no stream of that name.
    DORA_SHM_STATE_ABSENT = 0,
    /// ezmsg itself wrote it. Whether its writer lives cannot be known.
    DORA_SHM_STATE_EZMSG = 1,
    /// Its writer lives and has no ring yet.
    DORA_SHM_STATE_WAITING = 2,
    /// Its writer lives.
    DORA_SHM_STATE_LIVE = 3,
    /// Its writer lives, but has written nothing for a while. A stopped process (SIGSTOP) is idle, too.
    DORA_SHM_STATE_IDLE = 4,
    /// Its writer died without closing it. Frames that are left can be read; the next writer takes the stream over.
    DORA_SHM_STATE_DEAD = 5,
    /// Its writer closed it.
    DORA_SHM_STATE_CLOSED = 6,
}

use dora_shm_state::*;

impl dora_shm_state {
    pub(crate) fn of(liveness: Liveness) -> Self {
        match liveness {
            Liveness::Absent => DORA_SHM_STATE_ABSENT,
            Liveness::Ezmsg => DORA_SHM_STATE_EZMSG,
            Liveness::Waiting => DORA_SHM_STATE_WAITING,
            Liveness::Live => DORA_SHM_STATE_LIVE,
            Liveness::Idle => DORA_SHM_STATE_IDLE,
            Liveness::Dead => DORA_SHM_STATE_DEAD,
            Liveness::Closed => DORA_SHM_STATE_CLOSED,
        }
    }
}

/// What is known of a stream.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_info {
    /// Name of the stream, UTF-8.
    pub name: [c_char; DORA_SHM_NAME_SIZE],
    /// Name of its header segment in /dev/shm.
    pub segment: [c_char; DORA_SHM_SEGMENT_SIZE],
    /// State of the stream.
    pub state: dora_shm_state,
    /// User id of its writer. DORA_SHM_NONE: there is no stream.
    pub owner: u32,
    /// Process id of the writer as it states it, in its own PID namespace: a hint. 0: unknown.
    pub writer_pid: u32,
    /// 1 for the stream's first writer, one more for each that took over from a dead one; 0: there is no stream.
    pub epoch: u32,
    /// The generation that is read. DORA_SHM_NONE: there has been none yet.
    pub generation: u32,
    /// Identity of the stream. It differs each time the stream is created again. 0: there is no stream.
    pub stream_id: u64,
    /// When the stream was created, Unix nanoseconds; 0: there is none.
    pub created_ns: i64,
    /// Bytes of shared memory that the ring takes; 0: there is none.
    pub ring_bytes: u64,
    /// Frames committed in this generation.
    pub position: u64,
    /// Frames committed in all generations of the stream.
    pub stream_position: u64,
    /// Messages committed in this generation.
    pub chunks: u64,
    /// Frames per second as measured, also for irregular streams; 0: unknown.
    pub measured_rate_hz: f64,
    /// Format of the ring that is read; its dtype is DORA_SHM_DTYPE_NONE if there is none.
    pub format: dora_shm_format,
    /// Which CLOCK_MONOTONIC `clock_created_mono_ns` and the `mono_ns` of messages are of. All bytes 0: unknown.
    pub clock_id: [u8; 16],
    /// When the generation was created, Unix nanoseconds; 0: there is none. Together with `clock_created_mono_ns` it
    /// converts times: Unix - CLOCK_MONOTONIC = `clock_created_ns` - `clock_created_mono_ns`.
    pub clock_created_ns: i64,
    /// The same moment on CLOCK_MONOTONIC, in nanoseconds.
    pub clock_created_mono_ns: u64,
    /// Messages that the current or last writer was given and did not write, since it began. 0 unless `has_counts`.
    pub refused: u64,
    /// Messages that the queue of the writer's input dropped, as far as it knows. 0 unless `has_counts`.
    pub dropped: u64,
    /// Messages that are missing by the source's own sequence. 0 unless `has_counts`.
    pub gaps: u64,
    /// Whether the writer counts what it does not write.
    pub has_counts: flag,
}

impl dora_shm_info {
    pub(crate) fn of(info: &Info) -> Self {
        let (clock, counted) = (info.clock.unwrap_or_default(), info.counted.unwrap_or_default());
        Self {
            name: array(&info.name),
            segment: array(&info.segment),
            state: dora_shm_state::of(info.liveness),
            owner: info.owner.unwrap_or(DORA_SHM_NONE),
            writer_pid: info.writer_pid.unwrap_or(0),
            epoch: info.epoch.unwrap_or(0),
            generation: info.generation.unwrap_or(DORA_SHM_NONE),
            stream_id: info.stream_id.unwrap_or(0),
            created_ns: info.created_ns.unwrap_or(0),
            ring_bytes: info.ring_bytes.unwrap_or(0),
            position: info.position,
            stream_position: info.stream_position,
            chunks: info.chunks,
            measured_rate_hz: info.measured_rate_hz.unwrap_or(0.0),
            format: info.format.as_ref().map_or_else(dora_shm_format::none, dora_shm_format::of),
            clock_id: clock.id.0,
            clock_created_ns: clock.created_ns,
            clock_created_mono_ns: clock.created_mono_ns,
            refused: counted.refused,
            dropped: counted.dropped,
            gaps: counted.gaps,
            has_counts: flag::of(info.counted.is_some()),
        }
    }
}

/// Name of a state, such as "live"; "unknown" for any other number. Never NULL.
/// @note Owner: the library. Always valid. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn dora_shm_state_name(state: i32) -> *const c_char {
    let names = [c"absent", c"ezmsg", c"waiting", c"live", c"idle", c"dead", c"closed"];
    usize::try_from(state).ok().and_then(|state| names.get(state)).unwrap_or(&c"unknown").as_ptr()
}

/// Converts times of a generation to another clock, in place, by the moment at which the generation was created. A double
/// holds Unix seconds in steps of 238 ns, which is also how exact the result is at best.
///
/// @param info of the generation, as dora_shm_reader_info() returns it while the frames of that generation are read
/// @param clock DORA_SHM_CLOCK_UNIX or DORA_SHM_CLOCK_MONOTONIC
/// @param times in: seconds on `info->format.clock`. out: seconds on `clock`. NULL is allowed if `times_count` is 0
/// @param times_count how many
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BAD_ARGUMENT, with the times unchanged: either clock is DORA_SHM_CLOCK_SOURCE, or
///         one is DORA_SHM_CLOCK_MONOTONIC and `info->clock_id` is zero, which names no clock
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_times_on(
    info: *const dora_shm_info,
    clock: u32,
    times: *mut f64,
    times_count: usize,
) -> dora_shm_result {
    call(|| {
        check(info, "info")?;
        let mut generation = GenerationClock::default();
        // SAFETY: the convention for arguments. Only these members are read: others may have values that their types do
        // not allow.
        let (from, id) = unsafe {
            generation.created_ns = (*info).clock_created_ns;
            generation.created_mono_ns = (*info).clock_created_mono_ns;
            ((*info).format.clock, (*info).clock_id)
        };
        let named = |number| self::clock(number).map_err(|failure| Failure::bad_argument(failure.message));
        (generation.clock, generation.id) = (named(from)?, ClockId(id));
        let clock = named(clock)?;
        // SAFETY: the convention for arguments.
        let times = unsafe { list_mut(times, times_count, "times") }?;
        times.copy_from_slice(&generation.times_on(clock, times)?);
        Ok(DORA_SHM_OK)
    })
}

/// Name of the segment that holds a stream's header: "sm_" and 20 characters, as ezmsg's shorten_shmem_name() returns.
/// Rings and descriptions are the segments of "NAME/buffer0", "NAME/meta1" and so on.
///
/// @param name any UTF-8
/// @param segment out: the name and its NUL
/// @param segment_size bytes of `segment`, at least DORA_SHM_SEGMENT_SIZE
/// @return DORA_SHM_OK; DORA_SHM_ERROR_BUFFER_TOO_SMALL
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_shorten_name(
    name: *const c_char,
    segment: *mut c_char,
    segment_size: usize,
) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let name = unsafe { string(name, "name") }?;
        // SAFETY: the caller states how long it is.
        unsafe { copy(&shorten(name), segment, segment_size, "segment") }?;
        Ok(DORA_SHM_OK)
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn every_state_has_the_name_that_the_library_gives_it() {
        use Liveness::*;
        for liveness in [Absent, Ezmsg, Waiting, Live, Idle, Dead, Closed] {
            // SAFETY: never NULL.
            let name = unsafe { CStr::from_ptr(dora_shm_state_name(dora_shm_state::of(liveness) as i32)) };
            assert_eq!(name.to_str().unwrap(), liveness.name());
        }
        for number in [-1, 7, i32::MIN] {
            // SAFETY: never NULL.
            assert_eq!(unsafe { CStr::from_ptr(dora_shm_state_name(number)) }, c"unknown");
        }
    }
}
