//! A member without room: what clients see meanwhile, and that nothing is lost.

use std::collections::HashSet;

use cluster_rig::Options;
use provider_tree_cluster::read_dump;
use serde_json::Value;
use uuid::Uuid;

use crate::site::{Site, status_of, wait_until};
use crate::{choices, claim, kind, populate};

/// How many bytes a member may store.
const ROOM: &str = "--quota-backend-bytes=3000000";

/// How long a line may take, in milliseconds.
const DEADLINE: &str = "1000";

#[test]
fn a_full_member_is_told_of_and_all_goes_on_when_there_is_room() {
    let mut rng = choices("full");
    let site = Site::start(Options::new(1).argument(ROOM));
    let mut tool = site.serve(0, &["--deadline", DEADLINE]).expect("it is started");
    wait_until("a host is there", || kind(&tool.said_to(&populate(&[1_000_000]))) == "ok");
    let address = tool.address.clone().unwrap();
    let trouble = || status_of(&address)["trouble"].clone();

    let mut made = HashSet::new();
    let mut unknown = HashSet::new();
    let mut not_made = HashSet::new();
    // Somebody else fills it up.
    let filler = "x".repeat(100_000);
    wait_until("it is full", || {
        !site.control(0, &["put", "of-somebody-else", &filler]).status.success()
    });
    let mut ask = |consumer: Uuid, said: &Value| {
        let noted = match kind(said) {
            "ok" => &mut made,
            "unknown" => &mut unknown,
            "not_made" => &mut not_made,
            _ => panic!("{said}"),
        };
        assert!(noted.insert(consumer));
    };
    for _ in 0..2 {
        let two = [rng.u128(..), rng.u128(..)].map(Uuid::from_u128);
        two.iter().for_each(|consumer| tool.ask(&claim(*consumer, 0, 1)).unwrap());
        two.iter().for_each(|consumer| ask(*consumer, &tool.answer()));
        wait_until("it says that it is full", || trouble().to_string().contains("the log is full"));
    }

    let _ = site.compact(0);
    for arguments in [&["defrag"][..], &["alarm", "disarm"]] {
        let output = site.control(0, arguments);
        assert!(output.status.success(), "{output:?}");
    }
    let mut more = 0;
    wait_until("claims are made again", || {
        more += 1;
        let consumer = Uuid::from_u128(rng.u128(..));
        let said = tool.said_to(&claim(consumer, 0, 1));
        ask(consumer, &said);
        kind(&said) == "ok"
    });
    wait_until("trouble is over", || trouble() == Value::Null);

    let (_, dump) = read_dump(&site.dump("dump")).unwrap();
    let held: HashSet<Uuid> = dump.consumers.iter().map(|held| held.consumer).collect();
    assert!(made.is_subset(&held) && not_made.is_disjoint(&held));
    assert!(held.iter().all(|consumer| made.contains(consumer) || unknown.contains(consumer)));
    assert!(!unknown.is_empty() && !not_made.is_empty(), "{unknown:?}, {not_made:?}");
    let counts = [made.len(), unknown.len(), not_made.len()];
    eprintln!("full: {counts:?} made, unknown and not made; {more} tries until there was room");
}
