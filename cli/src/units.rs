//! Numbers with their units, for people: written, and read from the command line.

use std::time::Duration;

/// Memory: `64.0 MiB`, in powers of two, as other tools show shared memory.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // A value that would be printed as 1024.0 of a unit is 1.0 of the next.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Throughput in decimal units: `12.3 MB/s`.
pub fn bytes_per_second(rate: f64) -> String {
    format!("{}B/s", with_prefix(rate))
}

/// A rate: `29.97 Hz`, `30 kHz`.
pub fn hertz(rate: f64) -> String {
    format!("{}Hz", with_prefix(rate))
}

/// Four digits, a space, and the decimal prefix.
fn with_prefix(value: f64) -> String {
    const PREFIXES: [(f64, &str); 4] = [(1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")];
    if !value.is_finite() {
        return format!("{value} ");
    }
    // 999.96 is 1000 in four digits, and that is 1 of the next prefix.
    let (scale, prefix) = PREFIXES.into_iter().find(|(scale, _)| value.abs() >= scale * 0.99995).unwrap_or((1.0, ""));
    format!("{} {prefix}", four_digits(value / scale))
}

/// At most four digits, without zeros at the end of a fraction.
fn four_digits(value: f64) -> String {
    let decimals = match value.abs() {
        0.0 => 0,
        value if value < 0.001 => 6,
        value if value < 9.9995 => 3,
        value if value < 99.995 => 2,
        value if value < 999.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A time span with about three digits: `12.3 µs`, `4.56 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
pub fn duration(span: Duration) -> String {
    let ns = span.as_nanos();
    let digits = |value: f64, unit: &str| {
        let decimals = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
        format!("{value:.decimals$} {unit}")
    };
    let seconds = span.as_secs();
    match ns {
        0 => "0 s".to_owned(),
        1..1_000 => format!("{ns} ns"),
        1_000..999_500 => digits(ns as f64 / 1e3, "µs"),
        999_500..999_500_000 => digits(ns as f64 / 1e6, "ms"),
        999_500_000..60_000_000_000 => digits(ns as f64 / 1e9, "s"),
        _ if seconds < 3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ if seconds < 86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// [`duration`] of seconds; `-` if that is not a time span.
pub fn seconds(seconds: f64) -> String {
    Duration::try_from_secs_f64(seconds).map_or_else(|_| "-".to_owned(), duration)
}

/// A count with its digits in groups of three: `12 345 678`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count of things: `1 frame`, `1 200 frames`.
pub fn counted(count: u64, thing: &str) -> String {
    format!("{} {thing}{}", self::count(count), if count == 1 { "" } else { "s" })
}

/// A frame's shape: `480 x 640 x 3`; `scalar` for one sample.
pub fn shape(shape: &[u64]) -> String {
    if shape.is_empty() {
        return "scalar".to_owned();
    }
    shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" x ")
}

/// The type and shape of a frame: `float32 [64]`.
pub fn format(format: &dora_shm_ring::Format) -> String {
    match format.frame_shape() {
        [] => format.dtype().to_string(),
        shape => format!("{} {shape:?}", format.dtype()),
    }
}

/// Reads a time span from the command line: `5s`, `250ms`, `1.5min`, `2h`; a number alone is seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text);
    let scale = match unit {
        "s" | "sec" | "" => 1.0,
        "ms" => 1e-3,
        "us" | "µs" | "μs" => 1e-6,
        "ns" => 1e-9,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(format!("unknown unit {unit:?}; expected a time such as 5s, 250ms, 1.5min or 2h")),
    };
    let value: f64 = number.parse().map_err(|_| "expected a time such as 5s, 250ms, 1.5min or 2h".to_owned())?;
    Duration::try_from_secs_f64(value * scale).map_err(|_| "expected a time of 0 or more".to_owned())
}

/// Reads an amount of memory from the command line: `500MB`, `2GiB`, `1G`; a number alone is bytes.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split_unit(text);
    let scale = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1_048_576.0,
        "gib" => 1_073_741_824.0,
        "tib" => 1_099_511_627_776.0,
        _ => return Err(format!("unknown unit {unit:?}; expected a size such as 500MB, 2GiB or 1G")),
    };
    let value: f64 = number.parse().map_err(|_| "expected a size such as 500MB, 2GiB or 1G".to_owned())?;
    let bytes = value * scale;
    // 2^63 and more is beyond any file.
    if (0.0..9.2e18).contains(&bytes) { Ok(bytes as u64) } else { Err("expected a size of 0 or more".to_owned()) }
}

fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.trim_end_matches(char::is_alphabetic).len();
    (text[..end].trim_end(), &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_printed_in_powers_of_two() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (16384, "16.0 KiB"),
            (67_108_864, "64.0 MiB"),
            (1_048_575, "1.0 MiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (value, text) in cases {
            assert_eq!(bytes(value), text);
        }
    }

    #[test]
    fn rates_have_at_most_four_digits_and_a_prefix() {
        let cases = [
            (0.0, "0 Hz"),
            (0.1, "0.1 Hz"),
            (29.97, "29.97 Hz"),
            (30.0, "30 Hz"),
            (250.04, "250 Hz"),
            (999.96, "1 kHz"),
            (30_000.0, "30 kHz"),
            (44_100.0, "44.1 kHz"),
            (1e9, "1 GHz"),
            (f64::INFINITY, "inf Hz"),
        ];
        for (value, text) in cases {
            assert_eq!(hertz(value), text);
        }
        assert_eq!(bytes_per_second(12_340_000.0), "12.34 MB/s");
    }

    #[test]
    fn time_spans_have_the_unit_that_fits() {
        let cases = [
            (0, "0 s"),
            (999, "999 ns"),
            (12_300, "12.3 µs"),
            (999_600, "1.00 ms"),
            (999_499, "999 µs"),
            (4_560_000_000, "4.56 s"),
            (200_000_000_000, "3 min 20 s"),
            (7_500_000_000_000, "2 h 5 min"),
            (273_600_000_000_000, "3 d 4 h"),
        ];
        for (ns, text) in cases {
            assert_eq!(duration(Duration::from_nanos(ns)), text);
        }
        assert_eq!((seconds(1.5), seconds(-1.0), seconds(f64::NAN)), ("1.50 s".into(), "-".into(), "-".into()));
    }

    #[test]
    fn counts_and_shapes_are_readable() {
        assert_eq!((count(7), count(1234), count(12_345_678)), ("7".into(), "1 234".into(), "12 345 678".into()));
        assert_eq!((counted(1, "frame"), counted(1200, "frame")), ("1 frame".into(), "1 200 frames".into()));
        assert_eq!((shape(&[]), shape(&[480, 640, 3])), ("scalar".into(), "480 x 640 x 3".into()));
    }

    #[test]
    fn time_spans_are_read_with_and_without_unit() {
        let cases = [
            ("5s", 5000),
            ("250ms", 250),
            ("1.5min", 90_000),
            ("2 h", 7_200_000),
            ("3", 3000),
            ("0", 0),
            ("2m", 120_000),
        ];
        for (text, ms) in cases {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for bad in ["", "s", "-1s", "5 parsecs", "nan", "inf", "1e400"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_read_with_and_without_unit() {
        let cases = [("500MB", 500_000_000), ("2GiB", 2 << 30), ("1G", 1_000_000_000), ("1.5 k", 1500), ("7", 7)];
        for (text, bytes) in cases {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for bad in ["", "MB", "-1", "5 apples", "nan", "1e30"] {
            assert!(parse_bytes(bad).is_err(), "{bad}");
        }
    }
}
