//! What the reading process notes of each message.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::clock::now_ns;
use crate::control::{Control, Stamp, Word};
use crate::message::{Check, word};
use crate::task::{Mode, Task};

/// Where a reader records what it has received.
pub struct Receipts {
    control: Arc<Control>,
    check: Check,
    warm_up: u64,
    stamped: bool,
    /// Where messages are copied to.
    buffer: Vec<u8>,
    /// Measured messages received.
    received: u64,
}

impl Receipts {
    /// No receipts yet.
    pub fn new(task: &Task, control: Arc<Control>) -> Self {
        Self {
            control,
            check: Check::new(task.payload),
            warm_up: task.warm_up,
            stamped: task.mode == Mode::Paced,
            buffer: vec![0; task.payload],
            received: 0,
        }
    }

    /// Whether the writer has sent all there is.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.control.word(Word::Stop).load(Ordering::Relaxed) != 0 || self.has_failed()
    }

    fn has_failed(&self) -> bool {
        self.control.word(Word::Failed).load(Ordering::Relaxed) != 0
    }

    /// The time at which a message becomes known; 0 if it is not measured.
    #[inline]
    pub fn seen_ns(&self) -> u64 {
        if self.stamped { now_ns() } else { 0 }
    }

    /// Copies a message from memory that another process may overwrite, and notes it. `confirm` returns afterwards
    /// whether it stayed whole.
    #[inline]
    pub fn copy(&mut self, seen_ns: u64, copy: impl FnOnce(&mut [u8]), confirm: impl FnOnce() -> bool) {
        let mut buffer = std::mem::take(&mut self.buffer);
        copy(&mut buffer);
        if confirm() {
            self.copied(seen_ns, &buffer);
        }
        self.buffer = buffer;
    }

    /// Notes a message that has been copied.
    #[inline]
    pub fn copied(&mut self, seen_ns: u64, message: &[u8]) {
        let done_ns = self.seen_ns();
        assert!(self.check.is_whole(message), "message {} is not whole", word(message, 0));
        self.note(word(message, 0), seen_ns, done_ns);
    }

    /// Notes a message that was read in place: the sum of its words and its first two.
    #[inline]
    pub fn summed(&mut self, seen_ns: u64, sum: u64, sequence: u64, time_ns: u64) {
        let done_ns = self.seen_ns();
        assert!(self.check.is_sum(sum, sequence, time_ns), "message {sequence} has a wrong sum");
        self.note(sequence, seen_ns, done_ns);
    }

    /// Notes message `sequence`. The stamps are stored first, because the writer may end the run on the
    /// acknowledgement.
    #[inline]
    pub fn note(&mut self, sequence: u64, seen_ns: u64, done_ns: u64) {
        if sequence >= self.warm_up {
            self.received += 1;
            if self.stamped {
                self.control.set_stamp(Stamp::Seen, sequence - self.warm_up, seen_ns);
                self.control.set_stamp(Stamp::Done, sequence - self.warm_up, done_ns);
            }
            self.control.word(Word::Received).store(self.received, Ordering::Relaxed);
        }
        self.control.word(Word::Acknowledged).store(sequence + 1, Ordering::Release);
    }
}
