//! Durations with units, such as `10s` and `250ms`.

use std::time::Duration;

use eyre::{WrapErr, bail};

/// Parses a number of seconds with its unit: `s` or `ms`.
///
/// # Errors
/// When `text` is not a number with one of these units, or is negative or too large.
pub fn parse(text: &str) -> eyre::Result<Duration> {
    let trimmed = text.trim();
    let (number, unit_seconds) = match trimmed.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => match trimmed.strip_suffix('s') {
            Some(number) => (number, 1.0),
            None => bail!("expected a duration such as `10s` or `250ms`, found {text:?}"),
        },
    };
    let number: f64 = number
        .trim()
        .parse()
        .wrap_err_with(|| format!("expected a duration such as `10s` or `250ms`, found {text:?}"))?;
    Duration::try_from_secs_f64(number * unit_seconds).wrap_err_with(|| format!("{text:?} is not a possible duration"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_and_a_number() {
        assert_eq!(parse("10s").unwrap(), Duration::from_secs(10));
        assert_eq!(parse(" 0.25 s").unwrap(), Duration::from_millis(250));
        assert_eq!(parse("40ms").unwrap(), Duration::from_millis(40));
        for bad in ["10", "s", "-1s", "1e300s", "tens"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
