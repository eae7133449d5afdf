//! Reading Rust source closely enough to see which names it uses.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::shell::{Failure, failed};

/// Rust source as a row of tokens: comments are none, and the text of a literal is left out.
pub(crate) struct Source {
    tokens: Vec<Token>,
}

struct Token {
    text: String,
    line: usize,
    is_name: bool,
}

impl Source {
    /// Reads the text of a file; fails if the text is not made of Rust tokens.
    pub(crate) fn parse(text: &str) -> Result<Source, Failure> {
        let stream: TokenStream =
            text.parse().map_err(|error| failed(format!("not made of Rust tokens: {error}")))?;
        Ok(Source::of(stream))
    }

    /// Reads tokens that have been read from text.
    pub(crate) fn of(stream: TokenStream) -> Source {
        let mut source = Source { tokens: Vec::new() };
        source.append(stream);
        source
    }

    fn append(&mut self, stream: TokenStream) {
        for tree in stream {
            let line = tree.span().start().line;
            let is_name = matches!(tree, TokenTree::Ident(_));
            let token = |text: String| Token { text, line, is_name };
            match tree {
                TokenTree::Group(group) => {
                    let (opening, closing) = match group.delimiter() {
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Brace => ("{", "}"),
                        Delimiter::Bracket => ("[", "]"),
                        Delimiter::None => ("", ""),
                    };
                    self.tokens.push(token(opening.to_owned()));
                    self.append(group.stream());
                    self.tokens.push(token(closing.to_owned()));
                }
                TokenTree::Ident(name) => self.tokens.push(token(name.to_string())),
                TokenTree::Punct(mark) => self.tokens.push(token(mark.to_string())),
                TokenTree::Literal(_) => self.tokens.push(token(String::new())),
            }
        }
    }

    /// Lists the names that the source uses, each as often as the source uses it.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().filter(|token| token.is_name).map(|token| token.text.as_str())
    }

    /// Lists the lines, counted from 1, on which the source uses this name.
    pub(crate) fn lines_with_name(&self, name: &str) -> Vec<usize> {
        self.uses(name).map(|at| self.tokens[at].line).collect()
    }

    /// Lists the lines, counted from 1, on which the source uses this name as a segment of a path
    /// or in a list of imports.
    pub(crate) fn lines_with_module(&self, name: &str) -> Vec<usize> {
        let is_module = |&at: &usize| {
            let (before, after) = (&self.tokens[..at], &self.tokens[at + 1..]);
            let is_listed = before.last().is_some_and(|token| matches!(&*token.text, "{" | ","));
            is_listed || ends_with(before, &[":", ":"]) || begins_with(after, &[":", ":"])
        };
        self.uses(name).filter(is_module).map(|at| self.tokens[at].line).collect()
    }

    /// Tells whether the source has these tokens somewhere, one after the other.
    pub(crate) fn contains(&self, texts: &[&str]) -> bool {
        self.places(texts).next().is_some()
    }

    /// Tells whether the source declares this test, itself or as a name that it gives to a macro
    /// with a colon behind.
    #[cfg(test)]
    pub(crate) fn declares_test(&self, test: &str) -> bool {
        let is_after = |at: usize| {
            let mut after = self.tokens[at..].iter().skip_while(|token| token.text != "fn");
            after.nth(1).is_some_and(|token| token.text == test)
        };
        self.places(&["#", "[", "test", "]"]).any(is_after)
            || self.places(&[test, ":"]).any(|at| self.is_for_macro(at))
    }

    /// Tells whether a token is inside the brackets of `name!`.
    #[cfg(test)]
    fn is_for_macro(&self, at: usize) -> bool {
        let mut closed = 0_usize;
        (0..at).rev().any(|at| match self.tokens[at].text.as_str() {
            ")" | "]" | "}" => {
                closed += 1;
                false
            }
            "(" | "[" | "{" if closed > 0 => {
                closed -= 1;
                false
            }
            "(" | "[" | "{" => ends_with_macro(&self.tokens[..at]),
            _ => false,
        })
    }

    fn uses(&self, name: &str) -> impl Iterator<Item = usize> {
        let tokens = self.tokens.iter().enumerate();
        tokens.filter(move |(_, token)| token.is_name && token.text == name).map(|(at, _)| at)
    }

    /// Where these tokens are, one after the other.
    fn places(&self, texts: &[&str]) -> impl Iterator<Item = usize> {
        (0..self.tokens.len()).filter(|&at| begins_with(&self.tokens[at..], texts))
    }
}

fn begins_with(tokens: &[Token], texts: &[&str]) -> bool {
    tokens.len() >= texts.len() && tokens.iter().zip(texts).all(|(token, text)| token.text == *text)
}

fn ends_with(tokens: &[Token], texts: &[&str]) -> bool {
    let from = tokens.len().checked_sub(texts.len());
    from.is_some_and(|from| begins_with(&tokens[from..], texts))
}

/// Tells whether the last tokens are `name!`.
#[cfg(test)]
fn ends_with_macro(tokens: &[Token]) -> bool {
    matches!(tokens, [.., name, mark] if name.is_name && mark.text == "!")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::parse(text).unwrap_or_else(|failure| panic!("{failure}: {text}"))
    }

    #[test]
    fn comments_and_literals_are_no_names() {
        let cases = [
            ("a // b\nc", "a c"),
            ("//! `dashmap`\nuse x;", "doc use x"),
            ("a /* b /* c\n */ d */ e", "a e"),
            ("let a = \"b // \\\" c\"; d", "let a d"),
            ("let a = r#\"b \" // \"#; d", "let a d"),
            ("let a = br\"\\\"; d", "let a d"),
            ("let a = 'x'; // b", "let a"),
            ("match a { '\"' => b, '\\'' => c } // d", "match a b c"),
            ("fn a<'b>(r#c: &'b str) {}", "fn a b r#c b str"),
        ];
        for (text, expected) in cases {
            assert_eq!(source(text).names().collect::<Vec<_>>().join(" "), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_rust_is_refused() {
        assert!(Source::parse("\"open\nto the end").is_err());
        assert!(Source::parse("fn f() {").is_err());
    }

    #[test]
    fn a_name_is_a_whole_word() {
        let source = source("use dashmap::DashMap;\nlet my_dashmap = dashmaps();\nx(dashmap)");
        assert_eq!(source.lines_with_name("dashmap"), [1, 3]);
    }

    #[test]
    fn a_module_is_found_however_it_is_imported() {
        let source = source(
            "\
use std::sync::atomic::AtomicU64;
use std::sync::atomic;
use std::{sync::{Arc, atomic::Ordering}, thread};
use core::sync::{
    atomic,
};
let atomic = 1;
apply(atomic);
let other: atomic;
non_atomic::call();",
        );
        assert_eq!(source.lines_with_module("atomic"), [1, 2, 3, 5]);
    }

    #[test]
    fn a_test_is_declared_by_itself_or_by_a_macro() {
        let source = source(
            "\
fn helper() {}
#[test]
#[ignore]
fn one() {}
many! {
    two: 2;
}
proptest! {
    #[test]
    fn three(number in any()) {}
}
struct Lacks {
    four: u32,
}
// #[test]
fn five() {}",
        );
        for test in ["one", "two", "three"] {
            assert!(source.declares_test(test), "{test}");
        }
        for other in ["helper", "on", "four", "five"] {
            assert!(!source.declares_test(other), "{other}");
        }
    }
}
