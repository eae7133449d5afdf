//! What a fuzzer does with `provider-tree`.
//!
//! [`operations`] makes the calls that some bytes choose, and compares each with the sequential
//! model that the tests have; [`dump`] loads what some bytes say. Both panic when something
//! is wrong. `cargo xtask fuzz` runs them under libFuzzer where there is a C++ compiler, and on
//! random bytes where there is none.

use std::collections::BTreeSet;

use provider_tree::{Dump, Error, ProviderTree};
use serde_json::Value;
use shared::books;
use shared::dumps::in_order;
use shared::sequence::Sequence;

/// So many bytes choose one call.
const BYTES: usize = 24;

fn sequence(data: &[u8]) -> Sequence {
    Sequence::new(data.chunks(BYTES).take(200).map(<[u8]>::to_vec).collect())
}

/// Makes the calls that the bytes choose.
///
/// # Panics
///
/// If one of them does not do what the model says.
pub fn operations(data: &[u8]) {
    if let Err(wrong) = sequence(data).run() {
        panic!("{wrong}\nin {:#?}", sequence(data));
    }
}

/// Loads a dump: JSON text, or one that calls have made with pieces of it changed.
///
/// # Panics
///
/// If it is loaded and not what it was, or refused without a reason.
pub fn dump(data: &[u8]) {
    let Some((&kind, data)) = data.split_first() else { return };
    let value = match kind % 2 {
        0 => serde_json::from_slice::<Value>(data).ok(),
        _ => {
            let (calls, changes) = data.split_at(data.len() * 3 / 4);
            let made = sequence(calls).forest().snapshot().dump().unwrap();
            let mut value = serde_json::to_value(made).expect("a dump is a value");
            for change in changes.chunks(8) {
                let mut bytes = change.iter().copied();
                mutate(&mut value, &mut || bytes.next().unwrap_or(0).into());
            }
            Some(value)
        }
    };
    if let Some(Ok(dump)) = value.map(serde_json::from_value::<Dump>) {
        check(&dump);
    }
}

/// An example for the corpus: a dump as JSON.
pub fn example() -> Vec<u8> {
    let calls: Vec<u8> = (0..40 * BYTES).map(|at| (at * 7 + at / 5) as u8).collect();
    let mut text = vec![0];
    let dump = sequence(&calls).forest().snapshot().dump().unwrap();
    text.extend(serde_json::to_vec(&dump).expect("a dump can be written"));
    text
}

fn check(dump: &Dump) {
    match ProviderTree::load(dump) {
        Ok(tree) => {
            let audit = tree.snapshot().audit().unwrap();
            assert!(audit.holds(), "{audit:?} of {dump:?}");
            books::assert_no_leaks(&tree);
            let loaded = tree.snapshot().dump().unwrap();
            assert_eq!(canonical(&loaded), canonical(dump));
            let text = serde_json::to_string(&loaded).expect("a dump can be written");
            let read: Dump = serde_json::from_str(&text).expect("and read again");
            assert_eq!(read, loaded);
            let again = ProviderTree::load(&read).expect("what was loaded can be");
            assert_eq!(again.snapshot().dump().unwrap(), loaded);
        }
        Err(Error::InvalidEntries { faults }) => assert!(!faults.is_empty(), "{dump:?}"),
        Err(Error::TooLarge { .. }) => {}
        Err(other) => panic!("{other} of {dump:?}"),
    }
}

/// The same dump with everything in an order that depends on nothing else, and without what means
/// nothing.
fn canonical(dump: &Dump) -> Dump {
    let mut dump = dump.clone();
    dump.providers.sort_by_key(|provider| provider.configuration.uuid);
    for provider in &mut dump.providers {
        provider.used.retain(|_, amounts| amounts.used > 0);
    }
    dump.consumers.sort_by_key(|consumer| consumer.consumer);
    dump.consumers = dump.consumers.into_iter().map(in_order).collect();
    dump.floors.retain(|floor| floor.generation > 0);
    dump.floors.sort_by_key(|floor| floor.place);
    dump.version = Dump::VERSION;
    dump
}

/// Changes a piece of the value.
fn mutate(value: &mut Value, next: &mut dyn FnMut() -> u64) {
    match value {
        Value::Array(items) if items.is_empty() => {}
        Value::Array(items) => {
            let at = next() as usize % items.len();
            match next() % 8 {
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                2 => items.reverse(),
                _ => mutate(&mut items[at], next),
            }
        }
        Value::Object(fields) if fields.is_empty() => {}
        Value::Object(fields) => {
            let keys: BTreeSet<String> = fields.keys().cloned().collect();
            let key = keys.iter().nth(next() as usize % keys.len()).expect("not empty");
            match next() % 16 {
                0 => drop(fields.remove(key)),
                _ => mutate(&mut fields[key.as_str()], next),
            }
        }
        Value::Number(_) => {
            let numbers = [0, 1, 2, 3, 4, 5, u64::MAX / 2, u64::MAX - 1, u64::MAX];
            *value = numbers[next() as usize % numbers.len()].into();
        }
        Value::String(_) => {
            let uuid = |number| uuid::Uuid::from_u128(number).to_string();
            let texts = [uuid(1), uuid(2), uuid(3), uuid(8), uuid(9), "a".into(), String::new()];
            *value = texts[next() as usize % texts.len()].clone().into();
        }
        Value::Null => *value = uuid::Uuid::from_u128(1).to_string().into(),
        Value::Bool(so) => *so = !*so,
    }
}
