//! How messages show what came in from outside.

/// Bounds the characters of a text that are shown.
const SHOWN: usize = 300;

/// Returns a text as a message shows it: cut if it is long, with what can't be seen escaped.
pub(crate) fn quote(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}... ({} bytes)", visible(&text[..end]), text.len()),
        None => visible(text),
    }
}

/// Returns a text, whole, with everything escaped that can't be seen, as what controls a terminal.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\'' | '"' | '\\' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}

/// Returns a text without the user and the password of an address in it.
pub(crate) fn without_credentials(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, rest)) => format!("...@{rest}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        for letter in ["a", "ä", "木"] {
            assert_eq!(quote(&letter.repeat(SHOWN)), letter.repeat(SHOWN));
            let text = letter.repeat(SHOWN + 1);
            let expected = format!("{}... ({} bytes)", letter.repeat(SHOWN), text.len());
            assert_eq!(quote(&text), expected);
        }
        assert_eq!(quote("\u{1b}[31m\0"), r"\u{1b}[31m\0");
    }

    #[test]
    fn credentials_are_left_out() {
        for text in
            ["http://me:secret@host:1", "me:secret@host:1", "--etcd=http://me:sec@ret@host:1"]
        {
            assert_eq!(without_credentials(text), "...@host:1");
        }
        assert_eq!(without_credentials("http://host:1"), "http://host:1");
    }
}
