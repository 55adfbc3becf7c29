//! The rows: each is one way to bring messages from one process to another, in one file.
//!
//! A row in another program (another language, a whole graph) overrides [`Row::command`] instead of [`Row::writer`] and
//! [`Row::reader`]. Its program maps the control segment and stores the same words and stamps ([`crate::control`]).

mod futex;
mod iceoryx;
mod memcpy;
mod minimal;
mod ours;
mod python;
mod zenoh;

pub use memcpy::Memcpy;
pub use ours::NAME as OURS;

use std::process::Command;
use std::sync::Arc;

use eyre::{bail, eyre};

use crate::control::Control;
use crate::receipts::Receipts;
use crate::role::{self, Role};
use crate::task::{Mode, Task};

/// One way to bring messages from one process to another.
pub trait Row: Sync {
    /// Its name in tables, and what `--only` takes.
    fn name(&self) -> &'static str;

    /// How it is used here, for the page's table: at most a hundred characters.
    fn about(&self) -> &'static str;

    /// In which modes it takes part.
    fn modes(&self) -> &'static [Mode];

    /// Whether it takes part with messages and rings of this size.
    fn fits(&self, _payload: usize, _ring: usize) -> bool {
        true
    }

    /// The row that it is compared with in tables.
    fn floor(&self, mode: Mode) -> &'static str {
        if mode.has_reader() { "minimal" } else { "memcpy" }
    }

    /// Messages before the measured ones: one lap of the ring, and 20.
    fn warm_up(&self, task: &Task) -> u64 {
        task.ring_messages() + 20
    }

    /// Whether it never overwrites what its reader has not read. Other rows are held back by the reader's
    /// acknowledgements if nothing may be lost.
    fn holds_back(&self) -> bool {
        false
    }

    /// Whether its processes measure the cores' distance themselves ([`crate::probe`]). If they cannot, two processes
    /// of this program do so just before and just after.
    fn probes(&self) -> bool {
        true
    }

    /// The writing half, set up.
    fn writer(&self, _task: &Task, _control: &Arc<Control>) -> eyre::Result<Box<dyn Writer>> {
        bail!("row {} runs in another program", self.name())
    }

    /// The reading half, set up after the writing half. `None` if nothing reads.
    fn reader(&self, _task: &Task, _control: &Arc<Control>) -> eyre::Result<Option<Box<dyn Reader>>> {
        bail!("row {} runs in another program", self.name())
    }

    /// The program that runs a role.
    fn command(&self, role: Role, task: &Task, control: &Control) -> eyre::Result<Command> {
        role::command(role, task, control)
    }

    /// Removes what the processes have left, killed or not.
    fn sweep(&self, task: &Task) {
        sweep("/dev/shm", &task.name);
    }
}

/// The writing half of a row.
pub trait Writer {
    /// Waits until the reader is connected, if that takes longer than its set-up.
    fn wait_for_reader(&mut self, _control: &Control) -> eyre::Result<()> {
        Ok(())
    }

    /// Sends a message: one copy, and the step by which readers see it.
    fn send(&mut self, message: &[u8]) -> eyre::Result<()>;

    /// As [`send`](Self::send); returns the time just before the step by which readers see it.
    fn send_stamped(&mut self, message: &[u8]) -> eyre::Result<u64>;
}

/// The reading half of a row.
pub trait Reader {
    /// Receives messages until [`Receipts::is_over`].
    fn run(self: Box<Self>, receipts: Receipts) -> eyre::Result<()>;
}

/// All rows, in the tables' order.
pub fn all() -> Vec<Box<dyn Row>> {
    vec![
        Box::new(Memcpy),
        Box::new(futex::Futex),
        Box::new(minimal::Minimal::Poll),
        Box::new(minimal::Minimal::Futex),
        Box::new(minimal::Minimal::InPlace),
        Box::new(ours::Ours::Poll),
        Box::new(ours::Ours::Wait),
        Box::new(ours::Ours::WaitSpin),
        Box::new(ours::Ours::InPlace),
        Box::new(iceoryx::Iceoryx::Poll),
        Box::new(iceoryx::Iceoryx::Listener),
        Box::new(iceoryx::Iceoryx::InPlace),
        Box::new(zenoh::Zenoh),
        Box::new(python::Python::Ezmsg),
        Box::new(python::Python::Lsl),
    ]
}

/// The row of that name.
pub fn find(name: &str) -> eyre::Result<Box<dyn Row>> {
    all().into_iter().find(|row| row.name() == name).ok_or_else(|| eyre!("there is no row {name:?}"))
}

/// Removes the files in `folder` whose names contain `name`.
fn sweep(folder: &str, name: &str) {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for file in files.filter(|file| file.file_name().to_string_lossy().contains(name)) {
        let _ = std::fs::remove_file(file.path());
    }
}
