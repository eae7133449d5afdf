//! Waiting for a feed to have something to tell.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use crate::view::feed::{Feed, Waiting};

/// Waits until there is something to poll.
///
/// Each of these methods is over as soon as something has changed since the feed's position, and
/// then at once each time until the feed is polled. A poll may find nothing all the same: what has
/// changed may have changed back, or a call has so far only reserved a uuid or a name.
///
/// While nobody waits, a change costs one load for it. The wakers are called by the thread that puts a
/// change in force: the one that makes the change, or another that finishes it on its way, even inside
/// a call that only reads. It calls them when the change is in force, without any lock, and seldom one
/// of them twice. So a waker should do no more than schedule its task. A waker that panics disturbs
/// nobody. One that makes a change itself wakes those who wait for that, when the other wakers have
/// been called.
///
/// No wake-up is lost, wherever a thread stops before its change is in force. If a thread stops for
/// ever between that and the wakers, the next change calls them. Nobody is woken because the last
/// other handle of the forest is dropped.
impl Feed {
    /// Waits until something has changed since the feed's position, or until `timeout` has passed;
    /// returns whether something has changed. Also returns true if a poll has an error to return.
    /// With a `timeout` of 0, only looks. Blocks this thread, and no other one.
    ///
    /// Costs O(log waiters) and a look at what has changed up to the first cell that has, which is
    /// O(*n* / 4,096) for *n* cells ever used if none has; and the same again each time a change
    /// wakes the thread.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use provider_tree::ProviderTree;
    ///
    /// let tree = ProviderTree::new();
    /// let mut feed = tree.subscribe(&tree.snapshot());
    /// let writer = tree.clone();
    /// let writer = std::thread::spawn(move || writer.create_root("host-1", None));
    ///
    /// while feed.poll()?.is_empty() {
    ///     assert!(feed.wait(Duration::MAX));
    /// }
    /// assert!(tree.find("host-1").is_some());
    /// # writer.join().unwrap()?;
    /// # Ok::<(), provider_tree::Error>(())
    /// ```
    pub fn wait(&mut self, timeout: Duration) -> bool {
        let end = Instant::now().checked_add(timeout);
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        while self.poll_changed(&mut context).is_pending() {
            // Without an end, `timeout` is longer than the clock goes.
            let left = end.map_or(timeout, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                self.waiting = None;
                return false;
            }
            thread::park_timeout(left);
        }
        true
    }

    /// Waits until something has changed since the feed's position; returns at once, without an
    /// answer, if nothing has. Then the waker of `context` is called after the next change:
    /// that of the last call counts, until something has changed or the feed is dropped. Lock-free;
    /// costs what [`wait`](Self::wait) costs.
    ///
    /// This is for futures by hand; [`changed`](Self::changed) is one.
    pub fn poll_changed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Feed { core, position, waiting, .. } = self;
        let pin = position.pin();
        // Of a snapshot of another forest: a poll returns an error.
        let is_foreign = !Arc::ptr_eq(&pin.core, core);
        *waiting = match is_foreign || pin.has_changed() {
            true => None,
            // Anew each time: the entry of the last call may be about to be taken out.
            false => {
                let waiter = pin.wait(context.waker());
                waiter.map(|waiter| Waiting { core: Arc::clone(core), waiter })
            }
        };
        if waiting.is_some() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Waits, as a future, until something has changed since the feed's position. A future that is
    /// dropped waits no longer. Needs no particular executor.
    ///
    /// ```
    /// use provider_tree::{Feed, ProviderTree, Result, Touched};
    ///
    /// /// Returns what has changed, as soon as something has.
    /// async fn next(feed: &mut Feed) -> Result<Touched> {
    ///     feed.changed().await;
    ///     feed.poll_touched()
    /// }
    /// ```
    pub async fn changed(&mut self) {
        /// Waits no longer when it is dropped.
        struct Call<'a>(&'a mut Feed);
        impl Drop for Call<'_> {
            fn drop(&mut self) {
                self.0.waiting = None;
            }
        }
        let call = Call(self);
        poll_fn(|context| call.0.poll_changed(context)).await;
    }
}

/// Wakes a thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}
