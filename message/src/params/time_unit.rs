//! Units of time in the parameter `axes`.

/// A unit of time along the buffered axis. In the ring, times are seconds.
///
/// One of the two numbers is 1, so that a conversion rounds once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TimeUnit {
    in_a_second: f64,
    seconds: f64,
}

/// The name of the second in a description.
pub(crate) const SECOND: &str = "s";

impl TimeUnit {
    pub(crate) const SECOND: Self = Self { in_a_second: 1.0, seconds: 1.0 };

    /// The unit called `name`. `None`: it is not a unit of time.
    pub(crate) fn named(name: &str) -> Option<Self> {
        // In symbols the case matters: MS is not ms, and S is not s.
        const SYMBOLS: [(&str, f64, f64); 8] = [
            ("s", 1.0, 1.0),
            ("ms", 1e3, 1.0),
            ("us", 1e6, 1.0),
            ("\u{b5}s", 1e6, 1.0),
            ("\u{3bc}s", 1e6, 1.0),
            ("ns", 1e9, 1.0),
            ("min", 1.0, 60.0),
            ("h", 1.0, 3600.0),
        ];
        const WORDS: [(&str, f64, f64); 12] = [
            ("sec", 1.0, 1.0),
            ("second", 1.0, 1.0),
            ("msec", 1e3, 1.0),
            ("millisecond", 1e3, 1.0),
            ("usec", 1e6, 1.0),
            ("\u{b5}sec", 1e6, 1.0),
            ("microsecond", 1e6, 1.0),
            ("nsec", 1e9, 1.0),
            ("nanosecond", 1e9, 1.0),
            ("minute", 1.0, 60.0),
            ("hr", 1.0, 3600.0),
            ("hour", 1.0, 3600.0),
        ];
        let name = name.trim();
        let is_word = |word: &str| {
            name.eq_ignore_ascii_case(word)
                || name.strip_suffix(['s', 'S']).is_some_and(|one| one.eq_ignore_ascii_case(word))
        };
        let symbol = SYMBOLS.iter().find(|(symbol, ..)| *symbol == name);
        let (_, in_a_second, seconds) = symbol.or_else(|| WORDS.iter().find(|(word, ..)| is_word(word)))?;
        Some(Self { in_a_second: *in_a_second, seconds: *seconds })
    }

    /// `value` of this unit in seconds.
    pub(crate) fn to_seconds(self, value: f64) -> f64 {
        value * self.seconds / self.in_a_second
    }

    /// The number of this unit that `seconds` were most likely converted from: of the few numbers that give exactly
    /// these seconds, the one with the fewest digits.
    pub(crate) fn number_of(self, seconds: f64) -> f64 {
        if self == Self::SECOND {
            return seconds;
        }
        let near = seconds * self.in_a_second / self.seconds;
        let candidates =
            [near, near.next_up(), near.next_down(), near.next_up().next_up(), near.next_down().next_down()];
        let fitting = candidates.into_iter().filter(|value| self.to_seconds(*value) == seconds);
        fitting.min_by_key(|value| format!("{value:e}").len()).unwrap_or(near)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_time_are_known_by_symbol_and_by_word() {
        for (names, seconds) in [
            (&["s", " s ", "sec", "secs", "Second", "SECONDS"][..], 1.0),
            (&["ms", "msec", "millisecond", "Milliseconds"], 1e-3),
            (&["us", "\u{b5}s", "\u{3bc}s", "usec", "microseconds"], 1e-6),
            (&["ns", "nsec", "nanosecond"], 1e-9),
            (&["min", "minute", "minutes"], 60.0),
            (&["h", "hr", "hrs", "hour", "Hours"], 3600.0),
        ] {
            for name in names {
                assert_eq!(TimeUnit::named(name).map(|unit| unit.to_seconds(1.0)), Some(seconds), "{name}");
            }
        }
        for other in ["", "S", "MS", "mS", "Ms", "H", "m", "Hz", "mm", "V", "sample", "hs", "secss"] {
            assert_eq!(TimeUnit::named(other), None, "{other}");
        }
    }

    #[test]
    fn numbers_come_back_as_they_were_written() {
        for name in ["s", "ms", "us", "ns", "min", "h"] {
            let unit = TimeUnit::named(name).unwrap();
            for value in [0.0, 0.1, 12.3, -7.7, 1e-9, 1_700_000_000_123.0, 123_456_789.012_345] {
                assert_eq!(unit.number_of(unit.to_seconds(value)), value, "{name}");
            }
        }
    }
}
