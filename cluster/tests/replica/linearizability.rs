//! Calls of clients of different replicas are linearizable: claims, and reads after `sync`. Reads without it
//! are not, and the checker says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use linearize::{Event, History, MOST_EVENTS, Model, linearize};
use provider_tree::{Expect, Inventories, Inventory, ProviderSpec, ResourceClass};
use provider_tree_cluster::command::{Claim, Populate, Release, Replace};
use provider_tree_cluster::{Error, Options, Replica};
use shared::plan::Rng;
use uuid::Uuid;

use crate::memory_log::{Faults, MemoryLog};
use crate::rig::{options, run, seeds};

const HISTORIES: u64 = if cfg!(debug_assertions) { 60 } else { 2_000 };
const CLIENTS: usize = 4;
const CALLS: usize = 8;
const UNITS: u64 = 4;
const VCPU: ResourceClass = ResourceClass::VCPU;

/// Two hosts of few units, and what each consumer has of which.
#[derive(Clone, Default, PartialEq, Eq, Hash, Debug)]
struct Hosts([Option<(usize, u64)>; 3]);

#[derive(Clone, Copy, Debug)]
enum Op {
    /// A consumer, a host, an amount.
    Claim(usize, usize, u64),
    Replace(usize, usize, u64),
    Release(usize),
    /// What a host has given away.
    Used(usize),
    Held(usize),
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Said {
    Made,
    Refused,
    /// Perhaps made.
    Unknown,
    /// Not made, for a reason that is none of the forest.
    NotMade,
    Used(u64),
    Held(Option<(usize, u64)>),
}

impl Hosts {
    fn used(&self, host: usize) -> u64 {
        self.0.iter().flatten().filter(|(of, _)| *of == host).map(|(_, amount)| amount).sum()
    }

    /// Returns whether the call is made; if not, changes nothing.
    fn make(&mut self, op: Op) -> bool {
        let mut next = self.clone();
        match op {
            Op::Claim(consumer, ..) if self.0[consumer].is_some() => return false,
            Op::Claim(consumer, host, amount) | Op::Replace(consumer, host, amount) => {
                next.0[consumer] = Some((host, amount));
            }
            Op::Release(consumer) => {
                if next.0[consumer].take().is_none() {
                    return false;
                }
            }
            Op::Used(_) | Op::Held(_) => return true,
        }
        if (0..2).any(|host| next.used(host) > UNITS) {
            return false;
        }
        *self = next;
        true
    }
}

impl Model for Hosts {
    type Op = Op;
    type Outcome = Said;

    fn allows(&mut self, op: &Op, outcome: &Said) -> bool {
        match (*op, *outcome) {
            (Op::Used(host), Said::Used(used)) => self.used(host) == used,
            (Op::Held(consumer), Said::Held(held)) => self.0[consumer] == held,
            (op, Said::Made) => self.make(op),
            (op, Said::Refused) => !self.clone().make(op),
            (op, said) => panic!("{op:?} said {said:?}"),
        }
    }
}

#[test]
fn calls_are_linearizable_if_reads_wait_for_the_present() {
    let mut overlapping = 0;
    for seed in seeds(HISTORIES) {
        let history = record(seed, true);
        overlapping += history.overlaps();
        if let Err(rejection) = explain(&history) {
            panic!("seed {seed}: {rejection}");
        }
    }
    assert!(overlapping > 0, "no calls met");
}

#[test]
fn reads_that_do_not_wait_are_found_out() {
    let found = seeds(HISTORIES).into_iter().any(|seed| explain(&record(seed, false)).is_err());
    assert!(found, "reads of the past look like those of the present");
}

#[test]
fn an_answer_that_was_changed_is_found_out() {
    let (mut changed, mut found) = (0, 0);
    for seed in seeds(HISTORIES / 3) {
        let mut history = record(seed, true);
        for event in &mut history.events {
            if let Said::Used(used) = &mut event.outcome {
                *used = (*used + 1) % (UNITS + 1);
                changed += 1;
                break;
            }
        }
        found += u64::from(explain(&history).is_err());
    }
    assert!(found * 2 > changed, "{found} of {changed} histories are rejected");
}

/// Finds an order for a history, with those commands made whose outcome is not known that make it possible.
fn explain(history: &History<Hosts>) -> Result<(), String> {
    let is_unknown = |event: &Event<Op, Said>| event.outcome == Said::Unknown;
    let unknown = history.events.iter().filter(|event| is_unknown(event)).count();
    let mut rejection = None;
    for made in 0..1_u64 << unknown {
        let mut number = 0;
        let mut history = history.clone();
        history.events.retain_mut(|event| {
            if !is_unknown(event) {
                return true;
            }
            event.outcome = Said::Made;
            number += 1;
            made >> (number - 1) & 1 == 1
        });
        match linearize(&history) {
            Ok(_) => return Ok(()),
            Err(why) => rejection = Some(why.to_string()),
        }
    }
    Err(rejection.unwrap_or_default())
}

fn record(seed: u64, is_synced: bool) -> History<Hosts> {
    let doing = || format!("history {seed}");
    let events = run(Duration::from_secs(30), doing, calls(seed, is_synced));
    assert!(events.len() <= MOST_EVENTS);
    History { seed, initial: Hosts::default(), events }
}

async fn calls(seed: u64, is_synced: bool) -> Vec<Event<Op, Said>> {
    let rng = &mut Rng::new(seed);
    let faults = Faults {
        unanswered: rng.pick(&[0, 10]),
        late: rng.pick(&[0, 10]),
        arrives: rng.pick(&[3, 20]),
        slow: rng.pick(&[10, 30]),
        unfollowed: rng.pick(&[0, 10]),
        reached: rng.pick(&[0, 20]),
        gaps: rng.pick(&[0, 30]),
        ..Faults::default()
    };
    let log = MemoryLog::with(10_000, seed, faults);
    let mut replicas = Vec::new();
    for _ in 0..2 {
        let options = Options { dump_every_bytes: rng.pick(&[300, 100_000]), ..options() };
        replicas.push(Replica::start(log.clone(), options).await.unwrap());
    }
    let vcpu = || Inventories::new().with(VCPU, Inventory::new(UNITS));
    let host = |at| ProviderSpec::new(host(at), format!("host-{at}")).with_inventories(vcpu());
    replicas[0].ask(Populate { providers: vec![host(0), host(1)] }).await.unwrap();
    // Reads without `sync` may be of any time since.
    replicas[1].sync().await.unwrap();
    let clock = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|thread| {
            let client = Client {
                thread,
                replica: replicas[thread % 2].clone(),
                rng: Rng::new(rng.below(u64::MAX)),
                clock: Arc::clone(&clock),
                is_synced,
            };
            tokio::spawn(client.go())
        })
        .collect();
    let mut events = Vec::new();
    for client in clients {
        events.extend(client.await.unwrap());
    }
    // One whose outcome is not known may have been made at any time.
    let end = clock.fetch_add(1, Ordering::Relaxed);
    for event in events.iter_mut().filter(|event| event.outcome == Said::Unknown) {
        event.responded = end;
    }
    events.retain(|event| event.outcome != Said::NotMade);
    events.sort_by_key(|event| event.invoked);
    events
}

struct Client {
    thread: usize,
    replica: Replica,
    rng: Rng,
    clock: Arc<AtomicU64>,
    is_synced: bool,
}

impl Client {
    async fn go(mut self) -> Vec<Event<Op, Said>> {
        let mut events = Vec::new();
        for _ in 0..CALLS {
            for _ in 0..self.rng.below(20) {
                tokio::task::yield_now().await;
            }
            let op = self.choose();
            let invoked = self.clock.fetch_add(1, Ordering::Relaxed);
            let outcome = self.call(op).await;
            let responded = self.clock.fetch_add(1, Ordering::Relaxed);
            events.push(Event { thread: self.thread, invoked, responded, op, outcome });
        }
        events
    }

    fn choose(&mut self) -> Op {
        let consumer = self.rng.below(3) as usize;
        let (host, amount) = (self.rng.below(2) as usize, 1 + self.rng.below(3));
        match self.rng.below(8) {
            0..=1 => Op::Claim(consumer, host, amount),
            2 => Op::Replace(consumer, host, amount),
            3..=4 => Op::Release(consumer),
            5..=6 => Op::Used(host),
            _ => Op::Held(consumer),
        }
    }

    async fn call(&self, op: Op) -> Said {
        let claim = |who, at, amount| Claim::new(consumer(who)).take(host(at), VCPU, amount);
        let made = match op {
            Op::Claim(who, at, amount) => self.replica.ask(claim(who, at, amount)).await,
            Op::Replace(who, at, amount) => {
                let claim = claim(who, at, amount);
                self.replica.ask(Replace { claim, expect: Expect::Any }).await
            }
            Op::Release(who) => self.replica.ask(Release { consumer: consumer(who) }).await,
            Op::Used(at) => {
                self.sync().await;
                let forest = self.replica.forest();
                let host = forest.find(host(at)).unwrap();
                return Said::Used(forest.usage(&host, VCPU).unwrap().used);
            }
            Op::Held(who) => {
                self.sync().await;
                let held = self.replica.forest().allocations(consumer(who));
                return Said::Held(held.map(|held| {
                    let [one] = &held.allocations[..] else { panic!("{held:?}") };
                    (usize::from(one.provider == host(1)), one.amount)
                }));
            }
        };
        match made {
            Ok(_) => Said::Made,
            Err(Error::Refused { .. }) => Said::Refused,
            Err(Error::OutcomeUnknown { .. }) => Said::Unknown,
            Err(Error::NotMade { .. }) => Said::NotMade,
            Err(error) => panic!("{op:?}: {error:?}"),
        }
    }

    async fn sync(&self) {
        if self.is_synced {
            self.replica.sync().await.unwrap();
        }
    }
}

fn host(at: usize) -> Uuid {
    Uuid::from_u128(1 + at as u128)
}

fn consumer(at: usize) -> Uuid {
    Uuid::from_u128(100 + at as u128)
}
