//! What one thread of the scheduler does and remembers; it is the same for all sides.
//!
//! A side may name the consumers itself, and the program keeps what they are called: so does ours, which
//! then needs no index of them.

use uuid::Uuid;

use crate::peer::{Amounts, Claim, HOST, Line, Read};
use crate::random::{Random, uuid};
use crate::workload::scheduler::index::{Index, SHAPES};

/// One thread of the scheduler. Each belongs to a run of some threads, and goes on in the next.
pub(super) struct Program {
    /// Its jobs' uuids are of this space.
    space: u64,
    index: Index,
    /// What it has read of each host last.
    read: Vec<[u64; 3]>,
    /// Its own first host.
    start: usize,
    jobs: Vec<Job>,
    random: Random,
    /// How many jobs it has named.
    named: u64,
    /// A job that found no host is made up for by the next decision, which releases none.
    owes: bool,
    pub(super) tally: Tally,
}

/// A job that is placed.
struct Job {
    consumer: Uuid,
    host: u16,
    shape: u8,
}

/// What has come of decisions.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) decisions: u64,
    /// Claims that were refused, since another thread had taken what the index believed to be free.
    pub(super) refused: u64,
    /// How often all hosts were read again.
    pub(super) surveys: u64,
    /// Decisions after which the job had no host.
    pub(super) unplaced: u64,
}

impl Program {
    /// One of so many.
    pub(super) fn new(number: usize, count: usize, hosts: usize) -> Self {
        Program {
            space: number as u64,
            index: Index::new(hosts),
            read: vec![[0; 3]; hosts],
            start: number * hosts / count,
            jobs: Vec::new(),
            random: Random::of(number),
            named: 0,
            owes: false,
            tally: Tally::default(),
        }
    }

    /// Releases a job at random and places the next one.
    pub(super) fn decide<S: Claim + Read>(&mut self, session: &mut S) {
        self.tally.decisions += 1;
        if !self.owes {
            self.release(session);
        }
        self.owes = self.place(session).is_none();
        self.tally.unplaced += u64::from(self.owes);
    }

    fn release<S: Claim>(&mut self, session: &mut S) {
        let at = self.random.below(self.jobs.len());
        let Job { consumer, host, shape } = self.jobs.swap_remove(at);
        assert!(session.release(consumer));
        let (host, mut free) = (usize::from(host), self.index.free(usize::from(host)));
        // What it believes may have been out of date: a host has no more than it has.
        for (class, amount) in SHAPES[usize::from(shape)].iter().enumerate() {
            free[class] = HOST[class].min(free[class] + amount);
        }
        self.index.set(host, free);
    }

    /// Finds a host for one more job and claims it; returns what it takes, if there was one.
    pub(super) fn place<S: Claim + Read>(&mut self, session: &mut S) -> Option<[u64; 3]> {
        let shape = self.random.below(SHAPES.len());
        let amounts = SHAPES[shape];
        let number = self.named;
        self.named += 1;
        let mut surveyed = false;
        loop {
            let Some(host) = self.index.find(shape) else {
                if surveyed {
                    return None;
                }
                surveyed = true;
                self.tally.surveys += 1;
                self.survey(session);
                continue;
            };
            let lines =
                [0, 1, 2].map(|class| Line { provider: host, class, amount: amounts[class] });
            if let Some(consumer) = session.claim_for_new(uuid(self.space, number), &lines) {
                let free = self.index.free(host);
                self.index.set(host, [0, 1, 2].map(|class| free[class] - amounts[class]));
                self.jobs.push(Job { consumer, host: host as u16, shape: shape as u8 });
                return Some(amounts);
            }
            self.tally.refused += 1;
            self.index.set(host, session.usages(host).map(free));
        }
    }

    /// Reads all hosts. The first time it begins with one of its own, so that of hosts that are alike
    /// each thread prefers another.
    pub(super) fn survey<S: Read>(&mut self, session: &mut S) {
        let hosts = self.read.len();
        session.all_usages(hosts, |host, amounts| self.read[host] = amounts.map(free));
        let order = (self.start..hosts).chain(0..self.start);
        order.for_each(|host| self.index.set(host, self.read[host]));
    }

    /// Adds to each host what its jobs hold of it.
    pub(super) fn add_held(&self, hosts: &mut [[u64; 3]]) {
        for job in &self.jobs {
            let amounts = SHAPES[usize::from(job.shape)];
            hosts[usize::from(job.host)].iter_mut().zip(amounts).for_each(|(sum, it)| *sum += it);
        }
    }
}

fn free(amounts: Amounts) -> u64 {
    amounts.capacity - amounts.used
}
