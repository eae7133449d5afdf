//! Plain values from Python and to it: uuids, classes, traits, inventories, expectations.

use std::collections::BTreeMap;

use provider_tree::{
    Expect, Inventories, Inventory, PartialInventories, PartialInventory, ResourceClass, Trait,
};
use pyo3::conversion::FromPyObjectOwned;
use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyType};
use uuid::Uuid;

use crate::error::OrRaise;

/// Represents a uuid: text in Python; a `uuid.UUID` is accepted too.
#[derive(Clone, Copy)]
pub(crate) struct Id(pub(crate) Uuid);

/// Returns what Python sees of a uuid.
pub(crate) fn id(uuid: &Uuid) -> Id {
    Id(*uuid)
}

impl FromPyObject<'_, '_> for Id {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if let Ok(text) = given.cast::<PyString>() {
            let text = text.to_str()?;
            let uuid = Uuid::try_parse(text);
            return uuid.map(Id).map_err(|_| {
                let message = format!("{text:?} is no uuid; uuid.uuid5 makes one of a name");
                PyValueError::new_err(message)
            });
        }
        uuid_object(&given).map(Id)
    }
}

impl<'py> IntoPyObject<'py> for Id {
    type Target = PyString;
    type Output = Bound<'py, PyString>;
    type Error = std::convert::Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Self::Error> {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        Ok(PyString::new(py, self.0.hyphenated().encode_lower(&mut text)))
    }
}

/// Reads a `uuid.UUID`.
pub(crate) fn uuid_object(given: &Bound<'_, PyAny>) -> PyResult<Uuid> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    if given.is_instance(CLASS.import(given.py(), "uuid", "UUID")?)? {
        return Ok(Uuid::from_u128(given.getattr("int")?.extract()?));
    }
    let kind = a_kind(given)?;
    Err(PyTypeError::new_err(format!("a uuid is a str or a uuid.UUID, not {kind}")))
}

/// Returns the name of the class of something, with its article.
#[cold]
pub(crate) fn a_kind(given: &Bound<'_, PyAny>) -> PyResult<String> {
    let kind = given.get_type().name()?.to_string();
    let article =
        if kind.starts_with(['a', 'e', 'i', 'o', 'A', 'E', 'I', 'O']) { "an" } else { "a" };
    Ok(format!("{article} {kind}"))
}

/// Returns how many there are, and of what.
pub(crate) fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// Reads a number that is what `what` says. What is none says so in its error.
#[inline]
pub(crate) fn number<'py, T: FromPyObjectOwned<'py, Error = PyErr>>(
    given: &Bound<'py, PyAny>,
    what: impl FnOnce() -> String,
) -> PyResult<T> {
    given.extract().map_err(|error| no_number(given, &what(), error))
}

/// Says what a number is for that is none, or that is out of its bounds.
#[cold]
fn no_number(given: &Bound<'_, PyAny>, what: &str, error: PyErr) -> PyErr {
    if error.is_instance_of::<PyOverflowError>(given.py()) {
        let shown = given.str().map_or_else(|_| "this".to_owned(), |shown| shown.to_string());
        return PyOverflowError::new_err(format!(
            "{what} is an int from 0 to 2**64 - 1, not {shown}"
        ));
    }
    match a_kind(given) {
        Ok(kind) if error.is_instance_of::<PyTypeError>(given.py()) => {
            PyTypeError::new_err(format!("{what} is an int from 0 to 2**64 - 1, not {kind}"))
        }
        _ => error,
    }
}

/// Represents a resource class: its name in Python.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class(pub(crate) ResourceClass);

impl FromPyObject<'_, '_> for Class {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        ResourceClass::new(given.cast::<PyString>()?.to_str()?).or_raise().map(Class)
    }
}

impl<'py> IntoPyObject<'py> for Class {
    type Target = PyString;
    type Output = Bound<'py, PyString>;
    type Error = std::convert::Infallible;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Self::Error> {
        Ok(PyString::new(py, self.0.name()))
    }
}

/// Reads traits from an iterable of names. A text by itself is refused: it would be taken as its letters.
pub(crate) fn traits(given: &Bound<'_, PyAny>) -> PyResult<Vec<Trait>> {
    let read = |name: Bound<'_, PyAny>| Trait::new(name.cast::<PyString>()?.to_str()?).or_raise();
    each(given, "traits", read)
}

/// Reads uuids from an iterable.
pub(crate) fn uuids(given: &Bound<'_, PyAny>) -> PyResult<Vec<Uuid>> {
    each(given, "uuids", |one| one.extract().map(|Id(uuid)| uuid))
}

/// Reads classes from an iterable of names.
pub(crate) fn classes(given: &Bound<'_, PyAny>) -> PyResult<Vec<ResourceClass>> {
    each(given, "classes", |one| one.extract().map(|Class(class)| class))
}

/// Reads each item of an iterable that is no text.
pub(crate) fn each<'py, T>(
    given: &Bound<'py, PyAny>,
    what: &str,
    read: impl Fn(Bound<'py, PyAny>) -> PyResult<T>,
) -> PyResult<Vec<T>> {
    if given.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err(format!("{what} are an iterable, not one str")));
    }
    given.try_iter()?.map(|item| read(item?)).collect()
}

/// Reads pairs from a mapping.
pub(crate) fn pairs<'py, T>(
    given: &Bound<'py, PyAny>,
    mut read: impl FnMut(Bound<'py, PyAny>, Bound<'py, PyAny>) -> PyResult<T>,
) -> PyResult<Vec<T>> {
    if let Ok(dict) = given.cast::<PyDict>() {
        // Of a list: what is read may run any code, and an iterator of a dict panics if that changes the dict.
        let read = |item: Bound<'py, PyAny>| {
            let (key, value) = item.extract()?;
            read(key, value)
        };
        return dict.items().iter().map(read).collect();
    }
    let Some(items) = given.getattr_opt("items")? else {
        let kind = a_kind(given)?;
        return Err(PyTypeError::new_err(format!("a mapping is needed here, not {kind}")));
    };
    let items = items.call0()?;
    let read = |item: PyResult<Bound<'py, PyAny>>| {
        let (key, value) = item?.extract()?;
        read(key, value)
    };
    items.try_iter()?.map(read).collect()
}

/// Reads an amount of a class.
#[inline]
pub(crate) fn amount(class: ResourceClass, given: &Bound<'_, PyAny>) -> PyResult<u64> {
    number(given, || format!("the amount of {class}"))
}

/// Reads amounts by class.
pub(crate) fn amounts(given: &Bound<'_, PyAny>) -> PyResult<Vec<(ResourceClass, u64)>> {
    pairs(given, |class, amount| {
        let Class(class) = class.extract()?;
        Ok((class, self::amount(class, &amount)?))
    })
}

/// Reads one inventory: a mapping of its fields, or its total alone.
pub(crate) fn partial_inventory(given: &Bound<'_, PyAny>) -> PyResult<PartialInventory> {
    let mut read = PartialInventory::default();
    if !given.is_instance_of::<PyDict>() && !given.hasattr("items")? {
        read.total = Some(number(given, || "the total of an inventory".to_owned())?);
        return Ok(read);
    }
    pairs(given, |name, value| {
        let name = name.cast::<PyString>()?;
        let name = name.to_str()?;
        let field = || number(&value, || format!("the field {name:?} of an inventory"));
        match name {
            "total" => read.total = Some(field()?),
            "reserved" => read.reserved = Some(field()?),
            "min_unit" => read.min_unit = Some(field()?),
            "max_unit" => read.max_unit = Some(field()?),
            "step_size" => read.step_size = Some(field()?),
            "allocation_ratio" => read.allocation_ratio = Some(value.extract()?),
            other => {
                let message = format!("an inventory has no field {other:?}");
                return Err(PyValueError::new_err(message));
            }
        }
        Ok(())
    })?;
    Ok(read)
}

/// Reads inventories of which each may leave fields open.
pub(crate) fn partial_inventories(given: &Bound<'_, PyAny>) -> PyResult<PartialInventories> {
    let mut read = PartialInventories::new();
    pairs(given, |class, inventory| {
        read.insert(class.extract::<Class>()?.0, partial_inventory(&inventory)?);
        Ok(())
    })?;
    Ok(read)
}

/// Reads whole inventories: a field that is left out has its usual value, and `total` has to be there.
pub(crate) fn inventories(given: &Bound<'_, PyAny>) -> PyResult<Inventories> {
    let mut read = Inventories::new();
    pairs(given, |class, inventory| {
        let class = class.extract::<Class>()?.0;
        let inventory = partial_inventory(&inventory)?;
        if inventory.total.is_none() {
            let message = format!("the inventory of {class} has no total");
            return Err(PyValueError::new_err(message));
        }
        read.insert(class, inventory.completed());
        Ok(())
    })?;
    Ok(read)
}

/// Returns inventories as Placement's documents have them: a dict of fields by class.
pub(crate) fn inventories_dict<'py>(
    py: Python<'py>,
    inventories: &Inventories,
) -> PyResult<Bound<'py, PyDict>> {
    let all = PyDict::new(py);
    for (class, inventory) in inventories.iter() {
        all.set_item(class.name(), inventory_dict(py, inventory)?)?;
    }
    Ok(all)
}

fn inventory_dict<'py>(py: Python<'py>, inventory: &Inventory) -> PyResult<Bound<'py, PyDict>> {
    let fields = PyDict::new(py);
    fields.set_item("total", inventory.total)?;
    fields.set_item("reserved", inventory.reserved)?;
    fields.set_item("min_unit", inventory.min_unit)?;
    fields.set_item("max_unit", inventory.max_unit)?;
    fields.set_item("step_size", inventory.step_size)?;
    fields.set_item("allocation_ratio", inventory.allocation_ratio)?;
    Ok(fields)
}

/// Returns amounts by provider and class.
pub(crate) fn amounts_by_provider<'py>(
    py: Python<'py>,
    amounts: impl IntoIterator<Item = (Uuid, ResourceClass, u64)>,
) -> PyResult<Bound<'py, PyDict>> {
    let mut by_provider: BTreeMap<Uuid, Bound<'py, PyDict>> = BTreeMap::new();
    let all = PyDict::new(py);
    for (provider, class, amount) in amounts {
        let of_one = by_provider.entry(provider).or_insert_with(|| PyDict::new(py));
        of_one.set_item(class.name(), amount)?;
    }
    for (provider, of_one) in by_provider {
        all.set_item(Id(provider), of_one)?;
    }
    Ok(all)
}

/// Tells which generation a change rests on, and which one it leaves.
///
/// An int in the place of an `Expect` is the generation that is expected, and None is `Expect.ANY`.
///
/// - `Expect.ANY`: the change is made at any generation, which grows by one.
/// - `Expect.KEEP`: the change is made at any generation, and leaves the generation as it is.
/// - `Expect.generation(g)`: the change is made only at this generation, which grows by one.
/// - `Expect.mirror(g)`: the change is made at any generation, and sets this one.
#[pyclass(frozen, eq, hash, module = "provider_tree", name = "Expect")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PyExpect(Expect);

#[pymethods]
impl PyExpect {
    /// The change is made at any generation, which grows by one.
    #[classattr]
    const ANY: PyExpect = PyExpect(Expect::Any);

    /// The change is made at any generation, and leaves the generation as it is.
    #[classattr]
    const KEEP: PyExpect = PyExpect(Expect::Keep);

    /// The change is made only at this generation, which grows by one.
    #[staticmethod]
    fn generation(generation: u64) -> Self {
        PyExpect(Expect::Generation(generation))
    }

    /// The change is made at any generation, and sets this one: for a mirror of an outside authority.
    #[staticmethod]
    fn mirror(generation: u64) -> Self {
        PyExpect(Expect::Mirror(generation))
    }

    fn __repr__(&self) -> String {
        match self.0 {
            Expect::Any => "Expect.ANY".to_owned(),
            Expect::Keep => "Expect.KEEP".to_owned(),
            Expect::Generation(generation) => format!("Expect.generation({generation})"),
            Expect::Mirror(generation) => format!("Expect.mirror({generation})"),
        }
    }
}

/// Represents an argument `expect` that is not None.
pub(crate) struct Expected(pub(crate) Expect);

impl FromPyObject<'_, '_> for Expected {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if let Ok(expect) = given.cast::<PyExpect>() {
            return Ok(Expected(expect.get().0));
        }
        match given.extract() {
            Ok(generation) => Ok(Expected(Expect::Generation(generation))),
            Err(error) if error.is_instance_of::<PyTypeError>(given.py()) => {
                let message = "an expectation is an Expect, a generation as an int, or None";
                Err(PyTypeError::new_err(message))
            }
            Err(error) => Err(error),
        }
    }
}

/// Returns what an argument `expect` says, or what none says.
pub(crate) fn expectation(given: Option<Expected>) -> Expect {
    given.map_or(Expect::Any, |expected| expected.0)
}
