//! The result of every function, and the message of an error.

use std::cell::RefCell;
use std::error::Error as _;
use std::ffi::{CStr, CString, c_char};

use dora_shm_ring::Error;

use crate::c_string::c_string;

/// Result of a function: 0 is success, positive values are ordinary outcomes, negative values are errors. After an
/// error, dora_shm_last_error_message() returns a sentence about it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum dora_shm_result {
    /// Success.
    DORA_SHM_OK = 0,
    /// There is nothing (new): no frames, no ring, no description, no event, no warning.
    DORA_SHM_NOTHING = 1,
    /// The reader moved on to a new ring, whose format and description apply from now on. Read again.
    DORA_SHM_NEW_GENERATION = 2,
    /// The stream was closed, and all its frames were read or counted as lost. Returned once; later calls follow the
    /// next writer of that name.
    DORA_SHM_CLOSED = 3,
    /// The time is over, and there is nothing to read.
    DORA_SHM_TIMED_OUT = 4,
    /// dora_shm_reader_interrupt() was called.
    DORA_SHM_INTERRUPTED = 5,
    /// There is nothing to read, and the writer has died without closing the stream. This ends a wait early when it
    /// happens. Later waits return it when their time is over, until a writer takes the stream over.
    DORA_SHM_WRITER_DEAD = 6,
    /// The writer overwrote the first frames of a view, or all of them, before the view was finished.
    DORA_SHM_LAPPED = 7,

    /// A pointer that must not be NULL is NULL.
    DORA_SHM_ERROR_NULL = -1,
    /// An argument has a value that is not allowed or does not fit the stream.
    DORA_SHM_ERROR_BAD_ARGUMENT = -2,
    /// A string is not UTF-8.
    DORA_SHM_ERROR_NOT_UTF8 = -3,
    /// The caller's memory is too small.
    DORA_SHM_ERROR_BUFFER_TOO_SMALL = -4,
    /// Another thread is in a call with the same handle.
    DORA_SHM_ERROR_BUSY = -5,
    /// The stream's name cannot be used.
    DORA_SHM_ERROR_BAD_NAME = -6,
    /// There is no element type of that name or number.
    DORA_SHM_ERROR_UNKNOWN_DTYPE = -7,
    /// No ring can have this format.
    DORA_SHM_ERROR_BAD_FORMAT = -8,
    /// Another live process writes this stream.
    DORA_SHM_ERROR_LIVE = -9,
    /// No process writes the stream, but another process holds a lock on it that only writers need.
    DORA_SHM_ERROR_OBSTRUCTED = -10,
    /// Something else has the stream's name in shared memory.
    DORA_SHM_ERROR_NAME_TAKEN = -11,
    /// The stream belongs to another user, who was not named in the options.
    DORA_SHM_ERROR_WRONG_OWNER = -12,
    /// The stream's mode does not let this user read it.
    DORA_SHM_ERROR_PERMISSION = -13,
    /// The stream was written with a version of the protocol that this library cannot read.
    DORA_SHM_ERROR_VERSION = -14,
    /// The stream was written by a version of ezmsg that this library cannot read.
    DORA_SHM_ERROR_EZMSG = -15,
    /// Bytes in shared memory contradict the protocol. The reader has detached and attaches again on its next call.
    DORA_SHM_ERROR_CORRUPT = -16,
    /// A ring is larger than the options allow.
    DORA_SHM_ERROR_TOO_LARGE = -17,
    /// Shared memory has no room for the ring.
    DORA_SHM_ERROR_NO_SPACE = -18,
    /// The writer has no ring yet: call dora_shm_writer_begin() first.
    DORA_SHM_ERROR_NO_GENERATION = -19,
    /// A forked child cannot use this handle of its parent.
    DORA_SHM_ERROR_FORKED = -20,
    /// A system call failed.
    DORA_SHM_ERROR_IO = -21,
    /// An error that has no other code.
    DORA_SHM_ERROR_OTHER = -22,
    /// A defect of this library. Close the handle of the call, and do not use it again.
    DORA_SHM_ERROR_INTERNAL = -23,
    /// ezmsg wrote the stream, and its frames have a type or shape that this library has no format for.
    DORA_SHM_ERROR_UNSUPPORTED = -24,
}

use dora_shm_result::*;

/// An error on its way to the caller.
#[derive(Debug)]
pub(crate) struct Failure {
    pub code: dora_shm_result,
    pub message: String,
}

impl Failure {
    pub fn new(code: dora_shm_result, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub fn bad_argument(message: impl Into<String>) -> Self {
        Self::new(DORA_SHM_ERROR_BAD_ARGUMENT, message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::BadName { .. } => DORA_SHM_ERROR_BAD_NAME,
            Error::UnknownDtype { .. } => DORA_SHM_ERROR_UNKNOWN_DTYPE,
            Error::BadFormat { .. } => DORA_SHM_ERROR_BAD_FORMAT,
            Error::BadArgument { .. } => DORA_SHM_ERROR_BAD_ARGUMENT,
            Error::Live { .. } => DORA_SHM_ERROR_LIVE,
            Error::Obstructed { .. } => DORA_SHM_ERROR_OBSTRUCTED,
            Error::NameTaken { .. } => DORA_SHM_ERROR_NAME_TAKEN,
            Error::WrongOwner { .. } => DORA_SHM_ERROR_WRONG_OWNER,
            Error::Permission { .. } => DORA_SHM_ERROR_PERMISSION,
            Error::Version { .. } => DORA_SHM_ERROR_VERSION,
            Error::Ezmsg { .. } => DORA_SHM_ERROR_EZMSG,
            Error::Unsupported { .. } => DORA_SHM_ERROR_UNSUPPORTED,
            Error::Corrupt { .. } => DORA_SHM_ERROR_CORRUPT,
            Error::TooLarge { .. } => DORA_SHM_ERROR_TOO_LARGE,
            Error::NoSpace { .. } => DORA_SHM_ERROR_NO_SPACE,
            Error::NoGeneration => DORA_SHM_ERROR_NO_GENERATION,
            Error::Forked => DORA_SHM_ERROR_FORKED,
            Error::Io { .. } => DORA_SHM_ERROR_IO,
            // An error that the library has gained since; a test detects it.
            _ => DORA_SHM_ERROR_OTHER,
        };
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        Self { code, message }
    }
}

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
}

pub(crate) fn remember(message: &str) {
    // The message is lost while the thread's own memory is being freed, and in a signal handler that interrupts this.
    let _ = LAST_ERROR.try_with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            *last = c_string(message);
        }
    });
}

/// Message of the last error on this thread: what was expected, what was found, and what can be done. Empty before the
/// first error. Never NULL.
/// @note Owner: the library. Valid until the next error on this thread, or until the thread ends. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn dora_shm_last_error_message() -> *const c_char {
    let last = LAST_ERROR.try_with(|last| last.try_borrow().map_or(c"".as_ptr(), |last| last.as_ptr()));
    last.unwrap_or(c"".as_ptr())
}

/// Name of a result, such as "DORA_SHM_CLOSED"; "unknown" for any other number. Never NULL.
/// @note Owner: the library. Always valid. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn dora_shm_result_name(result: i32) -> *const c_char {
    name(result).unwrap_or(c"unknown").as_ptr()
}

macro_rules! names {
    ($($code:ident)*) => {
        fn name(result: i32) -> Option<&'static CStr> {
            $(if result == $code as i32 {
                const NAME: &CStr = match CStr::from_bytes_with_nul(concat!(stringify!($code), "\0").as_bytes()) {
                    Ok(name) => name,
                    Err(_) => panic!("an identifier has no NUL"),
                };
                return Some(NAME);
            })*
            None
        }

        #[cfg(test)]
        const ALL: &[dora_shm_result] = &[$($code),*];

        // A code that is missing from the list does not compile.
        const _: fn(dora_shm_result) = |code| match code {
            $($code => {})*
        };
    };
}

names! {
    DORA_SHM_OK DORA_SHM_NOTHING DORA_SHM_NEW_GENERATION DORA_SHM_CLOSED DORA_SHM_TIMED_OUT DORA_SHM_INTERRUPTED
    DORA_SHM_WRITER_DEAD DORA_SHM_LAPPED
    DORA_SHM_ERROR_NULL DORA_SHM_ERROR_BAD_ARGUMENT DORA_SHM_ERROR_NOT_UTF8 DORA_SHM_ERROR_BUFFER_TOO_SMALL
    DORA_SHM_ERROR_BUSY DORA_SHM_ERROR_BAD_NAME DORA_SHM_ERROR_UNKNOWN_DTYPE DORA_SHM_ERROR_BAD_FORMAT
    DORA_SHM_ERROR_LIVE DORA_SHM_ERROR_OBSTRUCTED DORA_SHM_ERROR_NAME_TAKEN DORA_SHM_ERROR_WRONG_OWNER
    DORA_SHM_ERROR_PERMISSION DORA_SHM_ERROR_VERSION DORA_SHM_ERROR_EZMSG DORA_SHM_ERROR_CORRUPT
    DORA_SHM_ERROR_TOO_LARGE DORA_SHM_ERROR_NO_SPACE DORA_SHM_ERROR_NO_GENERATION DORA_SHM_ERROR_FORKED
    DORA_SHM_ERROR_IO DORA_SHM_ERROR_OTHER DORA_SHM_ERROR_INTERNAL
    DORA_SHM_ERROR_UNSUPPORTED
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The names of the library's errors, as its source has them.
    fn errors_of_the_library() -> BTreeSet<String> {
        let source = include_str!("../../../ring/src/error.rs");
        let variants = source.split_once("pub enum Error {").unwrap().1.split_once("\n}").unwrap().0;
        let variant = |line: &str| {
            let name = line.strip_prefix("    ")?.trim_end_matches([',', ' ', '{']);
            let is_name = name.starts_with(char::is_uppercase) && name.chars().all(char::is_alphanumeric);
            is_name.then(|| name.to_owned())
        };
        variants.lines().filter_map(variant).collect()
    }

    #[test]
    fn every_error_of_the_library_has_its_own_code() {
        let here = include_str!("result.rs");
        let mapped: BTreeSet<String> = here
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("Error::"))
            .filter(|line| line.contains("=> DORA_SHM_ERROR_"))
            .filter_map(|line| line.split([' ', '{']).next().map(str::to_owned))
            .collect();
        let errors = errors_of_the_library();
        assert!(errors.contains("NoGeneration") && errors.len() > 15, "{errors:?}");
        assert_eq!(mapped, errors);
    }

    #[test]
    fn errors_are_negative_and_every_code_has_its_own_name_and_number() {
        let name = |code: dora_shm_result| name(code as i32).unwrap().to_str().unwrap();
        for code in ALL {
            assert_eq!(name(*code), format!("{code:?}"));
            assert_eq!((*code as i32) < 0, name(*code).starts_with("DORA_SHM_ERROR_"));
        }
        let numbers: BTreeSet<i32> = ALL.iter().map(|code| *code as i32).collect();
        assert_eq!(numbers.len(), ALL.len());
        assert_eq!(super::name(12345), None);
    }

    #[test]
    fn the_message_contains_the_systems_reason() {
        let error = Error::Io { action: "opening x".to_owned(), source: std::io::Error::from_raw_os_error(24) };
        let failure = Failure::from(error);
        assert_eq!(failure.code, DORA_SHM_ERROR_IO);
        assert_eq!(failure.message, "opening x failed: Too many open files (os error 24)");
    }
}
