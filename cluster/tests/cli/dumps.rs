//! `dump` and `verify`.

use serde_json::json;

use crate::process::{Running, run};
use crate::served::{get, post};
use crate::{Folder, HOST, claim, host, lines};

/// Makes a log, and returns its dump in a file.
fn dumped(folder: &Folder, name: &str, input: &[serde_json::Value]) -> String {
    let (log, file) = (folder.path(&format!("{name}.log")), folder.path(name));
    run(&["submit", "--local", &log], &lines(input)).expect(0);
    let ran = run(&["dump", "--local", &log, "--out", &file], "").expect(0);
    assert_eq!((&*ran.out, &*ran.err), ("", ""));
    file
}

#[test]
fn a_dump_is_written_as_bytes_or_as_json() {
    let folder = Folder::new();
    let file = dumped(&folder, "a", &[host(8), claim(1, 3)]);
    let bytes = std::fs::read(&file).unwrap();
    let (position, forest) = provider_tree_cluster::read_dump(&bytes).unwrap();
    assert_eq!(forest.providers[0].configuration.uuid, HOST);

    let log = folder.path("a.log");
    let printed = run(&["dump", "--local", &log], "").expect(0).bytes;
    let (_, again) = provider_tree_cluster::read_dump(&printed).unwrap();
    assert_eq!(again, forest);
    let as_json = run(&["dump", "--local", &log, "--json"], "").expect(0).answers();
    assert!(as_json[0]["position"].as_u64() >= Some(position.0));
    assert_eq!(as_json[0]["dump"], json!(forest));

    let file = folder.path("as.json");
    run(&["dump", "--local", &log, "--json", "--out", &file], "").expect(0);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("host-1"), "{text}");
    let nowhere = folder.path("no/such/folder");
    let unwritable = run(&["dump", "--local", &log, "--out", &nowhere], "").expect(1);
    assert!(unwritable.err.contains("can't be written"), "{unwritable:?}");
}

#[test]
fn files_are_equal_or_it_is_said_what_differs() {
    let folder = Folder::new();
    let a = dumped(&folder, "a", &[host(8), claim(1, 3)]);
    let same = run(&["verify", &a, &a], "").expect(0);
    assert!(same.out.starts_with("equal: both are at "), "{same:?}");
    let bytes = std::fs::metadata(&a).unwrap().len();
    assert!(same.out.contains(&format!("have {bytes} bytes")), "{same:?}");

    // More was done to the second one.
    let more = [host(8), claim(1, 3), json!({ "sync": true }), claim(2, 1), claim(3, 1)];
    let b = dumped(&folder, "b", &more);
    run(&["submit", "--local", &folder.path("b.log")], &lines(&[claim(4, 1)])).expect(0);
    run(&["dump", "--local", &folder.path("b.log"), "--out", &b], "").expect(0);
    let different = run(&["verify", &a, &b], "").expect(1);
    // What is asked for together may be in one entry, so both may be at the same position.
    assert!(different.out.starts_with("different: "), "{different:?}");
    for line in [
        format!("provider {HOST} differs (host-1)"),
        "consumer 00000000-0000-0000-0000-000000000002 is only in B".to_owned(),
        "consumer 00000000-0000-0000-0000-000000000004 is only in B".to_owned(),
    ] {
        assert!(different.out.lines().any(|it| it == line), "{line}: {different:?}");
    }
    let reversed = run(&["verify", &b, &a], "").expect(1);
    assert!(reversed.out.contains("000000000002 is only in A"), "{reversed:?}");

    // Nothing of the forest differs, but where the dump is at.
    run(&["submit", "--local", &folder.path("a.log")], &lines(&[claim(9, 99)])).expect(0);
    let later = folder.path("later");
    run(&["dump", "--local", &folder.path("a.log"), "--out", &later], "").expect(0);
    let moved = run(&["verify", &a, &later], "").expect(1);
    assert!(moved.out.starts_with("different: A is at "), "{moved:?}");
    assert!(moved.out.contains("the forests are equal"), "{moved:?}");
}

#[test]
fn only_the_first_differences_are_named() {
    let folder = Folder::new();
    let a = dumped(&folder, "a", &[host(100)]);
    let mut input = vec![host(100)];
    input.extend((1..=20).map(|consumer| claim(consumer, 1)));
    let b = dumped(&folder, "b", &input);
    let different = run(&["verify", &a, &b], "").expect(1);
    assert_eq!(different.out.matches("is only in B").count(), 5, "{different:?}");
    assert!(different.out.contains("15 more consumers differ"), "{different:?}");
}

#[test]
fn what_is_no_dump_is_not_compared() {
    let folder = Folder::new();
    let a = dumped(&folder, "a", &[host(8)]);
    let bytes = std::fs::read(&a).unwrap();
    for (name, bytes) in [
        ("empty", &[][..]),
        ("text", b"\x01text"),
        ("version", &[&[9], &bytes[1..]].concat()),
        ("half", &bytes[..bytes.len() / 2]),
    ] {
        let file = folder.path(name);
        std::fs::write(&file, bytes).unwrap();
        let ran = run(&["verify", &a, &file], "").expect(2);
        assert!(ran.err.contains("is no dump"), "{ran:?}");
    }
}

#[test]
fn replicas_are_compared_as_of_a_mark() {
    let folder = Folder::new();
    let (_serving, url) = Running::serve(&folder.path("one.log"), &["--allow-submit"]);
    post(&format!("{url}/submit"), &lines(&[host(8), claim(1, 1)]));
    let same = run(&["verify", &url, &url], "").expect(0);
    assert!(same.out.starts_with("equal: both are at "), "{same:?}");

    // A file is compared with the replica as it is.
    let file = folder.path("dump");
    std::fs::write(&file, get(&format!("{url}/dump")).body).unwrap();
    run(&["verify", &file, &url], "").expect(0);
    post(&format!("{url}/submit"), &lines(&[claim(2, 1)]));
    run(&["verify", &url, &file], "").expect(1);

    // A replica of another log never comes to the mark.
    let (_other, elsewhere) = Running::serve(&folder.path("other.log"), &[]);
    let apart = run(&["verify", &url, &elsewhere, "--timeout", "0"], "").expect(1);
    assert!(apart.err.contains("has not come to the mark"), "{apart:?}");
    assert_eq!(apart.err.lines().count(), 1, "{apart:?}");
}
