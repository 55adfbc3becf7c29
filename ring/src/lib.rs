//! Live arrays in shared memory: one writer, any number of readers that map it read-only, a name that connects them.
//!
//! A **stream** is a sequence of **frames** of one type and shape, each with a value on the buffered axis (usually its
//! time). The newest frames are kept in a ring. The frames that the writer writes at once are a **chunk**, or message.
//! Readers take single frames ([`Reader`]) or whole messages ([`MessageReader`]). A change of type, shape, rate or
//! length begins the next **generation** in a new ring; readers finish the old one first.
//!
//! ```
//! use std::time::{SystemTime, UNIX_EPOCH};
//! use dora_shm_ring::{Chunk, Description, Dtype, Format, Times, Writer, WriterOptions};
//! # let name = format!("doc/{}/writer", std::process::id());
//!
//! let mut writer = Writer::create(&name, WriterOptions::default())?;
//! // 64 channels at 1 kHz, the newest two seconds of them.
//! let format = Format::new(Dtype::F32, &[64], 1000.0, 2000)?;
//! let description = Description { dims: vec!["time".into(), "ch".into()], ..Description::default() };
//! writer.begin(&format, &description, 10)?;
//! let samples = [0; 10 * 64 * 4]; // ten frames, as bytes
//! let times = Times::Linear { start: 12.5, step: 0.001 };
//! let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
//! writer.write(&Chunk { samples: &samples, times, send_ns: now.as_nanos() as i64 })?;
//! # Ok::<(), dora_shm_ring::Error>(())
//! ```
//!
//! ```
//! use std::time::Duration;
//! use dora_shm_ring::{Frames, Outcome, Reader, ReaderOptions};
//! # use dora_shm_ring::*;
//! # let name = format!("doc/{}/reader", std::process::id());
//! # let (all_read, wait) = std::sync::mpsc::channel::<()>();
//! # let mut all_read = Some(all_read);
//! # let writer_name = name.clone();
//! # let write = move || -> Result<()> {
//! #     let mut writer = Writer::create(&writer_name, WriterOptions::default())?;
//! #     writer.begin(&Format::new(Dtype::F32, &[2], 10.0, 50)?, &Description::default(), 1)?;
//! #     writer.write(&Chunk { samples: &[0; 24], times: Times::Linear { start: 0.0, step: 0.1 }, send_ns: 0 })?;
//! #     let _ = wait.recv();
//! #     Ok(())
//! # };
//! # let mut read = 0;
//!
//! // A reader may open a stream before its writer exists.
//! let mut reader = Reader::open(&name, ReaderOptions::default())?;
//! # let thread = std::thread::spawn(write);
//! let mut frames = Frames::new();
//! loop {
//!     match reader.read(&mut frames, 1000)? {
//!         Outcome::Data(_) => println!("{} lost, then {:?}", frames.lost(), frames.samples_as::<f32>()),
//!         Outcome::Generation => println!("frames are now {:?}", reader.format()),
//!         Outcome::Nothing => _ = reader.wait(Duration::from_secs(1))?, // blocks in the kernel
//!         Outcome::Closed => break,
//!     }
//! #   read += frames.frames();
//! #   all_read.take_if(|_| read == 3);
//! }
//! # thread.join().unwrap()?;
//! # assert_eq!((read, reader.lost()), (3, 0));
//! # Ok::<(), Error>(())
//! ```
//!
//! # Layout in memory
//!
//! ```text
//! header, one per stream              description, one at a time
//! ┌────────────────────────┐   ┌───> ┌──────────────────────────────────────┐
//! │ for ezmsg's mirrors    │   │     │ JSON: dims, axes, attrs, key         │
//! │ stream_id, name        │   │     │ the same as a pickle, for ezmsg      │
//! │ wake word, open/closed │   │     └──────────────────────────────────────┘
//! │ description ───────────┼───┘     ring, one per generation
//! │ generation ────────────┼───────> ┌──────────────────────────────────────┐
//! └────────────────────────┘         │ times     t0 t1 t2 ...               │
//!                                    │ samples   f0 f1 f2 ...               │
//!                                    │ records   one per chunk              │
//!                                    │ trailer   format, reserved, committed│
//!                                    └──────────────────────────────────────┘
//! ```
//!
//! The writer stores the position up to which it is going to write (`reserved`), writes, and stores the position up to
//! which it has written (`committed`). A reader copies committed frames and then loads `reserved`: frames that the
//! writer may have overwritten in the meantime are discarded and counted as lost. Positions only grow; frame `p` is in
//! slot `p mod N`. `SPEC.md`, at the top of the repository, specifies every byte and every memory order: enough to
//! write a reader in another language.
//!
//! # What is promised
//!
//! - A reader never gets a torn frame. Each frame is counted exactly once: as read or as lost.
//! - A reader cannot slow, block or damage a stream, since its mapping is read-only. Samples are copied once, into the
//!   ring.
//! - A process may be killed between any two instructions. The kernel then releases the writer's lock, the next writer
//!   of the name takes over the stream, and attached readers continue.
//! - A writer that closes its stream leaves nothing in shared memory; a change of generation leaves nothing of the old
//!   one.
//! - Each value read from shared memory is checked once, on a private copy. A failed check is an error, never a panic.
//! - A waiting reader sleeps in the kernel until the stream changes.
//!
//! # Limits
//!
//! - Linux on 64-bit little-endian machines. On other systems the crate does not compile.
//! - The writer never waits. A reader that falls behind by more than the ring loses frames, and reports how many.
//! - One writer per stream; frames of one of twelve fixed-size numeric types ([`Dtype`]), of rank 0 to 8.
//! - [`Reader`] also reads streams that ezmsg itself wrote. For those, only the checks are promised.
//! - A process of the same user can truncate a segment (SIGBUS in processes that have mapped it) or overwrite it.
//! - The copy races with the writer by design, which no language's memory model defines (see `racing_copy` in the
//!   sources). A torn copy is detected and discarded, not prevented.

#![deny(unsafe_op_in_unsafe_fn)]
// Under loom, only the protocol and its dependencies are compiled: loom's atomics cannot be placed in a mapping.
#![cfg_attr(loom, allow(dead_code, unused_imports))]

#[cfg(not(loom))]
mod admin;
mod error;
mod ezmsg;
#[cfg(not(loom))]
mod frames;
#[cfg(any(fuzzing, all(test, not(loom))))]
#[doc(hidden)]
pub mod fuzzing;
mod layout;
#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, not(loom)))]
mod plain;
mod protocol;
#[cfg(not(loom))]
mod reader;
#[cfg(not(loom))]
mod shm;
mod stream;
pub mod times;
#[cfg(not(loom))]
mod writer;

#[cfg(not(loom))]
pub use admin::{Leftover, StreamInfo, clean, leftovers, streams, streams_of};
pub use error::{Error, Result};
#[cfg(not(loom))]
pub use ezmsg::source::EzmsgInfo;
#[cfg(not(loom))]
pub use frames::view::{SharedBytes, View};
#[cfg(not(loom))]
pub use frames::{Frames, Sample};
pub use protocol::counts::Counted;
pub use protocol::cursor::{Copied, MessageInfo, Outcome, Start};
#[cfg(not(loom))]
pub use reader::{
    Info, Interrupter, Lag, Message, MessageReader, MessageView, Notifier, Reader, ReaderOptions, RingLayout, Wait,
};
#[cfg(not(loom))]
pub use shm::clock_id;
pub use stream::name::{SHM_DIR, check_name, is_segment_name, shorten};
pub use stream::{
    Attr, Axis, Clock, ClockId, Description, Dtype, Event, EventKind, Format, GenerationClock, Liveness, WriterId,
};
#[cfg(not(loom))]
pub use writer::{Chunk, Closing, Times, Warning, Writer, WriterOptions};

/// For this project's own crates. It carries no promise: any version may change it.
#[doc(hidden)]
pub mod internal {
    #[cfg(not(loom))]
    pub use crate::shm::{ClockPair, clock_is_synchronized, clock_pair, monotonic_ns, unix_ns};
    pub use crate::stream::MAX_RANK;
    pub use crate::stream::name::{MAX_NAME_BYTES, SEGMENT_NAME_BYTES};
    pub use crate::stream::picture;
    #[cfg(not(loom))]
    pub use crate::writer::LazyWriter;
}
