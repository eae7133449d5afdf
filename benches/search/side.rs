//! Sides: who keeps what is free, and the threads that place jobs and release them there.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use provider_tree::Claim;
use uuid::Uuid;

use crate::cluster::{Host, Shape, Spot, gpus_of};
use benches::random::Random;

/// Keeps what is free, and shares it among threads.
pub(crate) trait Side: Sync {
    type Job: Send;

    /// Returns what one of so many threads places with.
    fn hand(&self, thread: usize, threads: usize) -> impl Hand<Job = Self::Job>;

    /// Returns what is free.
    fn free(&self) -> Vec<Host>;
}

/// Places jobs and releases them, for one thread.
pub(crate) trait Hand: Send {
    type Job: Send;

    /// Places a job where it is said to be.
    fn adopt(&mut self, shape: Shape, spot: Spot, consumer: Uuid) -> Self::Job;

    /// Takes note of what all threads have adopted.
    fn begin(&mut self) {}

    /// Places a job where it fits. Returns `None` if it fits nowhere.
    fn place(&mut self, shape: Shape, consumer: Uuid) -> Option<Self::Job>;

    fn release(&mut self, shape: Shape, job: Self::Job);

    /// Returns how many claims were refused so far.
    fn refusals(&self) -> u64 {
        0
    }

    /// Returns where the job is, in short runs.
    fn spot(job: &Self::Job) -> Option<Spot>;
}

/// A job of those that claim.
pub(crate) struct Claimed {
    pub(crate) claim: Claim,
    pub(crate) spot: Option<Spot>,
}

/// One thread with its jobs.
pub(crate) struct Player<H: Hand> {
    pub(crate) hand: H,
    pub(crate) thread: usize,
    pub(crate) random: Random,
    pub(crate) jobs: Vec<(Shape, H::Job)>,
    /// Counts the consumers so far.
    pub(crate) consumers: u64,
    /// The GPUs that the jobs have, and those that they should have.
    pub(crate) used: usize,
    pub(crate) quota: usize,
    /// Counts the searches that found nothing.
    pub(crate) vain: u64,
}

impl<H: Hand> Player<H> {
    pub(crate) fn new(hand: H, thread: usize, quota: usize) -> Self {
        let random = Random(thread as u64 * 7_919 + 1);
        let jobs = Vec::new();
        Player { hand, thread, random, jobs, consumers: 0, used: 0, quota, vain: 0 }
    }

    pub(crate) fn consumer(&mut self) -> Uuid {
        self.consumers += 1;
        let mixed = self.consumers.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Uuid::from_u64_pair(mixed, mixed.rotate_left(32) ^ self.thread as u64)
    }

    pub(crate) fn adopt(&mut self, shape: Shape, spot: Spot) {
        let consumer = self.consumer();
        let job = self.hand.adopt(shape, spot, consumer);
        self.jobs.push((shape, job));
        self.used += shape.gpus;
    }

    /// Releases one of the jobs, unless there are too few already, and places another. One that
    /// fits nowhere asks for half as many GPUs.
    pub(crate) fn decide(&mut self) {
        if self.used >= self.quota && !self.jobs.is_empty() {
            let at = self.random.below(self.jobs.len());
            let (shape, job) = self.jobs.swap_remove(at);
            self.hand.release(shape, job);
            self.used -= shape.gpus;
        }
        let mut shape = Shape::random(&mut self.random);
        loop {
            let consumer = self.consumer();
            if let Some(job) = self.hand.place(shape, consumer) {
                self.jobs.push((shape, job));
                self.used += shape.gpus;
                break;
            }
            self.vain += 1;
            match shape.gpus {
                1 => break,
                _ => shape.gpus /= 2,
            }
        }
    }

    /// Places jobs until one fits nowhere, or it is over.
    pub(crate) fn fill(&mut self, over: &AtomicBool) {
        // Relaxed: it has to be noticed at some time.
        while !over.load(Ordering::Relaxed) {
            let shape = Shape::random(&mut self.random);
            let consumer = self.consumer();
            match self.hand.place(shape, consumer) {
                Some(job) => {
                    self.jobs.push((shape, job));
                    self.used += shape.gpus;
                }
                None => over.store(true, Ordering::Relaxed),
            }
        }
    }

    /// Returns whether a job of this shape fits anywhere.
    pub(crate) fn fits(&mut self, shape: Shape) -> bool {
        let consumer = self.consumer();
        let job = self.hand.place(shape, consumer);
        job.map(|job| self.hand.release(shape, job)).is_some()
    }
}

/// A side with its threads, whatever they place with.
pub(crate) trait Team {
    /// Decides for so long.
    fn run(&mut self, length: Duration) -> Turn;

    /// Lets the threads place jobs until one of the jobs fits nowhere.
    fn fill(&mut self);

    fn fits(&mut self, shape: Shape) -> bool;

    /// Checks that what is used is what the jobs have, if the jobs say where they are.
    fn check(&self);

    /// Returns the share of the GPUs that is used.
    fn used(&self) -> f64;

    fn release_all(&mut self);
}

pub(crate) struct Threads<'a, S: Side, H: Hand> {
    pub(crate) side: &'a S,
    pub(crate) hosts: usize,
    pub(crate) players: Vec<Player<H>>,
}

/// Returns the side with so many threads, after they have adopted `jobs`.
pub(crate) fn team<'a, S: Side>(
    side: &'a S,
    hosts: usize,
    jobs: &[(Shape, Spot)],
    threads: usize,
) -> Box<dyn Team + 'a> {
    let quota = jobs.iter().map(|(shape, _)| shape.gpus).sum::<usize>() / threads;
    let player = |thread| Player::new(side.hand(thread, threads), thread, quota);
    let mut players: Vec<_> = (0..threads).map(player).collect();
    for (number, (shape, spot)) in jobs.iter().enumerate() {
        players[number % threads].adopt(*shape, *spot);
    }
    players.iter_mut().for_each(|player| player.hand.begin());
    Box::new(Threads { side, hosts, players })
}

/// What came of a turn.
#[derive(Clone, Copy, Default)]
pub(crate) struct Turn {
    /// Decisions per second of all threads.
    pub(crate) rate: f64,
    /// Processor time of each, in microseconds.
    pub(crate) processor: f64,
    /// Of each decision.
    pub(crate) refusals: f64,
    pub(crate) vain: f64,
}

impl<S: Side, H: Hand<Job = S::Job>> Team for Threads<'_, S, H> {
    fn run(&mut self, length: Duration) -> Turn {
        let over = AtomicBool::new(false);
        let start = Barrier::new(self.players.len() + 1);
        let counts = |players: &[Player<H>]| {
            players.iter().fold((0, 0), |(refusals, vain), player| {
                (refusals + player.hand.refusals(), vain + player.vain)
            })
        };
        let before = counts(&self.players);
        let (mut decisions, mut processor, mut seconds) = (0_u64, Duration::ZERO, 0.0);
        thread::scope(|scope| {
            let running: Vec<_> = self
                .players
                .iter_mut()
                .map(|player| {
                    let (over, start) = (&over, &start);
                    scope.spawn(move || {
                        start.wait();
                        let begin = ThreadTime::now();
                        let mut decisions = 0;
                        // Relaxed: it has to be noticed at some time.
                        while !over.load(Ordering::Relaxed) {
                            player.decide();
                            decisions += 1;
                        }
                        (decisions, begin.elapsed())
                    })
                })
                .collect();
            start.wait();
            let begin = Instant::now();
            thread::sleep(length);
            over.store(true, Ordering::Relaxed);
            for thread in running {
                let (own, time) = thread.join().expect("no panic");
                decisions += own;
                processor += time;
            }
            seconds = begin.elapsed().as_secs_f64();
        });
        let after = counts(&self.players);
        let decisions = decisions as f64;
        Turn {
            rate: decisions / seconds,
            processor: processor.as_secs_f64() * 1e6 / decisions,
            refusals: (after.0 - before.0) as f64 / decisions,
            vain: (after.1 - before.1) as f64 / decisions,
        }
    }

    fn fill(&mut self) {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for player in &mut self.players {
                scope.spawn(|| player.fill(&over));
            }
        });
    }

    fn fits(&mut self, shape: Shape) -> bool {
        self.players[0].fits(shape)
    }

    fn check(&self) {
        let mut free = Host::unused(self.hosts);
        for (shape, job) in self.players.iter().flat_map(|player| &player.jobs) {
            let spot = H::spot(job).expect("known");
            free[spot.host as usize].take(*shape, spot);
        }
        assert_eq!(free, self.side.free(), "what is used is what the jobs have");
    }

    fn used(&self) -> f64 {
        let used: usize = self.players.iter().map(|player| player.used).sum();
        used as f64 / gpus_of(self.hosts, 1.0) as f64
    }

    fn release_all(&mut self) {
        for player in &mut self.players {
            for (shape, job) in player.jobs.drain(..) {
                player.hand.release(shape, job);
            }
        }
    }
}
