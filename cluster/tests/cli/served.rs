//! `serve` and `status`.

use std::collections::HashSet;

use serde_json::{Value, json};
use ureq::Agent;
use uuid::Uuid;

use crate::process::{Running, run};
use crate::{Folder, claim, host, lines};

/// What was answered over HTTP.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) position: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Answered {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn of(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Self {
        let mut response = response.unwrap();
        let header = |name| response.headers().get(name).map(|it| it.to_str().unwrap().to_owned());
        let (kind, position) = (header("content-type"), header("provider-tree-position"));
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(u64::MAX).read_to_vec().unwrap();
        Answered { status, kind: kind.unwrap_or_default(), position, body }
    }
}

fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).proxy(None).build().into()
}

pub(crate) fn get(url: &str) -> Answered {
    Answered::of(agent().get(url).call())
}

pub(crate) fn post(url: &str, body: &str) -> Answered {
    Answered::of(agent().post(url).send(body))
}

#[test]
fn everything_is_served_until_a_signal_comes() {
    for signal in ["TERM", "INT"] {
        let folder = Folder::new();
        run(&["submit", "--local", &folder.log()], &lines(&[host(8), claim(1, 3)])).expect(0);
        let (mut serving, url) = Running::serve(&folder.log(), &[]);

        let page = get(&format!("{url}/"));
        assert_eq!((page.status, &*page.kind), (200, "text/html; charset=utf-8"));
        let text = page.text().to_lowercase();
        for script in ["<script", "javascript:", "onload", "onclick", "src="] {
            assert!(!text.contains(script), "{text}");
        }
        for link in ["/health", "/metrics", "/status", "/dump"] {
            assert!(text.contains(&format!("href=\"{link}\"")), "{text}");
        }
        assert!(text.contains("follows the log") && text.contains("<td>1</td>"), "{text}");

        let health = get(&format!("{url}/health"));
        assert_eq!((health.status, health.text()), (200, "follows the log\n"));

        let status = get(&format!("{url}/status")).json();
        assert!(text.contains(status["replica"].as_str().unwrap()));
        assert!(status["position"].as_u64() > Some(0), "{status}");
        assert_eq!((&status["lag"], &status["outstanding"]), (&json!(0), &json!(0)));
        assert_eq!((&status["ended"], &status["trouble"]), (&json!(false), &Value::Null));
        assert_eq!(status["forest"]["providers"], 1);
        assert_eq!(status["forest"]["consumers"], 1);
        assert_eq!(status["metrics"]["syncs"], 1);

        let dump = get(&format!("{url}/dump"));
        assert_eq!((dump.status, &*dump.kind), (200, "application/octet-stream"));
        let (position, forest) = provider_tree_cluster::read_dump(&dump.body).unwrap();
        assert_eq!(dump.position, Some(position.to_string()));
        assert_eq!(forest.consumers[0].consumer, Uuid::from_u128(1));

        assert_eq!(get(&format!("{url}/elsewhere")).status, 404);
        assert_eq!(get(&format!("{url}/mark")).status, 405);
        serving.signal(signal);
        assert_eq!(serving.end(), (Some(0), String::new()), "{signal}");
        // The log is closed.
        run(&["dump", "--local", &folder.log(), "--json"], "").expect(0);
    }
}

#[test]
fn a_mark_is_dumped_as_of_its_position() {
    let folder = Folder::new();
    let (_serving, url) = Running::serve(&folder.log(), &["--allow-submit"]);
    post(&format!("{url}/submit"), &lines(&[host(8)]));
    let marked = post(&format!("{url}/mark"), "");
    assert_eq!((marked.status, &*marked.kind), (200, "application/json"));
    let marked = marked.json();
    let at_mark = format!("{url}/dump?mark={}", marked["mark"].as_str().unwrap());
    let before = get(&at_mark);
    assert_eq!(before.position, Some(marked["position"].to_string()));
    post(&format!("{url}/submit"), &lines(&[claim(1, 1)]));
    let (_, forest) = provider_tree_cluster::read_dump(&get(&format!("{url}/dump")).body).unwrap();
    assert_eq!(forest.consumers.len(), 1);
    let after = get(&at_mark);
    assert_eq!((after.status, after.body), (200, before.body));

    let unknown = get(&format!("{url}/dump?mark={}", Uuid::from_u128(1)));
    assert_eq!(unknown.status, 404);
    assert!(unknown.position.is_some());
    for query in ["mark=x", "mark=", "", "else=1"] {
        assert_eq!(get(&format!("{url}/dump?{query}")).status, 400, "{query}");
    }
}

#[test]
fn commands_are_taken_only_where_it_is_allowed() {
    let folder = Folder::new();
    let (mut serving, url) = Running::serve(&folder.log(), &[]);
    let refused = post(&format!("{url}/submit"), &lines(&[host(8)]));
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("--allow-submit"));
    serving.signal("TERM");
    assert_eq!(serving.end().0, Some(0));

    let (_serving, url) = Running::serve(&folder.log(), &["--allow-submit"]);
    let input = [host(8), json!({ "id": 7, "command": claim(1, 3) }), claim(2, 6), json!({})];
    let answered = post(&format!("{url}/submit"), &lines(&input));
    assert_eq!((answered.status, &*answered.kind), (200, "application/x-ndjson"));
    let answers: Vec<Value> =
        answered.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers[0]["ok"], json!({}));
    assert_eq!(answers[1]["id"], 7);
    assert_eq!(answers[2]["refused"]["free"], 5);
    assert!(answers[3].get("invalid").is_some());

    // The body of a request is sent before any answer is read.
    let many = lines(&vec![json!({ "read": { "provider": "host-1" } }); 20_000]);
    let answered = post(&format!("{url}/submit"), &many);
    assert_eq!(answered.text().lines().count(), 20_000);

    for path in ["/submit", "/mark"] {
        let asked = agent().post(format!("{url}{path}")).header("Origin", "http://elsewhere");
        assert_eq!(Answered::of(asked.send(lines(&[claim(9, 1)]))).status, 403);
    }
}

#[test]
fn metrics_are_in_the_text_format_of_prometheus() {
    let folder = Folder::new();
    let (_serving, url) = Running::serve(&folder.log(), &["--allow-submit"]);
    post(&format!("{url}/submit"), &lines(&[host(8), claim(1, 3), claim(2, 6)]));
    let metrics = get(&format!("{url}/metrics"));
    assert_eq!((metrics.status, &*metrics.kind), (200, "text/plain; version=0.0.4"));
    let values = check_text_format(metrics.text());
    let value = |name: &str| {
        let found = values.iter().find(|(it, _)| it == name);
        found.unwrap_or_else(|| panic!("there is no {name}")).1
    };
    assert_eq!(value("provider_tree_cluster_commands_made_total"), 2.0);
    assert_eq!(value("provider_tree_cluster_commands_refused_total"), 1.0);
    assert_eq!(value("provider_tree_cluster_position"), value("provider_tree_cluster_end_seen"));
    for (name, expected) in [
        ("lag", 0.0),
        ("outstanding", 0.0),
        ("ended", 0.0),
        ("healthy", 1.0),
        ("providers", 1.0),
        ("consumers", 1.0),
    ] {
        assert_eq!(value(&format!("provider_tree_cluster_{name}")), expected, "{name}");
    }
    assert_eq!(value("provider_tree_claims_total"), 1.0);
    // Each counter that is in the status is here too.
    let status = get(&format!("{url}/status")).json();
    for name in status["metrics"].as_object().unwrap().keys().filter(|name| *name != "end_seen") {
        value(&format!("provider_tree_cluster_{name}_total"));
    }
}

/// Checks that each value follows its description and its type, and returns the values without labels.
fn check_text_format(text: &str) -> Vec<(String, f64)> {
    let mut values = Vec::new();
    let (mut helped, mut typed) = (HashSet::new(), HashSet::new());
    let mut current = (String::new(), String::new());
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty() && helped.insert(name.to_owned()), "{line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(helped.contains(name) && typed.insert(name.to_owned()), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            current = (name.to_owned(), kind.to_owned());
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let value: f64 = value.parse().unwrap();
            let (name, labels) = name.split_once('{').unwrap_or((name, ""));
            let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(name.chars().all(is_name), "{line}");
            assert!(name.starts_with(&current.0), "{line}");
            assert!(current.1 == "histogram" || (name == current.0 && labels.is_empty()), "{line}");
            if current.1 != "histogram" {
                values.push((name.to_owned(), value));
            }
        }
    }
    assert_eq!(helped, typed);
    values
}

#[test]
fn status_shows_a_replica_or_a_log() {
    let folder = Folder::new();
    run(&["submit", "--local", &folder.log()], &lines(&[host(8)])).expect(0);
    let of_log = run(&["status", "--local", &folder.log(), "--json"], "").expect(0).answers();
    assert_eq!(of_log[0]["log"], "local");
    assert!(of_log[0]["end"].as_u64() >= Some(1), "{of_log:?}");
    assert_eq!(of_log[0]["newest_dump"], Value::Null);
    let of_log = run(&["status", "--local", &folder.log()], "").expect(0);
    assert!(of_log.out.contains("newest dump at"), "{of_log:?}");

    let (mut serving, url) = Running::serve(&folder.log(), &[]);
    let of_replica = run(&["status", "--url", &url], "").expect(0);
    assert!(of_replica.out.contains("follows the log"), "{of_replica:?}");
    assert!(of_replica.out.lines().all(|line| line.len() < 80), "{of_replica:?}");
    let as_json = run(&["status", "--url", &format!("{url}/"), "--json"], "").expect(0).answers();
    assert_eq!(as_json[0]["forest"]["providers"], 1);
    // The log is open already.
    let second = run(&["status", "--local", &folder.log()], "").expect(1);
    assert!(second.err.contains("is open already"), "{second:?}");
    serving.signal("TERM");
    assert_eq!(serving.end().0, Some(0));
    let gone = run(&["status", "--url", &url], "").expect(1);
    assert_eq!(gone.err.lines().count(), 1, "{gone:?}");
}
