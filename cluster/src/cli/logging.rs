//! What the replica tells while it works, on standard error.

use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt, registry};

use crate::failure::Failure;
use crate::quote::quote;

/// The variable that says what is printed, as for other programs.
const RUST_LOG: &str = "RUST_LOG";

/// Begins to print what `filter` lets through, or else what the variable RUST_LOG does, or else warnings and
/// errors.
///
/// Only what this project tells is printed: what libraries tell of requests may have credentials in it.
pub(crate) fn begin(filter: Option<&str>) -> Result<(), Failure> {
    let from_environment = std::env::var(RUST_LOG).ok().filter(|filter| !filter.is_empty());
    let filter = match filter.or(from_environment.as_deref()) {
        Some(filter) => filter.parse::<Targets>().map_err(|error| {
            let filter = quote(filter);
            Failure::usage(format!("{filter:?} is no filter of what is logged: {error}"))
        })?,
        None => Targets::new().with_default(LevelFilter::WARN),
    };
    let own = filter_fn(|metadata| metadata.target().starts_with("provider_tree"));
    let printed = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    registry().with(printed.with_filter(own).with_filter(filter)).init();
    Ok(())
}
