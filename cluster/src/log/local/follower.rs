//! [`LocalFollower`]: tells the entries of a [`LocalLog`](super::LocalLog) in their order.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{self, JoinHandle};

use super::shared::{Shared, State};
use super::{store, thread_has_ended};
use crate::log::{Entry, Event, Follow, LogError, Position};

/// Follows a [`LocalLog`](super::LocalLog).
///
/// It has at most a page of entries in memory, however slow it is asked, and tells that it has
/// [reached](Event::Reached) the end each time that it has. The future of `next` may be dropped: nothing is
/// lost by it.
pub struct LocalFollower {
    shared: Arc<Shared>,
    state: watch::Receiver<State>,
    /// What has been told last.
    at: Position,
    /// Whether it has been told that `at` is reached.
    reached: bool,
    page: VecDeque<Entry>,
    /// The page that is being read. It outlives the future that waits for it.
    reading: Option<JoinHandle<Result<VecDeque<Entry>, LogError>>>,
    ended: Option<LogError>,
}

impl LocalFollower {
    pub(super) fn new(shared: &Arc<Shared>, after: Position) -> Result<LocalFollower, LogError> {
        let extent = shared.extent()?;
        if after < extent.cut {
            return Err(LogError::Compacted { after });
        }
        if after > extent.end {
            let reason = format!("it ends at {}, but has been known until {after}", extent.end);
            return Err(LogError::Damaged { reason });
        }
        Ok(LocalFollower {
            shared: Arc::clone(shared),
            state: shared.state(),
            at: after,
            reached: false,
            page: VecDeque::new(),
            reading: None,
            ended: None,
        })
    }

    async fn find_next(&mut self) -> Result<Event, LogError> {
        loop {
            if let Some(entry) = self.page.pop_front() {
                self.at = entry.position;
                self.reached = false;
                return Ok(Event::Entry(entry));
            }
            if let Some(reading) = &mut self.reading {
                let page = reading.await;
                self.reading = None;
                self.page = page.unwrap_or_else(|_| Err(thread_has_ended()))?;
                continue;
            }
            let end = self.state.borrow_and_update().clone()?.end;
            if self.at < end {
                self.turn_page();
            } else if !self.reached {
                self.reached = true;
                return Ok(Event::Reached(self.at));
            } else {
                self.state.changed().await.map_err(|_| self.shared.why_ended())?;
            }
        }
    }

    /// Gets the next page from memory, or lets it be read.
    fn turn_page(&mut self) {
        let recent = self.shared.recent().page(self.at);
        match recent {
            Some(page) => self.page = page,
            None => {
                let (shared, after) = (Arc::clone(&self.shared), self.at);
                self.reading = Some(task::spawn_blocking(move || {
                    shared.read(|database| store::page(database, after))?
                }));
            }
        }
    }
}

impl Follow for LocalFollower {
    async fn next(&mut self) -> Result<Event, LogError> {
        if let Some(error) = &self.ended {
            return Err(error.clone());
        }
        let next = self.find_next().await;
        self.ended = next.as_ref().err().cloned();
        next
    }
}
