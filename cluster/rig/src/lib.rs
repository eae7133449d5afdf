//! What the tests, benchmarks and examples of `provider-tree-cluster` run it on.
//!
//! | module | what it is |
//! |---|---|
//! | [`members`] | etcd in processes of its own, which can be killed, stopped and started anew |
//! | [`proxy`] | a network between a client and a server, which can be cut, frozen and slowed down |
//! | [`signal`] | signals to other processes |
//! | [`spawn`](mod@spawn) | processes that end with the one that has started them |
//!
//! Everything blocks the thread that calls it, for as long as it takes.
#![forbid(unsafe_code)]

#[cfg(unix)]
mod health;
#[cfg(unix)]
pub mod members;
pub mod proxy;
#[cfg(unix)]
pub mod signal;
#[cfg(unix)]
pub mod spawn;

#[cfg(unix)]
pub use members::{Member, Members, Options};
pub use proxy::Proxy;

use std::time::Duration;

/// The variable that says for how many seconds a test of faults goes on.
const CLUSTER_SECONDS: &str = "CLUSTER_SECONDS";

/// Returns for how long a test of faults goes on: for `short`, unless the variable `CLUSTER_SECONDS` says
/// for how many seconds, as it does under `cargo xtask cluster --long`.
///
/// # Panics
///
/// Panics if the variable is not a number of seconds.
pub fn length(short: Duration) -> Duration {
    std::env::var(CLUSTER_SECONDS).map_or(short, |text| {
        let length = parse(&text);
        length.unwrap_or_else(|| panic!("{CLUSTER_SECONDS} is no number of seconds: {text}"))
    })
}

fn parse(seconds: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_a_number_of_seconds() {
        assert_eq!(parse("90"), Some(Duration::from_secs(90)));
        assert_eq!(parse("0.5"), Some(Duration::from_millis(500)));
        for text in ["", "long", "-1", "inf", "NaN"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
