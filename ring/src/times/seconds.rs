//! Seconds so fine that no count of frames adds up a rounding error that a double shows.

use std::ops::{Add, Sub};

use super::NS_PER_S;

/// An instant or a duration: seconds in steps of 2^-92, from -2^35 to 2^35 (1088 years).
///
/// A day of frames at 1 MHz is 2^36 steps of one period. Rounding the period to 2^-92 s then makes an error of 2^-57 s,
/// far below the 2^-36 s that a double distinguishes within the first hours after boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(i128);

const FRACTION_BITS: u32 = 92;
/// 2^-92.
const UNIT_S: f64 = f64::from_bits((1023 - FRACTION_BITS as u64) << 52);
/// 2^92.
const UNITS_PER_S: f64 = f64::from_bits((1023 + FRACTION_BITS as u64) << 52);

impl Seconds {
    /// A count of nanoseconds, of at most 64 bits and a sign.
    pub fn from_ns(ns: i128) -> Self {
        let whole = ns.div_euclid(i128::from(NS_PER_S));
        let rest = ns.rem_euclid(i128::from(NS_PER_S)) as u128;
        Self((whole << FRACTION_BITS) + ((rest << FRACTION_BITS) / u128::from(NS_PER_S)) as i128)
    }

    /// A duration below 2^34 s.
    pub fn from_f64(seconds: f64) -> Self {
        Self((seconds * UNITS_PER_S) as i128)
    }

    /// One period of a rate from 10^-6 to 10^9 Hz, to the last of the 92 bits.
    pub fn period(rate_hz: f64) -> Self {
        let bits = rate_hz.to_bits();
        // The rate is `mantissa` x 2^`exponent`: such rates are normal numbers.
        let mantissa = u128::from(bits & ((1 << 52) - 1) | (1 << 52));
        let exponent = ((bits >> 52) & 0x7ff) as i32 - 1075;
        // Wanted: 2^(92 - exponent) / mantissa. A first division yields 2^127 / mantissa, a second the bits after it.
        let (quotient, remainder) = ((1 << 127) / mantissa, (1 << 127) % mantissa);
        let units = match FRACTION_BITS as i32 - exponent - 127 {
            more @ 0.. => (quotient << more) + (remainder << more) / mantissa,
            fewer => quotient >> -fewer,
        };
        Self(units as i128)
    }

    /// The nearest double.
    pub fn to_f64(self) -> f64 {
        // The conversion rounds once, to the nearest; the scaling by a power of two is exact.
        self.0 as f64 * UNIT_S
    }

    /// `count` times this duration. Saturates beyond the range.
    pub fn times(self, count: i128) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// `count` times this duration, which the caller knows to be within the range.
    pub fn times_within_range(self, count: u64) -> Self {
        Self(self.0.wrapping_mul(i128::from(count)))
    }

    /// This duration, changed by `fraction` of it.
    pub fn stretched(self, fraction: f64) -> Self {
        self + Self::from_f64(self.to_f64() * fraction)
    }
}

impl Add for Seconds {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Seconds {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_times_its_rate_is_a_second() {
        for rate_hz in [1e-6, 0.001, 1.0 / 60.0, 0.3, 1.0, 29.97, 48_000.0, 30_000.0, 44_100.5, 4e6, 1e9] {
            let period = Seconds::period(rate_hz).0;
            assert_eq!((period as f64 * UNIT_S).to_bits(), (1.0 / rate_hz).to_bits(), "{rate_hz} Hz");
            if rate_hz.fract() == 0.0 {
                let missing = (1i128 << FRACTION_BITS) - period * rate_hz as i128;
                assert!((0..rate_hz as i128).contains(&missing), "{rate_hz} Hz: {missing} of 2^-92 s are missing");
            }
        }
    }

    #[test]
    fn nanoseconds_become_the_nearest_double_on_both_sides_of_zero() {
        for ns in [0, 1, 999_999_999, 1_000_000_000, 1_700_000_000_123_456_789, i64::MAX, -1, -1_500_000_000, i64::MIN]
        {
            // Rust parses decimal numbers exactly.
            let decimal = format!(
                "{}{}.{:09}",
                if ns < 0 { "-" } else { "" },
                ns.unsigned_abs() / NS_PER_S,
                ns.unsigned_abs() % NS_PER_S
            );
            assert_eq!(Seconds::from_ns(ns.into()).to_f64(), decimal.parse::<f64>().unwrap(), "{ns} ns");
        }
    }

    #[test]
    fn a_duration_is_stretched_by_a_fraction() {
        let period = Seconds::period(1000.0);
        assert_eq!(period.stretched(0.05).to_f64(), 0.00105);
        assert_eq!(period.stretched(0.0), period);
    }
}
