//! How messages show what came in from outside.

/// Bounds the characters of a text that are shown.
const SHOWN: usize = 60;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        for letter in ["a", "ä", "木", "🌲"] {
            assert_eq!(quote(&letter.repeat(60)), letter.repeat(60));
            let text = letter.repeat(61);
            let expected = format!("{}... ({} bytes)", letter.repeat(60), text.len());
            assert_eq!(quote(&text), expected);
        }
    }

    #[test]
    fn what_can_not_be_seen_is_escaped() {
        let text = "C:\\it's \"a\"\n\u{1b}[31m\0\u{7f}\u{9b}\u{202e}\u{200b}";
        let expected = r#"C:\it's "a"\n\u{1b}[31m\0\u{7f}\u{9b}\u{202e}\u{200b}"#;
        assert_eq!(quote(text), expected);
        assert_eq!(visible(text), expected);
        assert_eq!(visible(&"a".repeat(1000)), "a".repeat(1000), "a path stays whole");
    }
}
