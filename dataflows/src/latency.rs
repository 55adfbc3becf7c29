//! Quantiles of measured times.

/// Times in microseconds.
#[derive(Default)]
pub struct Latencies {
    micros: Vec<f64>,
}

impl Latencies {
    /// Adds one time, in seconds.
    pub fn push_seconds(&mut self, seconds: f64) {
        self.micros.push(seconds * 1e6);
    }

    /// The quantile `quantile` (0 to 1) of the times, in microseconds, by nearest rank; 0 if there are no times.
    pub fn quantile(&mut self, quantile: f64) -> f64 {
        self.micros.sort_by(f64::total_cmp);
        let rank = (quantile * self.micros.len() as f64).ceil() as usize;
        self.micros.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_nearest_rank() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile(0.5), 0.0);
        for millis in (1..=100).rev() {
            latencies.push_seconds(f64::from(millis) * 1e-3);
        }
        assert!((latencies.quantile(0.5) - 50_000.0).abs() < 1e-6);
        assert!((latencies.quantile(0.99) - 99_000.0).abs() < 1e-6);
        assert!((latencies.quantile(1.0) - 100_000.0).abs() < 1e-6);
    }
}
