//! One thread that makes all changes of persistent maps, in batches, as they come through a channel; it
//! answers each, and publishes views of one instant in an `ArcSwap`.
//!
//! It guarantees what we do but for progress: if that thread stops, all do that change something. A
//! view has everything that was answered before it was asked for: one that is out of date is
//! published anew when somebody asks, since each that is published makes the changes after it dearer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use crossbeam_utils::CachePadded;
use smallvec::SmallVec;
use triomphe::Arc as Shared;
use uuid::Uuid;

use crate::peer::patience::Patience;
use crate::peer::persistent_maps::{Held, PersistentMaps};
use crate::peer::seat::Seat;
use crate::peer::{Amounts, Claim, Line, Peer, Read, Snapshot, Take, sum};

/// So many requests can be on their way before those who ask have to wait.
const ROOM: usize = 256;

/// The most that is applied before it is answered.
const BATCH: usize = 64;

struct Request {
    seat: Arc<Seat>,
    change: Change,
}

enum Change {
    Claim { consumer: Uuid, lines: Held },
    Release { consumer: Uuid },
    Take { provider: usize, amounts: [u64; 3] },
    PutBack { provider: usize, amounts: [u64; 3] },
    Publish,
}

/// Everything as it was after so many changes.
struct View {
    changes: u64,
    maps: PersistentMaps,
}

/// What everyone sees.
struct Published {
    view: ArcSwap<View>,
    /// How many changes there were, of which each is counted before it is answered.
    changes: CachePadded<AtomicU64>,
}

pub(crate) struct SingleWriter {
    requests: Option<Sender<Request>>,
    published: Arc<Published>,
    writer: Option<JoinHandle<()>>,
}

impl Drop for SingleWriter {
    fn drop(&mut self) {
        // Without a sender the writer ends.
        self.requests = None;
        if let Some(writer) = self.writer.take() {
            writer.join().expect("the writer does not panic");
        }
    }
}

/// The other end: what the writer has of its own.
struct Writer {
    requests: Receiver<Request>,
    published: Arc<Published>,
    maps: PersistentMaps,
    changes: u64,
    patience: Patience,
}

impl Writer {
    fn run(mut self) {
        let mut answers = Vec::with_capacity(BATCH);
        while let Some(first) = self.next() {
            // All that wait already: whoever is woken first may take the processor from the writer.
            let mut next = Some(first);
            while let Some(Request { seat, change }) = next {
                let done = self.apply(change);
                self.changes += u64::from(done);
                answers.push((seat, done));
                next = if answers.len() < BATCH { self.requests.try_recv().ok() } else { None };
            }
            // Release: pairs with the load in `Session::view`.
            self.published.changes.store(self.changes, Ordering::Release);
            answers.drain(..).for_each(|(seat, done): (Arc<Seat>, bool)| seat.answer(done));
        }
    }

    /// The next request, unless nobody can ask any more.
    fn next(&mut self) -> Option<Request> {
        let requests = &self.requests;
        // What it looks for is a request, or that there will be none.
        let found = self.patience.look(|| match requests.try_recv() {
            Ok(request) => Some(Some(request)),
            Err(TryRecvError::Disconnected) => Some(None),
            Err(TryRecvError::Empty) => None,
        });
        found.unwrap_or_else(|| requests.recv().ok())
    }

    /// Whether something has changed.
    fn apply(&mut self, change: Change) -> bool {
        match change {
            Change::Claim { consumer, lines } => self.maps.claim(consumer, lines),
            Change::Release { consumer } => self.maps.release(consumer).is_some(),
            Change::Take { provider, amounts } => self.maps.take(provider, &amounts),
            Change::PutBack { provider, amounts } => {
                self.maps.put_back(provider, &amounts);
                true
            }
            Change::Publish => {
                let view = View { changes: self.changes, maps: self.maps.clone() };
                self.published.view.store(Arc::new(view));
                false
            }
        }
    }
}

/// What a thread asks with.
pub(crate) struct Session {
    shared: Arc<SingleWriter>,
    seat: Arc<Seat>,
    patience: Patience,
}

impl Session {
    fn ask(&mut self, change: Change) -> bool {
        let requests = self.shared.requests.as_ref().expect("it is there until the end");
        let request = Request { seat: self.seat.clone(), change };
        assert!(requests.send(request).is_ok(), "the writer is there until the end");
        self.seat.wait(&mut self.patience)
    }

    /// A view that has every change that was answered before.
    fn view(&mut self) -> Arc<View> {
        let published = &self.shared.published;
        // Acquire: pairs with the store in `Writer::run`.
        let changes = published.changes.load(Ordering::Acquire);
        let view = published.view.load_full();
        if view.changes >= changes {
            return view;
        }
        self.ask(Change::Publish);
        self.shared.published.view.load_full()
    }
}

impl Peer for SingleWriter {
    const NAME: &'static str = "one writer";
    const LACKS: &'static str = "Progress: if the writer's thread stops, so do all that change something or want to see \
        the latest. A thread of its own, which the others wait for.";
    const LOCKS: bool = true;
    type Session = Session;

    fn new(providers: usize) -> Self {
        let maps = PersistentMaps::new(providers);
        let view = ArcSwap::from_pointee(View { changes: 0, maps: maps.clone() });
        let published = Arc::new(Published { view, changes: CachePadded::default() });
        let (sender, requests) = bounded(ROOM);
        let patience = Patience::new();
        let writer = Writer { requests, published: published.clone(), maps, changes: 0, patience };
        let writer = Some(thread::spawn(move || writer.run()));
        SingleWriter { requests: Some(sender), published, writer }
    }

    fn session(self: &Arc<Self>) -> Session {
        Session { shared: self.clone(), seat: Arc::default(), patience: Patience::new() }
    }
}

impl Read for Session {
    fn usage(&mut self, provider: usize, class: usize) -> Amounts {
        self.view().maps.amounts(provider)[class]
    }

    fn usages(&mut self, provider: usize) -> [Amounts; 3] {
        *self.view().maps.amounts(provider)
    }

    /// One view shows them all: each of the latest is a round trip.
    fn all_usages(&mut self, providers: usize, mut each: impl FnMut(usize, [Amounts; 3])) {
        let view = self.view();
        (0..providers).for_each(|provider| each(provider, *view.maps.amounts(provider)));
    }

    fn data(&mut self, provider: usize) -> impl Sized {
        self.view().maps.data(provider).clone()
    }
}

impl Take for Session {
    fn take(&mut self, provider: usize, amounts: &[u64; 3]) -> bool {
        self.ask(Change::Take { provider, amounts: *amounts })
    }

    fn put_back(&mut self, provider: usize, amounts: &[u64; 3]) {
        self.ask(Change::PutBack { provider, amounts: *amounts });
    }
}

impl Claim for Session {
    fn claim(&mut self, consumer: Uuid, lines: &[Line]) -> bool {
        let lines = Shared::new(SmallVec::from_slice(lines));
        self.ask(Change::Claim { consumer, lines })
    }

    fn release(&mut self, consumer: Uuid) -> bool {
        self.ask(Change::Release { consumer })
    }
}

impl Snapshot for Session {
    fn snapshot(&mut self) -> impl Sized {
        self.view()
    }

    fn used(&mut self) -> [u64; 3] {
        sum(self.view().maps.all_amounts())
    }
}
