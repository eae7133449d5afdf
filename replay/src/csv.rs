//! Comma separated values, as RFC 4180 has them but for the line ends.

use std::borrow::Cow;

/// Returns a row, with its line end.
pub(crate) fn row<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let fields: Vec<_> = fields.into_iter().map(field).collect();
    fields.join(",") + "\n"
}

/// Returns a text as a field: in quotes where it would not be one otherwise.
fn field(text: &str) -> Cow<'_, str> {
    match text.contains([',', '"', '\n', '\r']) {
        true => Cow::Owned(format!("\"{}\"", text.replace('"', "\"\""))),
        false => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_to_be_is_quoted() {
        assert_eq!(row(["a", "", "b c|d"]), "a,,b c|d\n");
        assert_eq!(row(["a,b", "c\nd", "e\"f"]), "\"a,b\",\"c\nd\",\"e\"\"f\"\n");
    }
}
