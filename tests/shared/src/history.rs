//! Histories of a forest.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::model::Model;
use crate::operation::{Handle, Op, Outcome};

/// One call on a forest that returned.
pub type Event = linearize::Event<Op<Handle>, Outcome<Handle>>;

/// All calls on a forest that is empty, by invocation.
pub type History = linearize::History<Model>;

/// The greatest generation that each consumer has ended with.
pub type Floors = BTreeMap<Uuid, u64>;

/// `#1` for the uuid with number 1, `max` for the greatest number.
pub(crate) fn short(text: &str) -> String {
    let uuid = Uuid::from_u128(1).to_string();
    text.replace(&uuid[..uuid.len() - 1], "#").replace(&u64::MAX.to_string(), "max")
}
