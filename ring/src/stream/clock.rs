//! Which clock the times of a generation are of, and how they are converted to another one.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// What the times of a generation are of. Nothing follows from a time about another clock unless it is named here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Clock {
    /// The source's own: simulation time, a device's counter, TAI, an axis that is not time.
    #[default]
    Source,
    /// Seconds since the Unix epoch, UTC.
    Unix,
    /// Seconds of the CLOCK_MONOTONIC that the generation's [`ClockId`] names: Python's `time.monotonic()` and LSL's
    /// `local_clock()` on the writer's machine.
    Monotonic,
}

impl Clock {
    /// Every clock, in the order of their codes.
    pub const ALL: [Clock; 3] = [Clock::Source, Clock::Unix, Clock::Monotonic];

    /// The word for it: `source`, `unix` or `monotonic`.
    pub const fn name(self) -> &'static str {
        match self {
            Clock::Source => "source",
            Clock::Unix => "unix",
            Clock::Monotonic => "monotonic",
        }
    }

    /// The code stored in a trailer.
    pub(crate) const fn code(self) -> u32 {
        match self {
            Clock::Source => 0,
            Clock::Unix => 1,
            Clock::Monotonic => 2,
        }
    }

    /// The clock with this code. A code that is not known says as little about the times as 0 does.
    pub(crate) fn from_code(code: u32) -> Clock {
        Self::ALL.get(code as usize).copied().unwrap_or(Clock::Source)
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Clock {
    type Err = Error;

    /// Parses the [`name`](Self::name).
    ///
    /// # Errors
    /// [`Error::BadArgument`] if no clock has that name.
    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|clock| clock.name() == name).ok_or_else(|| Error::BadArgument {
            reason: format!("clock {name:?}, expected one of source, unix, monotonic"),
        })
    }
}

/// Identity of one CLOCK_MONOTONIC: of one boot of one machine, in one time namespace. Times of two generations on
/// [`Clock::Monotonic`] can be compared if their identities are equal and [known](Self::is_known).
///
/// As text, it has the form of a UUID.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClockId(pub [u8; 16]);

impl ClockId {
    /// It is unknown which clock it is. All bytes are zero.
    pub const UNKNOWN: ClockId = ClockId([0; 16]);

    /// Whether it is known which clock it is.
    pub fn is_known(&self) -> bool {
        *self != Self::UNKNOWN
    }
}

impl fmt::Display for ClockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            let hyphen = if matches!(i, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{hyphen}{byte:02x}")?;
        }
        Ok(())
    }
}

impl FromStr for ClockId {
    type Err = Error;

    /// Parses 32 hexadecimal digits, with or without hyphens.
    ///
    /// # Errors
    /// [`Error::BadArgument`] if these are not 16 bytes.
    fn from_str(text: &str) -> Result<Self> {
        let digits = text.chars().filter(|&c| c != '-').map(|c| c.to_digit(16).map(|digit| digit as u8));
        let digits: Option<Vec<u8>> = digits.collect();
        let digits: Option<[u8; 32]> = digits.and_then(|digits| digits.try_into().ok());
        let id = digits.map(|digits| ClockId(std::array::from_fn(|i| digits[2 * i] << 4 | digits[2 * i + 1])));
        id.ok_or_else(|| Error::BadArgument { reason: format!("clock_id {text:?}, expected 32 hexadecimal digits") })
    }
}

/// The clock of a generation, and one moment on both of the machine's clocks: when the generation was created.
///
/// The moment converts times between [`Clock::Unix`] and [`Clock::Monotonic`], since the two clocks keep their distance
/// unless the system's clock is set or the machine is suspended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GenerationClock {
    /// What the times are of.
    pub clock: Clock,
    /// Which CLOCK_MONOTONIC `created_mono_ns` and the `mono_ns` of messages are of.
    pub id: ClockId,
    /// When the generation was created, nanoseconds since the Unix epoch.
    pub created_ns: i64,
    /// The same moment on CLOCK_MONOTONIC, nanoseconds.
    pub created_mono_ns: u64,
}

impl GenerationClock {
    /// `times` of this generation as seconds of another clock, [`Clock::Unix`] or [`Clock::Monotonic`].
    ///
    /// A double holds Unix seconds in steps of 238 ns, which is also how exact the result is at best.
    ///
    /// # Errors
    /// [`Error::BadArgument`] if the times are on the source's own clock, if `clock` is [`Clock::Source`], and if
    /// either is [`Clock::Monotonic`] and it is unknown which one that is.
    pub fn times_on(&self, clock: Clock, times: &[f64]) -> Result<Vec<f64>> {
        let refuse = |reason: &str| Err(Error::BadArgument { reason: reason.to_owned() });
        if clock == Clock::Source {
            return refuse("times can be converted to unix or monotonic, found source; read them as they are");
        }
        if self.clock == Clock::Source {
            return refuse(
                "the times of this generation are on the source's own clock, expected unix or monotonic; let its \
                 writer name their clock",
            );
        }
        if [self.clock, clock].contains(&Clock::Monotonic) && !self.id.is_known() {
            return refuse(
                "the writer could not name its monotonic clock (clock_id is zero), so its times cannot be compared \
                 with those of others; mount /proc where the writer runs",
            );
        }
        // In two parts, so that the sum is rounded once: whole seconds are exact.
        let ahead_ns = i128::from(self.created_ns) - i128::from(self.created_mono_ns);
        let (seconds, rest) = (ahead_ns.div_euclid(BILLION) as f64, ahead_ns.rem_euclid(BILLION) as f64 * 1e-9);
        Ok(match (self.clock, clock) {
            (Clock::Monotonic, Clock::Unix) => times.iter().map(|time| (time + rest) + seconds).collect(),
            (Clock::Unix, Clock::Monotonic) => times.iter().map(|time| (time - seconds) - rest).collect(),
            _ => times.to_vec(),
        })
    }

    /// The time in seconds that a moment of CLOCK_MONOTONIC, in nanoseconds, has on this generation's clock. `None` on
    /// the source's own clock.
    pub fn time_at(&self, mono_ns: u64) -> Option<f64> {
        let ahead_ns = match self.clock {
            Clock::Source => return None,
            Clock::Unix => i128::from(self.created_ns) - i128::from(self.created_mono_ns),
            Clock::Monotonic => 0,
        };
        let ns = i128::from(mono_ns) + ahead_ns;
        Some(ns.div_euclid(BILLION) as f64 + ns.rem_euclid(BILLION) as f64 * 1e-9)
    }
}

/// Nanoseconds in a second.
const BILLION: i128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const ID: ClockId = ClockId(*b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff");

    fn generation(clock: Clock) -> GenerationClock {
        GenerationClock { clock, id: ID, created_ns: 1_700_000_000_250_000_000, created_mono_ns: 1_000_500_000_000 }
    }

    #[test]
    fn names_and_codes_lead_back_to_the_same_clock() {
        for clock in Clock::ALL {
            assert_eq!(Clock::from_code(clock.code()), clock);
            assert_eq!(clock.name().parse::<Clock>().unwrap(), clock);
        }
        assert!("UTC".parse::<Clock>().is_err());
    }

    #[test]
    fn a_clock_that_is_not_known_is_the_source_s_own() {
        for code in [3, 4, u32::MAX] {
            assert_eq!(Clock::from_code(code), Clock::Source);
        }
    }

    #[test]
    fn an_identity_is_written_as_a_uuid() {
        assert_eq!(ID.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
        assert_eq!(ID.to_string().parse::<ClockId>().unwrap(), ID);
        assert!("00112233".parse::<ClockId>().is_err() && "x".repeat(32).parse::<ClockId>().is_err());
        assert!(ID.is_known() && !ClockId::UNKNOWN.is_known());
    }

    #[test]
    fn times_are_converted_by_the_moment_of_creation() {
        let (unix, monotonic) = (generation(Clock::Unix), generation(Clock::Monotonic));
        assert_eq!(monotonic.times_on(Clock::Unix, &[1000.5, 1001.0]).unwrap(), [1_700_000_000.25, 1_700_000_000.75]);
        assert_eq!(unix.times_on(Clock::Monotonic, &[1_700_000_000.25]).unwrap(), [1000.5]);
        assert_eq!(unix.times_on(Clock::Unix, &[7.0]).unwrap(), [7.0]);
        assert_eq!(monotonic.times_on(Clock::Monotonic, &[7.0]).unwrap(), [7.0]);
        // Before the machine was started.
        let later = GenerationClock { created_ns: 5, created_mono_ns: 2_000_000_000, ..unix };
        assert_eq!(later.times_on(Clock::Monotonic, &[0.5]).unwrap(), [2.499_999_995]);
    }

    #[test]
    fn a_time_that_is_converted_there_and_back_is_off_by_less_than_a_step_of_the_double() {
        let (unix, monotonic) = (generation(Clock::Unix), generation(Clock::Monotonic));
        for i in 0..1000 {
            let time = 1000.0 + f64::from(i) * 0.000_123_456_7;
            let there = monotonic.times_on(Clock::Unix, &[time]).unwrap();
            let back = unix.times_on(Clock::Monotonic, &there).unwrap()[0];
            assert!((back - time).abs() < 238e-9, "{time} {back}");
        }
    }

    #[test]
    fn a_moment_has_the_time_that_its_conversion_has() {
        let (unix, monotonic) = (generation(Clock::Unix), generation(Clock::Monotonic));
        assert_eq!(monotonic.time_at(1_000_750_000_000), Some(1000.75));
        assert_eq!(unix.time_at(1_000_750_000_000), Some(1_700_000_000.5));
        assert_eq!(generation(Clock::Source).time_at(1), None);
    }

    #[test]
    fn times_of_an_unknown_clock_are_not_converted() {
        for clock in Clock::ALL {
            assert!(generation(Clock::Source).times_on(clock, &[1.0]).is_err());
            assert!(generation(clock).times_on(Clock::Source, &[1.0]).is_err());
        }
        let unnamed = |clock| GenerationClock { id: ClockId::UNKNOWN, ..generation(clock) };
        assert!(unnamed(Clock::Monotonic).times_on(Clock::Unix, &[1.0]).is_err());
        assert!(unnamed(Clock::Unix).times_on(Clock::Monotonic, &[1.0]).is_err());
        assert_eq!(unnamed(Clock::Unix).times_on(Clock::Unix, &[1.0]).unwrap(), [1.0]);
    }
}
