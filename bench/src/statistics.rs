//! Medians and the like.

use serde::{Deserialize, Serialize};

/// Percentiles of many durations, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Spread {
    pub p50_ns: f64,
    pub p99_ns: f64,
    pub max_ns: f64,
}

impl Spread {
    /// `None` if there are no durations.
    pub fn of(mut durations: Vec<u64>) -> Option<Self> {
        durations.sort_unstable();
        let at = |share: f64| durations.get(((durations.len() - 1) as f64 * share).round() as usize);
        let last = *durations.last()?;
        Some(Self { p50_ns: *at(0.5)? as f64, p99_ns: *at(0.99)? as f64, max_ns: last as f64 })
    }
}

/// The middle value, or the mean of the two in the middle; `None` if there are no values.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some((lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median([]), None);
    }

    #[test]
    fn a_spread_sorts_its_durations() {
        let spread = Spread::of((1..=101).rev().collect()).unwrap();
        assert_eq!((spread.p50_ns, spread.p99_ns, spread.max_ns), (51.0, 100.0, 101.0));
        assert_eq!(Spread::of(vec![]), None);
    }
}
