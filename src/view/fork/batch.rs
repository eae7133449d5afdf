//! The difference between a fork and its snapshot, as a batch to commit.

use super::state::{CordonChange, Fork, NewInventories, Reads};
use crate::claim::{Basis, Batch, Condition};
use crate::forest::Expect;
use crate::layout::usage_of;

/// Prepares the commit of what the fork has changed.
impl Fork {
    /// Returns all that the fork has changed, for [`Worker::commit`](crate::Worker::commit): one
    /// transaction, which succeeds if the changes still fit.
    ///
    /// The commit succeeds only if the consumers and the inventories that the fork changes are at
    /// the generations that they had in the snapshot, and if the consumers that the fork adds hold
    /// nothing. What the fork takes is checked against what is free at the commit, whatever was
    /// free in the snapshot, and against the last inventories that the fork has set, even if it set
    /// them afterwards. Receipts are in the order of the consumers' uuids.
    pub fn to_batch(&self) -> Batch {
        let mut batch = Batch::new();
        for (consumer, tenancy) in self.consumers.iter().filter(|(_, it)| it.is_changed) {
            let expect = tenancy.before.map(Expect::Generation);
            let claim = tenancy.claim.clone().map(|mut claim| {
                // The batch requires the generation of inventories that it replaces anyway.
                let is_replaced = |cell| self.inventories.contains_key(&usage_of(cell));
                claim.conditions.retain(|(provider, condition)| match condition {
                    Condition::Generation(_) => !is_replaced(provider.cell),
                });
                claim
            });
            batch = match (claim, expect) {
                (Some(claim), None) => batch.claim(claim),
                (Some(claim), Some(expect)) if tenancy.is_ended => batch.claim_anew(claim, expect),
                (Some(claim), Some(expect)) => batch.replace(claim, expect),
                (None, Some(expect)) => batch.release(*consumer, expect),
                (None, None) => batch,
            };
        }
        for NewInventories { provider, inventories, before } in self.inventories.values() {
            let expect = Expect::Generation(*before);
            batch = batch.configure(provider, inventories.clone(), expect);
        }
        for CordonChange { provider, before, now } in self.cordons.values() {
            batch = match (before, now) {
                (false, true) => batch.cordon(provider),
                (true, false) => batch.uncordon(provider),
                // The fork has ended the cordon in between, and may have taken something meanwhile.
                (true, true) => batch.uncordon(provider).cordon(provider),
                (false, false) => batch,
            };
        }
        batch
    }

    /// Returns all that the fork has changed, as [`to_batch`](Self::to_batch) does, for a
    /// commit that succeeds only if all that the fork was asked about, or has changed, is as it was
    /// in the snapshot:
    ///
    /// - whether a provider exists; and its generation, where a claim rests on it or inventories
    ///   are set;
    /// - the capacity and the use of each class that was asked for, taken or given back, and the
    ///   units of what was taken;
    /// - whether a provider is cordoned, where that was asked or more was taken; the provider's
    ///   place, if the fork has cordoned anything; and the descendants of a provider that the fork
    ///   has cordoned;
    /// - the ancestors in a [chain](crate::Claim::take_with_ancestors), and which of them have an inventory of the
    ///   chain's class;
    /// - consumers, also those that held nothing.
    ///
    /// Any other change is no reason to refuse the commit: a sibling or a child that came or went,
    /// another provider's name, a claim of another class. What was read from the
    /// [snapshot](Self::snapshot) itself is no reason either.
    ///
    /// A commit that is refused for such a change returns
    /// [`ProviderChanged`](crate::Error::ProviderChanged) or [`ConsumerChanged`](crate::Error::ConsumerChanged).
    pub fn to_batch_if_unchanged(&self) -> Batch {
        let Reads { providers, consumers, absent } = &*self.reads.borrow();
        let mut batch = self.to_batch();
        let absent = absent.iter().filter(|consumer| {
            // The batch itself requires that the consumers which it adds hold nothing.
            !batch.consumers.iter().any(|change| change.consumer == **consumer)
        });
        let absent = absent.copied().collect();
        let mut providers: Vec<_> =
            providers.iter().map(|(provider, facts)| (*provider, facts.clone())).collect();
        // Sorted, so that of several changes always the same one is reported.
        providers.sort_unstable_by_key(|(provider, _)| (provider.cell, provider.incarnation));
        let mut consumers: Vec<_> = consumers.iter().map(|(cell, uuid)| (*cell, *uuid)).collect();
        consumers.sort_unstable();
        let pin = self.base.pin().clone();
        batch.basis = Some(Basis { pin, providers, consumers, absent });
        batch
    }
}
