//! Classes as the log has them.
//!
//! A process knows 65,536 names of classes, and forgets none. So whoever could have each replica learn a name by
//! a claim for it could halt them all. A command that only *asks* for a class does not teach its name: a class
//! that the process has not met has no inventory in its forest, and is as good as any other that has none.

use std::fmt;
use std::sync::LazyLock;

use provider_tree::ResourceClass;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

/// A class of which nothing has an inventory: nobody can guess its name.
static OF_NOTHING: LazyLock<provider_tree::Result<ResourceClass>> =
    LazyLock::new(|| ResourceClass::new(&format!("NOTHING_{}", Uuid::new_v4())));

/// Makes sure that there is a class of which nothing has an inventory.
pub(crate) fn prepare() -> provider_tree::Result<()> {
    OF_NOTHING.clone().map(drop)
}

/// A class that a command asks for.
#[derive(Clone, Copy)]
pub(super) struct AskedClass(pub(super) ResourceClass);

impl<'de> Deserialize<'de> for AskedClass {
    /// In a text that people write, the class is as good as one that they have named in a program.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.is_human_readable() {
            true => ResourceClass::deserialize(deserializer).map(AskedClass),
            false => deserializer.deserialize_str(Asked),
        }
    }
}

struct Asked;

impl Visitor<'_> for Asked {
    type Value = AskedClass;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a class")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<AskedClass, E> {
        match ResourceClass::find(name) {
            Some(class) => Ok(AskedClass(class)),
            None => OF_NOTHING.clone().map(AskedClass).map_err(E::custom),
        }
    }
}

/// Reads classes that a command asks about.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<ResourceClass>, D::Error> {
    let classes = Vec::<AskedClass>::deserialize(deserializer)?;
    Ok(classes.into_iter().map(|AskedClass(class)| class).collect())
}
