//! No majority for a while.

use std::time::{Duration, Instant};

use cluster_rig::Options;
use provider_tree_cluster::read_dump;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::site::{Site, wait_until};
use crate::tool::run;
use crate::{choices, claim, host, kind, populate};

/// How long a line may take, in milliseconds.
const DEADLINE: &str = "700";

/// How much longer it takes on a busy machine.
const LEEWAY: Duration = Duration::from_secs(10);

#[test]
fn without_a_majority_commands_are_answered_in_time_and_all_goes_on_afterwards() {
    let mut rng = choices("majority");
    let site = Site::start(Options::new(3));
    let mut tool = site.serve(0, &["--deadline", DEADLINE]).expect("it is started");
    // Before the majority is lost, commands are not late even on a machine that is.
    wait_until("a host is there", || kind(&tool.said_to(&populate(&[1000]))) == "ok");
    let before = Uuid::from_u128(1);
    wait_until("a claim is made", || {
        matches!(kind(&tool.said_to(&claim(before, 0, 1))), "ok" | "refused")
    });

    let first = rng.usize(..3);
    let lost = [first, (first + 1) % 3];
    lost.iter().for_each(|member| site.members.member(*member).stop().unwrap());
    let read = json!({ "read": { "usage": { "provider": host(0).to_string(), "class": "VCPU" } } });
    let mut fresh = read.clone();
    fresh["fresh"] = json!(true);
    let mut claims: Vec<(Uuid, Value)> = Vec::new();
    let begun = Instant::now();
    for _ in 0..4 {
        let consumer = Uuid::from_u128(rng.u128(..));
        // The first of them goes on its way, the second waits behind it.
        let other = Uuid::from_u128(rng.u128(..));
        let lines = [claim(consumer, 0, 1), claim(other, 0, 1), fresh.clone(), read.clone()];
        lines.iter().for_each(|line| tool.ask(line).unwrap());
        claims.push((consumer, tool.answer()));
        claims.push((other, tool.answer()));
        let said = tool.answer();
        assert_eq!(kind(&said), "not_made", "{said}");
        let said = tool.answer();
        assert_eq!(said["ok"]["capacity"], 1000, "{said}");
        assert!(said["ok"]["used"].as_u64() >= Some(1), "{said}");
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(4 * 700) + LEEWAY, "{took:?}");
    let count = |what: &str| claims.iter().filter(|(_, said)| kind(said) == what).count();
    let (unknown, not_made) = (count("unknown"), count("not_made"));
    assert_eq!(unknown + not_made, claims.len(), "{claims:?}");
    assert!(unknown >= 1 && not_made >= 1, "{claims:?}");
    let address = tool.address.clone().unwrap();
    let health = || run(&["status", "--url", &address]).stdout;
    wait_until("trouble is told", || {
        String::from_utf8_lossy(&health()).contains("the log is not available")
    });

    lost.iter().for_each(|member| site.members.member(*member).cont().unwrap());
    site.members.wait_until_healthy().unwrap();
    let after = Uuid::from_u128(2);
    // It may be made and the answer be late.
    wait_until("claims are made again", || {
        matches!(kind(&tool.said_to(&claim(after, 0, 1))), "ok" | "refused")
    });
    wait_until("trouble is over", || {
        String::from_utf8_lossy(&health()).contains("follows the log")
    });
    // What was on its way comes before what is asked for later, or never.
    let (_, dump) = read_dump(&site.dump("dump")).unwrap();
    let holds = |consumer: &Uuid| dump.consumers.iter().any(|held| held.consumer == *consumer);
    assert!(holds(&before) && holds(&after));
    let made: Vec<bool> = claims.iter().map(|(consumer, _)| holds(consumer)).collect();
    for ((consumer, said), made) in claims.iter().zip(&made) {
        assert!(!made || kind(said) == "unknown", "{consumer}: {said}");
    }
    let came = made.iter().filter(|made| **made).count();
    assert_eq!(came, unknown, "what is sent is sent until it is there");
    let again = read_dump(&site.dump("again")).unwrap().1;
    assert_eq!(again, dump);
    eprintln!("majority: {unknown} unknown, all made later; {not_made} not made; {took:?}");
}
