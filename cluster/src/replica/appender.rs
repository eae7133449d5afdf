//! The appender: makes entries of the calls of a replica, and appends one after the other.
//!
//! What is asked for while an entry is on its way waits, and makes up the next one: so the entries are the
//! larger the more is asked for, and nobody waits for others to ask for something.
//!
//! An entry is appended again, as it is, until the log has it. It is given up if the log has refused every
//! attempt and would refuse another: then it is surely not there. Where an earlier attempt may have come
//! through, and the log refuses each one since, nobody can know. Either way the replica goes on under another
//! uuid, so that no two entries ever have one key.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::backoff::Backoff;
use super::call::Work;
use super::shared::Shared;
use crate::entry::{Content, OVERHEAD, Statement};
use crate::error::Reason;
use crate::log::{EntryKey, Log, LogError, Position};

/// How often in a row the log refuses an entry that it may have already before the entry is given up.
const MOST_REFUSALS: u32 = 8;

pub(super) struct Appender<L> {
    pub(super) log: L,
    pub(super) shared: Arc<Shared>,
}

/// Holds what the next entries say, and which they are.
struct Group {
    contents: Vec<Content>,
    first: EntryKey,
    /// What the replica had applied before any of them was noted.
    basis: Position,
}

/// Says why an entry is appended no more.
enum GivenUp {
    /// It is not in the log, and never will be.
    NotThere(Reason),
    /// It may be in the log.
    Unknown(Reason),
}

impl<L: Log> Appender<L> {
    /// Appends until the replica ends.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::default();
        loop {
            self.shared.queue.wait(|| self.shared.sent().owes()).await;
            if let Some(fence) = self.next_fence() {
                match self.append_group(fence).await {
                    Ok(()) => backoff.reset(),
                    // What comes after it must not come before it.
                    Err(reason) => {
                        let calls = self.shared.queue.take_all();
                        calls.into_iter().for_each(|call| call.not_made(reason.clone()));
                        backoff.wait().await;
                    }
                }
            } else if let Some(group) = self.next_group() {
                // Whoever waits has been told.
                _ = self.append_group(group).await;
            }
        }
    }

    /// Notes a fence that the replica owes for one of its former uuids.
    fn next_fence(&self) -> Option<Group> {
        let basis = self.shared.progress.borrow().position;
        let (former, first) = self.shared.sent().note_fence()?;
        Some(Group { contents: vec![Content::Fence(former)], first, basis })
    }

    /// Takes as much of what there is as fits into an entry, and notes who waits for it.
    fn next_group(&self) -> Option<Group> {
        let most = self.most_bytes();
        // Before the entries are noted: whoever fences this replica off in between fences them off.
        let basis = self.shared.progress.borrow().position;
        // Until they are noted: whoever finds that a call is gone from the queue finds who has sent it.
        let mut sent = self.shared.sent();
        let (mut bytes, mut is_first, mut is_full) = (0, true, false);
        let mut calls = self.shared.queue.take_while(|call| {
            let fits = match &call.work {
                Work::Commands(more) => !is_full && (is_first || bytes + more.len() <= most),
                // Nothing else is in the same entry.
                Work::Statement(_) => is_first,
            };
            is_full |= !fits || matches!(call.work, Work::Statement(_));
            bytes += call.work.bytes();
            is_first = false;
            fits
        });
        let statement = match &calls.first()?.work {
            Work::Commands(_) => None,
            Work::Statement(content) => Some(content.clone()),
        };
        let commands: Vec<Vec<u8>> = calls.iter_mut().map(|call| call.work.take()).collect();
        let length: usize = commands.iter().map(Vec::len).sum();
        let count = if statement.is_some() { 1 } else { length.div_ceil(most).max(1) };
        let first = sent.note(count as u64, calls);
        drop(sent);
        let contents = match statement {
            Some(statement) => vec![statement],
            None => parts(joined(commands, length).into(), most),
        };
        Some(Group { contents, first, basis })
    }

    /// Returns how many bytes of commands an entry can have.
    fn most_bytes(&self) -> usize {
        let most = self.shared.options.most_entry_bytes;
        most.min(self.log.most_bytes().saturating_sub(OVERHEAD)).max(1)
    }

    /// Appends the entries of a group, and returns why, if it has given them up.
    async fn append_group(&self, group: Group) -> Result<(), Reason> {
        let Group { contents, first, basis } = group;
        let count = contents.len() as u64;
        let last = EntryKey { sequence: first.sequence + count - 1, ..first };
        for (content, at) in contents.into_iter().zip(0..) {
            let key = EntryKey { sequence: first.sequence + at, ..first };
            let given_up = match self.append(key, Statement { basis, content }).await {
                Ok(()) => continue,
                Err(given_up) => given_up,
            };
            // Parts that are there already never come to be a whole.
            let (may_be_there, reason) = match given_up {
                GivenUp::Unknown(reason) => (at + 1 == count, reason),
                GivenUp::NotThere(reason) => (false, reason),
            };
            let mut sent = self.shared.sent();
            let calls = sent.give_up(last);
            if may_be_there {
                // Before anything is asked anew of this replica: what was given up can come no more.
                sent.owe_fence(last.replica);
            }
            drop(sent);
            clear_trouble(&self.shared);
            match may_be_there {
                true => self.shared.unknown(calls.map(|calls| (last, calls)), &reason),
                false => {
                    calls.into_iter().flatten().for_each(|call| call.not_made(reason.clone()));
                }
            }
            return Err(reason);
        }
        // Whoever ends the replica answers all calls that are noted by then.
        if let Some(reason) = self.shared.ended() {
            let calls = self.shared.sent().take(last);
            self.shared.unknown(calls.map(|calls| (last, calls)), &reason);
        }
        Ok(())
    }

    /// Appends an entry, as often as it takes.
    async fn append(&self, key: EntryKey, statement: Statement) -> Result<(), GivenUp> {
        let Shared { counters, progress, .. } = &*self.shared;
        let bytes: Bytes = statement.write().map_err(|fault| {
            let reason = Reason::Log(LogError::Damaged { reason: fault.to_string() });
            GivenUp::NotThere(reason)
        })?;
        let mut backoff = Backoff::default();
        let (mut may_be_there, mut refusals) = (false, 0);
        loop {
            if let Some(reason) = self.shared.ended() {
                return Err(match may_be_there {
                    true => GivenUp::Unknown(reason),
                    false => GivenUp::NotThere(reason),
                });
            }
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
            progress.send_modify(|progress| progress.append_trouble = Some(error.clone()));
            if error.is_refusal() {
                refusals += 1;
                match may_be_there {
                    false => return Err(GivenUp::NotThere(Reason::Log(error))),
                    true if refusals == MOST_REFUSALS => {
                        return Err(GivenUp::Unknown(Reason::Log(error)));
                    }
                    true => {}
                }
            } else {
                may_be_there = true;
                refusals = 0;
                if !error.is_temporary() {
                    self.shared.end(Reason::Log(error.clone()));
                    return Err(GivenUp::Unknown(Reason::Log(error)));
                }
            }
            backoff.wait().await;
        }
    }
}

fn clear_trouble(shared: &Shared) {
    shared.progress.send_if_modified(|progress| progress.append_trouble.take().is_some());
}

/// Joins commands, which have so many bytes together.
fn joined(mut commands: Vec<Vec<u8>>, length: usize) -> Vec<u8> {
    if let [only] = &mut commands[..] {
        return std::mem::take(only);
    }
    let mut joined = Vec::with_capacity(length);
    commands.iter().for_each(|commands| joined.extend_from_slice(commands));
    joined
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
