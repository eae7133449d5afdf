//! [`Hosts`]: what few hosts answer if one asks after the other.

use std::collections::BTreeMap;

use linearize::Model;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{claim, host, kind, wish};

/// How many VCPUs each host has.
pub(crate) const TOTALS: [u64; 2] = [4, 3];

/// How many consumers there are.
pub(crate) const CONSUMERS: Consumer = 6;

/// Which consumer, by its number.
pub(crate) type Consumer = u8;

/// A few hosts, of which consumers hold some. A consumer holds something of one of them.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Hosts {
    pub(crate) held: BTreeMap<Consumer, (usize, u64)>,
    pub(crate) cordoned: [bool; TOTALS.len()],
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Op {
    Claim(Consumer, usize, u64),
    Replace(Consumer, usize, u64),
    Release(Consumer),
    Cordon(usize),
    Uncordon(usize),
    Usage(usize),
    Allocations(Consumer),
    /// Reads everything.
    All,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Outcome {
    Done,
    Changed(bool),
    Used(u64),
    Holds(Option<(usize, u64)>),
    Is(Hosts),
    /// It was refused, by the name of the error.
    Refused(String),
    /// It was made, and nobody has heard what it has answered.
    Unheard,
}

impl Model for Hosts {
    type Op = Op;
    type Outcome = Outcome;

    fn allows(&mut self, op: &Op, outcome: &Outcome) -> bool {
        match outcome {
            // Whatever it comes to.
            Outcome::Unheard => {
                let _ = self.make(op);
                true
            }
            outcome => self.make(op) == *outcome,
        }
    }
}

impl Hosts {
    /// Does what is asked for, and returns what is answered.
    fn make(&mut self, op: &Op) -> Outcome {
        let refused = |error: &str| Outcome::Refused(error.to_owned());
        match *op {
            Op::Claim(consumer, number, amount) => match self.held.get(&consumer) {
                Some(held) if *held == (number, amount) => refused("AlreadyHeld"),
                Some(_) => refused("ConsumerExists"),
                None => self.take(consumer, number, amount),
            },
            Op::Replace(consumer, number, amount) => self.take(consumer, number, amount),
            Op::Release(consumer) => match self.held.remove(&consumer) {
                Some(_) => Outcome::Done,
                None => refused("ConsumerNotFound"),
            },
            Op::Cordon(number) => self.cordon(number, true),
            Op::Uncordon(number) => self.cordon(number, false),
            Op::Usage(number) => Outcome::Used(self.used(number)),
            Op::Allocations(consumer) => Outcome::Holds(self.held.get(&consumer).copied()),
            Op::All => Outcome::Is(self.clone()),
        }
    }

    fn take(&mut self, consumer: Consumer, number: usize, amount: u64) -> Outcome {
        let before = self.held.get(&consumer).copied();
        let kept = before.filter(|(of, _)| *of == number).map_or(0, |(_, amount)| amount);
        // What is held already needs no room.
        if amount > kept && self.cordoned[number] {
            return Outcome::Refused("Cordoned".to_owned());
        }
        if amount > kept && self.used(number) - kept + amount > TOTALS[number] {
            return Outcome::Refused("CapacityExceeded".to_owned());
        }
        self.held.insert(consumer, (number, amount));
        Outcome::Done
    }

    fn cordon(&mut self, number: usize, to: bool) -> Outcome {
        Outcome::Changed(std::mem::replace(&mut self.cordoned[number], to) != to)
    }

    fn used(&self, number: usize) -> u64 {
        let of_host = self.held.values().filter(|(of, _)| *of == number);
        of_host.map(|(_, amount)| amount).sum()
    }
}

impl Op {
    /// The line that asks for it; reads are of the present if that is wanted.
    pub(crate) fn line(&self, fresh: bool) -> Value {
        match *self {
            Op::Claim(consumer, number, amount) => claim(uuid(consumer), number, amount),
            Op::Replace(consumer, number, amount) => {
                json!({ "replace": { "claim": wish(uuid(consumer), number, amount) } })
            }
            Op::Release(consumer) => json!({ "release": { "consumer": uuid(consumer) } }),
            Op::Cordon(number) => json!({ "cordon": { "provider": host(number) } }),
            Op::Uncordon(number) => json!({ "uncordon": { "provider": host(number) } }),
            Op::Usage(number) => {
                let usage = json!({ "provider": host(number).to_string(), "class": "VCPU" });
                json!({ "read": { "usage": usage }, "fresh": fresh })
            }
            Op::Allocations(consumer) => {
                json!({ "read": { "allocations": uuid(consumer) }, "fresh": fresh })
            }
            Op::All => unreachable!("it takes many lines"),
        }
    }

    pub(crate) fn is_read(&self) -> bool {
        matches!(self, Op::Usage(_) | Op::Allocations(_) | Op::All)
    }

    /// Reads what was answered to its line; `None` if there is no outcome.
    pub(crate) fn outcome(&self, said: &Value) -> Option<Outcome> {
        let ok = match kind(said) {
            "ok" => &said["ok"],
            "refused" => {
                let error = said["refused"]["error"].as_str().unwrap();
                return Some(Outcome::Refused(error.to_owned()));
            }
            _ => return None,
        };
        Some(match self {
            Op::Claim(..) | Op::Replace(..) | Op::Release(_) => Outcome::Done,
            Op::Cordon(_) | Op::Uncordon(_) => Outcome::Changed(ok["changed"].as_bool().unwrap()),
            Op::Usage(_) => Outcome::Used(ok["used"].as_u64().unwrap()),
            Op::Allocations(_) => Outcome::Holds(hold_of(ok)),
            Op::All => unreachable!("it takes many lines"),
        })
    }
}

/// What a read of allocations says: null if nothing is held.
fn hold_of(ok: &Value) -> Option<(usize, u64)> {
    if ok.is_null() {
        return None;
    }
    let lines = ok["allocations"].as_array().unwrap();
    let [line] = &lines[..] else { panic!("{ok}") };
    let is_its = |number: &usize| line["provider"] == host(*number).to_string();
    let number = (0..TOTALS.len()).find(is_its).unwrap();
    Some((number, line["amount"].as_u64().unwrap()))
}

fn uuid(consumer: Consumer) -> Uuid {
    Uuid::from_u128(0x2_0000 + u128::from(consumer))
}
