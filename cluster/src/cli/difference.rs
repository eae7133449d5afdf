//! What differs between two forests.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use provider_tree::{Allocations, Dump, ProviderDump};
use uuid::Uuid;

use crate::quote::quote;

/// How many of each kind are named.
const NAMED: usize = 5;

/// What is in a forest, by its uuid, with its name if it has one.
type ByUuid<'a, T> = BTreeMap<Uuid, (&'a str, &'a T)>;

/// Says which providers and consumers differ: a line for each of the first, and one for how many more.
pub(crate) fn of(a: &Dump, b: &Dump) -> String {
    let mut text = String::new();
    compare("provider", &providers(a), &providers(b), &mut text);
    compare("consumer", &consumers(a), &consumers(b), &mut text);
    if text.is_empty() && a.providers != b.providers {
        text.push_str("the providers are in another order\n");
    }
    if text.is_empty() && a.floors != b.floors {
        text.push_str("the generations differ from which consumers go on\n");
    }
    if text.is_empty() {
        text.push_str("the forests are equal: what differs is kept beside them\n");
    }
    text
}

fn providers(dump: &Dump) -> ByUuid<'_, ProviderDump> {
    let providers = dump.providers.iter();
    let named = providers.map(|provider| (&provider.configuration, provider));
    named.map(|(it, provider)| (it.uuid, (&*it.name, provider))).collect()
}

fn consumers(dump: &Dump) -> ByUuid<'_, Allocations> {
    dump.consumers.iter().map(|held| (held.consumer, ("", held))).collect()
}

fn compare<T: PartialEq>(kind: &str, a: &ByUuid<'_, T>, b: &ByUuid<'_, T>, text: &mut String) {
    let of_a = a.iter().filter_map(|(uuid, (name, value))| match b.get(uuid) {
        Some((_, other)) if value == other => None,
        Some(_) => Some((uuid, name, "differs")),
        None => Some((uuid, name, "is only in A")),
    });
    let of_b = b.iter().filter(|(uuid, _)| !a.contains_key(*uuid));
    let of_b = of_b.map(|(uuid, (name, _))| (uuid, name, "is only in B"));
    let mut differing: Vec<_> = of_a.chain(of_b).collect();
    differing.sort_unstable();
    for (uuid, name, how) in differing.iter().take(NAMED) {
        let name = if name.is_empty() { String::new() } else { format!(" ({})", quote(name)) };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{kind} {uuid} {how}{name}");
    }
    if let Some(more) = differing.len().checked_sub(NAMED).filter(|more| *more > 0) {
        let _ = writeln!(text, "{more} more {kind}s differ");
    }
}
