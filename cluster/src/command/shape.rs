//! What values of `provider-tree` look like in commands that `serde` can't write by itself.

use provider_tree::{Expect, Now};
use serde::{Deserialize, Serialize};

/// What [`Expect`] looks like.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Expect", rename_all = "snake_case")]
pub(super) enum ExpectShape {
    Any,
    Generation(u64),
    Mirror(u64),
    Keep,
}

/// What [`Now`] looks like: a number.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Now", transparent)]
pub(super) struct NowShape(u64);

/// Writes amounts as a map from the class, in their order, and reads them.
pub(super) mod amounts {
    use std::fmt;
    use std::marker::PhantomData;

    use provider_tree::ResourceClass;
    use serde::de::{MapAccess, Visitor};
    use serde::{Deserializer, Serializer};

    use crate::command::class::AskedClass;

    pub(in crate::command) fn serialize<S: Serializer>(
        amounts: &[(ResourceClass, u64)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(amounts.iter().map(|(class, amount)| (class, amount)))
    }

    pub(in crate::command) fn deserialize<'de, A, D>(deserializer: D) -> Result<A, D::Error>
    where
        A: Default + Extend<(ResourceClass, u64)>,
        D: Deserializer<'de>,
    {
        deserializer.deserialize_map(Amounts(PhantomData))
    }

    /// What is read may have a class twice: each time is an amount of its own.
    struct Amounts<A>(PhantomData<A>);

    impl<'de, V: Default + Extend<(ResourceClass, u64)>> Visitor<'de> for Amounts<V> {
        type Value = V;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("amounts by resource class")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut amounts = V::default();
            while let Some((AskedClass(class), amount)) = map.next_entry()? {
                amounts.extend([(class, amount)]);
            }
            Ok(amounts)
        }
    }
}
