//! [`Pipeline`]: gives what lines ask for to a replica, and answers in their order.
//!
//! ```text
//! lines ──> taker ──command──> replica
//!             └──what to wait for──> teller ──> answers
//! ```
//!
//! The taker gives one command after the other to the replica, and waits for no answer. The teller waits for
//! what comes first. A read is made when it is the turn of its answer: so it has what the lines before it
//! have done, and holds up no command behind it.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use provider_tree::{Error as ForestError, ProviderKey};
use provider_tree_cluster::command::{Command, Outcome};
use provider_tree_cluster::log::Position;
use provider_tree_cluster::{Error, Reason, Replica, Waiting};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::answer::{Answer, Said, outcome};
use crate::lines::{Line, MOST_BYTES};
use crate::options::LineOptions;
use crate::refusal::refusal;
use crate::request::{Read, Request, What};
use crate::signals::Stop;

/// How long answers are waited for when somebody wants the end.
const ENDING: Duration = Duration::from_secs(10);

/// Gives what lines ask for to a replica.
pub(crate) struct Pipeline {
    replica: Replica,
    deadline: Option<Duration>,
    in_flight: NonZeroUsize,
    stop: Stop,
}

/// Says how it went.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// How many lines were not made, of unknown outcome, or invalid.
    pub(crate) unanswered: u64,
}

/// What the next answer waits for.
struct Pending {
    line: u64,
    id: Option<Box<RawValue>>,
    work: Work,
    /// When nobody wants the answer any more.
    until: Option<Instant>,
    /// Lets another line in when this one is answered.
    _room: OwnedSemaphorePermit,
}

enum Work {
    Known(Said),
    Command(Waiting<Outcome>),
    /// A read, or nothing; after everything is applied that was in the log.
    Synced(JoinHandle<Result<Position, Error>>, Option<Read>),
    Read(Read),
}

impl Pipeline {
    pub(crate) fn new(replica: Replica, options: &LineOptions, stop: Stop) -> Self {
        let (deadline, in_flight) = (options.deadline(), options.in_flight);
        Pipeline { replica, deadline, in_flight, stop }
    }

    /// Answers lines until there are no more, nobody wants answers any more, or somebody wants the end. What
    /// was taken by then is answered.
    pub(crate) async fn run(self, lines: Receiver<Line>, answers: Sender<Vec<u8>>) -> Tally {
        let (pending, taken) = mpsc::channel(self.in_flight.get());
        let ((), tally) = tokio::join!(self.take(lines, pending), self.tell(taken, answers));
        tally
    }

    /// Takes lines.
    async fn take(&self, mut lines: Receiver<Line>, pending: Sender<Pending>) {
        let room = Arc::new(Semaphore::new(self.in_flight.get()));
        let mut stopped = std::pin::pin!(self.stop.clone().requested());
        loop {
            let next = async {
                // Nobody closes it.
                let room = Arc::clone(&room).acquire_owned().await.ok()?;
                Some((room, lines.recv().await?))
            };
            let (room, line) = tokio::select! {
                biased;
                () = &mut stopped => return,
                () = pending.closed() => return,
                next = next => match next {
                    Some(next) => next,
                    None => return,
                },
            };
            let next = self.begin(line, room).await;
            if pending.send(next).await.is_err() {
                return;
            }
        }
    }

    /// Begins with what a line asks for.
    async fn begin(&self, line: Line, room: OwnedSemaphorePermit) -> Pending {
        let until = self.deadline.and_then(|deadline| Instant::now().checked_add(deadline));
        let (id, work) = match line.text.map(|text| Request::parse(&text)) {
            None => {
                let invalid = format!("the line is longer than {MOST_BYTES} bytes");
                (None, Work::Known(Said::Invalid { invalid }))
            }
            Some(Request { id, what }) => {
                let work = match what {
                    Err(invalid) => Work::Known(Said::Invalid { invalid }),
                    Ok(What::Command(command)) => self.submit(*command, until).await,
                    Ok(What::Read(read, false)) => Work::Read(read),
                    Ok(What::Read(read, true)) => Work::Synced(self.sync(), Some(read)),
                    Ok(What::Sync) => Work::Synced(self.sync(), None),
                    Ok(What::Fence(replica)) => Work::Known(self.fence(replica, until).await),
                };
                (id, work)
            }
        };
        Pending { line: line.number, id, work, until, _room: room }
    }

    async fn submit(&self, command: Command, until: Option<Instant>) -> Work {
        match by(until, self.replica.submit(command)).await {
            Some(Ok(ticket)) => Work::Command(ticket.into_future()),
            Some(Err(error)) => Work::Known(said_of_command(error)),
            None => Work::Known(said_of_command(Error::NotMade { reason: Reason::Deadline })),
        }
    }

    fn sync(&self) -> JoinHandle<Result<Position, Error>> {
        let replica = self.replica.clone();
        tokio::spawn(async move { replica.sync().await })
    }

    /// Fences a replica off. The lines behind it wait: what they ask for is to come after the fence.
    async fn fence(&self, fenced: Uuid, until: Option<Instant>) -> Said {
        // It may be made all the same, and whoever asks again loses nothing.
        let unknown = |why: String| Said::Unknown { unknown: why, replica: None };
        match by(until, self.replica.fence(fenced)).await {
            Some(Ok(position)) => Said::Ok { position: position.0, ok: json!({}) },
            Some(Err(error @ Error::OutcomeUnknown { .. })) => unknown(error.to_string()),
            Some(Err(error)) => said_of_command(error),
            None => unknown(Reason::Deadline.to_string()),
        }
    }

    /// Tells answers.
    async fn tell(&self, mut taken: Receiver<Pending>, answers: Sender<Vec<u8>>) -> Tally {
        let mut tally = Tally::default();
        let mut too_late = std::pin::pin!(async {
            self.stop.clone().requested().await;
            tokio::time::sleep(ENDING).await;
        });
        while let Some(pending) = taken.recv().await {
            let Pending { line, id, work, until, _room } = pending;
            let said = tokio::select! {
                said = self.finish(work, until) => said,
                () = answers.closed() => break,
                () = &mut too_late => break,
            };
            tally.unanswered += u64::from(!said.is_answered());
            if answers.send(Answer { line, id, said }.to_line()).await.is_err() {
                break;
            }
        }
        tally
    }

    /// Waits for what is to be said of a line.
    async fn finish(&self, work: Work, until: Option<Instant>) -> Said {
        match work {
            Work::Known(said) => said,
            Work::Command(mut waiting) => {
                let made = by(until, &mut waiting).await;
                match made.unwrap_or_else(|| waiting.withdraw()) {
                    Ok(made) => Said::Ok { position: made.position.0, ok: outcome(made.answer) },
                    Err(error) => said_of_command(error),
                }
            }
            Work::Synced(mut syncing, read) => match by(until, &mut syncing).await {
                Some(Ok(Ok(position))) => match read {
                    Some(read) => self.read(&read),
                    None => {
                        let position = position.max(self.replica.position());
                        let replica = self.replica.status().replica;
                        Said::Ok { position: position.0, ok: json!({ "replica": replica }) }
                    }
                },
                Some(Ok(Err(error))) => Said::NotMade { not_made: error.to_string() },
                Some(Err(error)) => Said::NotMade { not_made: error.to_string() },
                None => {
                    syncing.abort();
                    Said::NotMade { not_made: Reason::Deadline.to_string() }
                }
            },
            Work::Read(read) => self.read(&read),
        }
    }

    /// Reads the forest as of the last entry that is applied. The position is that of an entry that it has.
    fn read(&self, read: &Read) -> Said {
        let position = self.replica.position().0;
        match self.answer_read(read) {
            Ok(ok) => Said::Ok { position, ok },
            Err(error) => Said::Refused { position, refused: refusal(&error) },
        }
    }

    fn answer_read(&self, read: &Read) -> provider_tree::Result<Value> {
        let snapshot = self.replica.forest().snapshot();
        let find = |key: &str| {
            let found = snapshot.find(ProviderKey::Name(key))?;
            found.ok_or_else(|| ForestError::UnknownProvider { key: key.to_owned() })
        };
        match read {
            Read::Allocations(consumer) => Ok(json!(snapshot.allocations(*consumer)?)),
            Read::Usage { provider, class } => Ok(json!(snapshot.usage(&find(provider)?, *class)?)),
            Read::Provider(key) => {
                let provider = find(key)?;
                let usages = snapshot.usages(&provider)?;
                let usages = usages.iter().map(|(class, usage)| (class.name(), json!(usage)));
                Ok(json!({
                    "configuration": snapshot.configuration(&provider)?,
                    "cordoned": snapshot.is_cordoned(&provider)?,
                    "usages": Value::Object(usages.map(|(name, usage)| (name.to_owned(), usage)).collect()),
                }))
            }
        }
    }
}

/// Waits until then, or as long as it takes; `None` if it took longer.
async fn by<T>(until: Option<Instant>, future: impl Future<Output = T>) -> Option<T> {
    match until {
        Some(until) => timeout_at(until, future).await.ok(),
        None => Some(future.await),
    }
}

/// Returns what is said of a command that has no answer, or not the one that was hoped for.
fn said_of_command(error: Error) -> Said {
    match error {
        Error::Refused { position, error } | Error::RefusedEarly { position, error } => {
            Said::Refused { position: position.0, refused: refusal(&error) }
        }
        error if error.is_refusal() => Said::NotMade { not_made: said(&error) },
        error => Said::Unknown { unknown: said(&error), replica: sent_by(&error) },
    }
}

/// Returns which replica has sent a command whose outcome is not known, if it can be named.
fn sent_by(error: &Error) -> Option<Uuid> {
    match error {
        Error::OutcomeUnknown { what, .. } => Some(what.replica).filter(|it| !it.is_nil()),
        _ => None,
    }
}

/// Says why, without what the field says already.
fn said(error: &Error) -> String {
    match error {
        Error::NotMade { reason } => reason.to_string(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
