//! Refused messages: each reason is logged once, then counted.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Least time before the same reason is logged again.
const SILENCE: Duration = Duration::from_secs(10);

/// Most distinct reasons that are kept. Reasons can contain lengths and names from a source, so their number has to be
/// bounded.
const MAX_REASONS: usize = 32;

const OTHERS: &str = "messages were refused for further reasons";

/// Counts refused messages, and decides which of them to log.
#[derive(Debug, Default)]
pub struct Refusals {
    total: u64,
    reasons: HashMap<String, Reason>,
}

#[derive(Debug)]
struct Reason {
    logged: Instant,
    since: u64,
}

impl Refusals {
    /// Counts one refused message. Returns the line to log, if it is to be logged.
    pub fn add(&mut self, reason: String, now: Instant) -> Option<String> {
        self.total += 1;
        if !self.reasons.contains_key(&reason) && self.reasons.len() >= MAX_REASONS {
            self.reasons.retain(|_, known| now.saturating_duration_since(known.logged) < SILENCE);
        }
        let reason = if self.reasons.len() < MAX_REASONS || self.reasons.contains_key(&reason) {
            reason
        } else {
            OTHERS.to_owned()
        };
        let Some(known) = self.reasons.get_mut(&reason) else {
            self.reasons.insert(reason.clone(), Reason { logged: now, since: 0 });
            return Some(reason);
        };
        known.since += 1;
        if now.saturating_duration_since(known.logged) < SILENCE {
            return None;
        }
        let line = format!("{reason} ({} more times)", known.since);
        *known = Reason { logged: now, since: 0 };
        Some(line)
    }

    /// Messages refused so far.
    pub fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_logged_once_and_then_at_intervals_with_its_count() {
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
    fn reasons_beyond_the_limit_are_counted_as_one() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        for length in 0..MAX_REASONS {
            assert!(refusals.add(format!("length {length}"), now).is_some());
        }
        assert_eq!(refusals.add("length 1000".into(), now).as_deref(), Some(OTHERS));
        assert_eq!(refusals.add("length 1001".into(), now), None);
        assert_eq!(refusals.reasons.len(), MAX_REASONS + 1);
        let later = now + SILENCE;
        assert_eq!(refusals.add("text".into(), later).as_deref(), Some("text"), "a new reason is logged again");
        assert_eq!(refusals.total(), MAX_REASONS as u64 + 3);
    }
}
