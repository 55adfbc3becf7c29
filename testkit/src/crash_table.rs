//! The crash table of `SPEC.md`: for each failpoint of the ring, the state of a stream's files after its writer died
//! there, and what the next writer does.

use std::collections::BTreeSet;
use std::path::Path;

use crate::programs::root;
use crate::segments::{self, Names, Snapshot};

/// What the next writer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Creates a new stream, since no header with a magic is left.
    Create,
    /// Continues the same stream.
    TakeOver,
    /// Removes what is left of a closed stream, then creates a new one.
    FinishThenCreate,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The failpoint.
    pub label: &'static str,
    /// Highest number of passings that a storm of writes still reaches soon.
    pub passings: u64,
    /// What the next writer does.
    pub next: Next,
    /// Checks what is special to the row. The error gives what was found and what was expected.
    pub check: fn(&Death) -> Result<(), String>,
}

/// The state of a stream's files after a writer's death.
#[derive(Clone, Debug)]
pub struct Death<'a> {
    /// The stream.
    pub name: &'a str,
    /// The stream before the writer that died was started.
    pub before: Snapshot,
    /// The stream now.
    pub now: Snapshot,
    /// Files of the stream that are left in shared memory.
    pub left: Vec<String>,
}

impl Row {
    /// The row of a failpoint.
    pub fn of(label: &str) -> Option<&'static Row> {
        ROWS.iter().find(|row| row.label == label)
    }

    /// Whether the writer that dies must find a dead stream: it takes the stream over, or the check needs readers that
    /// are attached already, since readers that attach later do not see the end.
    pub fn needs_a_dead_stream(&self) -> bool {
        self.label.starts_with('T') || self.label == "S11-spared" || self.next == Next::FinishThenCreate
    }

    /// The failpoint at which the writer before must die, and the least number of its passings, so that the next one
    /// reaches this row's failpoint. `None`: any.
    pub fn needs_a_death_at(&self) -> Option<(&'static str, u64)> {
        match self.label {
            "T3-half" => Some(("S5", 1)),
            "T3-metadata" => Some(("M1", 2)),
            // Of a description that is not the first.
            "S11-spared" => Some(("M3", 2)),
            _ => None,
        }
    }

    /// Which rings the writer that dies has to keep.
    pub fn keeps(&self) -> Keeps {
        match self.label {
            "kept-half" | "kept" => Keeps::Briefly,
            "K5-kept" => Keeps::Long,
            _ => Keeps::None,
        }
    }
}

/// Which rings a writer keeps when they are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// None, so that the names of the rings do not depend on how fast the writer is.
    None,
    /// All, for a millisecond.
    Briefly,
    /// All, until others need the room.
    Long,
    /// Eight of the smallest rings, until others need the room. No ring can be larger than these together.
    Eight,
}

impl Keeps {
    /// The option of the roles `writer` and `storm`.
    pub fn option(self) -> &'static str {
        match self {
            Self::None => "young=0,0",
            Self::Briefly => "young=3600000,1",
            Self::Long => "young=3600000,3600000",
            Self::Eight => "young=3600000,3600000 bytes=131072",
        }
    }
}

impl Death<'_> {
    fn ring(&self, step: i64) -> Names {
        // No test creates so many generations that the number wraps.
        let generation = self.now.generation.map_or(-1, i64::from) + step;
        u32::try_from(generation).map_or(Names::NONE, |generation| Names::of(&segments::ring(self.name, generation)))
    }

    fn metadata(&self, step: i64) -> Names {
        let meta_generation = i64::from(self.now.meta_generation) + step;
        match u32::try_from(meta_generation) {
            Ok(meta_generation) if meta_generation > 0 => Names::of(&segments::metadata(self.name, meta_generation)),
            _ => Names::NONE,
        }
    }
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: &[T]) -> Result<(), String> {
    if expected.contains(&found) { Ok(()) } else { Err(format!("{what}: {found:?}, expected one of {expected:?}")) }
}

const BOTH: &[Names] = &[Names::BOTH];
const ANCHOR: &[Names] = &[Names::ANCHOR];
const NONE: &[Names] = &[Names::NONE];

fn nothing_special(_: &Death) -> Result<(), String> {
    Ok(())
}

fn unmade(death: &Death) -> Result<(), String> {
    expect("anchor", death.now.anchor, &[true])?;
    expect("magic", death.now.magic, &[false])?;
    expect("public name", death.now.public, &[false])
}

fn unlinked(death: &Death) -> Result<(), String> {
    expect("magic", death.now.magic, &[true])?;
    expect("public name", death.now.public, &[false])?;
    expect("generation", death.now.generation, &[None])?;
    expect("epoch", death.now.epoch, &[1])
}

fn waiting(death: &Death) -> Result<(), String> {
    expect("public name", death.now.public, &[true])?;
    expect("generation", death.now.generation, &[None])?;
    expect("epoch", death.now.epoch, &[1])
}

/// The header names generation g. The ring of g + 1 has these names.
fn next_ring(death: &Death, names: &[Names]) -> Result<(), String> {
    if death.now.generation.is_some() {
        expect("names of the current ring", death.ring(0), BOTH)?;
    }
    expect("names of the next ring", death.ring(1), names)
}

/// The header names the new generation, which is empty. The previous ring, if there was one, has these names.
fn last_ring(death: &Death, names: &[Names]) -> Result<(), String> {
    expect("names of the current ring", death.ring(0), BOTH)?;
    expect("frames in the new ring", (death.now.committed, death.now.reserved), &[(0, 0)])?;
    if death.now.generation > Some(0) {
        expect("names of the previous ring", death.ring(-1), names)?;
    }
    Ok(())
}

fn next_metadata(death: &Death, names: &[Names]) -> Result<(), String> {
    expect("names of the next description", death.metadata(1), names)
}

fn last_metadata(death: &Death, names: &[Names]) -> Result<(), String> {
    expect("names of the current description", death.metadata(0), BOTH)?;
    if death.now.meta_generation > 1 {
        expect("names of the previous description", death.metadata(-1), names)?;
    }
    Ok(())
}

/// The chunk is reserved or recorded, but not committed: for readers it never existed.
fn chunk_pending(death: &Death) -> Result<(), String> {
    expect("reserved_chunks", death.now.reserved_chunks, &[death.now.committed_chunks + 1])?;
    expect("reserved >= committed", death.now.reserved >= death.now.committed, &[true])
}

fn chunk_recorded(death: &Death) -> Result<(), String> {
    expect("reserved_chunks", death.now.reserved_chunks, &[death.now.committed_chunks])?;
    expect("reserved >= committed", death.now.reserved >= death.now.committed, &[true])
}

fn chunk_complete(death: &Death) -> Result<(), String> {
    expect("reserved_chunks", death.now.reserved_chunks, &[death.now.committed_chunks])?;
    expect("reserved", death.now.reserved, &[death.now.committed])
}

fn closed(death: &Death, ring: &[Names], metadata: &[Names]) -> Result<(), String> {
    expect("closed", death.now.closed, &[true])?;
    expect("names of the ring", death.ring(0), ring)?;
    expect("names of the description", death.metadata(0), metadata)
}

/// The same stream, as the takeover found it.
fn taking_over(death: &Death, epochs: u32) -> Result<(), String> {
    let stream = |snapshot: &Snapshot| (snapshot.stream_id, snapshot.generation, snapshot.total());
    expect("stream", stream(&death.now), &[stream(&death.before)])?;
    expect("closed", death.now.closed, &[false])?;
    expect("epoch", death.now.epoch, &[death.before.epoch + epochs])
}

/// The epoch has grown, and who counts is still the writer before: nobody's counts are shown.
fn uncounted(death: &Death) -> Result<(), String> {
    taking_over(death, 1)?;
    expect("counted_by", death.now.counted_by, &[death.before.counted_by])
}

fn counting(death: &Death) -> Result<(), String> {
    taking_over(death, 1)?;
    expect("counted_by", death.now.counted_by, &[death.now.epoch])?;
    expect("counts", death.now.counts, &[[0; 3]])
}

/// The steps from the current segments to those that a dead writer can have left.
const NEIGHBOURS: std::ops::RangeInclusive<i64> = -128..=1;

fn neighbours_gone(death: &Death) -> Result<(), String> {
    counting(death)?;
    for step in NEIGHBOURS.filter(|&step| step != 0) {
        expect("names of the neighbouring rings", death.ring(step), NONE)?;
        let number = i64::from(death.now.meta_generation) + step;
        if number != i64::from(death.now.committed_meta_generation) {
            expect("names of the neighbouring descriptions", death.metadata(step), NONE)?;
        }
    }
    Ok(())
}

/// In the middle of removing orphans, by a takeover or while a closed stream is finished.
fn removing_orphans(death: &Death) -> Result<(), String> {
    if death.now.closed { Ok(()) } else { taking_over(death, 1) }
}

/// The current ring is whole, and one of the kept rings has lost its public name, or has been removed.
fn removing_a_kept_ring(death: &Death, halves: usize) -> Result<(), String> {
    expect("names of the current ring", death.ring(0), BOTH)?;
    let kept: Vec<Names> = (1..=129).map(|back| death.ring(-back)).filter(|names| *names != Names::NONE).collect();
    expect("kept rings with one name", kept.iter().filter(|names| **names == Names::ANCHOR).count(), &[halves])?;
    expect("kept rings without an anchor", kept.iter().filter(|names| !names.anchor).count(), &[0])
}

const fn row(label: &'static str, passings: u64, next: Next, check: fn(&Death) -> Result<(), String>) -> Row {
    Row { label, passings, next, check }
}

/// A stream has hundreds of writes before it is closed, and tens of generations.
const WRITES: u64 = 300;
const SWITCHES: u64 = 8;

/// Every failpoint except [`ON_AN_ERROR`].
pub const ROWS: &[Row] = &[
    row("C0", 2, Next::Create, unmade),
    row("C1", 2, Next::Create, unmade),
    row("C2", 2, Next::Create, unmade),
    row("C3", 2, Next::Create, unmade),
    row("C4", 2, Next::TakeOver, unlinked),
    row("C5", 2, Next::TakeOver, unlinked),
    row("C6", 2, Next::TakeOver, waiting),
    row("S1", SWITCHES, Next::TakeOver, |death| next_ring(death, NONE)),
    row("S2", SWITCHES, Next::TakeOver, |death| next_ring(death, NONE)),
    row("S3", SWITCHES, Next::TakeOver, |death| next_ring(death, ANCHOR)),
    row("S4", SWITCHES, Next::TakeOver, |death| next_ring(death, ANCHOR)),
    row("S5", SWITCHES, Next::TakeOver, |death| next_ring(death, BOTH)),
    row("S6", SWITCHES, Next::TakeOver, |death| next_ring(death, BOTH)),
    row("S7-dtype", SWITCHES, Next::TakeOver, |death| next_ring(death, BOTH)),
    row("S7-rate", SWITCHES, Next::TakeOver, |death| next_ring(death, BOTH)),
    row("S7-rank", SWITCHES, Next::TakeOver, |death| next_ring(death, BOTH)),
    row("S7-shape", SWITCHES, Next::TakeOver, |death| next_ring(death, BOTH)),
    row("S7-key-length", SWITCHES, Next::TakeOver, |death| next_ring(death, BOTH)),
    row("S7-key", SWITCHES, Next::TakeOver, |death| next_ring(death, BOTH)),
    row("S7-index", SWITCHES, Next::TakeOver, |death| next_ring(death, BOTH)),
    row("S7-laps", SWITCHES, Next::TakeOver, |death| next_ring(death, BOTH)),
    row("S7", SWITCHES, Next::TakeOver, |death| next_ring(death, BOTH)),
    row("S8", SWITCHES, Next::TakeOver, |death| last_ring(death, BOTH)),
    row("S9", SWITCHES, Next::TakeOver, |death| last_ring(death, BOTH)),
    row("S10", SWITCHES, Next::TakeOver, |death| last_ring(death, BOTH)),
    row("S11-metadata", SWITCHES, Next::TakeOver, |death| {
        last_ring(death, BOTH)?;
        last_metadata(death, ANCHOR)
    }),
    row("S11-half", SWITCHES, Next::TakeOver, |death| last_ring(death, ANCHOR)),
    row("S11", SWITCHES, Next::TakeOver, |death| {
        last_ring(death, NONE)?;
        last_metadata(death, NONE)
    }),
    row("S11-spared", 1, Next::TakeOver, |death| last_ring(death, BOTH)),
    row("kept-half", SWITCHES, Next::TakeOver, |death| removing_a_kept_ring(death, 1)),
    row("kept", SWITCHES, Next::TakeOver, |death| removing_a_kept_ring(death, 0)),
    row("M1-removed", SWITCHES, Next::TakeOver, |death| next_metadata(death, NONE)),
    row("M1-reserved", SWITCHES, Next::TakeOver, |death| next_metadata(death, ANCHOR)),
    row("M1-filled", SWITCHES, Next::TakeOver, |death| next_metadata(death, ANCHOR)),
    row("M1", SWITCHES, Next::TakeOver, |death| next_metadata(death, BOTH)),
    row("M2-length", SWITCHES, Next::TakeOver, |death| next_metadata(death, BOTH)),
    row("M2", SWITCHES, Next::TakeOver, |death| next_metadata(death, BOTH)),
    row("M3", SWITCHES, Next::TakeOver, |death| last_metadata(death, BOTH)),
    row("M4", 4, Next::TakeOver, |death| last_metadata(death, BOTH)),
    row("M5-half", 4, Next::TakeOver, |death| last_metadata(death, ANCHOR)),
    row("M5", 4, Next::TakeOver, |death| last_metadata(death, NONE)),
    row("W1", WRITES, Next::TakeOver, chunk_pending),
    row("W2", WRITES, Next::TakeOver, chunk_pending),
    row("W4", WRITES, Next::TakeOver, chunk_pending),
    row("W5", WRITES, Next::TakeOver, chunk_pending),
    row("W7", WRITES, Next::TakeOver, chunk_recorded),
    row("W8", WRITES, Next::TakeOver, chunk_complete),
    row("W9-hidden", 20, Next::TakeOver, chunk_complete),
    row("W9-index", 20, Next::TakeOver, chunk_complete),
    row("W9-laps", 20, Next::TakeOver, chunk_complete),
    row("W9", WRITES, Next::TakeOver, chunk_complete),
    // Every event passes this failpoint, not only writes.
    row("W10", WRITES, Next::TakeOver, nothing_special),
    row("W11", WRITES, Next::TakeOver, chunk_complete),
    row("K1", 2, Next::TakeOver, |death| expect("closed", death.now.closed, &[false])),
    row("K2", 2, Next::TakeOver, |death| {
        expect("closed", death.now.closed, &[false])?;
        expect("final_position", death.now.final_position, &[death.now.total()])
    }),
    row("K3", 1, Next::FinishThenCreate, |death| closed(death, BOTH, BOTH)),
    row("K4", 1, Next::FinishThenCreate, |death| closed(death, BOTH, BOTH)),
    row("K5-half", 1, Next::FinishThenCreate, |death| closed(death, ANCHOR, BOTH)),
    row("K5-metadata", 1, Next::FinishThenCreate, |death| closed(death, NONE, ANCHOR)),
    row("K5-kept", 1, Next::FinishThenCreate, |death| closed(death, NONE, NONE)),
    row("K5", 1, Next::FinishThenCreate, |death| closed(death, NONE, NONE)),
    row("K6", 1, Next::FinishThenCreate, |death| {
        expect("public name", death.now.public, &[false])?;
        closed(death, NONE, NONE)
    }),
    row("K7", 2, Next::Create, |death| {
        expect("names of the header", (death.now.public, death.now.anchor), &[(false, false)])?;
        expect("what is left", &death.left, &[&Vec::new()])
    }),
    row("T1", 1, Next::TakeOver, |death| taking_over(death, 0)),
    row("T2-epoch", 1, Next::TakeOver, uncounted),
    row("T2-zeros", 1, Next::TakeOver, uncounted),
    row("T2", 1, Next::TakeOver, counting),
    row("T3-half", 1, Next::TakeOver, removing_orphans),
    row("T3-metadata", 1, Next::TakeOver, removing_orphans),
    row("T3", 1, Next::TakeOver, neighbours_gone),
    row("T4", 1, Next::TakeOver, |death| {
        neighbours_gone(death)?;
        expect("public name", death.now.public, &[true])
    }),
    row("T5", 1, Next::TakeOver, |death| {
        neighbours_gone(death)?;
        expect("public name", death.now.public, &[true])
    }),
];

/// The failpoint in the handling of an error, which neither a storm nor a story reaches.
pub const ON_AN_ERROR: &str = "S5-undo";

/// The label of every failpoint in the ring's sources: `point("..")`, the names in `CreatePoints { .. }`,
/// `unlink("..")`.
///
/// # Panics
/// When the sources cannot be read.
pub fn labels_in_the_sources() -> BTreeSet<String> {
    let mut text = String::new();
    read_sources(&root().join("ring/src"), &mut text);
    let mut labels = BTreeSet::new();
    for before in ["point(\"", ".unlink(\""] {
        labels.extend(text.split(before).skip(1).filter_map(|part| part.split('"').next()).map(str::to_owned));
    }
    for part in text.split("CreatePoints {").skip(1) {
        let inner = part.split('}').next().unwrap_or_default();
        labels.extend(inner.split('"').skip(1).step_by(2).map(str::to_owned));
    }
    labels
}

fn read_sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).expect("the ring's sources") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            // The model checker's memory has separate failpoints, which no process passes.
            if !path.ends_with("loom") && !path.ends_with("plain") {
                read_sources(&path, text);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(path).expect("a readable source"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failpoint_of_the_ring_has_a_row() {
        let mut labels = labels_in_the_sources();
        assert!(labels.remove(ON_AN_ERROR));
        let rows: BTreeSet<String> = ROWS.iter().map(|row| row.label.to_owned()).collect();
        assert_eq!(rows, labels);
        assert_eq!(rows.len(), ROWS.len(), "two rows have the same label");
    }
}
