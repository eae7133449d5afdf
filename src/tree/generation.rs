//! Generations: what a change can rest on, and what it makes of them.

use uuid::Uuid;

use crate::error::{Error, Result};

/// What a change rests on, and whose generations they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// Nothing: the change is made to whatever is there.
    Any,
    /// The generation is this one. A consumer's never comes again when it has ended, but by a mirror.
    Generation(u64),
    /// Nothing; and the generation becomes this one, be it lower, instead of growing by one. For a
    /// mirror of an outside authority that counts the generations, and sees to it that none of a
    /// consumer comes twice. At most 2<sup>63</sup> - 1.
    Mirror(u64),
}

/// Above it a generation could not grow for ever.
pub(crate) const LARGEST_GENERATION: u64 = i64::MAX as u64;

/// The largest generation in a list or a dump: what one that was set may have grown to.
pub(crate) const LARGEST_LISTED_GENERATION: u64 = LARGEST_GENERATION + (1 << 62);

impl Expect {
    /// Checks what is asked for by itself.
    pub(crate) fn validate(self) -> Result<()> {
        match self {
            Expect::Mirror(generation) if generation > LARGEST_GENERATION => {
                Err(Error::TooLarge { what: "generation", limit: LARGEST_GENERATION })
            }
            _ => Ok(()),
        }
    }

    /// Checks the generation of a provider.
    pub(crate) fn check(self, provider: Uuid, actual: u64) -> Result<()> {
        match self {
            Expect::Generation(expected) if expected != actual => {
                Err(Error::GenerationConflict { provider, expected, actual })
            }
            _ => Ok(()),
        }
    }

    /// The generation after a change.
    pub(crate) fn next(self, actual: u64) -> u64 {
        match self {
            // From wherever it may start, 2^62 changes don't lead to an overflow.
            Expect::Any | Expect::Generation(_) => actual + 1,
            Expect::Mirror(generation) => generation,
        }
    }

    /// Whether nothing is to be done if nothing else changes.
    pub(crate) fn is_met_by(self, actual: u64) -> bool {
        !matches!(self, Expect::Mirror(generation) if generation != actual)
    }
}
