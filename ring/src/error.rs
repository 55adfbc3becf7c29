//! The library's one error type.

use std::io;

/// An error. Its message gives what was expected, what was found and what to do next.
///
/// Routine states are not errors: no data yet, no writer yet, a closed stream and a timeout are ordinary results.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stream's name cannot be used.
    #[error("stream name {name:?} cannot be used: {reason}; choose another name")]
    BadName {
        /// The name as given.
        name: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// No element type has that name.
    #[error(
        "unknown dtype {name:?}; expected one of bool, int8, uint8, int16, uint16, int32, uint32, int64, uint64, \
         float16, float32, float64"
    )]
    UnknownDtype {
        /// The name as given.
        name: String,
    },
    /// A format that no ring can have.
    #[error("this format cannot be stored: {reason}")]
    BadFormat {
        /// What was expected and what was found.
        reason: String,
    },
    /// An argument of a call does not fit the stream.
    #[error("{reason}")]
    BadArgument {
        /// What was expected and what was found.
        reason: String,
    },
    /// A live writer writes this stream, in another process or in this one.
    #[error("stream {name:?} already has a live writer{}, or choose another name", live_writer(*.pid))]
    Live {
        /// The stream.
        name: String,
        /// Process ID that its header names: a hint for people, not verified.
        pid: Option<u32>,
    },
    /// Another process holds a read lock on the header, so that no writer can acquire the stream.
    #[error(
        "stream {name:?} has no live writer, but some other process holds a read lock on its header, which readers \
         never need; find it with `lslocks` and stop it"
    )]
    Obstructed {
        /// The stream.
        name: String,
    },
    /// Another file already has the stream's segment name, and the library must not remove it.
    #[error(
        "the segment name of stream {name:?} is taken by something else (/dev/shm/{segment}: {found}); remove it if \
         no program uses it, or choose another name"
    )]
    NameTaken {
        /// The stream.
        name: String,
        /// Name of the segment.
        segment: String,
        /// What that file is.
        found: String,
    },
    /// A segment belongs to a user other than the requested one.
    #[error(
        "segment {segment} belongs to user {found}, expected {expected}; to read another user's stream, name the \
         owner explicitly"
    )]
    WrongOwner {
        /// Name of the segment.
        segment: String,
        /// User ID of its owner.
        found: u32,
        /// Which owner was expected.
        expected: String,
    },
    /// A segment cannot be opened for lack of permission.
    #[error("no permission to open segment {segment}; its writer decides who may read it (mode 0600, 0640 or 0644)")]
    Permission {
        /// Name of the segment.
        segment: String,
    },
    /// A segment has a newer or otherwise unknown version of the format.
    #[error(
        "segment {segment} has format version {major}.{minor} (must_understand {must_understand:#x}); this library \
         reads version 1 without extensions; update it"
    )]
    Version {
        /// Name of the segment.
        segment: String,
        /// Major version found.
        major: u16,
        /// Minor version found.
        minor: u16,
        /// Feature bits that a reader has to know.
        must_understand: u32,
    },
    /// An unknown version of ezmsg wrote the header.
    #[error(
        "stream {name:?} was written by ezmsg, with struct version {struct_version}; this library reads versions 1 \
         (ezmsg-tools 0.6) and 2 (0.10); update it"
    )]
    Ezmsg {
        /// The stream.
        name: String,
        /// ezmsg's struct version.
        struct_version: u32,
    },
    /// ezmsg wrote the stream correctly, but this library has no format for its frames.
    #[error("stream {name:?} was written by ezmsg and cannot be read: {reason}; send another array to its writer")]
    Unsupported {
        /// The stream.
        name: String,
        /// What its frames are, and what was expected.
        reason: String,
    },
    /// Bytes in shared memory contradict the protocol.
    #[error("segment {segment} is corrupt: {reason}; restart its writer")]
    Corrupt {
        /// Name of the segment.
        segment: String,
        /// What was expected and what was found.
        reason: String,
    },
    /// A ring is larger than the limit that the caller set.
    #[error("the ring needs {needed} bytes, more than the limit of {limit}; shorten it or raise the limit")]
    TooLarge {
        /// Bytes of the segment.
        needed: u64,
        /// The caller's limit.
        limit: u64,
    },
    /// Shared memory has no room for a segment.
    #[error(
        "no room in shared memory: {needed} bytes needed, {free} free in /dev/shm; shorten the buffer, remove other \
         streams, or enlarge it (containers: --shm-size)"
    )]
    NoSpace {
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// The writer has no ring yet.
    #[error("no generation has begun; begin one before writing frames")]
    NoGeneration,
    /// A forked child used the handle of its parent.
    #[error("this writer belongs to the parent process; a forked child must create a writer of its own")]
    Forked,
    /// A system call failed.
    #[error("{action} failed")]
    Io {
        /// What was tried, and on which segment.
        action: String,
        /// The error that the system call returned.
        #[source]
        source: io::Error,
    },
}

/// Result of the library's calls.
pub type Result<T> = std::result::Result<T, Error>;

/// Adds the attempted action and its segment to an error of a system call.
pub(crate) fn io_error(action: &str, what: &str) -> impl Fn(io::Error) -> Error + use<> {
    let action = format!("{action} {what}");
    move |source| Error::Io { action: action.clone(), source }
}

/// Which process has the live writer, and what to do about it.
fn live_writer(pid: Option<u32>) -> String {
    match pid {
        Some(pid) if pid == std::process::id() => " in this process; close that one first".to_owned(),
        Some(pid) => format!(" (process {pid}); stop it"),
        None => "; stop it".to_owned(),
    }
}
