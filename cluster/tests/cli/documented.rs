//! The page on JSON: each of its lines has the answer that stands below it.

use std::cmp::Reverse;

use serde_json::Value;

use crate::Folder;
use crate::process::run;

const PAGE: &str = include_str!("../../src/docs/json.md");

#[test]
fn each_line_of_the_page_has_the_answer_below_it() {
    let folder = Folder::new();
    let words = blocks("sh")[0].split_whitespace();
    let mut uuids: Vec<(&str, &str)> = words.filter_map(|word| word.split_once('=')).collect();
    // The name of one may be the beginning of another's.
    uuids.sort_by_key(|(name, _)| Reverse(name.len()));
    let text = blocks("json").concat().replace("\n    ", " ");
    let text =
        uuids.iter().fold(text, |text, (name, uuid)| text.replace(&format!("${name}"), uuid));
    let lines: Vec<&str> = text.lines().collect();
    let (asked, told): (Vec<&str>, Vec<&str>) =
        lines.chunks(2).map(|pair| (pair[0], pair[1])).unzip();

    // One of the lines is invalid.
    let ran = run(&["submit", "--local", &folder.log(), "--in-flight", "1"], &asked.join("\n"));
    let answers = ran.expect(1).answers();
    assert_eq!(answers.len(), asked.len());
    for ((asked, told), mut answer) in asked.iter().zip(told).zip(answers) {
        let fields = answer.as_object_mut().unwrap();
        fields.remove("line");
        fields.remove("position");
        assert_eq!(answer, serde_json::from_str::<Value>(told).unwrap(), "{asked}");
    }
}

/// Returns the blocks of the page that are in this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let blocks = PAGE.split("```").skip(1).step_by(2);
    blocks.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
}
