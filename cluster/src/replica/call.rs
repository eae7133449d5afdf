//! [`Call`]: commands that somebody waits for.

use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use crate::entry::Content;
use crate::error::{Error, Reason, Sent};
use crate::ticket::Reply;

/// Holds the commands of one call, and knows who waits for what they do.
pub(super) struct Call {
    pub(super) work: Work,
    /// How many commands there are.
    pub(super) count: usize,
    /// The call's number in the queue.
    pub(super) number: u64,
    reply: Option<oneshot::Sender<Reply>>,
    /// Takes room until the call is answered.
    permit: Option<OwnedSemaphorePermit>,
    /// The replica that has sent the call; nil until then.
    sender: Uuid,
}

/// What a call is about.
pub(super) enum Work {
    /// Commands, as they are written.
    Commands(Vec<u8>),
    /// What a replica says by itself. It has an entry of its own.
    Statement(Content),
}

impl Work {
    /// Returns how many bytes the commands have.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Work::Commands(commands) => commands.len(),
            Work::Statement(_) => 0,
        }
    }

    /// Takes the commands out.
    pub(super) fn take(&mut self) -> Vec<u8> {
        match self {
            Work::Commands(commands) => std::mem::take(commands),
            Work::Statement(_) => Vec::new(),
        }
    }
}

impl Call {
    pub(super) fn new(
        work: Work,
        count: usize,
        permit: Option<OwnedSemaphorePermit>,
    ) -> (Self, oneshot::Receiver<Reply>) {
        let (sender, receiver) = oneshot::channel();
        let call =
            Call { work, count, number: 0, reply: Some(sender), permit, sender: Uuid::nil() };
        (call, receiver)
    }

    /// Makes a call of what the replica says by itself: nobody waits for an answer.
    pub(super) fn of_replica(content: Content) -> Self {
        let work = Work::Statement(content);
        Call { work, count: 0, number: 0, reply: None, permit: None, sender: Uuid::nil() }
    }

    /// Takes room until the call is answered.
    pub(super) fn with_permit(self, permit: Option<OwnedSemaphorePermit>) -> Self {
        Call { permit, ..self }
    }

    /// Notes that the replica sends the call now.
    pub(super) fn sent_by(&mut self, replica: Uuid) {
        self.sender = replica;
    }

    /// Answers the call. Nobody may be waiting any more.
    pub(super) fn reply(mut self, reply: Reply) {
        // Before the answer: whoever has that finds the room given back.
        drop(self.permit.take());
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
        let what = Sent { replica: self.sender, sequence: Some(sequence) };
        self.reply(Err(Error::OutcomeUnknown { what, reason }));
    }
}
