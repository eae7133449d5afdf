//! An entry of a version to come: those who can't read it halt, and say so.

use cluster_rig::Options;
use serde_json::Value;
use uuid::Uuid;

use crate::site::{PREFIX, Site, status_of, wait_until};
use crate::tool::run;
use crate::{choices, claim, kind, populate};

#[test]
fn an_entry_of_another_version_halts_replicas_until_they_are_started_without_it() {
    let mut rng = choices("versions");
    let site = Site::start(Options::new(1));
    let mut tool = site.serve(0, &[]).expect("it is started");
    assert_eq!(kind(&tool.said_to(&populate(&[8]))), "ok");
    let address = tool.address.clone().unwrap();
    let status = || -> Value { status_of(&address) };
    assert_eq!(status()["trouble"], Value::Null);

    let key = format!("{PREFIX}/log/{:032x}/{:016x}", rng.u128(..), 1);
    assert!(site.control(0, &["put", &key, "\u{2}of another version"]).status.success());

    wait_until("the replica halts", || status()["ended"] == true);
    let why = status()["trouble"].to_string();
    assert!(why.contains("written in version 2 of the format, and this release reads 1"), "{why}");
    let said = tool.said_to(&claim(Uuid::from_u128(1), 0, 1));
    assert_eq!(kind(&said), "not_made", "{said}");
    assert!(said["not_made"].as_str().unwrap().contains("version 2"), "{said}");
    // A replica that is started with it in the log has come to nothing.
    let log: Vec<String> = site.log(0);
    let mut arguments = vec!["dump", "--json"];
    arguments.extend(log.iter().map(String::as_str));
    let refused = run(&arguments);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("version 2"), "{refused:?}");

    // Etcd tells it as long as it has the history.
    assert!(site.control(0, &["del", &key]).status.success());
    assert!(site.compact(0));
    let mut anew = site.serve(1, &[]).expect("it is started");
    assert_eq!(kind(&anew.said_to(&claim(Uuid::from_u128(2), 0, 1))), "ok");
    assert_eq!(kind(&tool.said_to(&claim(Uuid::from_u128(3), 0, 1))), "not_made");
    assert_eq!(status()["ended"], true);
}
