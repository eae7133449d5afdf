//! The appender: makes entries of the calls of a replica, and appends one after the other.
//!
//! What is asked for while an entry is on its way waits, and makes up the next one: so the entries are the
//! larger the more is asked for, and nobody waits for others to ask for something.
//!
//! An entry is appended again, as it is, until the log has it. Only if the log has surely refused every
//! attempt, and would refuse another, is it given up.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::mpsc::UnboundedReceiver;

use super::backoff::Backoff;
use super::call::{Call, Work};
use super::shared::Shared;
use crate::entry::{Content, OVERHEAD, Statement};
use crate::error::Reason;
use crate::log::{EntryKey, Log, LogError};
use crate::state::Halt;

pub(super) struct Appender<L> {
    pub(super) log: L,
    pub(super) shared: Arc<Shared>,
    pub(super) calls: UnboundedReceiver<Call>,
}

/// Holds what the next entries say, and who waits for that.
struct Group {
    content: Content,
    calls: Vec<Call>,
}

impl<L: Log> Appender<L> {
    /// Appends until nobody can ask any more.
    pub(super) async fn run(mut self) {
        let mut queued = VecDeque::new();
        while let Some(group) = self.next_group(&mut queued).await {
            if let Err(halt) = self.halted() {
                group
                    .calls
                    .into_iter()
                    .for_each(|call| call.not_made(Reason::Halted(halt.clone())));
                continue;
            }
            self.append_group(group).await;
        }
    }

    /// Waits until there is something to append, and takes as much as there is and fits into an entry.
    async fn next_group(&mut self, queued: &mut VecDeque<Call>) -> Option<Group> {
        let most = self.most_bytes();
        let replica = self.shared.sent().replica();
        let (mut bytes, mut calls) = (Vec::new(), Vec::new());
        loop {
            let Some(mut call) = queued.pop_front().or_else(|| self.calls.try_recv().ok()) else {
                if !calls.is_empty() {
                    break;
                }
                queued.push_back(self.calls.recv().await?);
                continue;
            };
            let fits = match &call.work {
                Work::Commands(more) => bytes.len() + more.len() <= most,
                Work::Statement(_) => false,
            };
            if !fits && !calls.is_empty() {
                queued.push_front(call);
                break;
            }
            if !call.send(replica) {
                self.shared.counters.commands_withdrawn.add(call.count as u64);
                continue;
            }
            match &mut call.work {
                Work::Statement(content) => {
                    let content = content.clone();
                    return Some(Group { content, calls: vec![call] });
                }
                Work::Commands(more) if bytes.is_empty() => bytes = std::mem::take(more),
                Work::Commands(more) => bytes.append(more),
            }
            calls.push(call);
        }
        Some(Group { content: Content::Commands(bytes.into()), calls })
    }

    /// Returns how many bytes of commands an entry can have.
    fn most_bytes(&self) -> usize {
        let most = self.shared.options.most_entry_bytes;
        most.min(self.log.most_bytes().saturating_sub(OVERHEAD)).max(1)
    }

    async fn append_group(&mut self, group: Group) {
        let Group { content, calls } = group;
        let contents = match content {
            Content::Commands(bytes) => parts(bytes, self.most_bytes()),
            other => vec![other],
        };
        let count = contents.len() as u64;
        let first = self.shared.sent().note(count, calls);
        let last = EntryKey { sequence: first.sequence + count - 1, ..first };
        for (content, at) in contents.into_iter().zip(0..) {
            let key = EntryKey { sequence: first.sequence + at, ..first };
            let basis = self.shared.progress.borrow().position;
            let appended = match (Statement { basis, content }).write() {
                Ok(bytes) => self.append(key, bytes).await,
                Err(fault) => {
                    Err(GivenUp::Refused(LogError::Damaged { reason: fault.to_string() }))
                }
            };
            match appended {
                Ok(()) => {}
                Err(GivenUp::Refused(error)) => {
                    let calls = self.shared.sent().take_back(first, at);
                    let reason = Reason::Log(error);
                    calls.into_iter().for_each(|call| call.not_made(reason.clone()));
                    return;
                }
                Err(GivenUp::Halted) => break,
            }
        }
        // Whoever halts answers all calls that are noted by then.
        if let Err(halt) = self.halted() {
            let calls = self.shared.sent().take(last);
            self.shared.unknown(calls.map(|calls| (last, calls)), &Reason::Halted(halt));
        }
    }

    /// Appends an entry, as often as it takes.
    async fn append(&self, key: EntryKey, bytes: Bytes) -> Result<(), GivenUp> {
        let Shared { counters, progress, .. } = &*self.shared;
        let mut backoff = Backoff::default();
        let mut may_be_there = false;
        loop {
            self.halted().map_err(|_| GivenUp::Halted)?;
            let begun = Instant::now();
            let error = match self.log.append(key, bytes.clone()).await {
                Ok(()) => {
                    counters.append_micros.add_time(begun.elapsed());
                    counters.entries_appended.add(1);
                    counters.bytes_appended.add(bytes.len() as u64);
                    clear_trouble(&self.shared);
                    return Ok(());
                }
                Err(error) => error,
            };
            tracing::warn!(%error, replica = %key.replica, sequence = key.sequence, "not appended");
            counters.append_failures.add(1);
            may_be_there |= !error.is_refusal();
            progress.send_modify(|progress| progress.append_trouble = Some(error.clone()));
            if !may_be_there && !error.is_temporary() {
                return Err(GivenUp::Refused(error));
            }
            backoff.wait().await;
        }
    }

    fn halted(&self) -> Result<(), Halt> {
        self.shared.progress.borrow().halt.clone().map_or(Ok(()), Err)
    }
}

/// Says why an entry is appended no more.
enum GivenUp {
    /// The log refuses it, and has refused it each time.
    Refused(LogError),
    /// The replica applies nothing any more.
    Halted,
}

fn clear_trouble(shared: &Shared) {
    shared.progress.send_if_modified(|progress| progress.append_trouble.take().is_some());
}

/// Cuts a group into parts of so many bytes.
fn parts(mut group: Bytes, most: usize) -> Vec<Content> {
    let mut parts = Vec::new();
    while group.len() > most {
        parts.push(Content::Part(group.split_to(most)));
    }
    parts.push(Content::Commands(group));
    parts
}
