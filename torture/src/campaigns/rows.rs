//! The crash table: for each stop point of the ring, what the files of the stream show when its writer died there, and
//! what the next writer does.

use crate::segments::{self, Names, Snapshot};

/// What the next writer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// No header with a magic is left: a new stream.
    Create,
    /// The same stream goes on.
    TakeOver,
    /// What is left of a closed stream is removed, then a new stream.
    FinishThenCreate,
}

/// A row, for all labels that share it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub label: &'static str,
    /// Highest number of passings after which a storm of writes still comes to it soon.
    pub passings: u64,
    pub next: Next,
    /// Checks what is special to the row; an error says what was expected.
    pub check: fn(&Look) -> Result<(), String>,
}

/// What can be seen after a death.
pub struct Look<'a> {
    pub name: &'a str,
    /// Before the writer that died began.
    pub before: Snapshot,
    pub now: Snapshot,
}

impl Row {
    /// Whether the writer that dies has to find a dead stream: it takes over, or those who are attached have to hear of the
    /// end, which nobody does who attaches after it.
    pub fn needs_a_dead_stream(&self) -> bool {
        self.label.starts_with('T') || self.next == Next::FinishThenCreate
    }
}

impl Look<'_> {
    fn ring(&self, step: i64) -> Names {
        // Never near the wrap: a campaign makes some thousands of generations.
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

fn nothing_special(_: &Look) -> Result<(), String> {
    Ok(())
}

fn unmade(look: &Look) -> Result<(), String> {
    expect("anchor", look.now.anchor, &[true])?;
    expect("magic", look.now.magic, &[false])?;
    expect("public name", look.now.public, &[false])
}

fn unlinked(look: &Look) -> Result<(), String> {
    expect("magic", look.now.magic, &[true])?;
    expect("public name", look.now.public, &[false])?;
    expect("generation", look.now.generation, &[None])?;
    expect("epoch", look.now.epoch, &[1])
}

fn waiting(look: &Look) -> Result<(), String> {
    expect("public name", look.now.public, &[true])?;
    expect("generation", look.now.generation, &[None])?;
    expect("epoch", look.now.epoch, &[1])
}

/// The header names g; g + 1 has these names.
fn next_ring(look: &Look, names: &[Names]) -> Result<(), String> {
    if look.now.generation.is_some() {
        expect("names of the current ring", look.ring(0), BOTH)?;
    }
    expect("names of the next ring", look.ring(1), names)
}

/// The header names g', which is empty; the ring before has these names, if there was one.
fn last_ring(look: &Look, names: &[Names]) -> Result<(), String> {
    expect("names of the current ring", look.ring(0), BOTH)?;
    expect("frames in the new ring", (look.now.committed, look.now.reserved), &[(0, 0)])?;
    if look.now.generation > Some(0) {
        expect("names of the ring before", look.ring(-1), names)?;
    }
    Ok(())
}

fn next_metadata(look: &Look, names: &[Names]) -> Result<(), String> {
    expect("names of the next description", look.metadata(1), names)
}

fn last_metadata(look: &Look, names: &[Names]) -> Result<(), String> {
    expect("names of the current description", look.metadata(0), BOTH)?;
    if look.now.meta_generation > 1 {
        expect("names of the description before", look.metadata(-1), names)?;
    }
    Ok(())
}

/// Chunk c is reserved or recorded, and not committed: it never was.
fn chunk_pending(look: &Look) -> Result<(), String> {
    expect("reserved_chunks", look.now.reserved_chunks, &[look.now.committed_chunks + 1])?;
    expect("reserved >= committed", look.now.reserved >= look.now.committed, &[true])
}

fn chunk_recorded(look: &Look) -> Result<(), String> {
    expect("reserved_chunks", look.now.reserved_chunks, &[look.now.committed_chunks])?;
    expect("reserved >= committed", look.now.reserved >= look.now.committed, &[true])
}

fn chunk_complete(look: &Look) -> Result<(), String> {
    expect("reserved_chunks", look.now.reserved_chunks, &[look.now.committed_chunks])?;
    expect("reserved", look.now.reserved, &[look.now.committed])
}

fn closed(look: &Look, ring: &[Names], metadata: &[Names]) -> Result<(), String> {
    expect("closed", look.now.closed, &[true])?;
    expect("names of the ring", look.ring(0), ring)?;
    expect("names of the description", look.metadata(0), metadata)
}

/// The same stream, as the takeover found it.
fn taking_over(look: &Look, epochs: u32) -> Result<(), String> {
    let stream = |snapshot: &Snapshot| (snapshot.stream_id, snapshot.generation, snapshot.total());
    expect("stream", stream(&look.now), &[stream(&look.before)])?;
    expect("closed", look.now.closed, &[false])?;
    expect("epoch", look.now.epoch, &[look.before.epoch + epochs])
}

fn neighbours_gone(look: &Look) -> Result<(), String> {
    taking_over(look, 1)?;
    expect("names of the rings beside", (look.ring(-1), look.ring(1)), &[(Names::NONE, Names::NONE)])?;
    expect("names beside the description", (look.metadata(-1), look.metadata(1)), &[(Names::NONE, Names::NONE)])
}

const fn row(label: &'static str, passings: u64, next: Next, check: fn(&Look) -> Result<(), String>) -> Row {
    Row { label, passings, next, check }
}

/// Writes come by hundreds before a stream is closed, generations by tens.
const WRITES: u64 = 300;
const SWITCHES: u64 = 8;

/// Every stop point but one on an error's path.
pub const ROWS: &[Row] = &[
    row("C0", 2, Next::Create, unmade),
    row("C1", 2, Next::Create, unmade),
    row("C2", 2, Next::Create, unmade),
    row("C3", 2, Next::Create, unmade),
    row("C4", 2, Next::TakeOver, unlinked),
    row("C5", 2, Next::TakeOver, unlinked),
    row("C6", 2, Next::TakeOver, waiting),
    row("S1", SWITCHES, Next::TakeOver, |look| next_ring(look, NONE)),
    row("S2", SWITCHES, Next::TakeOver, |look| next_ring(look, NONE)),
    row("S3", SWITCHES, Next::TakeOver, |look| next_ring(look, ANCHOR)),
    row("S4", SWITCHES, Next::TakeOver, |look| next_ring(look, ANCHOR)),
    row("S5", SWITCHES, Next::TakeOver, |look| next_ring(look, BOTH)),
    row("S6", SWITCHES, Next::TakeOver, |look| next_ring(look, BOTH)),
    row("S7-dtype", SWITCHES, Next::TakeOver, |look| next_ring(look, BOTH)),
    row("S7-rate", SWITCHES, Next::TakeOver, |look| next_ring(look, BOTH)),
    row("S7-rank", SWITCHES, Next::TakeOver, |look| next_ring(look, BOTH)),
    row("S7-shape", SWITCHES, Next::TakeOver, |look| next_ring(look, BOTH)),
    row("S7-key-length", SWITCHES, Next::TakeOver, |look| next_ring(look, BOTH)),
    row("S7-key", SWITCHES, Next::TakeOver, |look| next_ring(look, BOTH)),
    row("S7-index", SWITCHES, Next::TakeOver, |look| next_ring(look, BOTH)),
    row("S7-laps", SWITCHES, Next::TakeOver, |look| next_ring(look, BOTH)),
    row("S7", SWITCHES, Next::TakeOver, |look| next_ring(look, BOTH)),
    row("S8", SWITCHES, Next::TakeOver, |look| last_ring(look, BOTH)),
    row("S9", SWITCHES, Next::TakeOver, |look| last_ring(look, BOTH)),
    row("S10", SWITCHES, Next::TakeOver, |look| last_ring(look, BOTH)),
    row("S11-metadata", SWITCHES, Next::TakeOver, |look| {
        last_ring(look, BOTH)?;
        last_metadata(look, ANCHOR)
    }),
    row("S11-half", SWITCHES, Next::TakeOver, |look| last_ring(look, ANCHOR)),
    row("S11", SWITCHES, Next::TakeOver, |look| {
        last_ring(look, NONE)?;
        last_metadata(look, NONE)
    }),
    row("M1-removed", SWITCHES, Next::TakeOver, |look| next_metadata(look, NONE)),
    row("M1-reserved", SWITCHES, Next::TakeOver, |look| next_metadata(look, ANCHOR)),
    row("M1-filled", SWITCHES, Next::TakeOver, |look| next_metadata(look, ANCHOR)),
    row("M1", SWITCHES, Next::TakeOver, |look| next_metadata(look, BOTH)),
    row("M2-length", SWITCHES, Next::TakeOver, |look| next_metadata(look, BOTH)),
    row("M2", SWITCHES, Next::TakeOver, |look| next_metadata(look, BOTH)),
    row("M3", SWITCHES, Next::TakeOver, |look| last_metadata(look, BOTH)),
    row("M4", 4, Next::TakeOver, |look| last_metadata(look, BOTH)),
    row("M5-half", 4, Next::TakeOver, |look| last_metadata(look, ANCHOR)),
    row("M5", 4, Next::TakeOver, |look| last_metadata(look, NONE)),
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
    // Every event comes to this one, not writes alone.
    row("W10", WRITES, Next::TakeOver, nothing_special),
    row("W11", WRITES, Next::TakeOver, chunk_complete),
    row("K1", 2, Next::TakeOver, |look| expect("closed", look.now.closed, &[false])),
    row("K2", 2, Next::TakeOver, |look| {
        expect("closed", look.now.closed, &[false])?;
        expect("final_position", look.now.final_position, &[look.now.total()])
    }),
    row("K3", 1, Next::FinishThenCreate, |look| closed(look, BOTH, BOTH)),
    row("K4", 1, Next::FinishThenCreate, |look| closed(look, BOTH, BOTH)),
    row("K5-half", 1, Next::FinishThenCreate, |look| closed(look, ANCHOR, BOTH)),
    row("K5-metadata", 1, Next::FinishThenCreate, |look| closed(look, NONE, ANCHOR)),
    row("K5", 1, Next::FinishThenCreate, |look| closed(look, NONE, NONE)),
    row("K6", 1, Next::FinishThenCreate, |look| {
        expect("public name", look.now.public, &[false])?;
        closed(look, NONE, NONE)
    }),
    row("K7", 2, Next::Create, |look| {
        expect("names of the header", (look.now.public, look.now.anchor), &[(false, false)])?;
        expect("what is left", segments::listing(), &[vec![]])
    }),
    row("T1", 1, Next::TakeOver, |look| taking_over(look, 0)),
    row("T2", 1, Next::TakeOver, |look| taking_over(look, 1)),
    row("T3", 1, Next::TakeOver, neighbours_gone),
    row("T4", 1, Next::TakeOver, |look| {
        neighbours_gone(look)?;
        expect("public name", look.now.public, &[true])
    }),
    row("T5", 1, Next::TakeOver, |look| {
        neighbours_gone(look)?;
        expect("public name", look.now.public, &[true])
    }),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Every label in the ring's sources: `point("..")`, the names in `CreatePoints { .. }`, `unlink("..")`.
    fn labels_in_the_sources() -> BTreeSet<String> {
        fn sources(folder: &Path, text: &mut String) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    if !path.ends_with("loom") && !path.ends_with("plain") {
                        sources(&path, text);
                    }
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    text.push_str(&std::fs::read_to_string(path).unwrap());
                }
            }
        }
        let mut text = String::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../ring/src"), &mut text);
        let mut labels = BTreeSet::new();
        for before in ["point(\"", ".unlink(\""] {
            for part in text.split(before).skip(1) {
                labels.insert(part.split('"').next().unwrap().to_owned());
            }
        }
        for part in text.split("CreatePoints {").skip(1) {
            let inner = part.split('}').next().unwrap();
            labels.extend(inner.split('"').skip(1).step_by(2).map(str::to_owned));
        }
        labels
    }

    #[test]
    fn every_stop_point_of_the_ring_has_a_row() {
        let mut labels = labels_in_the_sources();
        // On the way back from an error that a storm does not come to.
        assert!(labels.remove("S5-undo"));
        let rows: BTreeSet<String> = ROWS.iter().map(|row| row.label.to_owned()).collect();
        assert_eq!(rows, labels);
        assert_eq!(rows.len(), ROWS.len(), "a row twice");
    }
}
