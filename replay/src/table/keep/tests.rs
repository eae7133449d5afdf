//! What is kept comes back, and nothing else does.

use std::fs;

use super::*;
use crate::report::tests::run;

const BUILD: &str = "0123";

fn identity() -> Identity {
    let source = |file: &str| Source { file: file.to_owned(), content: "00ff".to_owned() };
    Identity {
        nodes: source("nodes.csv"),
        tasks: source("tasks.csv"),
        policy: "best-fit".to_owned(),
        threads: 2,
        load: 1.3,
        scale: 1,
        seed: u64::MAX,
    }
}

fn line() -> String {
    text(identity(), &run(7, 3))
}

fn text(of: Identity, run: &Run) -> String {
    let line = Line { replay: VERSION.to_owned(), build: BUILD.to_owned(), of, run };
    serde_json::to_string(&line).expect("it is plain data") + "\n"
}

/// Opens a file of this test with this content; gives back what happens and what is in it then.
fn opened(name: &str, content: &str) -> (Result<Keep, Refusal>, String) {
    let name = format!("replay-keep-{name}-{}", std::process::id());
    let file = std::env::temp_dir().join(name);
    fs::write(&file, content).expect("the directory is writable");
    let opened = Keep::open(&file, BUILD.to_owned());
    let content = fs::read_to_string(&file).expect("it is still there");
    fs::remove_file(&file).expect("the directory is writable");
    (opened, content)
}

#[test]
fn every_line_begins_in_the_same_way() {
    assert!(line().as_bytes().starts_with(START));
}

#[test]
fn a_run_comes_back_as_it_was() {
    let mut kept = run(7, 3);
    // Numbers that a careless reader would round.
    (kept.gpu_percent, kept.schedule_seconds) = (100.0 / 3.0, 0.1 + 0.2);
    let line = text(identity(), &kept);
    let found = parse(line.as_bytes(), BUILD).expect("it is ours");
    let (_, found) = found.expect("it is of this build");
    let text = |run: &Run| serde_json::to_string(run).expect("it is plain data");
    assert_eq!(text(&found), text(&kept));
}

#[test]
fn names_of_lists_do_not_matter_but_all_else_does() {
    let (keep, _) = opened("identity", &line());
    let keep = keep.expect("it is ours");
    assert!(keep.find(&identity()).is_some());
    let mut renamed = identity();
    (renamed.nodes.file, renamed.tasks.file) = ("a".to_owned(), "b".to_owned());
    assert!(keep.find(&renamed).is_some());
    let changes: [fn(&mut Identity); 7] = [
        |it| it.nodes.content.push('0'),
        |it| it.tasks.content.push('0'),
        |it| it.policy = "random".to_owned(),
        |it| it.threads = 1,
        |it| it.load = 1.2,
        |it| it.scale = 2,
        |it| it.seed = 1,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut other = identity();
        change(&mut other);
        assert!(keep.find(&other).is_none(), "change {number}");
    }
}

#[test]
fn a_line_that_was_cut_off_is_gone() {
    let line = line();
    for cut in 0..line.len() {
        let (keep, left) = opened("cut", &format!("{line}{}", &line[..cut]));
        assert_eq!(keep.expect("it is ours").runs.len(), 1, "{cut}");
        assert_eq!(left, line, "{cut}");
    }
}

#[test]
fn lines_of_other_versions_and_builds_stay_unused() {
    let other = |from: &str, to: &str| line().replacen(from, to, 1);
    for other in [
        "{\"replay\":\"0.0.0\",\"what\":[\"it\",\"wrote\"]}\n".to_owned(),
        format!("{{\"replay\":\"{VERSION}\",\"what\":[\"it\",\"wrote\"]}}\n"),
        other(VERSION, "0.0.0"),
        other(BUILD, "4567"),
    ] {
        let (keep, left) = opened("version", &other);
        assert!(keep.expect("it is ours").runs.is_empty(), "{other}");
        assert_eq!(left, other);
    }
}

#[test]
fn what_was_not_kept_is_refused_and_left_as_it_is() {
    let (line, start) = (line(), String::from_utf8_lossy(START));
    for (content, number) in [
        ("sn,cpu_milli,memory_mib,gpu,model\n".to_owned(), 1),
        ("without an end".to_owned(), 1),
        ("\n".to_owned(), 1),
        ("{}\n".to_owned(), 1),
        (format!("{start}{VERSION}\",\"build\":\"{BUILD}\"}}\n"), 1),
        (format!("{line}\n{line}"), 2),
        (format!("{line}{line}more"), 3),
        (format!("{line}{start}{VERSION}\n{line}"), 2),
    ] {
        let (keep, left) = opened("refused", &content);
        let refusal = keep.expect_err("it is not ours");
        assert!(matches!(refusal, Refusal::NotKept { line, .. } if line == number), "{refusal:?}");
        assert_eq!(left, content);
    }
}

#[test]
fn a_file_has_one_writer() {
    let name = format!("replay-keep-writer-{}", std::process::id());
    let file = std::env::temp_dir().join(name);
    let first = Keep::open(&file, BUILD.to_owned());
    let second = Keep::open(&file, BUILD.to_owned());
    fs::remove_file(&file).expect("the directory is writable");
    assert!(first.is_ok());
    assert!(matches!(second, Err(Refusal::Output { .. })), "{second:?}");
}
