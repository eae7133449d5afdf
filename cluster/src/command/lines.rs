//! [`Line`]: one amount of one provider; and what the lines of a claim look like when they are written.

use std::fmt;
use std::marker::PhantomData;

use provider_tree::ResourceClass;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;
use uuid::Uuid;

/// Describes an amount of one class of one provider.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Line {
    /// The provider.
    pub provider: Uuid,
    /// The class.
    pub class: ResourceClass,
    /// How much.
    pub amount: u64,
}

/// The lines of a claim: most have few.
pub(super) type Lines = SmallVec<[Line; 3]>;

/// The lines of one provider that follow one another, as they are written.
#[derive(Serialize)]
struct Takes<'a> {
    provider: Uuid,
    #[serde(serialize_with = "write_amounts")]
    amounts: &'a [Line],
}

fn write_amounts<S: Serializer>(lines: &&[Line], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(lines.iter().map(|line| (line.class, line.amount)))
}

/// Writes each provider once for the lines of it that follow one another.
pub(super) fn serialize<S: Serializer>(lines: &[Line], serializer: S) -> Result<S::Ok, S::Error> {
    let by_provider = || lines.chunk_by(|one, next| one.provider == next.provider);
    let takes = by_provider().map(|amounts| Takes { provider: amounts[0].provider, amounts });
    let mut all = serializer.serialize_seq(Some(by_provider().count()))?;
    for takes in takes {
        serde::ser::SerializeSeq::serialize_element(&mut all, &takes)?;
    }
    serde::ser::SerializeSeq::end(all)
}

pub(super) fn deserialize<'de, L, D>(deserializer: D) -> Result<L, D::Error>
where
    L: Default + Extend<Line>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_seq(AllLines(PhantomData))
}

struct AllLines<L>(PhantomData<L>);

impl<'de, L: Default + Extend<Line>> Visitor<'de> for AllLines<L> {
    type Value = L;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("amounts by provider")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<L, A::Error> {
        let mut lines = L::default();
        while let Some(ReadTakes { provider, amounts }) = seq.next_element()? {
            let line = |(class, amount)| Line { provider, class, amount };
            lines.extend(amounts.into_iter().map(line));
        }
        Ok(lines)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadTakes {
    provider: Uuid,
    #[serde(deserialize_with = "super::shape::amounts::deserialize")]
    amounts: SmallVec<[(ResourceClass, u64); 3]>,
}
