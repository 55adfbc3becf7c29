//! One measurement of two processes, and what it gave.

use std::sync::atomic::Ordering;
use std::time::Duration;

use eyre::{WrapErr, ensure};
use serde::{Deserialize, Serialize};

use crate::control::{Control, Stamp, Word};
use crate::probe::Class;
use crate::processes::Processes;
use crate::role::Role;
use crate::rows::{Memcpy, Row};
use crate::statistics::Spread;
use crate::task::{Mode, PAYLOADS, Task};

/// Longest time of one measurement, set-up and warm-up included.
const PATIENCE: Duration = Duration::from_secs(60);
/// The row that does the least.
const PROBED: Memcpy = Memcpy;

/// What one measurement gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Class of the cores' distance, the same before and after.
    pub class: Class,
    /// Cache-line round trip in nanoseconds, before and after.
    pub round_trip_ns: [f64; 2],
    /// Messages sent and received.
    pub sent: u64,
    #[allow(missing_docs)]
    pub received: u64,
    /// Bytes of payload per second, of the flat-out modes.
    pub bytes_per_second: Option<f64>,
    /// Length of the writer's call.
    pub write: Option<Spread>,
    /// From just before the commit until the reader knows of it.
    pub seen: Option<Spread>,
    /// From knowing of it to having copied or summed it.
    pub read: Option<Spread>,
    /// From before the writer's copy to after the reader's.
    pub through: Option<Spread>,
}

impl Measured {
    /// Messages that did not arrive.
    pub fn missed(&self, mode: Mode) -> u64 {
        if mode.has_reader() { self.sent.saturating_sub(self.received) } else { 0 }
    }

    /// A figure by its name.
    pub fn figure(&self, figure: Figure) -> Option<f64> {
        match figure {
            Figure::Write => self.write.map(|spread| spread.p50_ns),
            Figure::Seen => self.seen.map(|spread| spread.p50_ns),
            Figure::Read => self.read.map(|spread| spread.p50_ns),
            Figure::Through => self.through.map(|spread| spread.p50_ns),
            Figure::Throughput => self.bytes_per_second,
        }
    }
}

/// The figures for tables, ratios and pictures: medians in nanoseconds, and bytes per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Figure {
    Write,
    Seen,
    Read,
    Through,
    Throughput,
}

impl Figure {
    /// Its name in conditions.
    pub fn name(self) -> &'static str {
        match self {
            Figure::Write => "write",
            Figure::Seen => "seen",
            Figure::Read => "read",
            Figure::Through => "through",
            Figure::Throughput => "rate",
        }
    }
}

/// Runs `row` once. `None` if the cores' distance was not the same before and after.
pub fn measure(row: &dyn Row, task: &Task) -> eyre::Result<Option<Measured>> {
    if row.probes() {
        return join(&run(row, task)?, task);
    }
    let distance = || distance((task.writer_cpu, task.reader_cpu));
    let before = distance()?;
    let control = run(row, task)?;
    control.set_ns(Word::ProbeBefore, before);
    control.set_ns(Word::ProbeAfter, distance()?);
    join(&control, task)
}

fn run(row: &dyn Row, task: &Task) -> eyre::Result<Control> {
    let stamps = if task.mode == Mode::Lossless { 0 } else { task.messages };
    let control = Control::create(stamps as usize)?;
    let mut processes = Processes::default();
    let outcome = (|| {
        processes.start("writer", &mut row.command(Role::Write, task, &control)?)?;
        processes.start("reader", &mut row.command(Role::Read, task, &control)?)?;
        processes.wait(&control, PATIENCE)
    })();
    drop(processes);
    row.sweep(task);
    outcome.wrap_err_with(|| format!("{} at {} bytes, {}", task.row, task.payload, task.mode.name()))?;
    Ok(control)
}

/// The cache-line round trip between the two processors now, in nanoseconds.
pub fn distance((writer_cpu, reader_cpu): (usize, usize)) -> eyre::Result<f64> {
    let task = Task {
        row: PROBED.name().to_owned(),
        name: format!("dsb-{}-distance", std::process::id()),
        mode: Mode::AloneFlatOut,
        payload: PAYLOADS[0],
        ring: 4 * PAYLOADS[0],
        warm_up: 0,
        messages: 1,
        limit_ns: u64::MAX,
        writer_cpu,
        reader_cpu,
    };
    let control = run(&PROBED, &task)?;
    Ok(control.word(Word::ProbeAfter).load(Ordering::Acquire) as f64 / 1000.0)
}

fn join(control: &Control, task: &Task) -> eyre::Result<Option<Measured>> {
    let value = |word| control.word(word).load(Ordering::Acquire);
    let round_trip_ns = [Word::ProbeBefore, Word::ProbeAfter].map(|word| value(word) as f64 / 1000.0);
    let class = Class::of(round_trip_ns[0]);
    if class != Class::of(round_trip_ns[1]) {
        return Ok(None);
    }
    let (sent, received) = (value(Word::Sent), value(Word::Received));
    ensure!(sent > 0, "nothing was sent");
    if task.mode == Mode::Lossless {
        ensure!(received == sent, "{received} of {sent} messages arrived, expected all of them");
    }
    let between = |from: Stamp, to: Stamp| {
        let of = |stamp, index| control.stamp(stamp, index).map_or(0, |slot| slot.load(Ordering::Relaxed));
        let pairs = (0..sent.min(control.capacity() as u64)).map(|index| (of(from, index), of(to, index)));
        // 0: the row has no such stamp, or the message did not arrive.
        Spread::of(pairs.filter(|(from, to)| *from > 0 && *to > 0).map(|(from, to)| to.saturating_sub(from)).collect())
    };
    let flat_out = !task.mode.is_paced();
    Ok(Some(Measured {
        class,
        round_trip_ns,
        sent,
        received,
        bytes_per_second: flat_out.then(|| (sent * task.payload as u64) as f64 * 1e9 / value(Word::Elapsed) as f64),
        write: between(Stamp::Started, Stamp::Returned),
        seen: between(Stamp::Committing, Stamp::Seen),
        read: between(Stamp::Seen, Stamp::Done),
        through: between(Stamp::Started, Stamp::Done),
    }))
}
