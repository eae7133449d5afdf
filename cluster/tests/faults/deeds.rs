//! [`Deeds`]: what was asked for and answered, and what a forest has to have after that.
//!
//! A consumer is of one driver, has at most one command on its way, and is left alone after one whose outcome
//! is not known: so what it holds is known, or is one of two things.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use provider_tree::{Dump, ProviderTree, ResourceClass};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::host;

/// What is held: how much of which host.
pub(crate) type Hold = BTreeMap<usize, u64>;

/// What a consumer holds.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Held {
    Nothing,
    ForGood(Hold),
    Leased { hold: Hold, deadline: u64, generation: u64, at: u64 },
}

/// Something that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    /// What becomes of consumers: all of it, or nothing.
    pub(crate) changes: Vec<(Uuid, Held)>,
    /// What becomes of hosts.
    pub(crate) write: Option<(Register, u64)>,
    /// All leases end whose deadline is not after this time.
    pub(crate) expire: Option<u64>,
}

/// Something of a host that is set to one of several values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Register {
    Total(usize),
    Cordon(usize),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Made { at: u64 },
    NotMade,
    Unknown,
}

/// At which position something was done, and which of all that was noted that was; none if it may not have been
/// done.
type When = Option<(u64, u64)>;

#[derive(Default)]
pub(crate) struct Deeds {
    pub(crate) consumers: HashMap<Uuid, Held>,
    /// Changes of which all have been made, or none.
    unknown: Vec<Vec<(Uuid, Held, Held)>>,
    /// With the positions at which they were made, if that is known.
    expires: Vec<(u64, Option<u64>)>,
    writes: BTreeMap<Register, Vec<(u64, When)>>,
    /// The consumers whose leases have ended by an answer.
    ended: Vec<Uuid>,
    turns: u64,
}

impl Deeds {
    /// Notes what has become of a deed.
    pub(crate) fn settle(&mut self, deed: Deed, fate: Fate, answer: Option<&Value>) {
        self.turns += 1;
        let at = match fate {
            Fate::NotMade => return,
            Fate::Made { at } => Some(at),
            Fate::Unknown => None,
        };
        if let Some(now) = deed.expire {
            self.expires.push((now, at));
            let ended = answer.and_then(|answer| answer["ok"]["receipts"].as_array());
            let consumer = |receipt: &Value| -> Uuid {
                receipt["consumer"].as_str().unwrap().parse().unwrap()
            };
            self.ended.extend(ended.into_iter().flatten().map(consumer));
        }
        if let Some((register, value)) = deed.write {
            let when = at.map(|at| (at, self.turns));
            self.writes.entry(register).or_default().push((value, when));
        }
        match at {
            Some(made_at) => {
                for (consumer, mut held) in deed.changes {
                    if let Held::Leased { generation, at, .. } = &mut held {
                        *at = made_at;
                        *generation = answer.unwrap()["ok"]["generation"].as_u64().unwrap();
                    }
                    self.consumers.insert(consumer, held);
                }
            }
            None => {
                let mut before =
                    |consumer| self.consumers.remove(consumer).unwrap_or(Held::Nothing);
                let changes = deed.changes.iter();
                let changes = changes.map(|(it, after)| (*it, before(it), after.clone()));
                let changes: Vec<_> = changes.collect();
                if !changes.is_empty() {
                    self.unknown.push(changes);
                }
            }
        }
    }

    pub(crate) fn merge(&mut self, other: Deeds) {
        self.consumers.extend(other.consumers);
        self.unknown.extend(other.unknown);
        self.expires.extend(other.expires);
        for (register, writes) in other.writes {
            self.writes.entry(register).or_default().extend(writes);
        }
        self.ended.extend(other.ended);
    }

    /// Checks that a forest has what it has to have.
    pub(crate) fn check(&self, dump: &Dump, totals: &[u64]) {
        let found: HashMap<Uuid, Hold> = dump.consumers.iter().map(hold_of).collect();
        assert_eq!(found.len(), dump.consumers.len(), "a consumer is there twice");
        let mut expected = BTreeSet::new();
        for (consumer, held) in &self.consumers {
            let found = found.get(consumer);
            assert!(self.may_be(held, found), "{consumer} holds {found:?}, and not {held:?}");
            expected.insert(*consumer);
        }
        for changes in &self.unknown {
            let all = |side: fn(&(Uuid, Held, Held)) -> &Held| {
                changes.iter().all(|change| self.may_be(side(change), found.get(&change.0)))
            };
            let made: Vec<_> = changes.iter().map(|(it, ..)| found.get(it)).collect();
            assert!(all(|it| &it.1) || all(|it| &it.2), "half was made: {changes:?}: {made:?}");
            expected.extend(changes.iter().map(|(consumer, ..)| *consumer));
        }
        let strange: Vec<_> = found.keys().filter(|it| !expected.contains(*it)).collect();
        assert!(strange.is_empty(), "nobody has made them hold anything: {strange:?}");
        let unique: BTreeSet<_> = self.ended.iter().collect();
        assert_eq!(unique.len(), self.ended.len(), "a lease has ended twice");
        self.check_hosts(dump, totals);
    }

    fn check_hosts(&self, dump: &Dump, totals: &[u64]) {
        let snapshot = ProviderTree::load(dump).unwrap().snapshot();
        let audit = snapshot.audit().unwrap();
        assert!(audit.holds(), "{:?}", audit.differences);
        for over in &audit.overcommitted {
            let shrunk = (0..totals.len()).filter(|it| host(*it) == over.provider).any(|number| {
                let writes = self.writes.get(&Register::Total(number));
                writes.into_iter().flatten().any(|(value, _)| *value < totals[number])
            });
            assert!(shrunk, "{over:?} was oversold");
        }
        assert_eq!(dump.providers.len(), totals.len());
        for (number, total) in totals.iter().enumerate() {
            let is_host = |it: &&provider_tree::ProviderDump| it.configuration.uuid == host(number);
            let dumped = dump.providers.iter().find(is_host).unwrap();
            let provider = snapshot.find(host(number)).unwrap().unwrap();
            let capacity = snapshot.usage(&provider, ResourceClass::VCPU).unwrap().capacity;
            self.check_register(Register::Total(number), capacity, *total);
            self.check_register(Register::Cordon(number), dumped.cordoned.into(), 0);
        }
    }

    /// Checks that a register has the value that was written last, or one that may have been.
    fn check_register(&self, register: Register, found: u64, initial: u64) {
        let writes = self.writes.get(&register).map_or(&[][..], Vec::as_slice);
        let last = writes.iter().filter(|(_, at)| at.is_some()).max_by_key(|(_, at)| *at);
        let last = last.map_or(initial, |(value, _)| *value);
        let mut unknown = writes.iter().filter(|(_, at)| at.is_none());
        let explained = found == last || unknown.any(|(value, _)| *value == found);
        assert!(explained, "{register:?} is {found}, and not {last}");
    }

    fn may_be(&self, held: &Held, found: Option<&Hold>) -> bool {
        match held {
            Held::Nothing => found.is_none(),
            Held::ForGood(hold) => found == Some(hold),
            Held::Leased { hold, deadline, at, .. } => {
                let mut due = self.expires.iter().filter(|(now, _)| now >= deadline).peekable();
                let may_have_ended = due.peek().is_some();
                // One whose lease is not known to be made has no position.
                let has_ended = *at > 0 && due.any(|(_, when)| when.is_some_and(|it| it > *at));
                match found {
                    Some(found) => found == hold && !has_ended,
                    None => may_have_ended,
                }
            }
        }
    }
}

impl Held {
    /// A lease that is asked for.
    pub(crate) fn leased(hold: Hold, deadline: u64) -> Self {
        Held::Leased { hold, deadline, generation: 0, at: 0 }
    }
}

/// What a claim asks for.
pub(crate) fn wish(consumer: Uuid, hold: &Hold) -> Value {
    let takes = hold.iter().map(
        |(number, amount)| json!({ "provider": host(*number), "amounts": { "VCPU": amount } }),
    );
    json!({ "consumer": consumer, "takes": takes.collect::<Vec<_>>() })
}

fn hold_of(held: &provider_tree::Allocations) -> (Uuid, Hold) {
    let number = |uuid| (0..usize::MAX).find(|number| host(*number) == uuid).unwrap();
    let lines = held.allocations.iter();
    (held.consumer, lines.map(|line| (number(line.provider), line.amount)).collect())
}
