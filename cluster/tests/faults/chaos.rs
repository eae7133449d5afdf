//! Faults, one after the other, as chance has it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::site::Site;
use crate::tool::Process;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Fault {
    MemberKilled,
    MajorityKilled,
    MemberStopped,
    ProxyCut,
    ProxyFrozen,
    Compacted,
    ReplicaKilled,
    ReplicaStopped,
}

/// Faults of etcd and of the network.
pub(crate) const OF_ETCD: &[Fault] = &[
    Fault::MemberKilled,
    Fault::MajorityKilled,
    Fault::MemberStopped,
    Fault::ProxyCut,
    Fault::ProxyFrozen,
    Fault::Compacted,
];

/// Faults of replicas.
pub(crate) const OF_REPLICAS: &[Fault] = &[Fault::ReplicaKilled, Fault::ReplicaStopped];

/// The processes of the replicas, for as long as they are there.
#[derive(Default)]
pub(crate) struct Processes(Mutex<BTreeMap<usize, Process>>);

/// How many faults of each kind there were.
pub(crate) type Tally = BTreeMap<Fault, usize>;

/// Makes faults of these kinds until then, each as often as the others.
pub(crate) struct Chaos<'a> {
    pub(crate) site: &'a Site,
    pub(crate) processes: &'a Processes,
    pub(crate) kinds: &'a [Fault],
    /// How long a fault lasts, and how long it is until the next one, in milliseconds.
    pub(crate) lasting: std::ops::Range<u64>,
    pub(crate) rng: Rng,
}

impl Chaos<'_> {
    /// Ends with nothing broken, except by others.
    pub(crate) fn run(mut self, until: Instant) -> Tally {
        let mut tally = Tally::new();
        let mut deck = Vec::new();
        while Instant::now() < until {
            if deck.is_empty() {
                deck.extend_from_slice(self.kinds);
                self.rng.shuffle(&mut deck);
            }
            let fault = deck.pop().expect("there are kinds");
            if self.make(fault) {
                *tally.entry(fault).or_default() += 1;
            }
            self.pause();
        }
        tally
    }

    /// Makes a fault, and ends it. False if there was nobody to meet it.
    fn make(&mut self, fault: Fault) -> bool {
        let members = &self.site.members;
        let count = members.iter().count();
        let first = self.rng.usize(..count);
        let member = members.member(first);
        match fault {
            Fault::MemberKilled => {
                member.kill().unwrap();
                self.pause();
                member.restart().unwrap();
            }
            Fault::MajorityKilled => {
                let most = [member, members.member((first + 1) % count)];
                most.iter().for_each(|member| member.kill().unwrap());
                self.pause();
                most.iter().for_each(|member| member.restart().unwrap());
            }
            Fault::MemberStopped => {
                member.stop().unwrap();
                self.pause();
                member.cont().unwrap();
            }
            Fault::ProxyCut => {
                self.site.proxy(first).cut();
                self.pause();
                self.site.proxy(first).heal();
            }
            Fault::ProxyFrozen => {
                self.site.proxy(first).freeze();
                self.pause();
                self.site.proxy(first).thaw();
            }
            Fault::Compacted => return self.site.compact(first),
            Fault::ReplicaKilled => {
                let Some(process) = self.replica() else { return false };
                return process.kill();
            }
            Fault::ReplicaStopped => {
                let Some(process) = self.replica() else { return false };
                let stopped = process.stop();
                if self.rng.bool() {
                    // What was on its way to it is lost, and the others have to connect anew.
                    self.site.reset();
                }
                self.pause();
                process.cont();
                return stopped;
            }
        }
        true
    }

    fn replica(&mut self) -> Option<Process> {
        let processes = self.processes.all();
        let any = self.rng.usize(..processes.len().max(1));
        processes.values().nth(any).cloned()
    }

    fn pause(&mut self) {
        thread::sleep(Duration::from_millis(self.rng.u64(self.lasting.clone())));
    }
}

impl Processes {
    pub(crate) fn put(&self, number: usize, process: &Process) {
        self.all().insert(number, process.clone());
    }

    pub(crate) fn take(&self, number: usize) {
        self.all().remove(&number);
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<usize, Process>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
