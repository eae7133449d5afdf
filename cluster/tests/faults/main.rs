//! Faults, with processes as in production: members of etcd and replicas that are killed and stopped, and
//! networks between them that are cut and frozen.
//!
//! | variable | says |
//! |---|---|
//! | `FAULTS_SEED` | what is chosen, as printed by each run: the same choices, though not at the same moments |
//! | `CLUSTER_SECONDS` | how long each test goes on |
//!
//! | module | has |
//! |---|---|
//! | [`everything`] | all faults at once, under load: what was answered holds, and all replicas are equal |
//! | [`linear`] | histories with faults, which an order explains |
//! | [`stopped`] | a replica that sleeps while the log goes on without it |
//! | [`majority`] | no majority for a while |
//! | [`full`] | a member without room |
//! | [`versions`] | an entry of a version to come |
#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_types, reason = "nothing here is of the forest")]

mod chaos;
mod deeds;
mod everything;
mod full;
mod linear;
mod majority;
mod model;
mod site;
mod stopped;
mod tool;
mod versions;

use serde_json::{Value, json};
use uuid::Uuid;

/// The variable that says what is chosen.
const FAULTS_SEED: &str = "FAULTS_SEED";

/// Returns the choices of a test, and prints how to get them again.
fn choices(test: &str) -> fastrand::Rng {
    let given = std::env::var(FAULTS_SEED).ok();
    let seed = given.map_or_else(|| fastrand::u64(..), |text| text.parse().unwrap());
    eprintln!("{test}: {FAULTS_SEED}={seed}");
    fastrand::Rng::with_seed(seed)
}

/// The uuid of a host, and its name.
fn host(number: usize) -> Uuid {
    Uuid::from_u128(0x1_0000 + number as u128)
}

/// A line that makes hosts what they are to be: as many as there are totals of VCPU.
fn populate(totals: &[u64]) -> Value {
    let host = |(number, total): (usize, &u64)| {
        let inventories = json!({ "VCPU": { "total": total } });
        json!({ "uuid": host(number), "name": format!("host-{number}"), "inventories": inventories })
    };
    let providers: Vec<Value> = totals.iter().enumerate().map(host).collect();
    json!({ "populate": { "providers": providers } })
}

/// What a claim asks for.
fn wish(consumer: Uuid, number: usize, amount: u64) -> Value {
    let takes = json!([{ "provider": host(number), "amounts": { "VCPU": amount } }]);
    json!({ "consumer": consumer, "takes": takes })
}

fn claim(consumer: Uuid, number: usize, amount: u64) -> Value {
    json!({ "claim": wish(consumer, number, amount) })
}

/// The name of the field that says what has become of a line.
fn kind(answer: &Value) -> &'static str {
    let kinds = ["ok", "refused", "not_made", "unknown", "invalid"];
    let kind = kinds.into_iter().find(|kind| answer.get(kind).is_some());
    kind.unwrap_or_else(|| panic!("no answer: {answer}"))
}
