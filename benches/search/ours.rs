//! Ours: a view and a worker for each thread, which keep out of each other's way in one of some ways.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use parking_lot::Mutex;
use provider_tree::{Candidate, Claim, Error, Prepared, View, Worker};
use uuid::Uuid;

use crate::cluster::{Cluster, Host, Shape, Spot, gpu_class, prepare_all, spot_of};
use crate::side::{Claimed, Hand, Side};
use benches::random::Random;

/// Says where a thread looks first.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Way {
    /// All begin with the first host.
    Same,
    /// Each begins somewhere else.
    OwnStart,
    /// Each begins with its part of the hosts, and after a refusal somewhere else.
    OwnPart,
    /// Each takes any host where the job fits.
    Lot,
    /// All take the host with the least free GPUs.
    Best,
    /// Each takes one of the eight best.
    BestOfEight,
    /// All take the best, and tell the others what they are about to claim.
    Intents,
}

impl Way {
    /// Returns whether the hosts are gone through by what is free.
    fn is_by_room(self) -> bool {
        matches!(self, Way::Best | Way::BestOfEight | Way::Intents)
    }
}

pub(crate) struct Ours<'a> {
    cluster: &'a Cluster,
    way: Way,
    /// Whether views are refreshed before each decision.
    is_fresh: bool,
    is_brief: bool,
    /// Where each thread gets its news, until it has been made, and where the others send them.
    inboxes: Mutex<Vec<Option<Receiver<News>>>>,
    outboxes: Vec<Sender<News>>,
}

/// What a thread tells the others, if it tells them anything.
#[derive(Clone)]
enum News {
    Intended(Arc<Claim>),
    Granted(Arc<Claim>),
    Refused(Arc<Claim>),
    Released(Arc<Claim>),
}

impl<'a> Ours<'a> {
    pub(crate) fn new(cluster: &'a Cluster, way: Way, threads: usize, is_brief: bool) -> Self {
        let boxes = (0..threads).filter(|_| way == Way::Intents).map(|_| channel());
        let (outboxes, inboxes) = boxes.map(|(to, from)| (to, Some(from))).unzip();
        Ours { cluster, way, is_fresh: false, is_brief, inboxes: Mutex::new(inboxes), outboxes }
    }

    /// Lets the views be refreshed before each decision.
    pub(crate) fn refreshed_each_time(self) -> Self {
        Ours { is_fresh: true, ..self }
    }
}

impl Side for Ours<'_> {
    type Job = Claimed;

    fn hand(&self, thread: usize, threads: usize) -> impl Hand<Job = Claimed> {
        let mut view = self.cluster.tree.view();
        if self.way.is_by_room() {
            let gpu = gpu_class();
            view.order_by(move |root| root.free(gpu));
        }
        let mut inboxes = self.inboxes.lock();
        let others = self.outboxes.iter().enumerate().filter(|(other, _)| *other != thread);
        OurHand {
            side: self,
            worker: self.cluster.tree.worker().expect("few workers"),
            prepared: prepare_all(&view),
            view,
            thread,
            threads,
            random: Random(thread as u64 + 1),
            inbox: inboxes.get_mut(thread).and_then(Option::take),
            others: others.map(|(_, to)| to.clone()).collect(),
            refusals: 0,
        }
    }

    fn free(&self) -> Vec<Host> {
        assert!(self.cluster.tree.snapshot().audit().unwrap().holds());
        self.cluster.read_all()
    }
}

struct OurHand<'a> {
    side: &'a Ours<'a>,
    view: View,
    worker: Worker,
    prepared: Vec<Prepared>,
    thread: usize,
    threads: usize,
    random: Random,
    inbox: Option<Receiver<News>>,
    others: Vec<Sender<News>>,
    refusals: u64,
}

impl OurHand<'_> {
    /// Finds a place, after so many refusals.
    fn choose(&mut self, shape: Shape, refusals: u32) -> Option<Candidate> {
        let prepared = &mut self.prepared[shape.number()];
        let mut candidates = self.view.candidates(prepared).expect("its view");
        let gpus = shape.gpus as u64;
        match self.side.way {
            Way::Same => candidates.next(),
            Way::OwnStart => candidates.seeded(self.thread as u64).next(),
            Way::OwnPart if refusals == 0 => candidates.from_part(self.thread, self.threads).next(),
            Way::OwnPart => candidates.seeded(self.random.draw()).next(),
            Way::Lot => candidates.drawn(self.random.draw()).next(),
            Way::Best | Way::Intents => candidates.in_order(gpus).next(),
            Way::BestOfEight => {
                let mut best: Vec<_> = candidates.in_order(gpus).take(8).collect();
                let any = self.random.below(best.len().max(1));
                (any < best.len()).then(|| best.swap_remove(any))
            }
        }
    }

    fn tell(&self, news: impl Fn(Arc<Claim>) -> News, claim: &Arc<Claim>) {
        for other in &self.others {
            // An error: that thread is no more.
            let _ = other.send(news(Arc::clone(claim)));
        }
    }

    /// Takes in what the others have told.
    fn listen(&mut self) {
        for news in self.inbox.iter().flat_map(Receiver::try_iter) {
            match news {
                News::Intended(claim) => self.view.assume(&claim),
                News::Refused(claim) => self.view.undo(&claim),
                News::Granted(claim) => {
                    self.view.undo(&claim);
                    self.view.claimed(&claim);
                }
                News::Released(claim) => self.view.released(&claim),
            }
        }
    }
}

impl Hand for OurHand<'_> {
    type Job = Claimed;

    fn adopt(&mut self, shape: Shape, spot: Spot, consumer: Uuid) -> Claimed {
        let claim = self.side.cluster.claim(consumer, shape, spot);
        self.worker.claim(&claim).map(drop).expect("fits");
        Claimed { claim, spot: Some(spot) }
    }

    fn begin(&mut self) {
        self.view.refresh();
    }

    fn place(&mut self, shape: Shape, consumer: Uuid) -> Option<Claimed> {
        if self.side.is_fresh {
            self.view.refresh();
        }
        let (mut refusals, mut is_fresh) = (0, false);
        loop {
            self.listen();
            let Some(candidate) = self.choose(shape, refusals) else {
                if std::mem::replace(&mut is_fresh, true) {
                    return None;
                }
                self.view.refresh();
                continue;
            };
            let claim = candidate.claim(consumer);
            let told = (!self.others.is_empty()).then(|| Arc::new(claim.clone()));
            let tell = |hand: &Self, news: fn(Arc<Claim>) -> News| {
                told.iter().for_each(|claim| hand.tell(news, claim));
            };
            tell(self, News::Intended);
            match self.worker.claim(&claim) {
                Ok(_receipt) => {
                    self.view.claimed(&claim);
                    tell(self, News::Granted);
                    let spot = self.side.is_brief.then(|| spot_of(&candidate));
                    return Some(Claimed { claim, spot });
                }
                Err(Error::CapacityExceeded { .. }) => {
                    tell(self, News::Refused);
                    refusals += 1;
                    self.refusals += 1;
                    for provider in candidate.providers() {
                        self.view.reread(&provider).expect("is there");
                    }
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn release(&mut self, _: Shape, job: Claimed) {
        self.worker.release(job.claim.consumer().unwrap()).map(drop).expect("was claimed");
        self.view.released(&job.claim);
        if !self.others.is_empty() {
            self.tell(News::Released, &Arc::new(job.claim));
        }
    }

    fn refusals(&self) -> u64 {
        self.refusals
    }

    fn spot(job: &Claimed) -> Option<Spot> {
        job.spot
    }
}
