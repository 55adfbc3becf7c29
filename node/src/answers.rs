//! What is answered to changes of settings that were refused.

use std::time::{Duration, Instant};

/// Answers in each second at most: a source can send as many changes as it likes.
const MOST: u32 = 10;
const SECOND: Duration = Duration::from_secs(1);

/// Lets each answer through, unless there are too many.
#[derive(Debug, Default)]
pub struct Answers {
    second: Option<Instant>,
    told: u32,
    untold: u64,
}

impl Answers {
    /// The line to log for an answer, if it is one.
    pub fn tell(&mut self, answer: String, now: Instant) -> Option<String> {
        if self.second.is_none_or(|begin| now.saturating_duration_since(begin) >= SECOND) {
            self.second = Some(now);
            self.told = 0;
        }
        if self.told == MOST {
            self.untold += 1;
            return None;
        }
        self.told += 1;
        Some(match std::mem::take(&mut self.untold) {
            0 => answer,
            untold => format!("{answer} (and {untold} other changes were refused before)"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_refusal_twice_is_answered_twice_and_a_flood_is_counted() {
        let (mut answers, start) = (Answers::default(), Instant::now());
        for _ in 0..MOST {
            assert_eq!(answers.tell("no".into(), start).as_deref(), Some("no"));
        }
        assert_eq!(answers.tell("no".into(), start), None);
        assert_eq!(answers.tell("no".into(), start), None);
        let later = start + SECOND;
        assert_eq!(answers.tell("no".into(), later).as_deref(), Some("no (and 2 other changes were refused before)"));
        assert_eq!(answers.tell("no".into(), later).as_deref(), Some("no"));
    }
}
