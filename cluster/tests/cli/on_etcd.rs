//! Replicas of one log on etcd.

use serde_json::json;
use uuid::Uuid;

use crate::member::Member;
use crate::process::{Running, run};
use crate::served::{get, post};
use crate::{Folder, claim, host, lines};

/// Starts `serve`, and returns its address.
fn serve(endpoint: &str) -> (Running, String) {
    let where_to = ["--etcd", endpoint, "--prefix", "cell", "--listen", "127.0.0.1:0"];
    let mut serving = Running::start(&[&["serve", "--allow-submit"], &where_to[..]].concat());
    let address = serving.line();
    (serving, address)
}

#[test]
fn replicas_are_equal_and_what_one_has_answered_survives_it() {
    let member = Member::start(&[]);
    let endpoint = format!("http://{}", member.endpoint());
    let log = ["--etcd", &*endpoint, "--prefix", "cell"];
    let (mut first, a) = serve(&endpoint);
    let (second, b) = serve(&endpoint);
    let mut input = vec![host(1000)];
    input.extend((1..=500).map(|consumer| claim(consumer, 1)));
    assert_eq!(post(&format!("{a}/submit"), &lines(&input)).text().matches("\"ok\"").count(), 501);
    let same = run(&["verify", &a, &b], "").expect(0);
    assert!(same.out.starts_with("equal: both are at "), "{same:?}");

    first.kill();
    let reads: Vec<_> = (1..=500)
        .map(|it| json!({ "read": { "allocations": Uuid::from_u128(it) }, "fresh": true }))
        .collect();
    let answered = post(&format!("{b}/submit"), &lines(&reads));
    assert_eq!(answered.text().matches("\"amount\":1").count(), 500);

    // A replica that comes later has the same.
    let folder = Folder::new();
    let (third, c) = serve(&endpoint);
    run(&["verify", &c, &b], "").expect(0);
    let status = run(&[&["status", "--json"], &log[..]].concat(), "").expect(0).answers();
    assert_eq!(status[0]["log"], "etcd");
    let file = folder.path("dump");
    run(&[&["dump", "--out", &file], &log[..]].concat(), "").expect(0);
    let (_, forest) = provider_tree_cluster::read_dump(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(forest.consumers.len(), 500);
    for mut serving in [second, third] {
        serving.signal("TERM");
        assert_eq!(serving.end().0, Some(0));
    }
}

#[test]
fn a_replica_without_etcd_is_not_healthy() {
    let member = Member::start(&[]);
    let (_serving, url) = serve(&format!("http://{}", member.endpoint()));
    assert_eq!(get(&format!("{url}/health")).status, 200);
    member.signal("-STOP");
    let begun = std::time::Instant::now();
    let why = loop {
        let health = get(&format!("{url}/health"));
        if health.status == 503 {
            break health.text().to_owned();
        }
        assert!(begun.elapsed() < crate::process::PATIENCE, "it is healthy without etcd");
    };
    assert!(why.contains("can't follow"), "{why}");
    member.signal("-CONT");
    while get(&format!("{url}/health")).status != 200 {
        assert!(begun.elapsed() < crate::process::PATIENCE, "it does not get well");
    }
}

#[test]
fn options_that_make_no_sense_are_wrong_usage() {
    for options in [
        &["--etcd", "http://me:s3cret@127.0.0.1:1"][..],
        &["--etcd", "http://127.0.0.1:1", "--prefix", "/"],
        &["--etcd", "http://127.0.0.1:1", "--user", "me"],
    ] {
        let ran = run(&[&["submit"], options].concat(), "").expect(2);
        assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
        assert!(!ran.err.contains("s3cret"), "{ran:?}");
    }
}
