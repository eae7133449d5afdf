//! What one would write instead.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use provider_tree::{Error, Prepared, Provider, View, Worker};
use uuid::Uuid;

use crate::cluster::{
    Cluster, Host, MEMORY_MB, MODELS, Providers, Shape, Spot, VCPU, prepare_all, spot_of,
};
use crate::side::{Claimed, Hand, Side};

/// One mutex around our index: a view of an instant, which is told what happens and decides.
pub(crate) struct LockedView<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) state: Mutex<(View, Vec<Prepared>)>,
    pub(crate) is_brief: bool,
}

impl<'a> LockedView<'a> {
    /// Begins with what is free in `cluster` now.
    pub(crate) fn new(cluster: &'a Cluster, is_brief: bool) -> Self {
        let view = cluster.tree.snapshot().view().expect("not too old");
        let prepared = prepare_all(&view);
        LockedView { cluster, state: Mutex::new((view, prepared)), is_brief }
    }
}

impl Side for LockedView<'_> {
    type Job = Claimed;

    fn hand(&self, _: usize, _: usize) -> impl Hand<Job = Claimed> {
        self
    }

    fn free(&self) -> Vec<Host> {
        let view = &self.state.lock().0;
        let free = |provider: &Provider, class| {
            let usage = view.usage(provider, class);
            usage.expect("is there").free()
        };
        let host = |(host, of): (usize, &Providers)| Host {
            free: [free(&of.root, VCPU), free(&of.root, MEMORY_MB)],
            model: host % MODELS,
            gpus: of.gpus.each_ref().map(|gpus| {
                let bits = gpus.iter().enumerate();
                bits.map(|(at, gpu)| (free(gpu, self.cluster.gpu) as u8) << at).sum()
            }),
        };
        self.cluster.hosts.iter().enumerate().map(host).collect()
    }
}

impl Hand for &LockedView<'_> {
    type Job = Claimed;

    fn adopt(&mut self, shape: Shape, spot: Spot, consumer: Uuid) -> Claimed {
        let claim = self.cluster.claim(consumer, shape, spot);
        self.state.lock().0.claimed(&claim);
        Claimed { claim, spot: Some(spot) }
    }

    fn place(&mut self, shape: Shape, consumer: Uuid) -> Option<Claimed> {
        let mut state = self.state.lock();
        let (view, prepared) = &mut *state;
        let candidates = view.candidates(&mut prepared[shape.number()]);
        let candidate = candidates.expect("prepared for it").next()?;
        let claim = candidate.claim(consumer);
        view.claimed(&claim);
        drop(state);
        let spot = self.is_brief.then(|| spot_of(&candidate));
        Some(Claimed { claim, spot })
    }

    fn release(&mut self, _: Shape, job: Claimed) {
        self.state.lock().0.released(&job.claim);
    }

    fn spot(job: &Claimed) -> Option<Spot> {
        job.spot
    }
}

/// One mutex around an array of hosts, which is looked through.
pub(crate) struct LockedArray {
    /// The hosts, and where the next sample begins.
    pub(crate) state: Mutex<(Vec<Host>, usize)>,
    pub(crate) find: fn(&[Host], &mut usize, Shape) -> Option<usize>,
}

impl LockedArray {
    pub(crate) fn new(hosts: usize, find: fn(&[Host], &mut usize, Shape) -> Option<usize>) -> Self {
        LockedArray { state: Mutex::new((Host::unused(hosts), 0)), find }
    }
}

/// Finds the first host where a job fits.
pub(crate) fn first_fit(hosts: &[Host], _: &mut usize, shape: Shape) -> Option<usize> {
    hosts.iter().position(|host| host.fits(shape))
}

/// Finds the fullest host of some that fit, as kube-scheduler does in a large cluster: from where
/// the last search ended, it looks for fifty of them.
pub(crate) fn best_of_sample(hosts: &[Host], next: &mut usize, shape: Shape) -> Option<usize> {
    const SAMPLE: usize = 50;
    let mut found = 0;
    let mut best = None;
    let begin = *next;
    for at in (begin..hosts.len()).chain(0..begin) {
        if hosts[at].fits(shape) {
            let key = (hosts[at].most(), hosts[at].free[0]);
            if best.is_none_or(|(least, _)| key < least) {
                best = Some((key, at));
            }
            found += 1;
            if found == SAMPLE {
                *next = (at + 1) % hosts.len();
                break;
            }
        }
    }
    best.map(|(_, at)| at)
}

impl Side for LockedArray {
    type Job = Spot;

    fn hand(&self, _: usize, _: usize) -> impl Hand<Job = Spot> {
        self
    }

    fn free(&self) -> Vec<Host> {
        self.state.lock().0.clone()
    }
}

impl Hand for &LockedArray {
    type Job = Spot;

    fn adopt(&mut self, shape: Shape, spot: Spot, _: Uuid) -> Spot {
        self.state.lock().0[spot.host as usize].take(shape, spot);
        spot
    }

    fn place(&mut self, shape: Shape, _: Uuid) -> Option<Spot> {
        let (hosts, next) = &mut *self.state.lock();
        let at = (self.find)(hosts, next, shape)?;
        let spot = hosts[at].spot(at, shape);
        hosts[at].take(shape, spot);
        Some(spot)
    }

    fn release(&mut self, shape: Shape, spot: Spot) {
        self.state.lock().0[spot.host as usize].give_back(shape, spot);
    }

    fn spot(job: &Spot) -> Option<Spot> {
        Some(*job)
    }
}

/// An ordered set for each thread, and claims.
pub(crate) struct OwnSets<'a> {
    pub(crate) cluster: &'a Cluster,
}

pub(crate) struct OwnSet<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) worker: Worker,
    pub(crate) hosts: Vec<Host>,
    /// Model, most free GPUs of a node, and the host, counted from where this thread begins.
    pub(crate) order: BTreeSet<(usize, usize, usize)>,
    pub(crate) start: usize,
    /// When everything was read.
    pub(crate) read: Instant,
    pub(crate) refusals: u64,
}

impl Side for OwnSets<'_> {
    type Job = Claimed;

    fn hand(&self, thread: usize, threads: usize) -> impl Hand<Job = Claimed> {
        let cluster = self.cluster;
        let worker = cluster.tree.worker().expect("few workers");
        let start = cluster.hosts.len() * thread / threads;
        let (hosts, order) = (Vec::new(), BTreeSet::new());
        OwnSet { cluster, worker, hosts, order, start, read: Instant::now(), refusals: 0 }
    }

    fn free(&self) -> Vec<Host> {
        assert!(self.cluster.tree.snapshot().audit().unwrap().holds());
        self.cluster.read_all()
    }
}

impl OwnSet<'_> {
    /// Reads everything, but seldom, or it would do nothing else once the cluster is full. Returns
    /// whether it has.
    pub(crate) fn read_all(&mut self) -> bool {
        const AT_MOST_EACH: Duration = Duration::from_millis(10);
        if self.read.elapsed() < AT_MOST_EACH && !self.hosts.is_empty() {
            return false;
        }
        self.hosts = self.cluster.read_all();
        let key = |(at, host): (usize, &Host)| (host.model, host.most(), self.place_of(at));
        self.order = self.hosts.iter().enumerate().map(key).collect();
        self.read = Instant::now();
        true
    }

    pub(crate) fn place_of(&self, host: usize) -> usize {
        (host + self.hosts.len() - self.start) % self.hosts.len()
    }

    pub(crate) fn change(&mut self, host: usize, change: impl FnOnce(&mut Host)) {
        let place = self.place_of(host);
        let of = &mut self.hosts[host];
        let before = of.most();
        change(of);
        let (model, now) = (of.model, of.most());
        if now != before {
            self.order.remove(&(model, before, place));
            self.order.insert((model, now, place));
        }
    }

    pub(crate) fn find(&self, shape: Shape) -> Option<usize> {
        let range = (shape.model, shape.gpus, 0)..(shape.model + 1, 0, 0);
        let hosts = self.order.range(range).map(|key| (key.2 + self.start) % self.hosts.len());
        hosts.into_iter().find(|&host| self.hosts[host].fits(shape))
    }
}

impl Hand for OwnSet<'_> {
    type Job = Claimed;

    fn adopt(&mut self, shape: Shape, spot: Spot, consumer: Uuid) -> Claimed {
        let claim = self.cluster.claim(consumer, shape, spot);
        self.worker.claim(&claim).map(drop).expect("fits");
        Claimed { claim, spot: Some(spot) }
    }

    fn begin(&mut self) {
        self.hosts.clear();
        self.read_all();
    }

    fn place(&mut self, shape: Shape, consumer: Uuid) -> Option<Claimed> {
        loop {
            let Some(host) = self.find(shape) else {
                match self.read_all() {
                    true => continue,
                    false => return None,
                }
            };
            let spot = self.hosts[host].spot(host, shape);
            let claim = self.cluster.claim(consumer, shape, spot);
            match self.worker.claim(&claim) {
                Ok(_receipt) => {
                    self.change(host, |host| host.take(shape, spot));
                    return Some(Claimed { claim, spot: Some(spot) });
                }
                Err(Error::CapacityExceeded { .. }) => {
                    self.refusals += 1;
                    let now = self.cluster.read(host);
                    self.change(host, |host| *host = now);
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn release(&mut self, shape: Shape, job: Claimed) {
        self.worker.release(job.claim.consumer().unwrap()).map(drop).expect("was claimed");
        let spot = job.spot.expect("known");
        self.change(spot.host as usize, |host| host.give_back(shape, spot));
    }

    fn refusals(&self) -> u64 {
        self.refusals
    }

    fn spot(job: &Claimed) -> Option<Spot> {
        job.spot
    }
}
