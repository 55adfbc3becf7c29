//! Events of a stream, as sentences.

use std::collections::BTreeSet;
use std::sync::Arc;

use dora_shm_ring::{Description, EventKind, Format, WriterId};

use crate::text::printable;
use crate::units;

/// An event that is printed as an extra line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The event's name, for scripts.
    pub kind: &'static str,
    pub text: String,
}

/// A snapshot of the stream.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub writer: Option<WriterId>,
    pub pid: Option<u32>,
    pub is_of_ezmsg: bool,
    pub generation: Option<u32>,
    pub format: Option<Format>,
    pub description: Option<Arc<Description>>,
}

impl Seen {
    /// The event that the stream is there.
    pub fn attached(&self) -> Event {
        let by = if self.is_of_ezmsg { "ezmsg".to_owned() } else { self.process() };
        Event { kind: "attached", text: format!("the stream is there, written by {by}: {}", self.frames()) }
    }

    /// The events to print when the ring reports `happened`; `before` is what was known of the stream until then.
    pub fn since(&self, before: &Seen, happened: EventKind) -> Vec<Event> {
        let (kind, text) = match happened {
            EventKind::NewGeneration => {
                let generation = Event { kind: "generation", text: self.generation_text(before) };
                return std::iter::once(generation).chain(self.description_event(before)).collect();
            }
            EventKind::NewDescription => return self.description_event(before).into_iter().collect(),
            EventKind::WriterRestarted => ("writer", self.writer_text(before)),
            EventKind::WriterGone { orderly: true } => {
                ("closed", "the writer closed the stream; waiting for the next one".to_owned())
            }
            EventKind::WriterGone { orderly: false } => {
                ("dead", format!("the writer died, {}; the next one will take the stream over", self.process()))
            }
        };
        vec![Event { kind, text }]
    }

    fn process(&self) -> String {
        self.pid.map_or_else(|| "a process".to_owned(), |pid| format!("process {pid}"))
    }

    fn writer_text(&self, before: &Seen) -> String {
        let is_same_stream = |(new, old): (WriterId, WriterId)| new.stream_id == old.stream_id;
        let did = match self.writer.zip(before.writer) {
            Some(writers) if is_same_stream(writers) => "took the stream over",
            _ => "created a new stream",
        };
        format!("another writer {did}, {}", self.process())
    }

    fn frames(&self) -> String {
        let Some(format) = &self.format else { return "no ring yet".to_owned() };
        format!("generation {}, {}", self.generation.unwrap_or(0), Parts::of(format).all())
    }

    /// The generation's format, or what of it has changed.
    fn generation_text(&self, before: &Seen) -> String {
        let (Some(format), Some(generation)) = (&self.format, self.generation) else {
            return "the stream has no ring".to_owned();
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

    /// The changes of the description; `None` if there are none.
    fn description_event(&self, before: &Seen) -> Option<Event> {
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
        let text = format!("the description changed: {}", printable(&changed.join(", ")));
        Some(Event { kind: "description", text })
    }
}

/// A format in words.
struct Parts([(&'static str, String); 5]);

impl Parts {
    fn of(format: &Format) -> Self {
        let rate = if format.rate_hz() > 0.0 { units::hertz(format.rate_hz()) } else { "no stated rate".to_owned() };
        Self([
            ("shape", units::shape(format.frame_shape())),
            ("dtype", format.dtype().to_string()),
            ("rate", rate),
            ("ring", units::counted(format.frames(), "frame")),
            ("clock", format.clock().to_string()),
        ])
    }

    fn all(&self) -> String {
        let [(_, shape), (_, dtype), (_, rate), (_, ring), (_, clock)] = &self.0;
        format!("{shape} of {dtype}, {rate}, ring of {ring}, clock {clock}")
    }

    fn changed_from(&self, old: &Parts) -> Vec<String> {
        let pairs = self.0.iter().zip(&old.0).filter(|(new, old)| new.1 != old.1);
        pairs.map(|((name, new), (_, old))| format!("{name} {new} (was {old})")).collect()
    }
}

#[cfg(test)]
mod tests {
    use dora_shm_ring::{Attr, Clock, Dtype};

    use super::*;

    fn live() -> Seen {
        Seen {
            writer: Some(WriterId { stream_id: 7, epoch: 1 }),
            pid: Some(42),
            is_of_ezmsg: false,
            generation: Some(0),
            format: Some(Format::new(Dtype::F32, &[64], 1000.0, 2000).unwrap()),
            description: Some(Arc::new(Description::default())),
        }
    }

    fn events(before: &Seen, now: &Seen, happened: EventKind) -> Vec<(&'static str, String)> {
        now.since(before, happened).into_iter().map(|event| (event.kind, event.text)).collect()
    }

    fn described() -> Option<Arc<Description>> {
        let attrs = [("gain".to_owned(), Attr::Integer(24))].into();
        Some(Arc::new(Description { attrs, key: "eeg".into(), ..Default::default() }))
    }

    #[test]
    fn the_event_of_a_new_generation_lists_what_has_changed() {
        let format = Format::new(Dtype::F32, &[32], 500.0, 2000).unwrap();
        let now = Seen { generation: Some(1), format: Some(format), ..live() };
        let text = "generation 1 begins: shape 32 (was 64), rate 500 Hz (was 1 kHz)".to_owned();
        assert_eq!(events(&live(), &now, EventKind::NewGeneration), [("generation", text)]);
        let format = live().format.map(|format| format.on_clock(Clock::Unix));
        let now = Seen { generation: Some(1), format, ..live() };
        let text = "generation 1 begins: clock unix (was source)".to_owned();
        assert_eq!(events(&live(), &now, EventKind::NewGeneration), [("generation", text)]);
        let now = Seen { generation: Some(1), description: described(), ..live() };
        let text = ["generation 1 begins, with the same format", "the description changed: key, attribute gain"];
        let [generation, description] = text.map(str::to_owned);
        let expected = [("generation", generation), ("description", description)];
        assert_eq!(events(&live(), &now, EventKind::NewGeneration), expected);
    }

    #[test]
    fn the_event_of_a_new_description_lists_what_has_changed() {
        let now = Seen { description: described(), ..live() };
        let text = "the description changed: key, attribute gain".to_owned();
        assert_eq!(events(&live(), &now, EventKind::NewDescription), [("description", text)]);
        assert_eq!(events(&live(), &live(), EventKind::NewDescription), [], "it is the same");
    }

    #[test]
    fn a_writers_death_and_its_successor_are_events() {
        let dead = events(&live(), &live(), EventKind::WriterGone { orderly: false });
        assert_eq!(dead, [("dead", "the writer died, process 42; the next one will take the stream over".to_owned())]);
        let successor = Seen { writer: Some(WriterId { stream_id: 7, epoch: 2 }), pid: Some(43), ..live() };
        let text = "another writer took the stream over, process 43".to_owned();
        assert_eq!(events(&live(), &successor, EventKind::WriterRestarted), [("writer", text)]);
        let other = Seen { writer: Some(WriterId { stream_id: 8, epoch: 1 }), pid: None, ..live() };
        let text = "another writer created a new stream, a process".to_owned();
        assert_eq!(events(&live(), &other, EventKind::WriterRestarted), [("writer", text)]);
    }

    #[test]
    fn the_end_of_a_stream_and_its_beginning_are_events() {
        assert_eq!(events(&live(), &Seen::default(), EventKind::WriterGone { orderly: true })[0].0, "closed");
        let text = "the stream is there, written by process 42: generation 0, 64 of float32, 1 kHz, ring of 2 000 frames, \
             clock source";
        assert_eq!(live().attached(), Event { kind: "attached", text: text.to_owned() });
        let waiting = Seen { is_of_ezmsg: true, ..Seen::default() };
        assert_eq!(waiting.attached().text, "the stream is there, written by ezmsg: no ring yet");
    }
}
