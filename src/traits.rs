//! Traits: what a provider is, rather than what it has.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::interner::{self, Interner};

/// Names a quality of a provider, such as `HW_CPU_X86_AVX2` or `CUSTOM_RACK_7`.
///
/// Like a [`ResourceClass`](crate::ResourceClass), a trait is a small number that stands for its
/// name throughout the process. Traits are ordered by when the process first met them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Trait(u32);

const LIMIT: usize = u32::MAX as usize;

static TRAITS: Interner = Interner::new(&["MISC_SHARES_VIA_AGGREGATE"], LIMIT);

impl Trait {
    /// Marks a sharing provider, whose inventories serve all providers that have an aggregate in
    /// common with it.
    pub const MISC_SHARES_VIA_AGGREGATE: Trait = Trait(0);

    /// Returns the trait called `name`. The name stays known for the life of the process.
    ///
    /// # Errors
    ///
    /// [`InvalidName`](Error::InvalidName) unless the name is 1 to 255 ASCII letters, digits and
    /// `_ . / - :`; [`TooLarge`](Error::TooLarge) beyond 2<sup>32</sup> - 1 traits.
    pub fn new(name: &str) -> Result<Self> {
        if let Some(reason) = interner::fault(name) {
            return Err(Error::invalid_name(name, reason));
        }
        let number = TRAITS.intern(name);
        number
            .map(Trait)
            .ok_or(Error::TooLarge { what: "traits in the process", limit: LIMIT as u64 })
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

impl FromStr for Trait {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Trait::new(name)
    }
}
