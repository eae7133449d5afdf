//! Parsers of options' values.

use std::ops::RangeInclusive;

/// Returns a load factor.
pub(super) fn load_factor(text: &str) -> Result<f64, String> {
    let factor = text.parse().ok().filter(|&factor| factor > 0.0 && factor <= 100.0);
    factor.ok_or_else(|| "must be a number above 0 and at most 100".to_owned())
}

/// Returns a parser of the whole numbers in a range.
pub(super) fn whole<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync {
    move |text| {
        let number = text.parse::<u64>().ok().filter(|number| range.contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| {
            format!("must be a whole number from {} to {}", range.start(), range.end())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_factor_must_be_a_positive_number() {
        assert_eq!(load_factor("1.3"), Ok(1.3));
        for text in ["0", "-1", "NaN", "inf", "101", "x"] {
            assert!(load_factor(text).is_err(), "{text}");
        }
    }
}
