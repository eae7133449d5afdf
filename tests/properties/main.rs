//! Random sequences of calls beside a sequential model: every answer, every error with all its
//! fields, and after each call the whole state.
//!
//! The model is the one that explains the histories of `tests/linearizability/`, written from the
//! documentation with maps and without sharing. Here one thread makes all calls, so that exactly one
//! outcome is right; also calls are covered whose outcome depends on which thread makes them, such as
//! those about leases. There are few keys, so that they collide, and handles of removed providers are
//! used again.
//!
//! A failing sequence is shrunk, and printed call by call. `PROPTEST_CASES` sets how many are tried.

use proptest::collection::vec;
use proptest::prelude::*;
use shared::sequence::Sequence;

/// So many bytes choose one call.
const BYTES: usize = 24;

fn cases() -> u32 {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    wanted.unwrap_or(if cfg!(debug_assertions) { 400 } else { 4_000 })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_call_does_what_the_model_says(
        sequence in vec(vec(any::<u8>(), BYTES), 1..80).prop_map(Sequence::new),
    ) {
        if let Err(wrong) = sequence.run() {
            prop_assert!(false, "{}", wrong);
        }
    }
}
