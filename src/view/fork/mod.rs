//! Forks: private what-ifs on a snapshot.

mod difference;
mod edits;
mod facts;
mod overlay;
mod state;

pub use state::Fork;
