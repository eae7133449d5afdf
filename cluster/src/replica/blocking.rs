//! [`Blocking`]: a replica for threads that may block.

use std::time::Instant;

use uuid::Uuid;

use super::{Replica, StateDump};
use crate::command::Ask;
use crate::error::Result;
use crate::log::Position;
use crate::ticket::Ticket;

/// Gives commands to a replica from a thread that may block, such as one of a scheduler. The methods are
/// those of [`Replica`] with the same names; in a task they would hold up the others.
///
/// The runtime on which the replica was started has to be driven by other threads: one with worker threads, or
/// another thread that is in `block_on`. Otherwise every call here waits for ever, whatever its deadline.
#[derive(Clone, Copy, Debug)]
pub struct Blocking<'a> {
    pub(super) replica: &'a Replica,
}

impl Blocking<'_> {
    /// Gives a command to the replica, once there is room for it; see [`Replica::submit`].
    ///
    /// # Errors
    ///
    /// Returns those of [`Replica::submit`].
    pub fn submit<C: Ask>(&self, command: C) -> Result<Ticket<C::Answer>> {
        pollster::block_on(self.replica.submit(command))
    }

    /// Gives several commands to the replica, once there is room for them; see [`Replica::submit_all`].
    ///
    /// # Errors
    ///
    /// Returns those of [`Replica::submit_all`].
    pub fn submit_all<C: Ask>(
        &self,
        commands: impl IntoIterator<Item = C>,
    ) -> Result<Ticket<Vec<provider_tree::Result<C::Answer>>>> {
        pollster::block_on(self.replica.submit_all(commands))
    }

    /// Makes a command, and waits for what it answers; see [`Replica::ask`].
    ///
    /// # Errors
    ///
    /// Returns those of [`Replica::ask`].
    pub fn ask<C: Ask>(&self, command: C) -> Result<C::Answer> {
        pollster::block_on(self.replica.ask(command))
    }

    /// Makes a command, and waits for what it answers until `deadline`; see [`Replica::ask_until`].
    ///
    /// # Errors
    ///
    /// Returns those of [`Replica::ask_until`].
    pub fn ask_until<C: Ask>(&self, command: C, deadline: Instant) -> Result<C::Answer> {
        self.with_timers(self.replica.ask_until(command, deadline))
    }

    /// Waits until everything is applied that was in the log when the call began; see [`Replica::sync`].
    ///
    /// # Errors
    ///
    /// Returns those of [`Replica::sync`].
    pub fn sync(&self) -> Result<Position> {
        pollster::block_on(self.replica.sync())
    }

    /// Waits until everything up to `position` is applied.
    ///
    /// # Errors
    ///
    /// Returns those of [`Replica::wait_for`].
    pub fn wait_for(&self, position: Position) -> Result<()> {
        pollster::block_on(self.replica.wait_for(position))
    }

    /// Fences another replica off; see [`Replica::fence`].
    ///
    /// # Errors
    ///
    /// Returns those of [`Replica::fence`].
    pub fn fence(&self, replica: Uuid) -> Result<Position> {
        pollster::block_on(self.replica.fence(replica))
    }

    /// Has the log keep a dump; see [`Replica::store_dump`].
    ///
    /// # Errors
    ///
    /// Returns those of [`Replica::store_dump`].
    pub fn store_dump(&self) -> Result<bool> {
        pollster::block_on(self.replica.store_dump())
    }

    /// Dumps the state as of the last entry that was applied.
    ///
    /// # Errors
    ///
    /// Returns those of [`Replica::dump`].
    pub fn dump(&self) -> Result<StateDump> {
        self.with_timers(self.replica.dump())
    }

    /// Takes no more commands, waits for those on their way, and ends the replica; see [`Replica::close`].
    pub fn close(&self) {
        pollster::block_on(self.replica.close());
    }

    /// Blocks on what uses timers or threads of the replica's runtime.
    fn with_timers<T>(&self, future: impl Future<Output = T>) -> T {
        let _runtime = self.replica.parts.runtime.enter();
        pollster::block_on(future)
    }
}
