//! Messages that never arrived, by the source's own numbers.

use std::collections::BTreeSet;

/// Most missing numbers that are remembered in case they arrive late: dora may deliver bursts out of order.
const REMEMBERED: usize = 256;

/// Follows the parameter `sequence` (+1 per message).
#[derive(Debug, Default)]
pub struct Gaps {
    next: Option<i64>,
    missing: BTreeSet<i64>,
    total: u64,
}

impl Gaps {
    /// A message with this number arrived. Without a number, nothing is counted.
    pub fn arrived(&mut self, sequence: Option<i64>) {
        let Some(sequence) = sequence else { return };
        match self.next {
            Some(next) if sequence > next => {
                self.total = self.total.saturating_add(sequence.abs_diff(next));
                let oldest = next.max(sequence.saturating_sub(REMEMBERED as i64));
                self.missing.extend(oldest..sequence);
                while self.missing.len() > REMEMBERED {
                    self.missing.pop_first();
                }
            }
            Some(next) if sequence < next => {
                if self.missing.remove(&sequence) {
                    self.total -= 1;
                    return;
                }
                // The source has restarted.
                self.missing.clear();
            }
            _ => {}
        }
        self.next = Some(sequence.saturating_add(1));
    }

    /// A message arrived whose number could not be read, because it was refused: it is not missing.
    pub fn refused(&mut self) {
        self.next = self.next.map(|next| next.saturating_add(1));
    }

    /// Messages missing so far.
    pub fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(sequence: &[i64]) -> u64 {
        let mut gaps = Gaps::default();
        sequence.iter().for_each(|&number| gaps.arrived(Some(number)));
        gaps.total()
    }

    #[test]
    fn missing_numbers_are_counted_and_late_ones_are_not_missing() {
        assert_eq!(total(&[]), 0);
        assert_eq!(total(&[7, 8, 9]), 0);
        assert_eq!(total(&[0, 1, 4, 5]), 2);
        assert_eq!(total(&[0, 3, 1, 4]), 1);
        assert_eq!(total(&[0, 3, 1, 2, 4]), 0);
    }

    #[test]
    fn a_restart_of_the_source_is_not_a_gap() {
        assert_eq!(total(&[0, 1, 2, 0, 1, 2]), 0);
        assert_eq!(total(&[0, 1, 5, 0, 1, 2]), 3);
        assert_eq!(total(&[5, 5, 6]), 0);
    }

    #[test]
    fn absurd_numbers_neither_overflow_nor_fill_memory() {
        let mut gaps = Gaps::default();
        for number in [i64::MIN, i64::MAX, 0, 1_000_000_000_000, i64::MAX, i64::MIN] {
            gaps.arrived(Some(number));
        }
        assert!(gaps.missing.len() <= REMEMBERED);
    }

    #[test]
    fn refused_and_unnumbered_messages_leave_the_count_alone() {
        let mut gaps = Gaps::default();
        gaps.arrived(Some(3));
        gaps.refused();
        gaps.arrived(None);
        gaps.arrived(Some(5));
        assert_eq!(gaps.total(), 0);
    }
}
