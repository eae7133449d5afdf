//! [`Claims`]: what all threads share of the consumers and what they hold.

use std::sync::Arc;

use uuid::Uuid;

use crate::claim::agenda::Leases;
use crate::claim::floors::Floors;
use crate::forest::Keys;
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
    pub(crate) fn new() -> Self {
        Claims {
            consumers: Keys::new(CONSUMER, None),
            floors: Floors::new(),
            leases: Leases::new(),
            tallies: Chunks::new(1),
        }
    }
}
