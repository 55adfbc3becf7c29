//! Shared memory: the calls to the operating system (files in the shared-memory folder, mappings, locks, waiting,
//! clocks), the words in a mapping, and the only way to open a segment.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64", target_endian = "little")))]
compile_error!(
    "dora-shm needs 64-bit little-endian Linux: its segments are linked under two names and owned by open-file-description locks, which other systems do not have"
);

mod barrier;
mod clock;
mod event;
mod files;
mod fork;
mod lock;
mod mapping;
pub(crate) mod memory;
pub(crate) mod open;
mod wait;

pub(crate) use barrier::{barrier_in_other_threads, register_barrier};
pub use clock::{ClockPair, clock_id, clock_is_synchronized, clock_pair, monotonic_ns, unix_ns};
pub(crate) use event::Event;
pub(crate) use files::{
    FileId, FileStat, Opened, create_anchor, effective_user, free_bytes, link, list, open_segment, random_id,
    read_fully, relink, reserve, set_mode, stat_name, unlink, unlink_if,
};
pub(crate) use fork::{ForkGuard, ProcessGuard};
pub(crate) use lock::{Lock, has_waiter_lock, is_write_locked, take_waiter_lock};
pub(crate) use mapping::{ReadMapping, WriteMapping};
pub(crate) use wait::{WaitEnd, Word, private_wait, private_wait_or, private_wake, wait, wake};
