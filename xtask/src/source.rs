//! Reading Rust source closely enough to see which names it uses.

/// The source without its comments and without its string literals; every line keeps its number.
pub(crate) fn code_of(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        let in_a_name = code.ends_with(is_part_of_name);
        let length = comment(rest).or_else(|| literal(rest, in_a_name));
        if let Some(length) = length {
            code.extend(rest[..length].chars().filter(|&letter| letter == '\n'));
            rest = &rest[length..];
        } else {
            code.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    code
}

/// The lines, counted from 1, on which the code uses this name.
pub(crate) fn lines_with_name(code: &str, name: &str) -> Vec<usize> {
    uses(code, name).map(|(before, _)| line_after(before)).collect()
}

/// The lines, counted from 1, on which the code uses this name as a segment of a path or in a
/// list of imports.
pub(crate) fn lines_with_module(code: &str, name: &str) -> Vec<usize> {
    let is_module = |&(before, after): &(&str, &str)| {
        let before = before.trim_end();
        let opened = ["::", "{", ","].iter().any(|mark| before.ends_with(mark));
        opened || after.trim_start().starts_with("::")
    };
    uses(code, name).filter(is_module).map(|(before, _)| line_after(before)).collect()
}

/// What stands before and after each use of a name.
fn uses<'a>(code: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let around = |(at, found): (usize, &str)| (&code[..at], &code[at + found.len()..]);
    code.match_indices(name).map(around).filter(|(before, after)| {
        !before.ends_with(is_part_of_name) && !after.starts_with(is_part_of_name)
    })
}

fn is_part_of_name(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn line_after(before: &str) -> usize {
    before.matches('\n').count() + 1
}

/// The length of the comment that begins here.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += 1;
        }
    }
    Some(text.len())
}

/// The length of the literal that begins here, if it is one that may hold any text.
fn literal(text: &str, in_a_name: bool) -> Option<usize> {
    if text.starts_with('"') {
        return Some(string(text));
    }
    if text.starts_with('\'') {
        return character(text);
    }
    if in_a_name { None } else { raw_string(text) }
}

fn string(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// Only quotes and escapes: the other characters can't be mistaken for something else.
fn character(text: &str) -> Option<usize> {
    let escaped = || text.starts_with("'\\") && text.as_bytes().get(3) == Some(&b'\'');
    if text.starts_with("'\"'") { Some(3) } else { escaped().then_some(4) }
}

fn raw_string(text: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"].into_iter().find(|prefix| text.starts_with(prefix))?;
    let after = &text[prefix.len()..];
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(text.len() - body.len() + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_no_code() {
        let cases = [
            ("a // b\nc", "a \nc"),
            ("//! `dashmap`\nuse x;", "\nuse x;"),
            ("a /* b /* c\n */ d */ e", "a \n e"),
            ("let a = \"b // \\\" c\"; d", "let a = ; d"),
            ("let a = r#\"b \" // \"#; d", "let a = ; d"),
            ("let a = br\"\\\"; d", "let a = ; d"),
            ("let a = 'x'; // b", "let a = 'x'; "),
            ("match a { '\"' => b, '\\'' => c } // d", "match a {  => b,  => c } "),
            ("fn a<'b>(r#c: &'b str) {}", "fn a<'b>(r#c: &'b str) {}"),
            ("\"open\nto the end", "\n"),
        ];
        for (source, expected) in cases {
            assert_eq!(code_of(source), expected, "{source}");
        }
    }

    #[test]
    fn a_name_is_a_whole_word() {
        let code = "use dashmap::DashMap;\nlet my_dashmap = dashmaps();\nx(dashmap)";
        assert_eq!(lines_with_name(code, "dashmap"), [1, 3]);
    }

    #[test]
    fn a_module_is_found_however_it_is_imported() {
        let code = "\
use std::sync::atomic::AtomicU64;
use std::sync::atomic;
use std::{sync::{Arc, atomic::Ordering}, thread};
use core::sync::{
    atomic,
};
let atomic = 1;
apply(atomic);
non_atomic::call();";
        assert_eq!(lines_with_module(code, "atomic"), [1, 2, 3, 5]);
    }
}
