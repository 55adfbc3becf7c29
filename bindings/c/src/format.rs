//! Element types and formats.

use std::ffi::{CStr, c_char};

use dora_shm_ring::internal::MAX_RANK;
use dora_shm_ring::{Clock, Dtype, Format};

use crate::call::{Out, call};
use crate::result::{Failure, dora_shm_result};
use crate::text::string;
use dora_shm_result::*;

/// Highest rank of a frame. `header/src/main.rs` writes its value into the header.
pub const DORA_SHM_MAX_RANK: usize = MAX_RANK;

/// Type of a sample, in the machine's byte order (little-endian).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum dora_shm_dtype {
    /// There is no ring.
    DORA_SHM_DTYPE_NONE = 0,
    /// One byte, 0 or 1. A hostile writer may store other values.
    DORA_SHM_BOOL = 1,
    /// int8_t
    DORA_SHM_INT8 = 2,
    /// uint8_t
    DORA_SHM_UINT8 = 3,
    /// int16_t
    DORA_SHM_INT16 = 4,
    /// uint16_t
    DORA_SHM_UINT16 = 5,
    /// int32_t
    DORA_SHM_INT32 = 6,
    /// uint32_t
    DORA_SHM_UINT32 = 7,
    /// int64_t
    DORA_SHM_INT64 = 8,
    /// uint64_t
    DORA_SHM_UINT64 = 9,
    /// IEEE 754 binary16, two bytes
    DORA_SHM_FLOAT16 = 10,
    /// float
    DORA_SHM_FLOAT32 = 11,
    /// double
    DORA_SHM_FLOAT64 = 12,
}

use dora_shm_dtype::*;

/// The library's types with their numbers and names in C. A type that is added to the library does not compile here.
const fn of_library(dtype: Dtype) -> (dora_shm_dtype, &'static CStr) {
    match dtype {
        Dtype::Bool => (DORA_SHM_BOOL, c"bool"),
        Dtype::I8 => (DORA_SHM_INT8, c"int8"),
        Dtype::U8 => (DORA_SHM_UINT8, c"uint8"),
        Dtype::I16 => (DORA_SHM_INT16, c"int16"),
        Dtype::U16 => (DORA_SHM_UINT16, c"uint16"),
        Dtype::I32 => (DORA_SHM_INT32, c"int32"),
        Dtype::U32 => (DORA_SHM_UINT32, c"uint32"),
        Dtype::I64 => (DORA_SHM_INT64, c"int64"),
        Dtype::U64 => (DORA_SHM_UINT64, c"uint64"),
        Dtype::F16 => (DORA_SHM_FLOAT16, c"float16"),
        Dtype::F32 => (DORA_SHM_FLOAT32, c"float32"),
        Dtype::F64 => (DORA_SHM_FLOAT64, c"float64"),
    }
}

// The numbers are those in shared memory.
const _: () = {
    let mut i = 0;
    while i < Dtype::ALL.len() {
        assert!(of_library(Dtype::ALL[i]).0 as u32 == Dtype::ALL[i].code());
        i += 1;
    }
};

/// What the times of a generation are of.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum dora_shm_clock {
    /// The source's own: simulation time, a device's counter, an axis that is not time.
    DORA_SHM_CLOCK_SOURCE = 0,
    /// Seconds since 1970, UTC.
    DORA_SHM_CLOCK_UNIX = 1,
    /// Seconds of CLOCK_MONOTONIC of the writer's machine.
    DORA_SHM_CLOCK_MONOTONIC = 2,
}

use dora_shm_clock::*;

/// A clock that this version does not know says as little about the times as the source's own.
fn clock_of_library(clock: Clock) -> dora_shm_clock {
    match clock {
        Clock::Unix => DORA_SHM_CLOCK_UNIX,
        Clock::Monotonic => DORA_SHM_CLOCK_MONOTONIC,
        _ => DORA_SHM_CLOCK_SOURCE,
    }
}

pub(crate) fn clock(number: u32) -> Result<Clock, Failure> {
    Clock::ALL.into_iter().find(|&clock| clock_of_library(clock) as u32 == number).ok_or_else(|| {
        let message = format!("no clock has the number {number}, expected one of dora_shm_clock");
        Failure::new(DORA_SHM_ERROR_BAD_FORMAT, message)
    })
}

/// Format of the frames of a generation. Zero it, then set members.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct dora_shm_format {
    /// Type of a sample: one of dora_shm_dtype.
    pub dtype: u32,
    /// Number of dimensions of a frame, 0 to DORA_SHM_MAX_RANK. 0: a frame is one sample.
    pub rank: u32,
    /// Shape of a frame, outermost dimension first, each at least 1. Entries from `rank` on are 0.
    pub shape: [u64; DORA_SHM_MAX_RANK],
    /// Frames per second along the buffered axis; 0: irregular or unknown.
    pub rate_hz: f64,
    /// Frames that the ring holds, at least 1. A new ring may have up to 7 more than requested.
    pub ring_frames: u64,
    /// Bytes of one frame. Set by the library and ignored when the caller passes a format.
    pub frame_bytes: u64,
    /// What the times are of: one of dora_shm_clock. 0: the source's own; see also dora_shm_writer_begin().
    pub clock: u32,
}

impl dora_shm_format {
    pub(crate) fn none() -> Self {
        Self {
            dtype: DORA_SHM_DTYPE_NONE as u32,
            rank: 0,
            shape: [0; MAX_RANK],
            rate_hz: 0.0,
            ring_frames: 0,
            frame_bytes: 0,
            clock: DORA_SHM_CLOCK_SOURCE as u32,
        }
    }

    pub(crate) fn of(format: &Format) -> Self {
        let mut shape = [0; MAX_RANK];
        shape[..format.frame_shape().len()].copy_from_slice(format.frame_shape());
        Self {
            dtype: format.dtype().code(),
            rank: format.frame_shape().len() as u32,
            shape,
            rate_hz: format.rate_hz(),
            ring_frames: format.frames(),
            frame_bytes: format.frame_bytes(),
            clock: clock_of_library(format.clock()) as u32,
        }
    }

    pub(crate) fn to_library(self) -> Result<Format, Failure> {
        let Some(shape) = self.shape.get(..self.rank as usize) else {
            let message = format!("rank {}, at most {MAX_RANK} is possible", self.rank);
            return Err(Failure::new(DORA_SHM_ERROR_BAD_FORMAT, message));
        };
        let clock = clock(self.clock)?;
        Ok(Format::new(dtype(self.dtype)?, shape, self.rate_hz, self.ring_frames)?.on_clock(clock))
    }
}

fn dtype(number: u32) -> Result<Dtype, Failure> {
    Dtype::from_code(number).ok_or_else(|| {
        Failure::new(
            DORA_SHM_ERROR_UNKNOWN_DTYPE,
            format!("no element type has the number {number}; see dora_shm_dtype"),
        )
    })
}

/// numpy's name of an element type, such as "float32"; "unknown" for any other number. Never NULL.
/// @note Owner: the library. Always valid. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn dora_shm_dtype_name(dtype: u32) -> *const c_char {
    Dtype::from_code(dtype).map_or(c"unknown", |dtype| of_library(dtype).1).as_ptr()
}

/// Name of a clock, such as "unix"; "unknown" for any other number. Never NULL.
/// @note Owner: the library. Always valid. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn dora_shm_clock_name(clock: u32) -> *const c_char {
    let names = [c"source", c"unix", c"monotonic"];
    names.get(clock as usize).unwrap_or(&c"unknown").as_ptr()
}

/// Bytes of one sample.
///
/// @param dtype one of dora_shm_dtype
/// @param bytes out
/// @return DORA_SHM_OK; DORA_SHM_ERROR_UNKNOWN_DTYPE
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_dtype_size(dtype: u32, bytes: *mut usize) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let bytes = unsafe { Out::new(bytes, "bytes") }?;
        bytes.set(self::dtype(dtype)?.size());
        Ok(DORA_SHM_OK)
    })
}

/// Element type of a numpy name, such as "float32".
///
/// @param name UTF-8
/// @param dtype out: one of dora_shm_dtype
/// @return DORA_SHM_OK; DORA_SHM_ERROR_UNKNOWN_DTYPE
/// @note Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dora_shm_dtype_from_name(name: *const c_char, dtype: *mut u32) -> dora_shm_result {
    call(|| {
        // SAFETY: the convention for arguments.
        let (name, dtype) = unsafe { (string(name, "name")?, Out::new(dtype, "dtype")?) };
        dtype.set(name.parse::<Dtype>()?.code());
        Ok(DORA_SHM_OK)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_equal_the_librarys() {
        for dtype in Dtype::ALL {
            assert_eq!(of_library(dtype).1.to_str().unwrap(), dtype.name());
        }
    }

    #[test]
    fn names_of_clocks_equal_the_librarys() {
        for clock in Clock::ALL {
            // SAFETY: never NULL.
            let name = unsafe { CStr::from_ptr(dora_shm_clock_name(clock_of_library(clock) as u32)) };
            assert_eq!(name.to_str().unwrap(), clock.name());
        }
        // SAFETY: never NULL.
        assert_eq!(unsafe { CStr::from_ptr(dora_shm_clock_name(3)) }, c"unknown");
    }

    #[test]
    fn a_format_goes_to_c_and_back() {
        let format = Format::new(Dtype::U8, &[480, 640, 3], 30.0, 60).unwrap();
        let in_c = dora_shm_format::of(&format);
        assert_eq!((in_c.rank, in_c.shape[3], in_c.frame_bytes), (3, 0, 921_600));
        assert_eq!(in_c.to_library().unwrap(), format);
        for clock in Clock::ALL {
            let format = format.clone().on_clock(clock);
            assert_eq!(dora_shm_format::of(&format).to_library().unwrap(), format);
        }
    }

    #[test]
    fn formats_that_no_ring_can_have_are_refused() {
        let good = dora_shm_format { dtype: 11, rank: 1, ring_frames: 10, ..dora_shm_format::none() };
        let code = |format: dora_shm_format| format.to_library().unwrap_err().code;
        assert_eq!(code(good), DORA_SHM_ERROR_BAD_FORMAT, "a dimension of 0");
        assert_eq!(code(dora_shm_format { rank: 9, ..good }), DORA_SHM_ERROR_BAD_FORMAT);
        assert_eq!(code(dora_shm_format { rank: u32::MAX, ..good }), DORA_SHM_ERROR_BAD_FORMAT);
        assert_eq!(code(dora_shm_format { dtype: 13, rank: 0, ..good }), DORA_SHM_ERROR_UNKNOWN_DTYPE);
        let measured = dora_shm_format { rank: 0, ..good };
        assert!(measured.to_library().is_ok());
        assert_eq!(code(dora_shm_format { clock: 3, ..measured }), DORA_SHM_ERROR_BAD_FORMAT);
        let huge = dora_shm_format { rank: 3, shape: [u64::MAX / 2; MAX_RANK], ..good };
        assert_eq!(code(huge), DORA_SHM_ERROR_BAD_FORMAT);
    }
}
