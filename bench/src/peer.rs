//! One of the two processes of a measurement.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use eyre::WrapErr as _;

use crate::clock::{now_ns, spin_until};
use crate::control::{Control, Stamp, Word};
use crate::message::Source;
use crate::receipts::Receipts;
use crate::role::Role;
use crate::rows::{self, Row, Writer};
use crate::task::{Mode, Task};
use crate::{pin, probe};

/// Time limit for set-up and tear-down, also on a slow machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the writer waits for the reader to acknowledge the last message.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Runs a role.
pub fn run(role: Role, task: &str, control: &Path) -> eyre::Result<()> {
    let task: Task = serde_json::from_str(task).wrap_err("cannot read --task")?;
    let control = Arc::new(Control::open(&PathBuf::from(control))?);
    let row = rows::find(&task.row)?;
    let outcome = match role {
        Role::Write => write(&*row, &task, &control),
        Role::Read => read(&*row, &task, &control),
    };
    if outcome.is_err() {
        control.fail();
    }
    outcome
}

fn write(row: &dyn Row, task: &Task, control: &Arc<Control>) -> eyre::Result<()> {
    let mut writer = row.writer(task, control)?;
    let mut source = Source::new(task.payload);
    pin::pin_to(task.writer_cpu)?;
    control.word(Word::WriterReady).store(1, Ordering::Release);
    control.wait_for(Word::ReaderReady, PATIENCE)?;
    control.set_ns(Word::ProbeBefore, probe::lead(control, 0)?);
    if task.mode.has_reader() {
        writer.wait_for_reader(control)?;
    }

    let held_back = task.mode.has_reader() && !(row.holds_back() && task.mode == Mode::Lossless);
    let mut window = held_back.then(|| Window { control, ahead: task.window(), known: 0 });
    for sequence in 0..task.warm_up {
        if let Some(window) = &mut window {
            window.wait(sequence)?;
        }
        writer.send(source.stamped(sequence, now_ns()))?;
    }
    if task.mode.has_reader() {
        wait_for_all(control, task.warm_up, PATIENCE).wrap_err("the reader does not get through the warm-up")?;
    }
    if task.mode.is_paced() {
        window = None;
    }
    let start = now_ns();
    let sent = match task.mode {
        Mode::Lossless => send_lossless(&mut *writer, &mut source, task, &mut window)?,
        _ => send_stamped(&mut *writer, &mut source, task, control)?,
    };
    let all = task.warm_up + sent;
    if task.mode == Mode::Lossless {
        wait_for_all(control, all, PATIENCE).wrap_err("messages were lost")?;
    }
    control.word(Word::Elapsed).store(now_ns() - start, Ordering::Relaxed);
    control.word(Word::Sent).store(sent, Ordering::Relaxed);
    if task.mode == Mode::Paced {
        // Lost messages are counted rather than waited for without end.
        let _ = wait_for_all(control, all, LAST_WAIT);
    }
    control.word(Word::Stop).store(1, Ordering::Release);
    control.set_ns(Word::ProbeAfter, probe::lead(control, probe::ROUNDS)?);
    Ok(())
}

/// Sends with stamps for each message. The writer's commit time is stamped only if there is a reader to compare it
/// with.
fn send_stamped(writer: &mut dyn Writer, source: &mut Source, task: &Task, control: &Control) -> eyre::Result<u64> {
    let period = if task.mode.is_paced() { task.period_ns() } else { 0 };
    let with_reader = task.mode.has_reader();
    let begin = now_ns();
    for index in 0..task.messages {
        if period > 0 {
            spin_until(begin + (index + 1) * period);
        }
        let started = now_ns();
        if period == 0 && started - begin > task.limit_ns {
            return Ok(index);
        }
        let message = source.stamped(task.warm_up + index, started);
        let mut committing = 0;
        if with_reader {
            committing = writer.send_stamped(message)?;
        } else {
            writer.send(message)?;
        }
        let returned = now_ns();
        control.set_stamp(Stamp::Started, index, started);
        control.set_stamp(Stamp::Committing, index, committing);
        control.set_stamp(Stamp::Returned, index, returned);
    }
    Ok(task.messages)
}

/// Sends back to back, never further ahead of the reader than the window.
fn send_lossless(
    writer: &mut dyn Writer,
    source: &mut Source,
    task: &Task,
    window: &mut Option<Window<'_>>,
) -> eyre::Result<u64> {
    let begin = now_ns();
    for index in 0..task.messages {
        let sequence = task.warm_up + index;
        if let Some(window) = window {
            window.wait(sequence)?;
        }
        let now = now_ns();
        if now - begin > task.limit_ns {
            return Ok(index);
        }
        writer.send(source.stamped(sequence, now))?;
    }
    Ok(task.messages)
}

/// Keeps a writer from overtaking its reader. Loads the reader's word only once the last value is used up.
struct Window<'a> {
    control: &'a Control,
    ahead: u64,
    known: u64,
}

impl Window<'_> {
    #[inline]
    fn wait(&mut self, sequence: u64) -> eyre::Result<()> {
        if sequence < self.known + self.ahead {
            return Ok(());
        }
        let mut deadline = None;
        let mut polls = 0u64;
        loop {
            self.known = self.control.word(Word::Acknowledged).load(Ordering::Acquire);
            if sequence < self.known + self.ahead {
                return Ok(());
            }
            std::hint::spin_loop();
            polls += 1;
            if polls.is_multiple_of(1 << 16) {
                let deadline = *deadline.get_or_insert_with(|| now_ns() + PATIENCE.as_nanos() as u64);
                let failed = self.control.word(Word::Failed).load(Ordering::Relaxed) != 0;
                eyre::ensure!(!failed && now_ns() < deadline, "the reader has stopped at message {}", self.known);
            }
        }
    }
}

/// Spins, because this belongs to the time that is measured.
fn wait_for_all(control: &Control, messages: u64, patience: Duration) -> eyre::Result<()> {
    let deadline = now_ns() + patience.as_nanos() as u64;
    loop {
        let acknowledged = control.word(Word::Acknowledged).load(Ordering::Acquire);
        if acknowledged >= messages {
            return Ok(());
        }
        let failed = control.word(Word::Failed).load(Ordering::Relaxed) != 0;
        eyre::ensure!(!failed && now_ns() < deadline, "{acknowledged} of {messages} messages arrived");
        std::hint::spin_loop();
    }
}

fn read(row: &dyn Row, task: &Task, control: &Arc<Control>) -> eyre::Result<()> {
    control.wait_for(Word::WriterReady, PATIENCE)?;
    let reader = if task.mode.has_reader() { row.reader(task, control)? } else { None };
    let receipts = Receipts::new(task, control.clone());
    pin::pin_to(task.reader_cpu)?;
    control.word(Word::ReaderReady).store(1, Ordering::Release);
    probe::follow(control, 0)?;
    match reader {
        Some(reader) => reader.run(receipts)?,
        // Keep the processor idle until the second probe.
        None => control.wait_for(Word::Stop, PATIENCE)?,
    }
    probe::follow(control, probe::ROUNDS)
}
