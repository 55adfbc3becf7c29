//! The limit of every write: the copy alone, into a ring that is mapped and present.

use std::sync::Arc;

use super::{Reader, Row, Writer};
use crate::clock::now_ns;
use crate::control::Control;
use crate::shared::Shared;
use crate::task::{Mode, Task};

pub struct Memcpy;

impl Row for Memcpy {
    fn name(&self) -> &'static str {
        "memcpy"
    }

    fn about(&self) -> &'static str {
        "a bare copy into a mapped ring whose pages are present, without a reader: the limit of a write"
    }

    fn modes(&self) -> &'static [Mode] {
        &[Mode::AloneFlatOut, Mode::AlonePaced]
    }

    fn writer(&self, task: &Task, _control: &Arc<Control>) -> eyre::Result<Box<dyn Writer>> {
        let slots = task.ring_messages() as usize;
        Ok(Box::new(Ring { memory: Shared::create(&task.name, slots * task.payload)?, next: 0 }))
    }

    fn reader(&self, _task: &Task, _control: &Arc<Control>) -> eyre::Result<Option<Box<dyn Reader>>> {
        Ok(None)
    }
}

struct Ring {
    memory: Shared,
    /// Offset of the next message.
    next: usize,
}

impl Writer for Ring {
    #[inline]
    fn send(&mut self, message: &[u8]) -> eyre::Result<()> {
        if self.next + message.len() > self.memory.length() {
            self.next = 0;
        }
        // SAFETY: in bounds by the line above; no other process maps this memory.
        unsafe {
            let to = self.memory.start().add(self.next);
            std::ptr::copy_nonoverlapping(message.as_ptr(), to, message.len());
        }
        self.next += message.len();
        Ok(())
    }

    fn send_stamped(&mut self, message: &[u8]) -> eyre::Result<u64> {
        self.send(message)?;
        Ok(now_ns())
    }
}
