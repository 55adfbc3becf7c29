//! What every function answers, and the sentence that comes with an error.

use std::cell::RefCell;
use std::error::Error as _;
use std::ffi::{CStr, CString, c_char};

use dora_shm_ring::Error;

use crate::text::c_string;

/// What a function answers: 0 is success, positive values are ordinary answers, negative ones are errors, of which
/// dora_shm_last_error_message() tells more.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum dora_shm_result {
    /// Success.
    DORA_SHM_OK = 0,
    /// There is nothing (new), or not yet: no frames, no ring, no description, no further warning.
    DORA_SHM_NOTHING = 1,
    /// The reader moved on to a new ring, whose format and description are in force now. Read again.
    DORA_SHM_NEW_GENERATION = 2,
    /// The stream was closed, and everything of it has been read or counted as lost. Said once; later calls follow the next
    /// writer of that name.
    DORA_SHM_CLOSED = 3,
    /// The time is over, and nothing has come.
    DORA_SHM_TIMED_OUT = 4,
    /// dora_shm_reader_interrupt() was called.
    DORA_SHM_INTERRUPTED = 5,
    /// Nothing has come, and the writer has died without closing the stream. Ends a wait early when it happens, and is said
    /// again at the end of each further wait, until a writer takes the stream over.
    DORA_SHM_WRITER_DEAD = 6,
    /// The writer has overwritten the first frames of a view, or all, before it was finished.
    DORA_SHM_LAPPED = 7,

    /// A pointer is NULL that must not be.
    DORA_SHM_ERROR_NULL = -1,
    /// An argument has a value that is not allowed, or does not fit the stream.
    DORA_SHM_ERROR_BAD_ARGUMENT = -2,
    /// A string is no UTF-8.
    DORA_SHM_ERROR_NOT_UTF8 = -3,
    /// The caller's memory does not hold what it is for.
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
    /// Another process holds a lock on the stream that only writers need.
    DORA_SHM_ERROR_OBSTRUCTED = -10,
    /// The stream's place in shared memory is taken by something else.
    DORA_SHM_ERROR_NAME_TAKEN = -11,
    /// The stream belongs to a user that was not asked for.
    DORA_SHM_ERROR_WRONG_OWNER = -12,
    /// No permission to open the stream.
    DORA_SHM_ERROR_PERMISSION = -13,
    /// The stream was written by a version of the protocol that this library does not know.
    DORA_SHM_ERROR_VERSION = -14,
    /// The stream was written by ezmsg itself, in a way that this library does not read.
    DORA_SHM_ERROR_FOREIGN = -15,
    /// What is in shared memory contradicts the protocol. The reader has let go of it and attaches anew when called again.
    DORA_SHM_ERROR_CORRUPT = -16,
    /// The ring is larger than the limit that was given.
    DORA_SHM_ERROR_TOO_LARGE = -17,
    /// Shared memory has no room.
    DORA_SHM_ERROR_NO_SPACE = -18,
    /// The writer has no ring yet: dora_shm_writer_begin() comes first.
    DORA_SHM_ERROR_NO_GENERATION = -19,
    /// The handle was inherited by a forked child, which must not use it.
    DORA_SHM_ERROR_FORKED = -20,
    /// The operating system refused something.
    DORA_SHM_ERROR_IO = -21,
    /// An error that has no code of its own.
    DORA_SHM_ERROR_OTHER = -22,
    /// A defect of this library. The handle of the call can only be closed.
    DORA_SHM_ERROR_INTERNAL = -23,
    /// ezmsg wrote the stream, and its frames are nothing that this library has a format for.
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
            Error::Ezmsg { .. } => DORA_SHM_ERROR_FOREIGN,
            Error::Unsupported { .. } => DORA_SHM_ERROR_UNSUPPORTED,
            Error::Corrupt { .. } => DORA_SHM_ERROR_CORRUPT,
            Error::TooLarge { .. } => DORA_SHM_ERROR_TOO_LARGE,
            Error::NoSpace { .. } => DORA_SHM_ERROR_NO_SPACE,
            Error::NoGeneration => DORA_SHM_ERROR_NO_GENERATION,
            Error::Forked => DORA_SHM_ERROR_FORKED,
            Error::Io { .. } => DORA_SHM_ERROR_IO,
            // The library may get more; a test says when it has.
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
    // Nobody is left to ask while the thread's own memory is being taken down; and a signal handler that comes between is not
    // heard.
    let _ = LAST_ERROR.try_with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            *last = c_string(message);
        }
    });
}

/// The sentence of the last error on this thread: what was expected, what was found and what can be done; empty before the
/// first one. Never NULL.
///
/// Owner: the library. Valid until the next error on this thread, or its end. Any thread. Never blocks.
#[unsafe(no_mangle)]
pub extern "C" fn dora_shm_last_error_message() -> *const c_char {
    let last = LAST_ERROR.try_with(|last| last.try_borrow().map_or(c"".as_ptr(), |last| last.as_ptr()));
    last.unwrap_or(c"".as_ptr())
}

/// The name of a result, such as "DORA_SHM_CLOSED"; "unknown" for a number that is none. Never NULL.
///
/// Owner: the library. Valid for ever. Any thread. Never blocks.
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
    DORA_SHM_ERROR_PERMISSION DORA_SHM_ERROR_VERSION DORA_SHM_ERROR_FOREIGN DORA_SHM_ERROR_CORRUPT
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
    fn every_error_of_the_library_has_a_code_of_its_own() {
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
    fn the_message_tells_what_the_system_said() {
        let error = Error::Io { action: "opening x".to_owned(), source: std::io::Error::from_raw_os_error(24) };
        let failure = Failure::from(error);
        assert_eq!(failure.code, DORA_SHM_ERROR_IO);
        assert_eq!(failure.message, "opening x failed: Too many open files (os error 24)");
    }
}
