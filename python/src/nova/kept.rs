//! [`Kept`]: the Python values of one provider, and what the library's forest is told of them.

use std::sync::LazyLock;

use provider_tree::{
    Edit, Facts, Inventories, Inventory, ProviderSpec, ResourceClass, Resources, Trait,
};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PySet, PyString, PyTuple};
use uuid::Uuid;

use crate::convert::partial_inventory;

/// Holds what a provider of Nova's tree is made of, as it was given. Nothing in it ever changes, and nobody
/// else has it: what comes in was copied, and what goes out is.
pub(super) struct Kept {
    pub(super) uuid: Py<PyAny>,
    pub(super) name: Py<PyAny>,
    pub(super) generation: Py<PyAny>,
    pub(super) parent_uuid: Py<PyAny>,
    /// None for an empty dict.
    pub(super) inventory: Option<KeptInventory>,
    /// The traits that can't be traits of the library's: a set, or None.
    pub(super) odd_traits: Option<Py<PySet>>,
    /// None for an empty set.
    pub(super) aggregates: Option<Py<PySet>>,
    /// None for an empty dict.
    pub(super) resources: Option<Py<PyAny>>,
}

/// Holds an inventory.
pub(super) struct KeptInventory {
    pub(super) value: Py<PyAny>,
    /// Whether it is a dict of dicts of numbers and the like, which is copied without Python's help.
    pub(super) is_plain: bool,
}

/// Compares by identity: a new one is a change.
impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

/// The class that a provider carries its [`Kept`] under.
static CARRIED: LazyLock<ResourceClass> = LazyLock::new(|| {
    ResourceClass::new("PROVIDER_TREE_NOVA").expect("a name of letters and underscores")
});

impl Kept {
    /// Returns the values of a provider that has nothing yet.
    pub(super) fn new(
        name: &Bound<'_, PyAny>,
        uuid: &Bound<'_, PyAny>,
        generation: &Bound<'_, PyAny>,
        parent_uuid: &Bound<'_, PyAny>,
    ) -> Self {
        Kept {
            uuid: uuid.clone().unbind(),
            name: name.clone().unbind(),
            generation: generation.clone().unbind(),
            parent_uuid: parent_uuid.clone().unbind(),
            inventory: None,
            odd_traits: None,
            aggregates: None,
            resources: None,
        }
    }

    /// Returns the same values once more.
    pub(super) fn again(&self, py: Python<'_>) -> Self {
        let again = |value: &Py<PyAny>| value.clone_ref(py);
        Kept {
            uuid: again(&self.uuid),
            name: again(&self.name),
            generation: again(&self.generation),
            parent_uuid: again(&self.parent_uuid),
            inventory: self
                .inventory
                .as_ref()
                .map(|it| KeptInventory { value: again(&it.value), is_plain: it.is_plain }),
            odd_traits: self.odd_traits.as_ref().map(|it| it.clone_ref(py)),
            aggregates: self.aggregates.as_ref().map(|it| it.clone_ref(py)),
            resources: self.resources.as_ref().map(again),
        }
    }

    /// Returns whether a provider with these facts carries values yet.
    pub(super) fn is_in(facts: &Facts) -> bool {
        facts.resources.get::<Kept>(*CARRIED).is_some()
    }

    /// Returns the values that a provider with these facts carries.
    pub(super) fn of(facts: &Facts) -> &Kept {
        let carried = facts.resources.get(*CARRIED);
        // `NovaForest::read` passes over a provider without them, and each edit sets them.
        carried.expect("every provider carries its values")
    }

    /// Returns the generation as the library counts it, if it is a number that the library can count.
    pub(super) fn counted(&self, py: Python<'_>) -> Option<u64> {
        let generation = self.generation.bind(py);
        let is_number = generation.is_exact_instance_of::<PyInt>();
        let number = is_number.then(|| generation.extract().ok()).flatten();
        number.filter(|number| *number <= i64::MAX as u64)
    }

    /// Returns the provider as a list of the library has it.
    pub(super) fn spec(self, py: Python<'_>, uuid: Uuid, parent: Option<Uuid>) -> ProviderSpec {
        let generation = self.counted(py);
        let mut spec = ProviderSpec::new(uuid, uuid.hyphenated().to_string());
        spec.parent = parent;
        spec.generation = generation;
        spec.resources = carrying(self);
        spec
    }

    /// Adds the values to an edit.
    pub(super) fn carried_by(self, edit: Edit) -> Edit {
        edit.set_resources(carrying(self))
    }

    /// Returns a copy of the inventory: the caller's own.
    pub(super) fn inventory_copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match &self.inventory {
            None => Ok(PyDict::new(py).into_any()),
            Some(kept) if kept.is_plain => Ok(plain_copy(kept.value.bind(py))?.into_any()),
            Some(kept) => deepcopy(kept.value.bind(py)),
        }
    }

    /// Returns whether `new` has other classes than the inventory, or a field that is new or not so there; None
    /// if one of the two is not plain.
    pub(super) fn inventory_differs(&self, new: &Bound<'_, PyAny>) -> PyResult<Option<bool>> {
        let Ok(records) = new.cast_exact::<PyDict>() else { return Ok(None) };
        if !is_plain(new) {
            return Ok(None);
        }
        let kept = match &self.inventory {
            None => return Ok(Some(!records.is_empty())),
            Some(kept) if kept.is_plain => kept.value.bind(new.py()).cast::<PyDict>()?,
            Some(_) => return Ok(None),
        };
        if kept.len() != records.len() {
            return Ok(Some(true));
        }
        for (class, record) in records.iter() {
            let Some(kept) = kept.get_item(class)? else { return Ok(Some(true)) };
            for (field, value) in record.cast::<PyDict>()?.iter() {
                match kept.cast::<PyDict>()?.get_item(field)? {
                    Some(kept) if !kept.ne(value)? => {}
                    _ => return Ok(Some(true)),
                }
            }
        }
        Ok(Some(false))
    }

    /// Returns a copy of the aggregates: the caller's own.
    pub(super) fn aggregates_copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PySet>> {
        match &self.aggregates {
            None => PySet::empty(py),
            Some(kept) => set_of(kept.bind(py)),
        }
    }

    /// Returns a copy of the resources: the caller's own.
    pub(super) fn resources_copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match &self.resources {
            None => Ok(PyDict::new(py).into_any()),
            Some(kept) => deepcopy(kept.bind(py)),
        }
    }
}

fn carrying(kept: Kept) -> Resources {
    Resources::new().with(*CARRIED, kept)
}

/// Returns a new set of the items of an iterable, as `set(..)` does.
pub(super) fn set_of<'py>(items: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PySet>> {
    let class = items.py().get_type::<PySet>();
    Ok(class.call1((items,))?.cast_into()?)
}

/// Returns what `copy.deepcopy` returns.
pub(super) fn deepcopy<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = value.py();
    py.import(intern!(py, "copy"))?.call_method1(intern!(py, "deepcopy"), (value,))
}

/// Copies an inventory to keep it, as `copy.deepcopy` would.
pub(super) fn kept_inventory(given: &Bound<'_, PyAny>) -> PyResult<Option<KeptInventory>> {
    if is_plain(given) {
        let value = plain_copy(given)?;
        let is_empty = value.is_empty();
        let value = value.into_any().unbind();
        return Ok((!is_empty).then_some(KeptInventory { value, is_plain: true }));
    }
    let value = deepcopy(given)?.unbind();
    Ok(Some(KeptInventory { value, is_plain: false }))
}

/// Returns whether this is a dict of dicts, with nothing in them that could be changed.
fn is_plain(inventory: &Bound<'_, PyAny>) -> bool {
    let Ok(records) = inventory.cast_exact::<PyDict>() else { return false };
    records.iter().all(|(class, record)| {
        let record = record.cast_exact::<PyDict>();
        is_atom(&class)
            && record
                .is_ok_and(|it| it.iter().all(|(name, value)| is_atom(&name) && is_atom(&value)))
    })
}

/// Returns whether a value is one that never changes and that no code of Python's compares.
pub(super) fn is_atom(value: &Bound<'_, PyAny>) -> bool {
    value.is_exact_instance_of::<PyString>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyBool>()
        || value.is_none()
}

/// Copies a dict of dicts.
fn plain_copy<'py>(inventory: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let copy = PyDict::new(inventory.py());
    for (class, record) in inventory.cast::<PyDict>()?.iter() {
        copy.set_item(class, record.cast::<PyDict>()?.copy()?)?;
    }
    Ok(copy)
}

/// Returns what the library makes of an inventory: each class that has a name of the library's, with its
/// amounts if they are sound, and with none if not. So a class is there even if its record is odd. Nova keeps
/// whatever it is given: what has no records, the library has nothing of.
pub(super) fn inventories(inventory: &Bound<'_, PyAny>) -> Inventories {
    let mut known = Inventories::new();
    for (class, record) in records(inventory).unwrap_or_default() {
        let Ok(name) = class.cast::<PyString>() else { continue };
        let Ok(class) = name.to_str().map(ResourceClass::new) else { continue };
        let Ok(class) = class else { continue };
        let sound = partial_inventory(&record).ok().filter(|it| it.total.is_some());
        let sound = sound.map(|it| it.completed()).filter(|it| it.capacity().is_ok());
        known.insert(class, sound.unwrap_or(Inventory::new(0)));
    }
    known
}

/// The records of an inventory, by class.
type Records<'py> = Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>;

fn records<'py>(inventory: &Bound<'py, PyAny>) -> PyResult<Records<'py>> {
    if let Ok(records) = inventory.cast_exact::<PyDict>() {
        return Ok(records.iter().collect());
    }
    let classes = inventory.try_iter()?.collect::<PyResult<Vec<_>>>()?;
    let none = || inventory.py().None().into_bound(inventory.py());
    let record = |class: Bound<'py, PyAny>| {
        let record = inventory.get_item(&class).unwrap_or_else(|_| none());
        (class, record)
    };
    Ok(classes.into_iter().map(record).collect())
}

/// Tells the traits of the library's among the items of a set from the odd ones.
pub(super) fn sort_traits(items: &Bound<'_, PySet>) -> PyResult<(Vec<Trait>, Option<Py<PySet>>)> {
    let py = items.py();
    let mut known = Vec::with_capacity(items.len());
    let odd = PyList::empty(py);
    for item in items.iter() {
        let name = item.cast_exact::<PyString>().ok().and_then(|name| name.to_str().ok());
        match name.and_then(|name| Trait::new(name).ok()) {
            Some(quality) => known.push(quality),
            None => odd.append(item)?,
        }
    }
    let odd = (!odd.is_empty()).then(|| set_of(&odd)).transpose()?;
    Ok((known, odd.map(Bound::unbind)))
}

/// Returns all that Nova says of a provider with these facts, as an instance of a class of tuples of eight.
pub(super) fn data<'py>(class: &Bound<'py, PyAny>, facts: &Facts) -> PyResult<Bound<'py, PyAny>> {
    let py = class.py();
    let kept = Kept::of(facts);
    let values = [
        kept.uuid.bind(py).clone(),
        kept.name.bind(py).clone(),
        kept.generation.bind(py).clone(),
        kept.parent_uuid.bind(py).clone(),
        kept.inventory_copy(py)?,
        traits_copy(py, facts)?.into_any(),
        kept.aggregates_copy(py)?.into_any(),
        kept.resources_copy(py)?,
    ];
    named_tuple(class, PyTuple::new(py, values)?)
}

/// Returns all traits of a provider with these facts: the caller's own set.
pub(super) fn traits_copy<'py>(py: Python<'py>, facts: &Facts) -> PyResult<Bound<'py, PySet>> {
    let all = PySet::new(py, facts.traits.iter().map(|it| it.name()))?;
    if let Some(odd) = &Kept::of(facts).odd_traits {
        for quality in odd.bind(py).iter() {
            all.add(quality)?;
        }
    }
    Ok(all)
}

/// Makes an instance of a class of tuples without the detour over the constructor that Python code has.
fn named_tuple<'py>(
    class: &Bound<'py, PyAny>,
    values: Bound<'py, PyTuple>,
) -> PyResult<Bound<'py, PyAny>> {
    static NEW: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = class.py();
    let new = NEW.get_or_try_init(py, || {
        py.get_type::<PyTuple>().getattr(intern!(py, "__new__")).map(Bound::unbind)
    });
    new?.bind(py).call1((class, values))
}
