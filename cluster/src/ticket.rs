//! [`Ticket`]: what stands for an answer that is to come.

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use smallvec::SmallVec;

use crate::command::Outcome;
use crate::error::{Error, Reason, Result, Sent};
use crate::log::Position;
use crate::replica::Shared;

/// What the commands of one call have done, in their order.
pub(crate) type Outcomes = SmallVec<[provider_tree::Result<Outcome>; 1]>;

/// What a replica answers to one call: where its commands were applied, and what they have done.
pub(crate) type Reply = Result<(Position, Outcomes)>;

/// Represents what a command has done, and where in the log that is.
#[derive(Clone, PartialEq, Debug)]
pub struct Made<A> {
    /// The position of the entry in which the command is.
    pub position: Position,
    /// What the command answers.
    pub answer: A,
}

/// Stands for the answer to a command that was given to a replica: `.await` it, or [`wait`](Self::wait).
///
/// Who drops a ticket does not want the answer any more. The command is withdrawn then if it has not been
/// sent yet; otherwise it is made all the same.
#[must_use = "a command whose ticket is dropped may be withdrawn"]
pub struct Ticket<A> {
    receiver: oneshot::Receiver<Reply>,
    rest: Rest<A>,
}

/// Waits for the answer that a [`Ticket`] stands for.
pub struct Waiting<A> {
    receiver: oneshot::AsyncReceiver<Reply>,
    rest: Rest<A>,
}

/// What a ticket has beside the receiver.
struct Rest<A> {
    place: Place,
    read: fn(Position, Outcomes) -> Result<A>,
}

/// Knows where in the queue a call is, and withdraws it when it is dropped, unless it is answered.
pub(crate) struct Place {
    shared: Arc<Shared>,
    number: u64,
    is_answered: bool,
}

impl Place {
    pub(crate) fn new(shared: Arc<Shared>, number: u64) -> Self {
        Place { shared, number, is_answered: false }
    }

    /// Names who has sent the call.
    fn sender(&self) -> Sent {
        self.shared.sender_of(self.number)
    }

    /// Takes the call out of the queue. Returns `false` if it has been taken, to be sent.
    fn withdraw(&self) -> bool {
        self.shared.withdraw(self.number)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_answered {
            self.withdraw();
        }
    }
}

impl<A> Ticket<A> {
    pub(crate) fn new(
        receiver: oneshot::Receiver<Reply>,
        place: Place,
        read: fn(Position, Outcomes) -> Result<A>,
    ) -> Self {
        Ticket { receiver, rest: Rest { place, read } }
    }

    /// Waits for the answer, and blocks the thread meanwhile. In a task, `.await` the ticket instead.
    pub fn wait(mut self) -> Result<Made<A>> {
        let reply = self.receiver.recv().unwrap_or_else(|_| Err(self.rest.lost()));
        self.rest.read(reply)
    }

    /// Waits for the answer until `deadline`, and blocks the thread meanwhile. Returns the ticket if there is
    /// none by then, to wait on, to drop, or to [withdraw](Self::withdraw).
    pub fn wait_until(mut self, deadline: Instant) -> Result<Result<Made<A>>, Self> {
        match self.receiver.recv_deadline(deadline) {
            Ok(reply) => Ok(self.rest.read(reply)),
            Err(oneshot::RecvTimeoutError::Timeout) => Err(self),
            Err(oneshot::RecvTimeoutError::Disconnected) => Ok(Err(self.rest.lost())),
        }
    }

    /// Returns the answer if it is there already.
    pub fn try_wait(mut self) -> Result<Result<Made<A>>, Self> {
        match self.receiver.try_recv() {
            Ok(reply) => Ok(self.rest.read(reply)),
            Err(oneshot::TryRecvError::Empty) => Err(self),
            Err(oneshot::TryRecvError::Disconnected) => Ok(Err(self.rest.lost())),
        }
    }

    /// Waits no longer, as when a deadline has come, and tells what is known: the answer if it is there;
    /// [`NotMade`](Error::NotMade) if the command has not been sent, and never will be;
    /// [`OutcomeUnknown`](Error::OutcomeUnknown) if it has.
    ///
    /// # Errors
    ///
    /// Returns these, and whatever the answer is.
    pub fn withdraw(mut self) -> Result<Made<A>> {
        self.rest.withdraw(|| self.receiver.try_recv().ok())
    }
}

impl<A> Rest<A> {
    fn read(&mut self, reply: Reply) -> Result<Made<A>> {
        self.place.is_answered = true;
        let (position, outcomes) = reply?;
        (self.read)(position, outcomes).map(|answer| Made { position, answer })
    }

    fn withdraw(&mut self, mut reply: impl FnMut() -> Option<Reply>) -> Result<Made<A>> {
        if let Some(reply) = reply() {
            return self.read(reply);
        }
        let reason = Reason::Deadline;
        if self.place.withdraw() {
            return Err(Error::NotMade { reason });
        }
        let what = self.place.sender();
        match reply() {
            Some(reply) => self.read(reply),
            None => Err(Error::OutcomeUnknown { what, reason }),
        }
    }

    /// What is known of a call that was dropped without a reply, as a part of the replica that panics may do.
    fn lost(&self) -> Error {
        Error::OutcomeUnknown { what: self.place.sender(), reason: Reason::Closed }
    }
}

impl<A> std::fmt::Debug for Ticket<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").finish_non_exhaustive()
    }
}

/// Waits for the answer.
impl<A> IntoFuture for Ticket<A> {
    type Output = Result<Made<A>>;
    type IntoFuture = Waiting<A>;

    fn into_future(self) -> Waiting<A> {
        Waiting { receiver: self.receiver.into_future(), rest: self.rest }
    }
}

impl<A> Waiting<A> {
    /// Tells what [`Ticket::withdraw`] tells.
    ///
    /// # Errors
    ///
    /// Returns what that does.
    pub fn withdraw(mut self) -> Result<Made<A>> {
        let mut context = Context::from_waker(Waker::noop());
        let mut is_over = false;
        self.rest.withdraw(|| {
            // It is not to be asked again once it was ready.
            let polled = (!is_over).then(|| Pin::new(&mut self.receiver).poll(&mut context));
            is_over = !matches!(polled, Some(Poll::Pending));
            match polled {
                Some(Poll::Ready(reply)) => reply.ok(),
                Some(Poll::Pending) | None => None,
            }
        })
    }
}

impl<A> Future for Waiting<A> {
    type Output = Result<Made<A>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.receiver).poll(context);
        polled.map(|reply| {
            let reply = reply.unwrap_or_else(|_| Err(this.rest.lost()));
            this.rest.read(reply)
        })
    }
}

impl<A> std::fmt::Debug for Waiting<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}
