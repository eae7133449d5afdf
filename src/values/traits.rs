//! Traits: what a provider is, rather than what it has.

use std::fmt;

use crate::values::interner::Interner;

/// Names a quality of a provider, such as `HW_CPU_X86_AVX2` or `CUSTOM_RACK_7`.
///
/// Like a [`ResourceClass`](crate::ResourceClass), a trait is a small number that stands for its
/// name throughout the process. Traits are ordered by when the process first met them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Trait(u32);

/// Bounds the number of traits.
pub(super) const MOST_TRAITS: usize = u32::MAX as usize;

static TRAITS: Interner = Interner::new(&["MISC_SHARES_VIA_AGGREGATE"], MOST_TRAITS);

impl Trait {
    /// Marks a sharing provider, whose inventories serve all providers that have an aggregate in
    /// common with it.
    pub const MISC_SHARES_VIA_AGGREGATE: Trait = Trait(0);

    /// Returns the trait called `name`, which breaks no rule for names. Returns `None` if there are
    /// too many traits.
    pub(super) fn intern(name: &str) -> Option<Self> {
        TRAITS.intern(name).map(Trait)
    }

    /// Returns the name of the trait. Wait-free.
    pub fn name(self) -> &'static str {
        TRAITS.name(self.0)
    }
}

impl fmt::Display for Trait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Trait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
