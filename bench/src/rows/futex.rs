//! The floor of every wake-up: from FUTEX_WAKE until the waiter runs, and nothing else.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::futex;
use rustix::time::Timespec;

use super::{Reader, Row, Writer};
use crate::clock::now_ns;
use crate::control::{Control, Word};
use crate::message::word;
use crate::receipts::Receipts;
use crate::task::{Mode, Task};

pub struct Futex;

impl Row for Futex {
    fn name(&self) -> &'static str {
        "futex"
    }

    fn about(&self) -> &'static str {
        "a bare FUTEX_WAKE of one waiting process, without a payload: the limit of a wake-up"
    }

    fn modes(&self) -> &'static [Mode] {
        &[Mode::Paced]
    }

    // There is no payload, so one case is enough.
    fn fits(&self, payload: usize, _ring: usize) -> bool {
        payload == crate::task::PAYLOADS[0]
    }

    fn warm_up(&self, _task: &Task) -> u64 {
        20
    }

    fn writer(&self, _task: &Task, control: &Arc<Control>) -> eyre::Result<Box<dyn Writer>> {
        Ok(Box::new(Half { control: control.clone() }))
    }

    fn reader(&self, _task: &Task, control: &Arc<Control>) -> eyre::Result<Option<Box<dyn Reader>>> {
        Ok(Some(Box::new(Half { control: control.clone() })))
    }
}

struct Half {
    control: Arc<Control>,
}

impl Writer for Half {
    fn send(&mut self, message: &[u8]) -> eyre::Result<()> {
        self.send_stamped(message)?;
        Ok(())
    }

    #[inline]
    fn send_stamped(&mut self, message: &[u8]) -> eyre::Result<u64> {
        self.control.word(Word::FutexSequence).store(word(message, 0), Ordering::Relaxed);
        let committing = now_ns();
        let wake = self.control.half(Word::Futex);
        wake.store(wake.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
        futex::wake(wake, futex::Flags::empty(), 1)?;
        Ok(committing)
    }
}

impl Reader for Half {
    fn run(self: Box<Self>, mut receipts: Receipts) -> eyre::Result<()> {
        let wake = self.control.half(Word::Futex);
        let mut known = 0;
        while !receipts.is_over() {
            if sleep_on(wake, known)? {
                let seen_ns = receipts.seen_ns();
                known = wake.load(Ordering::Acquire);
                receipts.note(self.control.word(Word::FutexSequence).load(Ordering::Relaxed), seen_ns, 0);
            }
        }
        Ok(())
    }
}

/// Sleeps until `word` differs from `known`, for at most 50 ms. Returns whether it differs.
pub fn sleep_on(word: &std::sync::atomic::AtomicU32, known: u32) -> eyre::Result<bool> {
    let slice = Timespec::try_from(Duration::from_millis(50))?;
    match futex::wait(word, futex::Flags::empty(), known, Some(&slice)) {
        Ok(()) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => Ok(word.load(Ordering::Acquire) != known),
        Err(error) => Err(error.into()),
    }
}
