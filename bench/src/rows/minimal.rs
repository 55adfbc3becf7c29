//! The floor of a polling reader, and of a waiting one: a sequence-locked ring and nothing else. One writer, one
//! reader; no names, checks or lengths, and no handling of a process that dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use rustix::thread::futex;

use super::futex::sleep_on;
use super::{Reader, Row, Writer};
use crate::clock::now_ns;
use crate::control::Control;
use crate::message::{sum_words, word};
use crate::receipts::Receipts;
use crate::shared::Shared;
use crate::task::{Mode, Task};

/// Bytes before the slots: messages committed, and the futex word, each on its own lines.
const HEAD: usize = 256;
const WAKE: usize = 128;
/// Bytes before each message: its lock, which is twice its number, plus one while it is written.
const SLOT_HEAD: usize = 64;

#[derive(Clone, Copy, PartialEq)]
pub enum Minimal {
    Poll,
    Futex,
    InPlace,
}

impl Row for Minimal {
    fn name(&self) -> &'static str {
        match self {
            Self::Poll => "minimal",
            Self::Futex => "minimal-futex",
            Self::InPlace => "minimal-in-place",
        }
    }

    fn about(&self) -> &'static str {
        match self {
            Self::Poll => "a sequence-locked ring in a hundred lines; the reader polls and copies out",
            Self::Futex => "the hundred lines; a futex wakes the reader at each message",
            Self::InPlace => "the hundred lines; the reader polls and sums each message in place",
        }
    }

    fn floor(&self, mode: Mode) -> &'static str {
        match self {
            _ if !mode.has_reader() => "memcpy",
            Self::Poll => "minimal",
            Self::Futex => "minimal-futex",
            Self::InPlace => "minimal-in-place",
        }
    }

    fn modes(&self) -> &'static [Mode] {
        match self {
            Self::Poll => &Mode::ALL,
            Self::Futex => &[Mode::AloneFlatOut, Mode::AlonePaced, Mode::Paced],
            Self::InPlace => &[Mode::Paced, Mode::Lossless],
        }
    }

    fn writer(&self, task: &Task, _control: &Arc<Control>) -> eyre::Result<Box<dyn Writer>> {
        let ring = Ring::new(task, Shared::create(&task.name, HEAD + task.ring_messages() as usize * stride(task))?);
        Ok(Box::new(Half { ring, next: 0, how: *self }))
    }

    fn reader(&self, task: &Task, _control: &Arc<Control>) -> eyre::Result<Option<Box<dyn Reader>>> {
        Ok(Some(Box::new(Half { ring: Ring::new(task, Shared::open(&task.name)?), next: 0, how: *self })))
    }
}

fn stride(task: &Task) -> usize {
    SLOT_HEAD + task.payload.next_multiple_of(64)
}

struct Ring {
    memory: Shared,
    slots: u64,
    stride: usize,
    payload: usize,
}

impl Ring {
    fn new(task: &Task, memory: Shared) -> Self {
        Self { memory, slots: task.ring_messages(), stride: stride(task), payload: task.payload }
    }

    fn committed(&self) -> &AtomicU64 {
        // SAFETY: the first word of the mapping, aligned, used as an atomic only.
        unsafe { AtomicU64::from_ptr(self.memory.start().cast()) }
    }

    fn wake(&self) -> &AtomicU32 {
        // SAFETY: inside the head, aligned, used as an atomic only.
        unsafe { AtomicU32::from_ptr(self.memory.start().add(WAKE).cast()) }
    }

    /// A message's lock, and where its bytes are.
    #[inline]
    fn slot(&self, number: u64) -> (&AtomicU64, *mut u8) {
        let offset = HEAD + (number % self.slots) as usize * self.stride;
        // SAFETY: `slots` slots of `stride` bytes follow the head; the lock is aligned and used as an atomic only.
        unsafe {
            let start = self.memory.start().add(offset);
            (AtomicU64::from_ptr(start.cast()), start.add(SLOT_HEAD))
        }
    }
}

struct Half {
    ring: Ring,
    next: u64,
    how: Minimal,
}

impl Writer for Half {
    fn send(&mut self, message: &[u8]) -> eyre::Result<()> {
        self.write(message, || 0)?;
        Ok(())
    }

    fn send_stamped(&mut self, message: &[u8]) -> eyre::Result<u64> {
        self.write(message, now_ns)
    }
}

impl Half {
    #[inline]
    fn write(&mut self, message: &[u8], clock: impl Fn() -> u64) -> eyre::Result<u64> {
        let (lock, to) = self.ring.slot(self.next);
        lock.store(2 * self.next + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        // SAFETY: a slot has room for a message, and all have the same length. The reader may copy at the same time; it
        // discards what the lock shows to be torn.
        unsafe { std::ptr::copy_nonoverlapping(message.as_ptr(), to, self.ring.payload.min(message.len())) };
        let committing = clock();
        lock.store(2 * self.next, Ordering::Release);
        self.next += 1;
        self.ring.committed().store(self.next, Ordering::Release);
        if self.how == Minimal::Futex {
            self.ring.wake().store(self.next as u32, Ordering::Release);
            futex::wake(self.ring.wake(), futex::Flags::empty(), 1)?;
        }
        Ok(committing)
    }

    /// Waits for message `next`; `false` when there will be none.
    #[inline]
    fn wait(&self, receipts: &Receipts) -> eyre::Result<bool> {
        while self.ring.committed().load(Ordering::Acquire) <= self.next {
            if receipts.is_over() {
                return Ok(false);
            }
            if self.how == Minimal::Futex {
                sleep_on(self.ring.wake(), self.next as u32)?;
            }
        }
        Ok(true)
    }
}

impl Reader for Half {
    fn run(mut self: Box<Self>, mut receipts: Receipts) -> eyre::Result<()> {
        while self.wait(&receipts)? {
            let seen_ns = receipts.seen_ns();
            let (lock, from) = self.ring.slot(self.next);
            let before = lock.load(Ordering::Acquire);
            let whole = || {
                fence(Ordering::Acquire);
                before == 2 * self.next && lock.load(Ordering::Relaxed) == before
            };
            // SAFETY: a slot holds a message. The writer may store to it at the same time; what was read is then
            // discarded.
            let message = unsafe { std::slice::from_raw_parts(from, self.ring.payload) };
            if self.how == Minimal::InPlace {
                let (sum, sequence, time_ns) = (sum_words(message), word(message, 0), word(message, 1));
                if whole() {
                    receipts.summed(seen_ns, sum, sequence, time_ns);
                }
            } else {
                receipts.copy(seen_ns, |to| to.copy_from_slice(message), whole);
            }
            self.next += 1;
        }
        Ok(())
    }
}
