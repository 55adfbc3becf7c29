//! A limit on how often a repeated warning is logged.

use std::time::{Duration, Instant};

/// Most lines per second: a source could cause any number.
const MOST: u32 = 10;
const SECOND: Duration = Duration::from_secs(1);

/// Lets a limited number of lines per second pass, and counts the others.
#[derive(Debug, Default)]
pub struct LogLimit {
    second: Option<Instant>,
    logged: u32,
    left_out: u64,
}

impl LogLimit {
    /// The line to log, or nothing.
    pub fn pass(&mut self, line: String, now: Instant) -> Option<String> {
        if self.second.is_none_or(|begin| now.saturating_duration_since(begin) >= SECOND) {
            self.second = Some(now);
            self.logged = 0;
        }
        if self.logged == MOST {
            self.left_out += 1;
            return None;
        }
        self.logged += 1;
        Some(match std::mem::take(&mut self.left_out) {
            0 => line,
            left_out => format!("{line} (and {left_out} other changes were refused before)"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_refusal_twice_is_logged_twice_and_a_flood_is_counted() {
        let (mut limit, start) = (LogLimit::default(), Instant::now());
        for _ in 0..MOST {
            assert_eq!(limit.pass("no".into(), start).as_deref(), Some("no"));
        }
        assert_eq!(limit.pass("no".into(), start), None);
        assert_eq!(limit.pass("no".into(), start), None);
        let later = start + SECOND;
        assert_eq!(limit.pass("no".into(), later).as_deref(), Some("no (and 2 other changes were refused before)"));
        assert_eq!(limit.pass("no".into(), later).as_deref(), Some("no"));
    }
}
