//! What stands against an operation, or may.

use provider_tree::{Error, ResourceClass};
use uuid::Uuid;

use crate::operation::Stock;

/// What stands against an operation.
#[derive(Default)]
pub(super) struct Faults {
    certain: Vec<Error>,
    possible: Vec<Possible>,
}

/// What a foreign provider is asked for, and may refuse.
pub(super) enum Possible {
    Amount {
        provider: Uuid,
        class: ResourceClass,
        amount: u64,
        /// Whether something of the provider is held, and of this class of it: what is held stays.
        is_held: bool,
        is_class_held: bool,
    },
    Generation {
        provider: Uuid,
        expected: u64,
        is_held: bool,
    },
}

impl Faults {
    pub(super) fn contains(&self, error: &Error) -> bool {
        self.certain.contains(error) || self.possible.iter().any(|asked| asked.allows(error))
    }

    /// Whether nothing stands against it for certain.
    pub(super) fn none(&self) -> bool {
        self.certain.is_empty()
    }

    pub(super) fn add_if(&mut self, holds: bool, error: impl FnOnce() -> Error) {
        if holds {
            self.certain.push(error());
        }
    }

    pub(super) fn may_refuse(&mut self, asked: Possible) {
        self.possible.push(asked);
    }
}

impl Possible {
    fn allows(&self, error: &Error) -> bool {
        let &(Possible::Amount { provider, is_held, .. }
        | Possible::Generation { provider, is_held, .. }) = self;
        match (self, error) {
            (_, Error::Removed { provider: gone }) => *gone == provider && !is_held,
            (Possible::Amount { class, amount, is_class_held, .. }, error) => {
                let asked = (provider, *class, *amount);
                match *error {
                    Error::Cordoned { provider: cordoned } => cordoned == provider,
                    Error::NoInventory { provider: without, class } => {
                        (without, class) == (asked.0, asked.1) && !is_class_held
                    }
                    Error::CapacityExceeded { provider, class, requested, free } => {
                        (provider, class, requested) == asked && requested > free
                    }
                    Error::UnitViolation {
                        provider,
                        class,
                        requested,
                        min_unit,
                        max_unit,
                        step_size,
                    } => {
                        let stock = Stock { min_unit, max_unit, step_size, ..Stock::of(u64::MAX) };
                        (provider, class, requested) == asked && !stock.gives(requested)
                    }
                    _ => false,
                }
            }
            (
                Possible::Generation { expected: asked, .. },
                Error::GenerationConflict { provider: at, expected, actual },
            ) => *at == provider && expected == asked && actual != expected,
            _ => false,
        }
    }
}
