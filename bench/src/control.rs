//! The control segment: how the two processes of a measurement communicate besides the messages that are measured.
//!
//! Every word has 128 bytes of its own (two lines, because processors fetch them in pairs). After the words come five
//! arrays with one stamp per message, which are joined by the message's number afterwards. A program in another
//! language takes part by mapping the file that `--control` names and using the offsets below.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use eyre::{WrapErr, bail};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::thread::futex;
use rustix::time::Timespec;

use crate::shared::Shared;

/// Distance between two words, and their order.
const WORD_STRIDE: usize = 128;
const WORDS: usize = 32;

/// A word; its offset is its number times 128. All are 64-bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Word {
    /// 1 once the writer is set up.
    WriterReady = 0,
    /// 1 once the reader is set up.
    ReaderReady,
    /// 1 once one of the processes has failed: the other gives up.
    Failed,
    /// The probe's two words.
    Ping,
    Pong,
    /// Messages received so far, counted from the first one of the warm-up; the reader stores it after each.
    Acknowledged,
    /// 1 once the writer has sent all messages, and the reader has acknowledged all or the writer has given up waiting.
    Stop,
    /// Round trip of a cache line before and after the measurement, in ns x 1000.
    ProbeBefore,
    ProbeAfter,
    /// Messages sent and received after the warm-up.
    Sent,
    Received,
    /// Nanoseconds from the first measured message's start to the last one's acknowledgement (or, without a reader, its
    /// sending).
    Elapsed,
    /// For the row that measures a bare wake: the futex word, which has the message's number.
    Futex,
    FutexSequence,
}

/// One array of stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Stamp {
    /// Before the writer's copy.
    Started = 0,
    /// Just before the step by which readers see the message.
    Committing,
    /// After the writer's call has returned.
    Returned,
    /// When the reader knows of the message.
    Seen,
    /// When the reader has copied or summed all of it.
    Done,
}

const STAMPS: usize = 5;

/// The mapped segment.
pub struct Control {
    memory: Shared,
    capacity: usize,
    /// The creator's descriptor, by which the other processes open it.
    file: Option<File>,
}

impl Control {
    /// A segment with room for the stamps of `capacity` messages. It has no name, so that nothing can be left behind.
    pub fn create(capacity: usize) -> eyre::Result<Self> {
        let descriptor: OwnedFd =
            memfd_create("dora-shm-bench", MemfdFlags::CLOEXEC).wrap_err("cannot create the control segment")?;
        let file = File::from(descriptor);
        file.set_len((WORD_STRIDE * WORDS + STAMPS * capacity * 8) as u64)?;
        Ok(Self { memory: Shared::from_file(&file)?, capacity, file: Some(file) })
    }

    /// The path by which children open it.
    pub fn path(&self) -> Option<PathBuf> {
        let descriptor = self.file.as_ref()?.as_raw_fd();
        Some(PathBuf::from(format!("/proc/{}/fd/{descriptor}", std::process::id())))
    }

    /// Maps the segment of the program that started this one.
    pub fn open(path: &Path) -> eyre::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = file.wrap_err_with(|| format!("cannot open the control segment {}", path.display()))?;
        let memory = Shared::from_file(&file)?;
        let capacity = (memory.length() - WORD_STRIDE * WORDS) / 8 / STAMPS;
        Ok(Self { memory, capacity, file: None })
    }

    /// Messages that have stamps.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// A word.
    #[inline]
    pub fn word(&self, word: Word) -> &AtomicU64 {
        self.at(word as usize * WORD_STRIDE)
    }

    /// Stores a time, in the unit of the probe's words.
    pub fn set_ns(&self, word: Word, time_ns: f64) {
        self.word(word).store((time_ns * 1000.0) as u64, Ordering::Release);
    }

    /// The lower half of a word, for a futex.
    #[inline]
    pub fn half(&self, word: Word) -> &AtomicU32 {
        // SAFETY: the lower four of a word's eight aligned bytes, mapped as long as `self` lives.
        unsafe { AtomicU32::from_ptr(self.memory.start().add(word as usize * WORD_STRIDE).cast()) }
    }

    /// Message `index`'s stamp; `None` beyond the capacity.
    #[inline]
    pub fn stamp(&self, stamp: Stamp, index: u64) -> Option<&AtomicU64> {
        let index = usize::try_from(index).ok().filter(|&index| index < self.capacity)?;
        Some(self.at(WORD_STRIDE * WORDS + (stamp as usize * self.capacity + index) * 8))
    }

    /// Stores message `index`'s stamp, if it has one.
    #[inline]
    pub fn set_stamp(&self, stamp: Stamp, index: u64, time_ns: u64) {
        if let Some(slot) = self.stamp(stamp, index) {
            slot.store(time_ns, Ordering::Relaxed);
        }
    }

    fn at(&self, offset: usize) -> &AtomicU64 {
        assert!(offset + 8 <= self.memory.length());
        // SAFETY: in bounds and aligned; mapped as long as `self` lives; only ever used as an atomic.
        unsafe { AtomicU64::from_ptr(self.memory.start().add(offset).cast()) }
    }

    /// Records that this process has failed.
    pub fn fail(&self) {
        self.word(Word::Failed).store(1, Ordering::Release);
        let _ = futex::wake(self.half(Word::Stop), futex::Flags::empty(), i32::MAX as u32);
    }

    /// Ends [`sleep_until_stop`](Self::sleep_until_stop) in all processes.
    pub fn stop(&self) {
        self.word(Word::Stop).store(1, Ordering::Release);
        let _ = futex::wake(self.half(Word::Stop), futex::Flags::empty(), i32::MAX as u32);
    }

    /// Sleeps until the stop, a failure of a process, or a minute has passed.
    pub fn sleep_until_stop(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        // Long, because wake-ups are counted meanwhile.
        let slice = Timespec { tv_sec: 60, tv_nsec: 0 };
        let going_on = || self.word(Word::Stop).load(Ordering::Acquire) == 0;
        while going_on() && self.word(Word::Failed).load(Ordering::Acquire) == 0 && Instant::now() < deadline {
            let _ = futex::wait(self.half(Word::Stop), futex::Flags::empty(), 0, Some(&slice));
        }
    }

    /// Waits until `word` is not 0, for set-up and tear-down, where a millisecond does not matter.
    pub fn wait_for(&self, word: Word, patience: Duration) -> eyre::Result<()> {
        self.wait_until(&format!("{word:?}"), patience, || self.word(word).load(Ordering::Acquire) != 0)
    }

    /// Waits until `condition` holds.
    pub fn wait_until(&self, what: &str, patience: Duration, condition: impl Fn() -> bool) -> eyre::Result<()> {
        let deadline = Instant::now() + patience;
        while !condition() {
            if self.word(Word::Failed).load(Ordering::Acquire) != 0 {
                bail!("the other process has failed");
            }
            if Instant::now() > deadline {
                bail!("waited {patience:?} for {what} without success");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}
