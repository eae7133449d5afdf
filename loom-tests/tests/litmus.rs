//! The checker, checked: small programs whose outcomes are known, through the facade's atomic.
//!
//! Each enumerates the outcomes that loom shows and asserts that none is missing that the memory
//! model allows, and none is there that it forbids.

#![cfg(all(provider_tree_loom, not(provider_tree_shuttle)))]

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Arc, Mutex};

use loom_tests::{Model, thread};
use provider_tree::model::AtomicU64;

/// Runs two threads over two words in every interleaving; returns what they returned.
fn outcomes(
    name: &'static str,
    property: &'static str,
    one: fn(&[AtomicU64; 2]) -> u64,
    two: fn(&[AtomicU64; 2]) -> u64,
) -> BTreeSet<(u64, u64)> {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let collected = Arc::clone(&seen);
    Model { name, property, threads: 2, bound: None }.check(move || {
        let words = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let shared = Arc::clone(&words);
        let thread = thread::spawn(move || one(&shared));
        let second = two(&words);
        let first = thread.join().expect("no panic in the litmus");
        collected.lock().expect("no panic under the lock").insert((first, second));
    });
    let seen = seen.lock().expect("no panic under the lock");
    seen.clone()
}

#[test]
fn load_and_exchange_interleave() {
    let seen = outcomes(
        "load_and_exchange_interleave",
        "a load before and after another's exchange is seen",
        |words| {
            let before = words[0].load(Acquire);
            words[0].compare_exchange(before, before + 1, Release, Relaxed).map_or(9, |_| before)
        },
        |words| words[0].load(Acquire),
    );
    assert_eq!(seen, BTreeSet::from([(0, 0), (0, 1)]));
}

#[test]
fn message_passing_relaxed_shows_all() {
    let seen = outcomes(
        "message_passing_relaxed_shows_all",
        "relaxed accesses are reordered",
        |words| {
            words[0].store(1, Relaxed);
            words[1].store(1, Relaxed);
            0
        },
        |words| words[1].load(Relaxed) << 1 | words[0].load(Relaxed),
    );
    assert_eq!(seen, (0..4).map(|outcome| (0, outcome)).collect());
}

#[test]
fn message_passing_is_forbidden_by_release_and_acquire() {
    let seen = outcomes(
        "message_passing_is_forbidden_by_release_and_acquire",
        "a flag acquired brings the data with it",
        |words| {
            words[0].store(1, Relaxed);
            words[1].store(1, Release);
            0
        },
        |words| words[1].load(Acquire) << 1 | words[0].load(Relaxed),
    );
    assert_eq!(seen, BTreeSet::from([(0, 0), (0, 1), (0, 3)]));
}

#[test]
fn store_buffering_is_seen() {
    let seen = outcomes(
        "store_buffering_is_seen",
        "both threads may miss the other's store",
        |words| {
            words[0].store(1, Release);
            words[1].load(Acquire)
        },
        |words| {
            words[1].store(1, Release);
            words[0].load(Acquire)
        },
    );
    assert_eq!(seen, BTreeSet::from([(0, 0), (0, 1), (1, 0), (1, 1)]));
}

#[test]
fn lost_update_is_seen() {
    let increment: fn(&[AtomicU64; 2]) -> u64 = |words| {
        let before = words[0].load(Acquire);
        words[0].store(before + 1, Release);
        before
    };
    let seen = outcomes(
        "lost_update_is_seen",
        "two increments by load and store may lose one",
        increment,
        increment,
    );
    assert_eq!(seen, BTreeSet::from([(0, 0), (0, 1), (1, 0)]));
}
