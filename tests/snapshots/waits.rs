//! Feeds that wait for a change.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use provider_tree::{Deadline, Feed, Now, ProviderTree};

use crate::rig::*;

/// Long enough for any thread; a lost wake-up ends here.
const LONG: Duration = Duration::from_secs(60);

/// Counts how often it was woken.
#[derive(Default)]
struct Bell(Mutex<u32>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.0.lock().unwrap() += 1;
    }
}

impl Bell {
    fn count(&self) -> u32 {
        *self.0.lock().unwrap()
    }
}

/// Does something when it is woken.
struct Does<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Does<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

fn waker(body: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(Does(body)))
}

fn poll(feed: &mut Feed, waker: &Waker) -> Poll<()> {
    feed.poll_changed(&mut Context::from_waker(waker))
}

/// Lets a feed wait with a bell of its own.
fn rung_by(feed: &mut Feed) -> Arc<Bell> {
    let bell = Arc::new(Bell::default());
    assert_eq!(poll(feed, &Waker::from(Arc::clone(&bell))), Poll::Pending);
    bell
}

fn feed_of(tree: &ProviderTree) -> Feed {
    tree.subscribe(&tree.snapshot())
}

/// Runs a future on this thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let this = thread::current();
    let waker = waker(move || this.unpark());
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn without_a_change_it_times_out() {
    let it = Estate::new();
    let mut feed = feed_of(&it.tree);
    assert!(!feed.wait(Duration::ZERO));
    assert!(!feed.wait(Duration::from_millis(20)));
    // Nor do reads, snapshots and polls count as changes.
    let _ = (it.tree.snapshot().dump().unwrap(), feed.poll_touched().unwrap());
    assert!(!feed.wait(Duration::from_millis(1)));
}

#[test]
fn after_a_change_it_ends_at_once_until_the_poll() {
    let mut it = Estate::new();
    let mut feed = feed_of(&it.tree);
    claim(&mut it.worker, id(3), &it.host, 1);
    assert!(feed.wait(Duration::ZERO) && feed.wait(Duration::MAX));
    assert_eq!(poll(&mut feed, Waker::noop()), Poll::Ready(()));
    assert_eq!(feed.poll().unwrap().len(), 2);
    assert!(!feed.wait(Duration::ZERO));
    // A clone waits by itself.
    let mut other = feed.clone();
    release(&mut it.worker, id(3));
    assert!(feed.wait(Duration::ZERO));
    assert_eq!(feed.poll().unwrap().len(), 2);
    assert!(!feed.wait(Duration::ZERO) && other.wait(Duration::ZERO));
}

/// Each change comes after the poll that the one before has led to.
#[test]
fn two_threads_in_turn() {
    let (tree, hosts, mut worker) = two_hosts(9);
    let mut feed = feed_of(&tree);
    let (sender, receiver) = channel();
    let waiting = thread::spawn(move || {
        for _ in 0..2_000 {
            assert!(feed.wait(LONG), "a wake-up is lost");
            sender.send(feed.poll_touched().unwrap().providers.len()).unwrap();
        }
    });
    let both = cpus(id(7), &hosts[0], 1).take(&hosts[1], VCPU, 1);
    for _ in 0..500 {
        worker.take(&hosts[0], &[(VCPU, 1)]).unwrap();
        assert_eq!(receiver.recv(), Ok(1));
        let _receipt = worker.claim(&both).unwrap();
        assert_eq!(receiver.recv(), Ok(2));
        worker.put_back(&hosts[0], &[(VCPU, 1)]).unwrap();
        assert_eq!(receiver.recv(), Ok(1));
        release(&mut worker, id(7));
        assert_eq!(receiver.recv(), Ok(2));
    }
    waiting.join().unwrap();
}

#[test]
fn a_waker_is_called_once() {
    let mut it = Estate::new();
    let mut feed = feed_of(&it.tree);
    let bell = rung_by(&mut feed);
    claim(&mut it.worker, id(3), &it.host, 1);
    it.worker.take(&it.host, &[(VCPU, 1)]).unwrap();
    it.tree.rename(&it.bare, "other").unwrap();
    assert_eq!(bell.count(), 1);
    feed.poll().unwrap();
    let next = rung_by(&mut feed);
    assert_eq!(Arc::strong_count(&bell), 1, "nobody keeps it");
    it.worker.take(&it.host, &[(VCPU, 1)]).unwrap();
    assert_eq!((bell.count(), next.count()), (1, 1));
}

#[test]
fn every_kind_of_change_wakes() {
    type Change = fn(&mut Estate);
    let changes: [Change; 10] = [
        |it| {
            it.tree.create_root("other", None).unwrap();
        },
        |it| it.tree.rename(&it.bare, "other").unwrap(),
        |it| it.tree.reparent(&it.bare, Some(&it.host)).unwrap(),
        |it| {
            it.tree.remove(&it.bare).unwrap();
        },
        |it| set(&it.tree, &it.bare, of(VCPU, 3)),
        |it| {
            it.tree.uncordon(&it.shut).unwrap();
        },
        |it| it.worker.take(&it.host, &[(VCPU, 1)]).unwrap(),
        |it| claim(&mut it.worker, id(3), &it.host, 1),
        |it| {
            let _receipt = it.worker.renew(&it.lease, Deadline(70), Now(0)).unwrap();
        },
        |it| drop(it.worker.expire(Now(50)).unwrap()),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut it = Estate::new();
        let mut feed = feed_of(&it.tree);
        let bell = rung_by(&mut feed);
        change(&mut it);
        assert_eq!((bell.count(), feed.wait(Duration::ZERO)), (1, true), "change {number}");
        assert!(!feed.poll().unwrap().is_empty(), "change {number}");
    }
}

#[test]
fn the_waker_of_the_last_call_counts() {
    let mut it = Estate::new();
    let mut feed = feed_of(&it.tree);
    let bells = [rung_by(&mut feed), rung_by(&mut feed)];
    // The poll leaves the wait alone.
    assert!(feed.poll().unwrap().is_empty());
    claim(&mut it.worker, id(3), &it.host, 1);
    assert_eq!(bells.map(|bell| bell.count()), [0, 1]);
}

#[test]
fn who_waits_no_longer_is_not_woken() {
    let mut it = Estate::new();
    let mut feed = feed_of(&it.tree);
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::clone(&bell));
    {
        let mut future = pin!(feed.changed());
        assert_eq!(future.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
    }
    assert_eq!(Arc::strong_count(&bell), 2, "the future has gone");
    let mut other = feed.clone();
    assert_eq!(poll(&mut other, &waker), Poll::Pending);
    drop(other);
    claim(&mut it.worker, id(3), &it.host, 1);
    assert_eq!((bell.count(), Arc::strong_count(&bell)), (0, 2));
}

#[test]
fn a_future_is_ready_after_a_change() {
    let (tree, hosts, mut worker) = two_hosts(9);
    let mut feed = feed_of(&tree);
    let (sender, receiver) = channel();
    let task = thread::spawn(move || {
        block_on(async {
            for _ in 0..500 {
                feed.changed().await;
                sender.send(feed.poll_touched().unwrap().providers.len()).unwrap();
            }
        });
    });
    for round in 0..500 {
        match round % 2 {
            0 => worker.take(&hosts[0], &[(VCPU, 1)]).unwrap(),
            _ => worker.put_back(&hosts[0], &[(VCPU, 1)]).unwrap(),
        }
        assert_eq!(receiver.recv_timeout(LONG), Ok(1), "a wake-up is lost");
    }
    task.join().unwrap();
}

#[test]
fn a_waker_that_panics_disturbs_nobody() {
    /// Panics when it is dropped, too.
    struct Bomb;
    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {
            resume_unwind(Box::new(()));
        }
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !thread::panicking() {
                resume_unwind(Box::new(()));
            }
        }
    }
    let mut it = Estate::new();
    let mut feeds = [(); 3].map(|()| feed_of(&it.tree));
    let [before, bad, after] = &mut feeds;
    let before = rung_by(before);
    let bomb = Arc::new(Bomb);
    assert_eq!(poll(bad, &Waker::from(Arc::clone(&bomb))), Poll::Pending);
    std::mem::forget(bomb);
    let after = rung_by(after);
    claim(&mut it.worker, id(3), &it.host, 1);
    assert_eq!((before.count(), after.count()), (1, 1));
    assert_eq!(it.tree.usage(&it.host, VCPU).unwrap().used, 8);
    release(&mut it.worker, id(3));
}

#[test]
fn a_waker_may_change_something_itself() {
    let mut it = Estate::new();
    let (tree, host) = (it.tree.clone(), it.host);
    let mut feed = feed_of(&it.tree);
    let later = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&later);
    let calls = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&calls);
    let changes = waker(move || {
        *counter.lock().unwrap() += 1;
        // One that begins to wait only now, for the change below.
        let mut feed = feed_of(&tree);
        let bell = rung_by(&mut feed);
        *slot.lock().unwrap() = Some((feed, bell));
        tree.create_child(&host, "by the waker", None).unwrap();
    });
    assert_eq!(poll(&mut feed, &changes), Poll::Pending);
    // One commit.
    it.worker.take(&it.host, &[(VCPU, 1)]).unwrap();
    assert_eq!(*calls.lock().unwrap(), 1);
    let (mut feed, bell): (Feed, Arc<Bell>) = later.lock().unwrap().take().unwrap();
    assert_eq!(bell.count(), 1, "a wake-up is lost");
    assert!(!feed.poll_touched().unwrap().is_empty());
}

/// A thread stops in a waker for as long as it likes: those who commit later wake the others.
#[test]
fn a_thread_that_stops_in_a_waker_stops_nobody() {
    let (tree, hosts, mut worker) = two_hosts(9);
    let mut feeds = [feed_of(&tree), feed_of(&tree)];
    let (stopped, stops): (SyncSender<()>, Receiver<()>) = sync_channel(1);
    let (go_on, goes_on): (SyncSender<()>, Receiver<()>) = sync_channel(1);
    let first = Mutex::new(Some(goes_on));
    let stopper = waker(move || {
        // Only the first that comes.
        let Some(goes_on) = first.lock().unwrap().take() else { return };
        stopped.send(()).unwrap();
        goes_on.recv().unwrap();
    });
    assert_eq!(poll(&mut feeds[0], &stopper), Poll::Pending);
    let bell = rung_by(&mut feeds[1]);
    let host = hosts[0];
    let tree_of_thread = tree.clone();
    let thread = thread::spawn(move || {
        tree_of_thread.worker().unwrap().take(&host, &[(VCPU, 1)]).unwrap();
    });
    stops.recv_timeout(LONG).expect("the thread came to the waker");
    worker.take(&hosts[0], &[(VCPU, 1)]).unwrap();
    assert_eq!(bell.count(), 1, "a wake-up is lost");
    go_on.send(()).unwrap();
    thread.join().unwrap();
}

#[test]
fn of_another_forest_the_poll_tells() {
    let it = Estate::new();
    let elsewhere = ProviderTree::load(&it.tree.snapshot().dump().unwrap()).unwrap().snapshot();
    assert!(it.tree.subscribe(&elsewhere).wait(Duration::MAX));
}

/// Many that wait for what several threads do, each with an index of its own.
#[test]
fn all_that_wait_see_everything() {
    let (tree, hosts, _) = two_hosts(1_000);
    let tree = &tree;
    let start = &Barrier::new(9);
    thread::scope(|scope| {
        let followers: Vec<_> = (0..6)
            .map(|number| {
                scope.spawn(move || {
                    let mut feed = feed_of(tree);
                    let mut used = BTreeMap::new();
                    start.wait();
                    loop {
                        if number % 2 == 0 {
                            assert!(feed.wait(LONG), "a wake-up is lost");
                        } else {
                            block_on(feed.changed());
                        }
                        let mut is_over = false;
                        for touched in feed.poll_touched().unwrap().providers {
                            let handle = touched.handle.unwrap();
                            match feed.position().usage(&handle, VCPU) {
                                Ok(usage) => drop(used.insert(touched.provider, usage.used)),
                                Err(_) => is_over = true,
                            }
                        }
                        if is_over {
                            return used;
                        }
                    }
                })
            })
            .collect();
        let writers: Vec<_> = (0..3)
            .map(|number| {
                scope.spawn(move || {
                    let mut worker = tree.worker().unwrap();
                    start.wait();
                    for round in 0..3_000 {
                        let consumer = id(100 * number + round % 7);
                        match round % 3 {
                            0 => worker.take(&hosts[0], &[(VCPU, 1)]).unwrap(),
                            1 => worker.put_back(&hosts[0], &[(VCPU, 1)]).unwrap(),
                            _ if round % 2 == 0 => {
                                let both = cpus(consumer, &hosts[0], 1).take(&hosts[1], VCPU, 1);
                                drop(worker.claim(&both));
                            }
                            _ => drop(worker.release(consumer)),
                        }
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        // It has no such class, which tells that all is over.
        tree.create_root("the last", None).unwrap();
        let expected: BTreeMap<_, _> =
            hosts.iter().map(|host| (host.uuid(), tree.usage(host, VCPU).unwrap().used)).collect();
        for follower in followers {
            assert_eq!(follower.join().unwrap(), expected);
        }
    });
    assert_eq!(tree.memory().snapshots, 0);
}
