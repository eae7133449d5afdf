//! Judges and makes batches.

use std::collections::{BTreeMap, BTreeSet};

use provider_tree::{Error, Expect, Fault, Receipt, ResourceClass};
use uuid::Uuid;

use super::{Consumer, Faults, Model, summed};
use crate::caller::sorted;
use crate::operation::{Answer, Handle, Item};

impl Model {
    /// Whether a batch stands against itself or the state. What is missing where it takes is found
    /// as if nothing else were wrong, since only then it is looked for.
    pub(super) fn not_committable(&self, items: &[Item<Handle>], faults: &mut Faults) {
        let mut twice = Vec::new();
        let (mut consumers, mut providers) = (BTreeSet::new(), BTreeSet::new());
        for item in items {
            match item {
                Item::Claim(consumer, _)
                | Item::Replace(consumer, ..)
                | Item::Release(consumer, _) => {
                    if !consumers.insert(*consumer) {
                        twice.push(Fault::DuplicateConsumer { consumer: *consumer });
                    }
                }
                Item::SetInventories(handle, ..) => {
                    if !providers.insert(handle.uuid) {
                        twice.push(Fault::DuplicateUuid { provider: handle.uuid });
                    }
                }
            }
        }
        if !twice.is_empty() {
            faults.add_if(true, || sorted(Error::InvalidEntries { faults: twice.clone() }));
            return;
        }
        let mut after = self.clone();
        for item in items {
            match item {
                Item::Claim(consumer, _) => {
                    if let Some(&Consumer { generation, .. }) = self.consumers.get(consumer) {
                        let consumer = *consumer;
                        faults.add_if(true, || Error::ConsumerExists { consumer, generation });
                    }
                }
                Item::Replace(consumer, _, expect) => self.conflicts(*consumer, *expect, faults),
                Item::Release(consumer, expect) => {
                    self.conflicts(*consumer, *expect, faults);
                    let missing = !self.consumers.contains_key(consumer);
                    faults.add_if(missing, || Error::ConsumerNotFound { consumer: *consumer });
                }
                Item::SetInventories(handle, _, expect) => {
                    self.not_as_expected(*handle, *expect, faults);
                }
            }
        }
        consumers.iter().for_each(|consumer| drop(after.consumers.remove(consumer)));
        for item in items {
            if let Item::SetInventories(handle, stocks, _) = item
                && after.live(*handle, faults).is_some()
            {
                after.not_droppable(*handle, stocks, faults);
                after.node(handle.uuid).stocks = stocks.clone();
            }
        }
        after.not_to_be_had_together(self, items, faults);
    }

    /// Everything that the consumers of a batch held is given back in this state.
    fn not_to_be_had_together(&self, before: &Model, items: &[Item<Handle>], faults: &mut Faults) {
        let mut together = BTreeMap::<(Uuid, ResourceClass), (u64, u64)>::new();
        for item in items {
            let (consumer, lines) = match item {
                Item::Claim(consumer, lines) | Item::Replace(consumer, lines, _) => {
                    (consumer, &lines[..])
                }
                Item::Release(consumer, _) => (consumer, &[][..]),
                Item::SetInventories(..) => continue,
            };
            let held = before.held_by(*consumer);
            for (key, amount) in &held {
                together.entry(*key).or_default().0 += amount;
            }
            for ((handle, class), wanted) in summed(lines) {
                let provider = handle.uuid;
                let Some(stock) = self.stock(handle, class, faults) else { continue };
                before.asks(provider, class, wanted, faults);
                let held = held.get(&(provider, class)).copied().unwrap_or(0);
                let cordoned = wanted > held && self.is_cordoned(provider);
                faults.add_if(cordoned, || Error::Cordoned { provider });
                let gives = wanted == held || stock.gives(wanted);
                faults.add_if(!gives, || stock.violated(provider, class, wanted));
                together.entry((provider, class)).or_default().1 += wanted;
            }
        }
        for ((provider, class), (held, wanted)) in together {
            let Some(node) = self.nodes.get(&provider) else { continue };
            before.asks(provider, class, wanted, faults);
            let Some(stock) = node.stocks.get(&class) else { continue };
            let free = stock.total.saturating_sub(self.used(provider, class));
            let exceeded = || Error::CapacityExceeded { provider, class, requested: wanted, free };
            faults.add_if(wanted > held && wanted > free, exceeded);
        }
    }

    pub(super) fn commit(&mut self, items: &[Item<Handle>]) -> Option<Answer<Handle>> {
        let mut receipts = Vec::new();
        for item in items {
            match item {
                Item::Claim(consumer, lines) => {
                    receipts.push(self.put(*consumer, lines, Expect::Any));
                }
                Item::Replace(consumer, lines, expect) => {
                    receipts.push(self.put(*consumer, lines, *expect));
                }
                Item::Release(consumer, _) => {
                    let generation = self.end(*consumer)?;
                    receipts.push(Receipt { consumer: *consumer, generation });
                }
                Item::SetInventories(handle, stocks, expect) => {
                    let changed = self.nodes[&handle.uuid].stocks != *stocks;
                    self.updated(*handle, *expect, changed, |node| node.stocks = stocks.clone());
                }
            }
        }
        Some(Answer::Receipts(receipts))
    }
}
