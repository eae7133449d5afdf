//! What has come out, for the terminal and for programs.

pub(crate) mod json;
pub(crate) mod page;
pub(crate) mod table;

/// A rate or a ratio with three digits that count.
fn short(value: f64) -> String {
    let (scaled, unit) = match value {
        value if value >= 1e9 => (value / 1e9, " G"),
        value if value >= 1e6 => (value / 1e6, " M"),
        value if value >= 1e4 => (value / 1e3, " k"),
        value => (value, ""),
    };
    let digits = if scaled >= 100.0 {
        0
    } else if scaled >= 10.0 {
        1
    } else {
        2
    };
    format!("{scaled:.digits$}{unit}")
}

/// A time with its unit.
fn time(nanoseconds: u64) -> String {
    let value = nanoseconds as f64;
    let (scaled, unit) = match value {
        value if value >= 1e9 => (value / 1e9, "s"),
        value if value >= 1e6 => (value / 1e6, "ms"),
        value if value >= 1e4 => (value / 1e3, "µs"),
        value => (value, "ns"),
    };
    let digits = if scaled >= 100.0 || unit == "ns" { 0 } else { 1 };
    format!("{scaled:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(short(0.1234), "0.12");
        assert_eq!(short(12.34), "12.3");
        assert_eq!(short(9_876_543.0), "9.88 M");
        assert_eq!(time(950), "950 ns");
        assert_eq!(time(12_345), "12.3 µs");
        assert_eq!(time(2_000_000_000), "2.0 s");
    }
}
