//! [`Claims`]: what all threads share of the consumers and what they hold.

use std::sync::Arc;

use uuid::Uuid;

use crate::claim::agenda::Leases;
use crate::claim::floors::Floors;
use crate::forest::{Expect, Keys, Own};
use crate::layout::CONSUMER;
use crate::ledger::Chunks;
use crate::sync::CachePadded;
use crate::values::metrics::Tallies;

/// Holds the consumers of one forest.
pub(crate) struct Claims {
    /// The keys of consumers' uuids.
    pub(crate) consumers: Keys<Uuid>,
    pub(crate) floors: Floors,
    pub(crate) leases: Leases,
    /// What each worker has counted, by the worker's slot.
    pub(crate) tallies: Chunks<Arc<CachePadded<Tallies>>>,
}

impl Claims {
    pub(crate) fn new(own: Own) -> Self {
        Claims {
            consumers: Keys::new(CONSUMER).with_own(own),
            floors: Floors::new(),
            leases: Leases::new(),
            tallies: Chunks::new(1),
        }
    }

    /// Returns the generation that a consumer comes to from the generation `before`; if `before` is
    /// `None`, a life begins. The consumer's cell has to be open, and its key interned. A consumer whose
    /// uuid the forest has issued has one life, so that no other has to be below it.
    #[inline]
    pub(crate) fn next_generation(&self, uuid: Uuid, expect: Expect, before: Option<u64>) -> u64 {
        match self.consumers.is_own(&uuid) {
            true => before.map_or_else(|| expect.first(0), |before| expect.next(before)),
            false => self.floors.next(uuid, expect, before),
        }
    }

    /// Makes the next life of the consumer, if there can be one, begin above `generation`.
    #[inline]
    pub(crate) fn end_at(&self, uuid: Uuid, generation: u64) {
        if !self.consumers.is_own(&uuid) {
            self.floors.raise(uuid, generation);
        }
    }
}
