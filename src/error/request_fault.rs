//! [`RequestFault`]: how a request for candidates can contradict itself.

use std::fmt;

use crate::error::name::Quote;
use crate::values::{ResourceClass, Trait};

/// Tells what is wrong with a request; see [`Request::check`](crate::Request::check).
///
/// `group` is the name of the group that is wrong, or `None` for the unnamed group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestFault {
    /// The request asks for no amount at all.
    #[error("it asks for nothing")]
    Nothing,

    /// The unnamed group has conditions, but asks for nothing. So no provider serves it, and the
    /// conditions have no one to hold for.
    #[error("the unnamed group has conditions, but asks for nothing")]
    ConditionsAlone,

    /// An amount is 0.
    #[error("{} asks for 0 of {class}", Of(group))]
    ZeroAmount {
        /// The name of the group.
        group: Option<String>,
        /// The class.
        class: ResourceClass,
    },

    /// The amounts of one class add up to more than a `u64`.
    #[error("{} asks for more than {} of {class}", Of(group), u64::MAX)]
    SumTooLarge {
        /// The name of the group.
        group: Option<String>,
        /// The class.
        class: ResourceClass,
    },

    /// One of no traits is required, or membership in one of no aggregates.
    #[error("{} requires one of an empty set", Of(group))]
    EmptyChoice {
        /// The name of the group.
        group: Option<String>,
    },

    /// A trait is required and forbidden, or one of several traits is required, of which each is
    /// forbidden.
    #[error("{} requires and forbids {}", Of(group), Traits(traits))]
    Contradiction {
        /// The name of the group.
        group: Option<String>,
        /// The trait, or the several traits.
        traits: Vec<Trait>,
    },

    /// A trait of the root is required and forbidden.
    #[error("{quality} of the root is required and forbidden")]
    RootContradiction {
        /// The trait.
        quality: Trait,
    },

    /// Two groups have the same name.
    #[error("two groups are named {}", Quote::whole(name))]
    DuplicateGroup {
        /// The name.
        name: String,
    },

    /// A group asks for nothing and is in no set of [`same_subtree`], which alone could give it a
    /// meaning.
    ///
    /// [`same_subtree`]: crate::Request::same_subtree()
    #[error("the group {} asks for nothing and is in no same_subtree", Quote::whole(name))]
    LooseGroup {
        /// The name of the group.
        name: String,
    },

    /// A set of [`same_subtree`](crate::Request::same_subtree()) names a group that is not there.
    #[error("same_subtree names the group {}, which is not there", Quote::whole(name))]
    UnknownGroup {
        /// The name.
        name: String,
    },

    /// A set of [`same_subtree`](crate::Request::same_subtree()) names no group.
    #[error("same_subtree names no group")]
    EmptySubtree,

    /// The limit is 0.
    #[error("the limit is 0")]
    ZeroLimit,
}

/// Writes which group a message is about.
struct Of<'a>(&'a Option<String>);

impl fmt::Display for Of<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, "the group {}", Quote::whole(name)),
            None => f.write_str("the unnamed group"),
        }
    }
}

/// Writes one trait, or one of several.
struct Traits<'a>(&'a [Trait]);

impl fmt::Display for Traits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, quality) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { " or " };
            write!(f, "{separator}{quality}")?;
        }
        Ok(())
    }
}
