//! What stands below `provider_tree.nova`: the forest of the library, and the values that must stay
//! Python's own.
//!
//! Nova's tree takes any hashable as a uuid and as a name, lets names come twice, keeps generations that
//! are None, and returns inventories exactly as they were given. So each provider of the library's forest
//! carries these values with it, as the library's opaque [`Resources`](provider_tree::Resources): they
//! change in the same commit as what the forest makes of them. The forest answers for structure, look-ups by
//! uuid, walks, traits, sharing and removal.
//!
//! Names are labels, and are kept here: the library wants names that are unique, and the name of a provider
//! below is its uuid. One thread at a time is in a method here, the one that holds the interpreter's lock;
//! a method that calls code of Python's in between looks afterwards whether what it rests on still holds.

mod copy;
mod counts;
mod find;
mod forest;
mod index;
mod kept;
mod node;
mod populate;
mod update;

pub(crate) use copy::restore;
pub(crate) use counts::calls;
pub(crate) use forest::{NovaForest, new_uuid};
