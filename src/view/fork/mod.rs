//! Forks: private what-ifs on a snapshot.

mod batch;
mod edits;
mod facts;
mod overlay;
mod state;

pub use state::Fork;
