//! Refused messages: each kind of reason is logged once, then counted.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Least time between two lines about repeated reasons.
const SILENCE: Duration = Duration::from_secs(60);

/// Most kinds of reasons that are kept. Reasons can contain names from a source, so their number has to be bounded.
const MAX_KINDS: usize = 32;

const OTHERS: &str = "messages were refused for further reasons";

/// Counts refused messages, and decides what to log: the first message of each kind at once, then the numbers of all kinds,
/// at most one line a minute. Two reasons are of one kind if they differ only in numbers.
#[derive(Debug, Default)]
pub struct Refusals {
    total: u64,
    kinds: HashMap<String, Kind>,
    /// Since when repeated reasons are counted without a line.
    silent_since: Option<Instant>,
}

#[derive(Debug)]
struct Kind {
    /// The reason that came last.
    reason: String,
    /// Messages without a line.
    since: u64,
}

impl Refusals {
    /// Counts one refused message. Returns the line to log, if there is one.
    pub fn add(&mut self, reason: String, now: Instant) -> Option<String> {
        self.add_many(reason, 1, now)
    }

    /// Counts `messages` that were refused for the same reason, of which there is at least one. Returns the line to log, if
    /// there is one.
    pub fn add_many(&mut self, reason: String, messages: u64, now: Instant) -> Option<String> {
        self.total += messages;
        let mut kind = kind(&reason);
        let mut reason = reason;
        if !self.kinds.contains_key(&kind) && self.kinds.len() >= MAX_KINDS {
            OTHERS.clone_into(&mut kind);
            OTHERS.clone_into(&mut reason);
        }
        let Some(known) = self.kinds.get_mut(&kind) else {
            self.silent_since.get_or_insert(now);
            self.kinds.insert(kind, Kind { reason: reason.clone(), since: messages - 1 });
            return Some(reason);
        };
        known.since += messages;
        known.reason = reason;
        self.due(now)
    }

    /// Counts messages that need no line.
    pub fn count(&mut self, messages: u64) {
        self.total += messages;
    }

    /// The line about repeated reasons, if it is time for one and there were any.
    pub fn due(&mut self, now: Instant) -> Option<String> {
        if now.saturating_duration_since(self.silent_since?) < SILENCE {
            return None;
        }
        let mut repeated: Vec<&mut Kind> = self.kinds.values_mut().filter(|kind| kind.since > 0).collect();
        if repeated.is_empty() {
            return None;
        }
        repeated.sort_by(|a, b| b.since.cmp(&a.since).then_with(|| a.reason.cmp(&b.reason)));
        let parts: Vec<String> =
            repeated.iter().map(|kind| format!("{} ({} more times)", kind.reason, kind.since)).collect();
        repeated.into_iter().for_each(|kind| kind.since = 0);
        self.silent_since = Some(now);
        Some(parts.join("; "))
    }

    /// Messages refused so far.
    pub fn total(&self) -> u64 {
        self.total
    }
}

/// The reason without its numbers. Digits that belong to a word stay: `float32` is another kind than `float64`.
fn kind(reason: &str) -> String {
    let mut kind = String::with_capacity(reason.len());
    let mut before = ' ';
    for letter in reason.chars() {
        let is_of_number = letter.is_ascii_digit() && !before.is_alphabetic() && before != '_';
        match (is_of_number, before) {
            // A further digit of the same number.
            (true, '#') => continue,
            (true, _) => before = '#',
            // A digit behind a word's digit is of the word, too.
            (false, _) => before = if letter.is_ascii_digit() { '_' } else { letter },
        }
        kind.push(if is_of_number { '#' } else { letter });
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_logged_once_and_then_every_minute_with_its_count() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        assert_eq!(refusals.add("too long".into(), start).as_deref(), Some("too long"));
        assert_eq!(refusals.add("too long".into(), start + Duration::from_secs(1)), None);
        assert_eq!(refusals.add("text".into(), start + Duration::from_secs(1)).as_deref(), Some("text"));
        let later = start + SILENCE;
        assert_eq!(refusals.add("too long".into(), later).as_deref(), Some("too long (2 more times)"));
        assert_eq!(refusals.add("too long".into(), later), None);
        assert_eq!(refusals.total(), 5);
    }

    #[test]
    fn repeated_reasons_share_one_line_a_minute_even_if_no_more_messages_come() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        for reason in ["a", "b", "c", "a", "b", "a"] {
            refusals.add(reason.into(), start);
        }
        assert_eq!(refusals.due(start + SILENCE / 2), None);
        assert_eq!(refusals.due(start + SILENCE).as_deref(), Some("a (2 more times); b (1 more times)"));
        assert_eq!(refusals.due(start + 3 * SILENCE), None, "there is nothing new");
        assert_eq!(refusals.add_many("c".into(), 4, start + 3 * SILENCE).as_deref(), Some("c (4 more times)"));
    }

    #[test]
    fn reasons_that_differ_only_in_numbers_are_of_one_kind() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        assert!(refusals.add("a frame of [17, 3] float32".into(), start).is_some());
        for length in 18..1000 {
            assert_eq!(refusals.add(format!("a frame of [{length}, 3] float32"), start), None);
        }
        assert!(refusals.add("a frame of [17, 3] float64".into(), start).is_some(), "another type is another kind");
        let line = refusals.due(start + SILENCE).unwrap();
        assert_eq!(line, "a frame of [999, 3] float32 (982 more times)");
    }

    #[test]
    fn kinds_beyond_the_limit_are_counted_as_one() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        let name = |index: usize| "x".repeat(index + 1);
        for index in 0..MAX_KINDS {
            assert!(refusals.add(name(index), now).is_some());
        }
        assert_eq!(refusals.add(name(1000), now).as_deref(), Some(OTHERS));
        assert_eq!(refusals.add(name(1001), now), None);
        assert_eq!(refusals.kinds.len(), MAX_KINDS + 1);
        assert_eq!(refusals.total(), MAX_KINDS as u64 + 2);
    }
}
