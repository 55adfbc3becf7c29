//! dora-shm-ring, through its public interface.

use std::sync::Arc;
use std::time::Duration;

use dora_shm_ring as ring;
use dora_shm_ring::{Chunk, Description, Dtype, Format, Frames, Outcome, ReaderOptions, Times, Wait, WriterOptions};

use super::{Reader, Row, Writer};
use crate::control::Control;
use crate::message::{sum_words, word};
use crate::receipts::Receipts;
use crate::task::{Mode, Task};

/// Name of its first row.
pub const NAME: &str = "dora-shm";

/// Most bytes of one read: small messages that have piled up are read together.
const READ_BYTES: usize = 1 << 20;
const SLICE: Duration = Duration::from_millis(50);
/// What a reader that spins may spend on each side of a message's time: twice what a waiting reader needs to wake up.
const SPIN: Duration = Duration::from_micros(200);
const NO_TIMES: Times<'static> = Times::Linear { start: 0.0, step: 0.0 };

#[derive(Clone, Copy, PartialEq)]
pub enum Ours {
    Poll,
    Wait,
    WaitSpin,
    InPlace,
}

impl Row for Ours {
    fn name(&self) -> &'static str {
        match self {
            Self::Poll => NAME,
            Self::Wait => "dora-shm-wait",
            Self::WaitSpin => "dora-shm-wait-spin",
            Self::InPlace => "dora-shm-in-place",
        }
    }

    fn about(&self) -> &'static str {
        match self {
            Self::Poll => "dora-shm: the reader polls and copies out",
            Self::Wait => "dora-shm: the reader sleeps until it is woken, then copies out",
            Self::WaitSpin => "dora-shm: the reader sleeps until 0.2 ms before a message is due (`spin`), then polls",
            Self::InPlace => "dora-shm: the reader polls and sums each message in place",
        }
    }

    fn floor(&self, mode: Mode) -> &'static str {
        match self {
            _ if !mode.has_reader() => "memcpy",
            Self::Poll => "minimal",
            Self::Wait | Self::WaitSpin => "minimal-futex",
            Self::InPlace => "minimal-in-place",
        }
    }

    fn modes(&self) -> &'static [Mode] {
        match self {
            Self::Poll => &Mode::ALL,
            Self::Wait | Self::WaitSpin => &[Mode::Paced],
            Self::InPlace => &[Mode::Paced, Mode::Lossless],
        }
    }

    fn writer(&self, task: &Task, _control: &Arc<Control>) -> eyre::Result<Box<dyn Writer>> {
        Ok(Box::new(Sender { writer: create(task)? }))
    }

    fn reader(&self, task: &Task, _control: &Arc<Control>) -> eyre::Result<Option<Box<dyn Reader>>> {
        let spin = if *self == Self::WaitSpin { SPIN } else { Duration::ZERO };
        let mut reader = ring::Reader::open(&task.name, ReaderOptions::default().spin(spin))?;
        if matches!(self, Self::Wait | Self::WaitSpin) {
            // The writer notices within 250 ms that a reader waits, and wakes it from then on.
            reader.wait(Duration::from_millis(500))?;
        }
        let batch = (READ_BYTES / task.payload).max(1) as u64;
        let stamped = task.mode == Mode::Paced;
        Ok(Some(Box::new(Receiver { reader, batch, payload: task.payload, stamped, how: *self })))
    }

    fn sweep(&self, task: &Task) {
        // Takes over what a killed writer left, and closes it.
        drop(ring::Writer::create(&task.name, WriterOptions::default()));
    }
}

/// A writer whose ring is that of the task.
pub fn create(task: &Task) -> eyre::Result<ring::Writer> {
    let mut writer = ring::Writer::create(&task.name, WriterOptions::default())?;
    let format = Format::new(Dtype::U8, &[task.payload as u64], 0.0, task.ring_messages())?;
    writer.begin(&format, &Description::default(), 1)?;
    Ok(writer)
}

struct Sender {
    writer: ring::Writer,
}

impl Writer for Sender {
    #[inline]
    fn send(&mut self, message: &[u8]) -> eyre::Result<()> {
        Ok(self.writer.write(&Chunk { samples: message, times: NO_TIMES, send_ns: 0 })?)
    }

    #[inline]
    fn send_stamped(&mut self, message: &[u8]) -> eyre::Result<u64> {
        self.send(message)?;
        // This time is taken after the copy and before the commit, as in the other rows.
        Ok(self.writer.committed_ns())
    }
}

struct Receiver {
    reader: ring::Reader,
    /// Most frames of one read.
    batch: u64,
    payload: usize,
    stamped: bool,
    how: Ours,
}

impl Reader for Receiver {
    fn run(mut self: Box<Self>, receipts: Receipts) -> eyre::Result<()> {
        match self.how {
            Ours::Poll => self.poll(receipts),
            Ours::Wait | Ours::WaitSpin => self.wait(receipts),
            Ours::InPlace => self.in_place(receipts),
        }
    }
}

impl Receiver {
    fn poll(&mut self, mut receipts: Receipts) -> eyre::Result<()> {
        let mut frames = Frames::new();
        while !receipts.is_over() {
            if !self.stamped {
                self.read(&mut frames, 0, &mut receipts)?;
                continue;
            }
            // `read` returns after its copy, so only a view shows when a message was seen.
            let Outcome::Data(view) = self.reader.view(1)? else { continue };
            let seen_ns = receipts.seen_ns();
            // A frame never wraps.
            let [message, _] = view.samples();
            receipts.copy(seen_ns, |to| message.copy_to(to), || !self.reader.finish(view).is_empty());
        }
        Ok(())
    }

    fn wait(&mut self, mut receipts: Receipts) -> eyre::Result<()> {
        let mut frames = Frames::new();
        while !receipts.is_over() {
            if self.reader.wait(SLICE)? == Wait::Ready {
                let seen_ns = receipts.seen_ns();
                self.read(&mut frames, seen_ns, &mut receipts)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn read(&mut self, frames: &mut Frames, seen_ns: u64, receipts: &mut Receipts) -> eyre::Result<()> {
        if self.reader.read(frames, self.batch)?.is_data() {
            for message in frames.samples().chunks_exact(self.payload) {
                receipts.copied(seen_ns, message);
            }
        }
        Ok(())
    }

    fn in_place(&mut self, mut receipts: Receipts) -> eyre::Result<()> {
        let mut sums = Vec::new();
        while !receipts.is_over() {
            let Outcome::Data(view) = self.reader.view(self.batch)? else { continue };
            let seen_ns = receipts.seen_ns();
            let first = view.first();
            sums.clear();
            for part in view.samples() {
                // SAFETY: the writer may overwrite the bytes, as for any reader in place: each byte is read once, and
                // nothing depends on it before the view has been found whole.
                let messages = unsafe { part.as_slice() }.chunks_exact(self.payload);
                sums.extend(messages.map(|message| (sum_words(message), word(message, 0), word(message, 1))));
            }
            let whole = self.reader.finish(view);
            for position in whole {
                let (sum, sequence, time_ns) = sums[(position - first) as usize];
                receipts.summed(seen_ns, sum, sequence, time_ns);
            }
        }
        Ok(())
    }
}
