//! What changed of a stream between two looks, in words.

use std::collections::BTreeSet;
use std::sync::Arc;

use dora_shm_ring::{Description, Format, Liveness, WriterId};

use crate::text::printable;
use crate::units;

/// What is worth a line of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The word for scripts.
    pub kind: &'static str,
    pub says: String,
}

/// What a look at the reader found.
#[derive(Clone, Debug)]
pub struct Seen {
    pub liveness: Liveness,
    pub writer: Option<WriterId>,
    pub pid: Option<u32>,
    pub generation: Option<u32>,
    pub format: Option<Format>,
    pub description: Option<Arc<Description>>,
}

impl Default for Seen {
    /// Nothing yet.
    fn default() -> Self {
        Self { liveness: Liveness::Absent, writer: None, pid: None, generation: None, format: None, description: None }
    }
}

impl Seen {
    /// Whether there is a stream.
    pub fn is_there(&self) -> bool {
        !matches!(self.liveness, Liveness::Absent | Liveness::Closed)
    }

    /// What is to be told after `before`.
    pub fn since(&self, before: &Seen) -> Vec<Event> {
        let mut events = Vec::new();
        let mut tell = |kind, says| events.push(Event { kind, says });
        let process = self.pid.map_or_else(|| "a process".to_owned(), |pid| format!("process {pid}"));
        match (before.is_there(), self.is_there()) {
            (false, true) => {
                tell("attached", format!("the stream is there, {}: {}", by(self, &process), self.frames()));
            }
            (true, false) => tell("closed", "the writer closed the stream; waiting for the next one".to_owned()),
            (true, true) => {
                if self.writer != before.writer {
                    let says = match (before.writer, self.writer) {
                        (Some(old), Some(new)) if old.stream_id == new.stream_id => {
                            format!("another writer took the stream over, {process}")
                        }
                        _ => format!("another writer made the stream anew, {process}"),
                    };
                    tell("writer", says);
                }
                if self.generation != before.generation
                    || (self.writer != before.writer && self.format != before.format)
                {
                    tell("generation", self.generation_says(before));
                }
                if let Some(says) = self.description_says(before) {
                    tell("description", says);
                }
                if self.liveness == Liveness::Dead && before.liveness != Liveness::Dead {
                    tell("dead", format!("the writer died, {process}; the next one will take the stream over"));
                }
            }
            (false, false) => {}
        }
        if !before.is_there() && self.liveness == Liveness::Dead {
            tell("dead", format!("the writer is dead, {process}; the next one will take the stream over"));
        }
        events
    }

    fn frames(&self) -> String {
        let Some(format) = &self.format else { return "no ring yet".to_owned() };
        format!("generation {}, {}", self.generation.unwrap_or(0), Parts::of(format).all())
    }

    /// Which of what makes a generation is another one.
    fn generation_says(&self, before: &Seen) -> String {
        let (Some(format), Some(generation)) = (&self.format, self.generation) else {
            return "there is no ring now".to_owned();
        };
        let new = Parts::of(format);
        match &before.format {
            None => format!("generation {generation} begins: {}", new.all()),
            Some(old) => match new.changed_from(&Parts::of(old)) {
                changes if changes.is_empty() => format!("generation {generation} begins, with the same format"),
                changes => format!("generation {generation} begins: {}", changes.join(", ")),
            },
        }
    }

    /// What the description says differently.
    fn description_says(&self, before: &Seen) -> Option<String> {
        let (Some(new), Some(old)) = (&self.description, &before.description) else { return None };
        if Arc::ptr_eq(new, old) || new == old {
            return None;
        }
        let mut changed = Vec::new();
        if new.key != old.key {
            changed.push("key".to_owned());
        }
        if new.dims != old.dims {
            changed.push("dims".to_owned());
        }
        let axes: BTreeSet<&String> = new.axes.keys().chain(old.axes.keys()).collect();
        changed.extend(
            axes.into_iter()
                .filter(|name| new.axes.get(*name) != old.axes.get(*name))
                .map(|name| format!("axis {name}")),
        );
        let attrs: BTreeSet<&String> = new.attrs.keys().chain(old.attrs.keys()).collect();
        changed.extend(
            attrs
                .into_iter()
                .filter(|name| new.attrs.get(*name) != old.attrs.get(*name))
                .map(|name| format!("attribute {name}")),
        );
        if new.stream_dim != old.stream_dim {
            changed.push("stream_dim".to_owned());
        }
        if new.message != old.message {
            changed.push("how messages are rebuilt".to_owned());
        }
        Some(format!("the description changed: {}", printable(&changed.join(", "))))
    }
}

fn by(seen: &Seen, process: &str) -> String {
    if seen.liveness == Liveness::Ezmsg { "written by ezmsg".to_owned() } else { format!("written by {process}") }
}

/// A format in words.
struct Parts([(&'static str, String); 4]);

impl Parts {
    fn of(format: &Format) -> Self {
        let rate = if format.rate_hz() > 0.0 { units::hertz(format.rate_hz()) } else { "no promised rate".to_owned() };
        Self([
            ("shape", units::shape(format.frame_shape())),
            ("dtype", format.dtype().to_string()),
            ("rate", rate),
            ("ring", units::counted(format.frames(), "frame")),
        ])
    }

    fn all(&self) -> String {
        let [(_, shape), (_, dtype), (_, rate), (_, ring)] = &self.0;
        format!("{shape} of {dtype}, {rate}, ring of {ring}")
    }

    fn changed_from(&self, old: &Parts) -> Vec<String> {
        let pairs = self.0.iter().zip(&old.0).filter(|(new, old)| new.1 != old.1);
        pairs.map(|((name, new), (_, old))| format!("{name} {new} (was {old})")).collect()
    }
}

#[cfg(test)]
mod tests {
    use dora_shm_ring::{Attr, Dtype};

    use super::*;

    fn live() -> Seen {
        Seen {
            liveness: Liveness::Live,
            writer: Some(WriterId { stream_id: 7, epoch: 1 }),
            pid: Some(42),
            generation: Some(0),
            format: Some(Format::new(Dtype::F32, &[64], 1000.0, 2000).unwrap()),
            description: Some(Arc::new(Description::default())),
        }
    }

    fn told(before: &Seen, now: &Seen) -> Vec<(&'static str, String)> {
        now.since(before).into_iter().map(|event| (event.kind, event.says)).collect()
    }

    #[test]
    fn nothing_is_told_of_what_stays() {
        assert_eq!(live().since(&live()), []);
        let idle = Seen { liveness: Liveness::Idle, ..live() };
        assert_eq!(idle.since(&live()), []);
    }

    #[test]
    fn a_new_generation_says_what_is_different() {
        let format = Format::new(Dtype::F32, &[32], 500.0, 2000).unwrap();
        let now = Seen { generation: Some(1), format: Some(format), ..live() };
        let says = "generation 1 begins: shape 32 (was 64), rate 500 Hz (was 1 kHz)".to_owned();
        assert_eq!(told(&live(), &now), [("generation", says)]);
        let now = Seen { generation: Some(1), ..live() };
        assert_eq!(told(&live(), &now), [("generation", "generation 1 begins, with the same format".to_owned())]);
    }

    #[test]
    fn a_new_description_says_what_is_different() {
        let described = Description {
            attrs: [("gain".to_owned(), Attr::Integer(24))].into(),
            key: "eeg".into(),
            ..Default::default()
        };
        let now = Seen { description: Some(Arc::new(described)), ..live() };
        assert_eq!(told(&live(), &now), [("description", "the description changed: key, attribute gain".to_owned())]);
    }

    #[test]
    fn a_writers_death_and_the_next_one_are_told() {
        let dead = Seen { liveness: Liveness::Dead, ..live() };
        assert_eq!(told(&live(), &dead)[0].0, "dead");
        assert_eq!(told(&dead, &dead), []);
        let next =
            Seen { writer: Some(WriterId { stream_id: 7, epoch: 2 }), pid: Some(43), generation: Some(1), ..live() };
        let kinds: Vec<_> = told(&dead, &next).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, ["writer", "generation"]);
        assert!(told(&dead, &next)[0].1.contains("took the stream over, process 43"));
    }

    #[test]
    fn the_end_of_a_stream_and_its_beginning_are_told() {
        let absent = Seen { liveness: Liveness::Absent, ..Seen::default() };
        assert_eq!(told(&live(), &absent)[0].0, "closed");
        assert_eq!(told(&absent, &absent), []);
        let says =
            "the stream is there, written by process 42: generation 0, 64 of float32, 1 kHz, ring of 2 000 frames";
        assert_eq!(told(&Seen::default(), &live()), [("attached", says.to_owned())]);
        let dead = Seen { liveness: Liveness::Dead, ..live() };
        let kinds: Vec<_> = told(&Seen::default(), &dead).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, ["attached", "dead"]);
    }
}
