//! [`Core`]: what all handles of one forest share.

use crate::claim::claims::Claims;
use crate::forest::Forest;

/// Holds a forest's providers and consumers.
pub(crate) struct Core {
    pub(crate) forest: Forest,
    pub(crate) claims: Claims,
}

impl Core {
    pub(crate) fn new() -> Self {
        Core { forest: Forest::new(), claims: Claims::new() }
    }
}
