//! Names in messages: as much of a name as one can read.

use std::fmt;

/// Bounds the characters of a name that are shown.
const SHOWN: usize = 60;

/// Returns the first characters of a name.
pub(crate) fn beginning(name: &str) -> &str {
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => &name[..end],
        None => name,
    }
}

/// Writes a name in a message: in quotes, with invisible characters escaped, and cut if the name is
/// long.
pub(crate) struct Quoted<'a> {
    name: &'a str,
    /// The length of the whole name, in bytes.
    length: usize,
}

impl<'a> Quoted<'a> {
    pub(crate) fn whole(name: &'a str) -> Self {
        Quoted { name, length: name.len() }
    }

    /// Quotes `name` as the beginning of a name of `length` bytes.
    pub(crate) fn cut(name: &'a str, length: usize) -> Self {
        Quoted { name, length }
    }
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = beginning(self.name);
        match shown.len() < self.length {
            true => write!(f, "{shown:?}... ({} bytes)", self.length),
            false => write!(f, "{shown:?}"),
        }
    }
}

#[cfg(all(test, not(provider_tree_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_cut_between_two_characters() {
        for letter in ["a", "ä", "木", "🌲"] {
            for count in [0, 1, 59, 60] {
                let name = letter.repeat(count);
                assert_eq!(Quoted::whole(&name).to_string(), format!("\"{name}\""));
            }
            let (name, shown) = (letter.repeat(61), letter.repeat(60));
            let text = format!("\"{shown}\"... ({} bytes)", name.len());
            assert_eq!(beginning(&name), shown);
            assert_eq!(Quoted::whole(&name).to_string(), text);
            assert_eq!(Quoted::cut(&shown, name.len()).to_string(), text);
        }
    }

    #[test]
    fn what_can_not_be_seen_is_escaped() {
        assert_eq!(Quoted::whole("a\n\u{1b}[2J\0\"").to_string(), r#""a\n\u{1b}[2J\0\"""#);
    }
}
