//! [`Expect`]: the generation that a change rests on, and the generation that follows from it.

use uuid::Uuid;

use crate::error::{Error, Result};

/// Tells which generation a change rests on, and who counts the generations: the forest, or an
/// outside authority.
///
/// ```
/// use provider_tree::{Edit, Error, Expect, ProviderTree, Trait};
///
/// let tree = ProviderTree::new();
/// let host = tree.create_root("host-1", None)?;
/// let [ssd, hdd] = [Trait::new("STORAGE_DISK_SSD")?, Trait::new("STORAGE_DISK_HDD")?];
///
/// // Whatever the generation is: it grows by one.
/// let edit = Edit::new().add_traits([ssd]);
/// assert_eq!(tree.configure(&host, edit, Expect::Any)?.generation, 1);
/// // Only if nobody has changed the host since generation 0.
/// let late = tree.configure(&host, Edit::new().add_traits([hdd]), Expect::Generation(0));
/// assert!(matches!(late, Err(Error::GenerationConflict { expected: 0, actual: 1, .. })));
/// // An outside authority has made it 7.
/// let edit = Edit::new().set_traits([hdd]);
/// assert_eq!(tree.configure(&host, edit, Expect::Mirror(7))?.generation, 7);
/// # Ok::<(), provider_tree::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Expect {
    /// The change is made at any generation.
    #[default]
    Any,
    /// The change is made only at this generation. A generation of a consumer never comes a second
    /// time, even after the consumer has ended, unless a [`Mirror`](Self::Mirror) sets it.
    Generation(u64),
    /// The change rests on no generation. Instead of growing by one, the generation becomes this
    /// number, even if the number is lower, and even if the change changes nothing else. Meant for
    /// a mirror of an outside authority that counts the generations, and that sees to it that no
    /// generation of a consumer comes twice. At most 2<sup>63</sup> - 1.
    Mirror(u64),
    /// The change rests on no generation, and leaves the generation as it is. So another change that
    /// expects this generation is made afterwards, as if nothing had been changed. Meant for a mirror of
    /// an outside authority, which changes something here first and learns the new generation later, as
    /// Nova's tree does. For a consumer that holds nothing this is the same as [`Any`](Self::Any).
    Keep,
}

/// Bounds the generations that a mirror can set. A greater generation could not grow for ever.
pub(crate) const LARGEST_GENERATION: u64 = i64::MAX as u64;

/// Bounds the generations in a list or a dump. A generation that a mirror has set may have grown to
/// this one.
pub(crate) const LARGEST_LISTED_GENERATION: u64 = LARGEST_GENERATION + (1 << 62);

impl Expect {
    /// Checks the expectation by itself, before the forest is looked at.
    pub(crate) fn validate(self) -> Result<()> {
        match self {
            Expect::Mirror(generation) if generation > LARGEST_GENERATION => {
                let (what, limit) = ("generation", LARGEST_GENERATION);
                Err(Error::TooLarge { what, limit, full: false })
            }
            _ => Ok(()),
        }
    }

    /// Checks that a provider at generation `actual` meets the expectation.
    pub(crate) fn check(self, provider: Uuid, actual: u64) -> Result<()> {
        match self {
            Expect::Generation(expected) if expected != actual => {
                Err(Error::GenerationConflict { provider, expected, actual })
            }
            _ => Ok(()),
        }
    }

    /// Returns the generation after a change of something at generation `actual`.
    pub(crate) fn next(self, actual: u64) -> u64 {
        match self {
            // From any generation up to `LARGEST_LISTED_GENERATION`, 2^62 changes don't overflow.
            Expect::Any | Expect::Generation(_) => actual + 1,
            Expect::Mirror(generation) => generation,
            Expect::Keep => actual,
        }
    }

    /// Returns the generation after a change that turned out to change nothing else.
    pub(crate) fn unchanged(self, actual: u64) -> u64 {
        match self {
            Expect::Mirror(generation) => generation,
            _ => actual,
        }
    }

    /// Returns the generation with which something begins that had none, above `floor`.
    pub(crate) fn first(self, floor: u64) -> u64 {
        match self {
            Expect::Keep => floor + 1,
            _ => self.next(floor),
        }
    }

    /// Returns whether the generation `actual` can stay if a change changes nothing else. It can't
    /// if a mirror sets another generation.
    pub(crate) fn is_met_by(self, actual: u64) -> bool {
        !matches!(self, Expect::Mirror(generation) if generation != actual)
    }
}
