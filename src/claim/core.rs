//! [`Core`]: what all handles of one forest share.

use crate::claim::claims::Claims;
use crate::forest::{Forest, Mark, Own};

/// Holds a forest's providers and consumers.
pub(crate) struct Core {
    pub(crate) forest: Forest,
    pub(crate) claims: Claims,
}

impl Core {
    pub(crate) fn new() -> Self {
        Core::with_mark(Mark::new())
    }

    /// Returns an empty forest whose own consumers have this mark.
    pub(crate) fn with_mark(mark: Mark) -> Self {
        let forest = Forest::new();
        let claims = Claims::new(Own { mark, nobody: forest.nobody() });
        Core { forest, claims }
    }
}
