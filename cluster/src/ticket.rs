//! [`Ticket`]: what stands for an answer that is to come.

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use smallvec::SmallVec;
use uuid::Uuid;

use crate::command::Outcome;
use crate::error::{Error, Reason, Result, Sent};
use crate::log::Position;

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
    stage: Arc<Stage>,
    replica: Uuid,
    read: fn(Position, Outcomes) -> Result<A>,
}

/// How far a call has come: queued, then sent or withdrawn.
#[derive(Default)]
pub(crate) struct Stage(AtomicU8);

const QUEUED: u8 = 0;
const SENT: u8 = 1;
const WITHDRAWN: u8 = 2;

impl Stage {
    /// Decides that the call is sent, unless it is withdrawn.
    pub(crate) fn send(&self) -> bool {
        self.decide(SENT)
    }

    fn withdraw(&self) -> bool {
        self.decide(WITHDRAWN)
    }

    fn decide(&self, next: u8) -> bool {
        // Relaxed: the word alone decides, and nothing is read because of it.
        self.0.compare_exchange(QUEUED, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl<A> Ticket<A> {
    pub(crate) fn new(
        receiver: oneshot::Receiver<Reply>,
        stage: Arc<Stage>,
        replica: Uuid,
        read: fn(Position, Outcomes) -> Result<A>,
    ) -> Self {
        Ticket { receiver, stage, replica, read }
    }

    /// Waits for the answer, and blocks the thread meanwhile. In a task, `.await` the ticket instead.
    pub fn wait(self) -> Result<Made<A>> {
        let reply = self.receiver.recv();
        read(reply.unwrap_or_else(|_| Err(lost(self.replica))), self.read)
    }

    /// Waits for the answer until `deadline`, and blocks the thread meanwhile. Returns the ticket if there is
    /// none by then, to wait on, to drop, or to [withdraw](Self::withdraw).
    pub fn wait_until(self, deadline: Instant) -> Result<Result<Made<A>>, Self> {
        match self.receiver.recv_deadline(deadline) {
            Ok(reply) => Ok(read(reply, self.read)),
            Err(oneshot::RecvTimeoutError::Timeout) => Err(self),
            Err(oneshot::RecvTimeoutError::Disconnected) => Ok(Err(lost(self.replica))),
        }
    }

    /// Returns the answer if it is there already.
    pub fn try_wait(self) -> Result<Result<Made<A>>, Self> {
        match self.receiver.try_recv() {
            Ok(reply) => Ok(read(reply, self.read)),
            Err(oneshot::TryRecvError::Empty) => Err(self),
            Err(oneshot::TryRecvError::Disconnected) => Ok(Err(lost(self.replica))),
        }
    }

    /// Wants the answer no more because a deadline has come, and tells what is known:
    /// [`NotMade`](Error::NotMade) if the command has not been sent, and never will be;
    /// [`OutcomeUnknown`](Error::OutcomeUnknown) if it has.
    pub fn withdraw(self) -> Error {
        let reason = Reason::Deadline;
        match self.stage.withdraw() {
            true => Error::NotMade { reason },
            false => {
                let what = Sent { replica: self.replica, sequence: None };
                Error::OutcomeUnknown { what, reason }
            }
        }
    }
}

impl<A> std::fmt::Debug for Ticket<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("replica", &self.replica).finish_non_exhaustive()
    }
}

/// Waits for the answer.
impl<A> IntoFuture for Ticket<A> {
    type Output = Result<Made<A>>;
    type IntoFuture = Waiting<A>;

    fn into_future(self) -> Waiting<A> {
        let Ticket { receiver, stage, replica, read } = self;
        Waiting { receiver: receiver.into_future(), stage, replica, read }
    }
}

/// Waits for the answer that a [`Ticket`] stands for.
pub struct Waiting<A> {
    receiver: oneshot::AsyncReceiver<Reply>,
    stage: Arc<Stage>,
    replica: Uuid,
    read: fn(Position, Outcomes) -> Result<A>,
}

impl<A> Waiting<A> {
    /// Tells what [`Ticket::withdraw`] tells, without waiting any longer.
    pub(crate) fn withdraw(&self) -> Error {
        let reason = Reason::Deadline;
        match self.stage.withdraw() {
            true => Error::NotMade { reason },
            false => {
                let what = Sent { replica: self.replica, sequence: None };
                Error::OutcomeUnknown { what, reason }
            }
        }
    }
}

impl<A> Future for Waiting<A> {
    type Output = Result<Made<A>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        Pin::new(&mut this.receiver)
            .poll(context)
            .map(|reply| read(reply.unwrap_or_else(|_| Err(lost(this.replica))), this.read))
    }
}

impl<A> std::fmt::Debug for Waiting<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").field("replica", &self.replica).finish_non_exhaustive()
    }
}

fn read<A>(reply: Reply, read: fn(Position, Outcomes) -> Result<A>) -> Result<Made<A>> {
    let (position, outcomes) = reply?;
    read(position, outcomes).map(|answer| Made { position, answer })
}

/// What is known of a call whose reply nobody will send: the replica's own parts are gone.
fn lost(replica: Uuid) -> Error {
    let what = Sent { replica, sequence: None };
    Error::OutcomeUnknown { what, reason: Reason::Closed }
}
