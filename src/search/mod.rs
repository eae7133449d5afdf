//! Search: where something fits.
//!
//! A [`View`] is one thread's picture of a forest. The picture has everything in arrays, and
//! describes what trees have in common once ([`Make`](make::Make), [`Kind`](kind::Kind)). A
//! [`Request`] becomes a form of slots, each filled by one provider; a plan says, once for each make,
//! which members may fill which slot; a fit goes through the ways to fill them in one tree.

mod best;
mod bits;
mod board;
mod candidate;
mod candidates;
mod column;
mod evict;
mod fit;
mod form;
mod group;
mod holders;
mod kind;
mod lot;
mod make;
mod member;
mod order;
mod picture;
mod place;
mod plan;
mod prepared;
mod ranking;
mod recency;
mod request;
mod room;
mod root;
mod scene;
mod source;
#[cfg(all(test, not(provider_tree_loom)))]
mod tests;
mod view;
mod why;

pub use candidate::Candidate;
pub use candidates::Candidates;
pub use evict::Eviction;
pub use group::Group;
pub use member::Member;
pub use place::{Placed, Unplaced};
pub use prepared::Prepared;
pub use ranking::Ranking;
pub use request::Request;
pub use root::Root;
pub use view::View;
pub use why::Why;
