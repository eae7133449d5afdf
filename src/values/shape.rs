//! What values look like when `serde` writes them: in JSON as OpenStack Placement has them.
//!
//! | value | shape |
//! |---|---|
//! | [`ResourceClass`], [`Trait`] | their names |
//! | [`Inventory`] | `{"total": 16, "reserved": 0, ...}`; only the total has to be there |
//! | [`Inventories`] | `{"VCPU": {...}, ...}` |
//! | traits | `["HW_CPU_X86_AVX2", ...]`, sorted |
//! | aggregates | `["7fda...", ...]`, sorted |
//! | [`Configuration`](crate::Configuration) | the fields of a provider, and those three beside them |

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::values::inventory::{Inventories, Inventory};
use crate::values::partial_inventory::{PartialInventories, PartialInventory};
use crate::values::resource_class::ResourceClass;
use crate::values::traits::Trait;

impl Serialize for ResourceClass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for ResourceClass {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor(ResourceClass::new))
    }
}

impl Serialize for Trait {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Trait {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor(Trait::new))
    }
}

/// Makes something of its name, wherever the format has that.
struct NameVisitor<T>(fn(&str) -> crate::error::Result<T>);

impl<T> Visitor<'_> for NameVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<T, E> {
        (self.0)(name).map_err(E::custom)
    }
}

impl Serialize for PartialInventory {
    /// Writes the named fields alone in a format that people read, which names them. In others the place
    /// of a field may be all that says which one it is: there all are written.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let PartialInventory { total, reserved, min_unit, max_unit, step_size, allocation_ratio } =
            self;
        let may_skip = serializer.is_human_readable();
        let amounts = [
            ("total", total),
            ("reserved", reserved),
            ("min_unit", min_unit),
            ("max_unit", max_unit),
            ("step_size", step_size),
        ];
        let absent = amounts.iter().filter(|(_, amount)| amount.is_none()).count()
            + usize::from(allocation_ratio.is_none());
        let skipped = if may_skip { absent } else { 0 };
        let mut shape = serializer.serialize_struct("PartialInventory", 6 - skipped)?;
        for (name, amount) in amounts {
            write_field(&mut shape, name, amount, may_skip)?;
        }
        write_field(&mut shape, "allocation_ratio", allocation_ratio, may_skip)?;
        shape.end()
    }
}

/// Writes a field of a struct; leaves one out that is not there, if the format allows that.
pub(crate) fn write_field<S: SerializeStruct>(
    shape: &mut S,
    name: &'static str,
    value: &Option<impl Serialize>,
    may_skip: bool,
) -> Result<(), S::Error> {
    match value {
        None if may_skip => shape.skip_field(name),
        value => shape.serialize_field(name, value),
    }
}

impl Serialize for Inventory {
    /// Writes all fields, except a `max_unit` that bounds nothing: Placement has numbers up to
    /// 2<sup>31</sup> - 1 alone, and takes that for one that is left out.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut whole = PartialInventory::from(*self);
        whole.max_unit = whole.max_unit.filter(|most| *most < u64::MAX);
        whole.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Inventory {
    /// Reads an inventory. A missing field gets its usual value; the total must not be missing.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let partial = PartialInventory::deserialize(deserializer)?;
        match partial.total {
            Some(_) => Ok(partial.completed()),
            None => Err(D::Error::missing_field("total")),
        }
    }
}

impl Serialize for Inventories {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(by_name).collect::<BTreeMap<_, _>>())
    }
}

impl<'de> Deserialize<'de> for Inventories {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        class_map::deserialize(deserializer).map(Inventories::from_iter)
    }
}

impl Serialize for PartialInventories {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(by_name).collect::<BTreeMap<_, _>>())
    }
}

impl<'de> Deserialize<'de> for PartialInventories {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        class_map::deserialize(deserializer).map(PartialInventories::from_iter)
    }
}

/// Returns the class's name in the place of the class: the order of names is the same in every
/// process, and the order of classes is not.
fn by_name<V>((class, value): (ResourceClass, V)) -> (&'static str, V) {
    (class.name(), value)
}

/// Writes a map by class in the order of the classes' names, and reads it; refuses to read a class
/// twice.
pub(crate) mod class_map {
    use std::collections::BTreeMap;

    use serde::{Serialize, Serializer};

    use super::by_name;
    pub(crate) use super::unique_map::deserialize;
    use crate::values::resource_class::ResourceClass;

    pub(crate) fn serialize<V: Serialize, S: Serializer>(
        map: &BTreeMap<ResourceClass, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let map = map.iter().map(|(class, value)| by_name((*class, value)));
        serializer.collect_map(map.collect::<BTreeMap<_, _>>())
    }
}

/// Reads a map; refuses to read a key twice.
pub(crate) mod unique_map {
    use std::collections::BTreeMap;
    use std::fmt;
    use std::marker::PhantomData;

    use serde::de::{Error, MapAccess, Visitor};
    use serde::{Deserialize, Deserializer};

    pub(crate) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord + fmt::Display,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        deserializer.deserialize_map(Once(PhantomData))
    }

    struct Once<K, V>(PhantomData<(K, V)>);

    impl<'de, K, V> Visitor<'de> for Once<K, V>
    where
        K: Deserialize<'de> + Ord + fmt::Display,
        V: Deserialize<'de>,
    {
        type Value = BTreeMap<K, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some((key, value)) = entries.next_entry::<K, V>()? {
                if map.contains_key(&key) {
                    return Err(A::Error::custom(format_args!("{key} comes twice")));
                }
                map.insert(key, value);
            }
            Ok(map)
        }
    }
}

/// Writes traits as their names, in the order of names, and reads them.
pub(crate) mod trait_names {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    use crate::values::traits::Trait;

    pub(crate) fn serialize<S: Serializer>(
        traits: &BTreeSet<Trait>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let names: BTreeSet<&str> = traits.iter().map(|one| one.name()).collect();
        serializer.collect_seq(names)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<BTreeSet<Trait>>, D::Error> {
        BTreeSet::deserialize(deserializer).map(Arc::new)
    }
}
