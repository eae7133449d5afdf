//! A replica that sleeps while the log goes on without it, and cuts off what it has not seen.

use cluster_rig::Options;
use provider_tree_cluster::read_dump;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::site::{Site, status_of, wait_until};
use crate::tool::{Tool, run_well};
use crate::{choices, claim, kind, populate};

/// How many commands the sleeper has on its way.
const ON_THE_WAY: u128 = 40;

/// How many dumps are stored while it sleeps.
const DUMPS: usize = 3;

#[test]
fn a_replica_that_has_slept_loads_a_dump_and_goes_on() {
    let mut rng = choices("stopped");
    let site = Site::start(Options::new(3));
    let often = ["--dump-every", "8000", "--log", "info"];
    let mut sleeper = site.serve(0, &["--log", "info"]).expect("it is started");
    let mut other = site.serve(1, &often).expect("it is started");
    assert_eq!(kind(&other.said_to(&populate(&[100_000]))), "ok");
    assert_eq!(kind(&sleeper.said_to(&json!({ "sync": true }))), "ok");

    let of_sleeper: Vec<Uuid> = (0..ON_THE_WAY).map(|_| Uuid::from_u128(rng.u128(..))).collect();
    let half = of_sleeper.len() / 2;
    of_sleeper[..half].iter().for_each(|it| sleeper.ask(&claim(*it, 0, 1)).unwrap());
    let answered: Vec<Value> = (0..half / 2).map(|_| sleeper.answer()).collect();
    assert!(sleeper.process().stop());
    // Nothing more comes to where it would find it when it wakes up.
    site.reset();
    of_sleeper[half..].iter().for_each(|it| sleeper.ask(&claim(*it, 0, 1)).unwrap());

    let mut made = 0;
    wait_until("dumps are stored", || {
        made += 1;
        let said = other.said_to(&claim(Uuid::from_u128(rng.u128(..)), 0, 1));
        assert_eq!(kind(&said), "ok", "{said}");
        site.told("a dump is stored") >= DUMPS
    });
    assert!((0..3).any(|member| site.compact(member)));
    assert_eq!(site.told("loads a dump"), 0);

    assert!(sleeper.process().cont());
    let rest = of_sleeper[half / 2..].iter().map(|_| sleeper.answer());
    let answers: Vec<Value> = answered.into_iter().chain(rest).collect();
    // It goes on, maybe as another one.
    let last = Uuid::from_u128(rng.u128(..));
    assert_eq!(kind(&sleeper.said_to(&claim(last, 0, 1))), "ok");
    assert!(site.told("loads a dump") >= 1);
    let [a, b] = [&sleeper, &other].map(|it: &Tool| it.address.as_deref().unwrap());
    run_well(&["verify", a, b]);

    let (_, dump) = read_dump(&site.dump("dump")).unwrap();
    let holds = |consumer: &Uuid| dump.consumers.iter().any(|held| held.consumer == *consumer);
    assert!(holds(&last));
    let mut kinds = std::collections::BTreeMap::<_, usize>::new();
    for (consumer, answer) in of_sleeper.iter().zip(&answers) {
        *kinds.entry(kind(answer)).or_default() += 1;
        match kind(answer) {
            "ok" => assert!(holds(consumer), "{answer}"),
            "not_made" => assert!(!holds(consumer), "{answer}"),
            "unknown" => assert!(answer["replica"].is_string(), "{answer}"),
            _ => panic!("{answer}"),
        }
    }
    let most = dump.consumers.len();
    assert!((made + 1..=made + 1 + ON_THE_WAY as usize).contains(&most), "{most}, {made}");
    let loaded = status_of(a)["metrics"]["dumps_loaded"].to_string();
    eprintln!("stopped: {kinds:?}, {made} claims of the other meanwhile, {loaded} dumps loaded");
}
