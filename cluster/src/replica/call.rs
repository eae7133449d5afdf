//! [`Call`]: commands that somebody waits for.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use crate::entry::Content;
use crate::error::{Error, Reason, Sent};
use crate::ticket::{Reply, Stage};

/// Holds the commands of one call, and knows who waits for what they do.
pub(super) struct Call {
    pub(super) work: Work,
    /// How many commands there are.
    pub(super) count: usize,
    stage: Arc<Stage>,
    reply: Option<oneshot::Sender<Reply>>,
    /// Counts the commands as being on their way, until the call is dropped.
    _permit: Option<OwnedSemaphorePermit>,
    /// The replica that has sent the call, or will.
    replica: Uuid,
}

/// What a call is about.
pub(super) enum Work {
    /// Commands, as they are written.
    Commands(Vec<u8>),
    /// What a replica says by itself. It has an entry of its own.
    Statement(Content),
}

impl Call {
    pub(super) fn new(
        work: Work,
        count: usize,
        replica: Uuid,
        permit: Option<OwnedSemaphorePermit>,
    ) -> (Self, oneshot::Receiver<Reply>, Arc<Stage>) {
        let (sender, receiver) = oneshot::channel();
        let stage = Arc::new(Stage::default());
        let reply = Some(sender);
        let call = Call { work, count, stage: Arc::clone(&stage), reply, _permit: permit, replica };
        (call, receiver, stage)
    }

    /// Makes a call of what the replica says by itself: nobody waits for an answer.
    pub(super) fn of_replica(content: Content, replica: Uuid) -> Self {
        let (mut call, ..) = Call::new(Work::Statement(content), 0, replica, None);
        call.reply = None;
        call
    }

    /// Decides that the call is sent, unless it was withdrawn or nobody waits any more.
    pub(super) fn send(&mut self, replica: Uuid) -> bool {
        let is_wanted = self.reply.as_ref().is_none_or(|reply| !reply.is_closed());
        self.replica = replica;
        is_wanted && self.stage.send()
    }

    /// Answers the call. Nobody may be waiting any more.
    pub(super) fn reply(mut self, reply: Reply) {
        if let Some(sender) = self.reply.take() {
            drop(sender.send(reply));
        }
    }

    /// Answers that the call is not made.
    pub(super) fn not_made(self, reason: Reason) {
        self.reply(Err(Error::NotMade { reason }));
    }

    /// Answers that what has become of the call is not known.
    pub(super) fn unknown(self, sequence: u64, reason: Reason) {
        let what = Sent { replica: self.replica, sequence: Some(sequence) };
        self.reply(Err(Error::OutcomeUnknown { what, reason }));
    }
}

/// Answers what is known, if nothing else has: a replica that is closed drops its calls.
impl Drop for Call {
    fn drop(&mut self) {
        let Some(sender) = self.reply.take() else { return };
        let reason = Reason::Closed;
        let answer = match self.stage.send() {
            true => Error::NotMade { reason },
            false => {
                let what = Sent { replica: self.replica, sequence: None };
                Error::OutcomeUnknown { what, reason }
            }
        };
        drop(sender.send(Err(answer)));
    }
}
