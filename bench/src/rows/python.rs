//! Packages for Python: both processes are scripts of `bench/peers`, run by the interpreter that has the packages.

use std::path::Path;
use std::process::Command;

use eyre::OptionExt as _;

use super::{Row, sweep};
use crate::control::Control;
use crate::machine::{PYTHON, python};
use crate::role::{self, Role};
use crate::task::{Mode, Task};

/// Bytes of a frame: both packages carry frames (or samples) of channels, here 64 of float32.
const FRAME: usize = 64 * 4;
/// Fewest frames of [`Python::Ezmsg`]'s ring, far more than a measurement has messages.
const LEAST_FRAMES: usize = 1 << 15;

/// One row for each package.
pub enum Python {
    /// ezmsg-tools' shared-memory ring. Its sink's `on_message` is awaited without a graph around it, with a message
    /// made beforehand; its mirror polls without a pause, and what `auto_view` returns is copied out. Both ends run in
    /// Python.
    ///
    /// A message is frames of 64 float32 and at least four frames long, since the mirror never returns a lone frame.
    /// The ring has one frame more than whole messages, and at least [`LEAST_FRAMES`]: the mirror hands the whole ring
    /// out again whenever it stops at the ring's last frame. The row has no lossless mode, since the mirror can skip a
    /// message when it polls during a wrap. The pages are mapped beforehand. With a reader, *write* includes the
    /// microsecond that the commit's stamp costs.
    Ezmsg,
    /// Lab Streaming Layer through pylsl, over TCP and discovery on the loopback device alone, with queues of the
    /// ring's size.
    ///
    /// A message is one `push_chunk` of samples of 64 float32 channels and one blocking `pull_chunk` into an existing
    /// buffer. `pull_chunk` returns after its copy, so *seen* includes the copy and starts before `push_chunk`. A
    /// message counts as missed if a full queue dropped one of its samples.
    Lsl,
}

impl Row for Python {
    fn name(&self) -> &'static str {
        match self {
            Python::Ezmsg => "ezmsg",
            Python::Lsl => "lsl",
        }
    }

    fn about(&self) -> &'static str {
        match self {
            Python::Ezmsg => "ezmsg-tools' ring, both ends in Python; the mirror polls and copies out",
            Python::Lsl => "Lab Streaming Layer over TCP on one machine, both ends in Python",
        }
    }

    fn modes(&self) -> &'static [Mode] {
        match self {
            Python::Ezmsg => &[Mode::AlonePaced, Mode::Paced],
            Python::Lsl => &[Mode::Paced, Mode::Lossless],
        }
    }

    fn fits(&self, payload: usize, ring: usize) -> bool {
        let frames = payload / FRAME;
        let whole = payload.is_multiple_of(FRAME) && frames > 0;
        match self {
            Python::Ezmsg => whole && frames > 1 && ring / FRAME >= LEAST_FRAMES,
            Python::Lsl => whole,
        }
    }

    fn floor(&self, mode: Mode) -> &'static str {
        match (self, mode) {
            (Python::Lsl, Mode::Paced) => "minimal-futex",
            _ if mode.has_reader() => "minimal",
            _ => "memcpy",
        }
    }

    fn warm_up(&self, task: &Task) -> u64 {
        (task.ring_messages() + 20).min(2000)
    }

    fn probes(&self) -> bool {
        false
    }

    fn command(&self, role: Role, task: &Task, control: &Control) -> eyre::Result<Command> {
        let python = python().ok_or_eyre(format!(
            "{PYTHON} does not name a Python with the packages of row {}; run `cargo xtask bench`, which makes one \
             and sets it",
            task.row
        ))?;
        let mut described = serde_json::to_value(task)?;
        described["period_ns"] = task.period_ns().into();
        described["ring_messages"] = task.ring_messages().into();
        described["window"] = task.window().into();
        let mut command = Command::new(python);
        command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/peer.py"));
        role::add_arguments(&mut command, role, described, control)?;
        // Python's resource tracker takes a reader of shared memory for its owner, and warns at its end.
        command.env("PYTHONWARNINGS", "ignore::UserWarning");
        Ok(command)
    }

    fn sweep(&self, task: &Task) {
        for name in ["", "/buffer0", "/meta1"].map(|part| format!("{}{part}", task.name)) {
            sweep("/dev/shm", &dora_shm_ring::shorten(&name));
        }
    }
}
