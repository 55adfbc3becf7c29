//! Helper processes of a series: readers, and a writer that stays alive.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::{Args, ValueEnum};
use dora_shm_ring::{Dtype, Frames, Reader, ReaderOptions, Start, Wait};
use eyre::{OptionExt as _, ensure};
use serde::{Deserialize, Serialize};

use super::{chunk, writer};
use crate::clock::now_ns;
use crate::control::{Control, Word};
use crate::pin;

/// Bytes of one frame of a helper's writer.
pub const FRAME_BYTES: usize = 64 << 10;

/// What a helper does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Attaches, reads what is there, and then does nothing
    Idle,
    /// Reads everything, and sleeps in between
    Wait,
    /// Writes two laps, each half of a ring after the reader has read the previous one, and then stays alive
    Write,
    /// Reads one frame and prints when
    FirstFrame,
}

/// A helper, as its command line.
#[derive(Args, Clone, Debug)]
pub struct Helper {
    kind: Kind,
    #[arg(long)]
    name: String,
    #[arg(long)]
    control: Option<PathBuf>,
    #[arg(long)]
    cpu: Option<usize>,
    /// Frames of the writer's ring
    #[arg(long, default_value_t = 0)]
    frames: u64,
}

/// What a `FirstFrame` helper prints: points in time.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct FirstFrame {
    pub main_ns: u64,
    pub read_ns: u64,
}

/// The command of a helper.
pub fn command(kind: Kind, name: &str, control: Option<&Control>, cpu: Option<usize>) -> eyre::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    let kind = kind.to_possible_value().ok_or_eyre("a helper without a name")?;
    command.args(["helper", kind.get_name(), "--name", name]);
    if let Some(path) = control.and_then(Control::path) {
        command.arg("--control").arg(path);
    }
    if let Some(cpu) = cpu {
        command.args(["--cpu", &cpu.to_string()]);
    }
    Ok(command)
}

impl Helper {
    /// Runs the helper in this process.
    pub fn run(&self) -> eyre::Result<()> {
        let main_ns = now_ns();
        if let Some(cpu) = self.cpu {
            pin::pin_to(cpu)?;
        }
        if self.kind == Kind::FirstFrame {
            return self.first_frame(main_ns);
        }
        let control = Control::open(self.control.as_ref().ok_or_eyre("a helper without a control segment")?)?;
        let outcome = match self.kind {
            Kind::Write => self.write(&control),
            _ => self.read(&control),
        };
        if outcome.is_err() {
            control.fail();
        }
        outcome
    }

    fn read(&self, control: &Control) -> eyre::Result<()> {
        let options = ReaderOptions::default().start(Start::Oldest);
        let mut reader = Reader::open(&self.name, options)?;
        let mut frames = Frames::new();
        // The reader is attached once everything written so far has been read.
        while reader.read(&mut frames, u64::MAX)?.is_data() {}
        if self.kind == Kind::Wait {
            // The writer now notices that a reader waits.
            reader.wait(Duration::from_millis(100))?;
        }
        control.word(Word::ReaderReady).fetch_add(1, Ordering::AcqRel);
        if self.kind == Kind::Idle {
            control.sleep_until_stop();
            return Ok(());
        }
        while control.word(Word::Stop).load(Ordering::Acquire) == 0 {
            if reader.wait(Duration::from_secs(1))? == Wait::Ready && reader.read(&mut frames, 16)?.is_data() {
                control.word(Word::Acknowledged).store(reader.position(), Ordering::Release);
            }
        }
        Ok(())
    }

    fn write(&self, control: &Control) -> eyre::Result<()> {
        let mut writer = writer(&self.name, Dtype::U8, &[FRAME_BYTES as u64], self.frames, 1)?;
        control.word(Word::WriterReady).store(1, Ordering::Release);
        control.wait_for(Word::ReaderReady, Duration::from_secs(20))?;
        let samples = vec![1; FRAME_BYTES];
        for position in 0..2 * self.frames {
            let half = (self.frames / 2).max(1);
            if position % half == 0 {
                let read = || control.word(Word::Acknowledged).load(Ordering::Acquire) >= position;
                control.wait_until("the reader", Duration::from_secs(20), read)?;
            }
            writer.write(&chunk(&samples))?;
        }
        control.word(Word::Sent).store(2 * self.frames, Ordering::Release);
        control.sleep_until_stop();
        Ok(())
    }

    fn first_frame(&self, main_ns: u64) -> eyre::Result<()> {
        let options = ReaderOptions::default().start(Start::Last(1));
        let mut reader = Reader::open(&self.name, options)?;
        let mut frames = Frames::new();
        while !reader.read(&mut frames, 1)?.is_data() {
            ensure!(reader.wait(Duration::from_secs(5))? == Wait::Ready, "no frame in five seconds");
        }
        let times = FirstFrame { main_ns, read_ns: now_ns() };
        println!("{}", serde_json::to_string(&times)?);
        Ok(())
    }
}
