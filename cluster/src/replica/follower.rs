//! The follower: reads the log, and hands what it says to the applier.

use std::sync::Arc;

use tokio::sync::mpsc::Sender;

use super::applier::Message;
use super::backoff::Backoff;
use super::shared::Shared;
use crate::error::Reason;
use crate::log::{Event, Follow, Log, LogError, Position};

pub(super) struct Follower<L> {
    pub(super) log: L,
    pub(super) shared: Arc<Shared>,
    /// The position of what was told last.
    pub(super) told: Position,
    pub(super) applier: Sender<Message>,
}

/// The applier takes nothing any more.
struct Over;

impl<L: Log> Follower<L> {
    /// Follows the log until the applier takes nothing any more.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::default();
        loop {
            let before = self.told;
            let error = match self.follow().await {
                Ok(error) => error,
                Err(Over) => return,
            };
            if self.told > before {
                backoff.reset();
            }
            tracing::warn!(%error, after = %self.told, "the log is followed anew");
            self.shared.counters.follow_failures.add(1);
            let has_loaded = match error {
                LogError::Compacted { .. } => self.load().await,
                error => Ok(Err(error)),
            };
            match has_loaded {
                Ok(Ok(())) => backoff.reset(),
                // Whoever has denied access may give it again.
                Ok(Err(error)) if error.is_temporary() || error.is_refusal() => {
                    self.trouble(Some(error));
                    backoff.wait().await;
                }
                Ok(Err(error)) => return self.shared.end(Reason::Log(error)),
                Err(Over) => return,
            }
        }
    }

    /// Follows the log until an error.
    async fn follow(&mut self) -> Result<LogError, Over> {
        let mut follower = match self.log.follow(self.told).await {
            Ok(follower) => follower,
            Err(error) => return Ok(error),
        };
        // The log may have nothing to tell for long.
        self.trouble(None);
        loop {
            let event = match follower.next().await {
                Ok(event) => event,
                Err(error) => return Ok(error),
            };
            self.trouble(None);
            let position = match &event {
                Event::Entry(entry) => entry.position,
                Event::Reached(position) => *position,
            };
            self.hand_over(Message::Event(event)).await?;
            self.told = self.told.max(position);
        }
    }

    /// Loads the newest dump, in the place of entries that have been cut off.
    async fn load(&mut self) -> Result<Result<(), LogError>, Over> {
        let dump = match self.log.newest_dump().await {
            Ok(dump) => dump,
            Err(error) => return Ok(Err(error)),
        };
        let Some(dump) = dump.filter(|dump| dump.position > self.told) else {
            let reason = format!("the entries after {} are cut off, and in no dump", self.told);
            return Ok(Err(LogError::Damaged { reason }));
        };
        self.told = dump.position;
        self.hand_over(Message::Load(dump)).await?;
        Ok(Ok(()))
    }

    async fn hand_over(&self, message: Message) -> Result<(), Over> {
        self.applier.send(message).await.map_err(|_| Over)
    }

    /// Notes what is the matter with following the log, if anything is.
    fn trouble(&self, error: Option<LogError>) {
        self.shared.progress.send_if_modified(|progress| {
            let is_new = progress.follow_trouble != error;
            progress.follow_trouble = error;
            is_new
        });
    }
}
