//! When `watch` reports that the writer refuses messages.

use dora_shm_ring::Counted;

use super::changes::Event;
use crate::units;

/// What was known at the last line.
#[derive(Debug, Default)]
pub struct Refusals {
    epoch: Option<u32>,
    refused: u64,
    /// Frames that were read since the command began.
    read: u64,
    reported: Option<Reported>,
}

/// What was reported, and still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reported {
    Some,
    All,
}

impl Refusals {
    /// The event to print before a line that shows these counts, and `read` frames since the command began. Refusals
    /// that go on are not reported again: the line shows their number.
    pub fn since_the_last(&mut self, epoch: Option<u32>, counted: Option<Counted>, read: u64) -> Option<Event> {
        let counted = counted?;
        // Another writer counts from zero.
        let before = if self.epoch == epoch { self.refused } else { 0 };
        let (grown, frames) = (counted.refused.saturating_sub(before), read.saturating_sub(self.read));
        (self.epoch, self.refused, self.read) = (epoch, counted.refused, read);
        if grown == 0 {
            // Frames that come again end what was reported; a pause of the source does not.
            if frames > 0 {
                self.reported = None;
            }
            return None;
        }
        let now = if frames == 0 { Reported::All } else { Reported::Some };
        if self.reported.replace(now) == Some(now) {
            return None;
        }
        let total = units::counted(counted.refused, "message");
        let text = match now {
            Reported::All => {
                format!("no frames come: the writer refuses what it is given, {total} so far; its log says why")
            }
            Reported::Some => format!("the writer refuses messages, {total} so far; its log says why"),
        };
        Some(Event { kind: "refused", text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(refused: u64) -> Option<Counted> {
        let mut counted = Counted::default();
        counted.refused = refused;
        Some(counted)
    }

    #[test]
    fn refusals_are_reported_once_until_they_end() {
        let mut refusals = Refusals::default();
        let mut text = |refused, read| refusals.since_the_last(Some(1), counted(refused), read).map(|event| event.text);
        assert_eq!(text(0, 10), None);
        assert_eq!(text(3, 20).unwrap(), "the writer refuses messages, 3 messages so far; its log says why");
        assert_eq!(text(5, 30), None);
        assert_eq!(text(5, 40), None);
        assert!(text(6, 50).is_some(), "it had ended");
    }

    #[test]
    fn a_writer_that_refuses_everything_is_reported_as_that() {
        let mut refusals = Refusals::default();
        assert!(refusals.since_the_last(Some(1), counted(2), 10).is_some());
        let event = refusals.since_the_last(Some(1), counted(4), 10).unwrap();
        assert!(event.text.starts_with("no frames come"), "{event:?}");
        assert_eq!(refusals.since_the_last(Some(1), counted(9), 10), None);
    }

    #[test]
    fn another_writer_counts_from_zero_and_one_that_does_not_count_reports_nothing() {
        let mut refusals = Refusals::default();
        assert!(refusals.since_the_last(Some(1), counted(7), 10).is_some());
        assert_eq!(refusals.since_the_last(Some(2), counted(0), 20), None);
        assert!(refusals.since_the_last(Some(2), counted(7), 30).is_some());
        assert_eq!(refusals.since_the_last(Some(3), None, 30), None);
    }
}
