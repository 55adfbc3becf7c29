//! Numbers for people.

/// A duration with three significant digits.
pub fn duration(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds.abs() {
        ns if ns < 1e3 => (nanoseconds, "ns"),
        ns if ns < 1e6 => (nanoseconds / 1e3, "us"),
        ns if ns < 1e9 => (nanoseconds / 1e6, "ms"),
        _ => (nanoseconds / 1e9, "s"),
    };
    format!("{} {unit}", number(value))
}

/// A throughput.
pub fn throughput(bytes_per_second: f64) -> String {
    format!("{} GB/s", number(bytes_per_second / 1e9))
}

/// Three significant digits, no exponent.
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        v if v >= 99.95 => format!("{value:.0}"),
        v if v >= 9.995 => format!("{value:.1}"),
        v if v >= 0.01 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// As [`number`], without zeros at its end: for what was chosen, not measured.
pub fn exact(value: f64) -> String {
    let shown = number(value);
    if shown.contains('.') { shown.trim_end_matches('0').trim_end_matches('.').to_owned() } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let shown = [0.0, 0.0012, 0.5, 9.99, 12.34, 123.4, 12_345.0].map(number);
        assert_eq!(shown, ["0", "0.0012", "0.50", "9.99", "12.3", "123", "12345"]);
        assert_eq!([0.5, 8.0, 10.0, 3000.0].map(exact), ["0.5", "8", "10", "3000"]);
        assert_eq!(duration(1234.0), "1.23 us");
        assert_eq!(throughput(58e9), "58.0 GB/s");
    }
}
