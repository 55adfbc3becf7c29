//! Ranges that suit what is drawn, ticks, and numbers as text.

/// The range of an axis: `low < high`, both finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValueRange {
    pub low: f64,
    pub high: f64,
}

impl ValueRange {
    /// The smallest round range that contains `low ..= high` and a margin. A single value gets some room around it.
    pub fn around(low: f64, high: f64) -> Self {
        // Far below the largest number, so that a sum of a few does not overflow.
        const LIMIT: f64 = f64::MAX / 1e3;
        let (low, high) = (low.clamp(-LIMIT, LIMIT), high.clamp(-LIMIT, LIMIT));
        // A span below the precision of numbers of this size counts as none.
        let least = low.abs().max(high.abs()) * 1e-12;
        let span = high - low;
        if span <= least || span < f64::MIN_POSITIVE {
            let half = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
            return Self { low: low - half, high: high + half };
        }
        let step = step(span, 10);
        let margin = span * 0.02;
        Self { low: ((low - margin) / step).floor() * step, high: ((high + margin) / step).ceil() * step }
    }

    pub fn span(self) -> f64 {
        self.high - self.low
    }

    pub fn middle(self) -> f64 {
        self.low + self.span() / 2.0
    }

    /// Where `value` is: 0 at `low`, 1 at `high`.
    pub fn place(self, value: f64) -> f64 {
        (value - self.low) / self.span()
    }

    /// The range for values from `low` to `high`, given this one before: unchanged as long as they fit and fill a good
    /// part of it, so that a picture is steady.
    pub fn followed(self, low: f64, high: f64) -> Self {
        let next = Self::around(low, high);
        let fits = low >= self.low && high <= self.high;
        if fits && next.span() > self.span() * 0.4 { self } else { next }
    }

    /// The range seen `gain` times as large, about its middle.
    pub fn magnified(self, gain: f64) -> Self {
        let half = self.span() / 2.0 / gain;
        Self { low: self.middle() - half, high: self.middle() + half }
    }
}

/// The round step (1, 2 or 5 times a power of ten) that divides `span` into at most `most` parts.
pub fn step(span: f64, most: usize) -> f64 {
    let raw = span / most.max(1) as f64;
    let power = 10f64.powf(raw.log10().floor());
    let factor = raw / power;
    // Tolerates an error of rounding, which would choose the next larger step.
    let factor = [1.0, 2.0, 5.0].into_iter().find(|&round| factor <= round * (1.0 + 1e-9)).unwrap_or(10.0);
    factor * power
}

/// Round values between `low` and `high`, at most `most` steps apart.
pub fn ticks(low: f64, high: f64, most: usize) -> Vec<f64> {
    if !(high - low > 0.0 && (high - low).is_finite()) {
        return Vec::new();
    }
    let step = step(high - low, most);
    let first = (low / step - 1e-9).ceil();
    (0..=most)
        .map(|i| (first + i as f64) * step)
        .take_while(|&tick| tick <= high + step * 1e-9)
        // Not -0.
        .map(|tick| tick + 0.0)
        .collect()
}

/// `value` as short text that distinguishes it from values `step` away.
pub fn text(value: f64, step: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    let size = value.abs().max(step.abs());
    if value == 0.0 && size >= 1e6 {
        return "0".to_owned();
    }
    if size != 0.0 && !(1e-4..1e6).contains(&size) {
        let decimals = (size.log10().floor() - step.abs().log10().floor()).clamp(0.0, 6.0) as usize;
        return format!("{value:.decimals$e}");
    }
    // A step of 0.25 needs one digit more than its power of ten has.
    let decimals = if step > 0.0 { (-(step.log10() + 1e-9).floor()).clamp(0.0, 9.0) as usize } else { 3 };
    let scaled = step * 10f64.powi(decimals as i32);
    let decimals = if step > 0.0 && (scaled - scaled.round()).abs() > 1e-6 { decimals + 1 } else { decimals };
    let text = format!("{value:.decimals$}");
    if text.trim_start_matches('-').chars().all(|c| matches!(c, '0' | '.')) { text.replace('-', "") } else { text }
}

/// A duration in the unit that suits it: `2 s`, `250 ms`, `1.5 min`.
pub fn seconds_text(seconds: f64) -> String {
    let (value, unit) = match seconds.abs() {
        s if s < 1e-3 => (seconds * 1e6, "µs"),
        s if s < 1.0 => (seconds * 1e3, "ms"),
        s if s < 120.0 => (seconds, "s"),
        s if s < 7200.0 => (seconds / 60.0, "min"),
        _ => (seconds / 3600.0, "h"),
    };
    format!("{} {unit}", short(value))
}

/// Three digits or so, without zeros at the end.
pub fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return text(value, 1.0);
    }
    if !(1e-4..1e6).contains(&value.abs()) {
        return format!("{value:.2e}");
    }
    let decimals = (2.0 - value.abs().log10().floor()).clamp(0.0, 6.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_range_contains_its_values_and_is_not_much_wider(
            a in -1e9f64..1e9,
            span in 1e-6f64..1e9,
        ) {
            let range = ValueRange::around(a, a + span);
            let slack = 1e-9 * (a.abs() + span);
            prop_assert!(range.low <= a + slack && range.high >= a + span - slack, "{range:?}");
            prop_assert!(range.span() <= (a + span - a) * 1.5 + slack, "{range:?}");
        }

        #[test]
        fn every_range_has_two_finite_ends(low in any::<f64>(), high in any::<f64>()) {
            prop_assume!(low.is_finite() && high.is_finite());
            let (low, high) = (low.min(high), low.max(high));
            let range = ValueRange::around(low, high);
            prop_assert!(range.low < range.high && range.span().is_finite(), "{range:?}");
        }
    }

    #[test]
    fn a_range_stays_while_what_is_drawn_fills_it() {
        let range = ValueRange::around(-9.0, 9.0);
        assert_eq!(range, ValueRange { low: -10.0, high: 10.0 });
        assert_eq!(range.followed(-8.0, 9.5), range);
        assert_ne!(range.followed(-8.0, 11.0), range);
        assert_eq!(range.followed(-3.0, 3.0), ValueRange { low: -4.0, high: 4.0 });
    }

    #[test]
    fn steps_are_round() {
        assert_eq!([step(10.0, 5), step(10.0, 4), step(1.0, 10), step(0.3, 10)], [2.0, 5.0, 0.1, 0.05]);
        assert_eq!(ticks(-1.0, 1.0, 4), [-1.0, -0.5, 0.0, 0.5, 1.0]);
        assert!(ticks(0.0, f64::INFINITY, 4).is_empty());
    }

    #[test]
    fn numbers_are_as_long_as_their_steps_need() {
        assert_eq!(text(1.0, 0.5), "1.0");
        assert_eq!(text(-0.0, 0.5), "0.0");
        assert_eq!(text(0.25, 0.25), "0.25");
        assert_eq!(text(1200.0, 200.0), "1200");
        assert_eq!(text(2e-6, 1e-6), "2e-6");
        assert_eq!(text(1.5e9, 1e8), "1.5e9");
        assert_eq!(text(-0.0, 1e8), "0");
        assert_eq!(seconds_text(0.25), "250 ms");
        assert_eq!(seconds_text(10.0), "10 s");
        assert_eq!(seconds_text(0.000_05), "50 µs");
        assert_eq!([short(998.71), short(0.25), short(30000.0), short(1e-7)], ["999", "0.25", "30000", "1.00e-7"]);
    }
}
