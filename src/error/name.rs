//! Names: the rules for them, what breaks the rules, and how a message shows a name.

use std::fmt;

/// Tells why a text can't be the name of a provider, of a class or of a trait.
#[derive(Debug)]
pub(crate) struct NameFault {
    /// The first 60 characters of the text.
    pub(crate) name: String,
    /// The length of the whole text, in bytes.
    pub(crate) length: usize,
    /// What is wrong with the text.
    pub(crate) reason: &'static str,
}

impl NameFault {
    fn new(name: &str, reason: &'static str) -> Self {
        NameFault { name: beginning(name).to_owned(), length: name.len(), reason }
    }
}

/// Checks the name of a provider.
pub(crate) fn check_provider_name(name: &str) -> Result<(), NameFault> {
    let reason = match name.len() {
        0 => "it is empty",
        1..=LONGEST_NAME => return Ok(()),
        _ => "it is longer than 1024 bytes",
    };
    Err(NameFault::new(name, reason))
}

const LONGEST_NAME: usize = 1024;

/// Checks the name of a class or a trait.
pub(crate) fn check_term_name(name: &str) -> Result<(), NameFault> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-:".contains(&byte);
    let reason = match name.len() {
        0 => "it is empty",
        256.. => "it is longer than 255 bytes",
        _ if name.bytes().all(is_allowed) => return Ok(()),
        _ => "only ASCII letters and digits and _ . / - : are allowed",
    };
    Err(NameFault::new(name, reason))
}

/// Bounds the characters of a name that are shown.
const SHOWN: usize = 60;

/// Returns the first characters of a name.
fn beginning(name: &str) -> &str {
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => &name[..end],
        None => name,
    }
}

/// Writes a name in a message: in quotes, with invisible characters escaped, and cut if the name is
/// long.
pub(super) struct Quote<'a> {
    name: &'a str,
    /// The length of the whole name, in bytes.
    length: usize,
}

impl<'a> Quote<'a> {
    /// Quotes a whole name.
    pub(super) fn whole(name: &'a str) -> Self {
        Quote { name, length: name.len() }
    }

    /// Quotes `name` as the beginning of a name of `length` bytes.
    pub(super) fn cut(name: &'a str, length: usize) -> Self {
        Quote { name, length }
    }
}

impl fmt::Display for Quote<'_> {
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
                assert_eq!(Quote::whole(&name).to_string(), format!("\"{name}\""));
            }
            let (name, shown) = (letter.repeat(61), letter.repeat(60));
            let text = format!("\"{shown}\"... ({} bytes)", name.len());
            assert_eq!(beginning(&name), shown);
            assert_eq!(Quote::whole(&name).to_string(), text);
            assert_eq!(Quote::cut(&shown, name.len()).to_string(), text);
        }
    }

    #[test]
    fn what_can_not_be_seen_is_escaped() {
        assert_eq!(Quote::whole("a\n\u{1b}[2J\0\"").to_string(), r#""a\n\u{1b}[2J\0\"""#);
    }
}
