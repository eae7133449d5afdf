//! How the library's errors become Python's exceptions, those of `provider_tree/errors.py`.

use provider_tree::{Error, Fault, InventoryFault, RequestFault, Unplaced};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList};

use crate::convert::id;

/// Turns what a call of the library returns into what Python is told.
pub(crate) trait OrRaise<T> {
    /// Returns the value, or the exception that tells what the error tells.
    fn or_raise(self) -> PyResult<T>;
}

impl<T> OrRaise<T> for Result<T, Error> {
    fn or_raise(self) -> PyResult<T> {
        self.map_err(|error| raised(&error))
    }
}

impl<T> OrRaise<T> for Result<T, Unplaced> {
    fn or_raise(self) -> PyResult<T> {
        self.map_err(|error| {
            Python::attach(|py| unplaced(py, &error).unwrap_or_else(|failure| failure))
        })
    }
}

/// Returns the exception for an error.
pub(crate) fn raised(error: &Error) -> PyErr {
    Python::attach(|py| match exception(py, error) {
        Ok(exception) => PyErr::from_value(exception),
        Err(failure) => failure,
    })
}

/// Returns the exception that says that another thread is in a call of the same `what`.
pub(crate) fn in_use(what: &str) -> PyErr {
    let message = format!("another thread is in a call of this {what}: each thread has its own");
    Python::attach(|py| match make(py, "InUseByAnotherThread", &message, &PyDict::new(py)) {
        Ok(exception) => PyErr::from_value(exception),
        Err(failure) => failure,
    })
}

/// Makes the exception for an error, without raising it.
pub(crate) fn exception<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    let fields = Fields(PyDict::new(py));
    let name = describe(&fields, error)?;
    make(py, name, &error.to_string(), &fields.0)
}

fn unplaced(py: Python<'_>, error: &Unplaced) -> PyResult<PyErr> {
    let fields = Fields(PyDict::new(py));
    let name = match error {
        Unplaced::NothingFits { refusals } => {
            fields.with("refusals", refusals)?.named("NothingFits")
        }
        Unplaced::GaveUp { refusals, last } => {
            fields.with("refusals", refusals)?.with("last", exception(py, last)?)?.named("GaveUp")
        }
        Unplaced::Refused(error) => return Ok(raised(error)),
        other => return Ok(pyo3::exceptions::PyRuntimeError::new_err(other.to_string())),
    };
    Ok(PyErr::from_value(make(py, name, &error.to_string(), &fields.0)?))
}

/// Calls the class of this name in `provider_tree.errors`.
fn make<'py>(
    py: Python<'py>,
    name: &str,
    message: &str,
    fields: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    errors(py)?.getattr(name)?.call((message,), Some(fields))
}

fn errors(py: Python<'_>) -> PyResult<&Bound<'_, PyModule>> {
    static ERRORS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module =
        ERRORS.get_or_try_init(py, || py.import("provider_tree.errors").map(Bound::unbind));
    Ok(module?.bind(py))
}

/// Collects the attributes of an exception or of a fault.
struct Fields<'py>(Bound<'py, PyDict>);

impl<'py> Fields<'py> {
    fn with(&self, name: &str, value: impl IntoPyObject<'py>) -> PyResult<&Self> {
        self.0.set_item(name, value)?;
        Ok(self)
    }

    fn named(&self, name: &'static str) -> &'static str {
        name
    }

    fn faults(&self, faults: &[Fault]) -> PyResult<&Self> {
        let list = PyList::empty(self.0.py());
        for fault in faults {
            let fields = Fields(PyDict::new(self.0.py()));
            let kind = describe_fault(&fields, fault)?;
            list.append(fields.fault(kind, &fault.to_string())?)?;
        }
        self.with("faults", list)
    }

    /// Makes the fault that has these attributes.
    fn fault(&self, kind: &str, message: &str) -> PyResult<Bound<'py, PyAny>> {
        let class = errors(self.0.py())?.getattr("Fault")?;
        class.call1((kind, message, &self.0))
    }

    /// Adds what is wrong with an inventory.
    fn inventory_fault(&self, fault: &InventoryFault) -> PyResult<&Self> {
        let fields = Fields(PyDict::new(self.0.py()));
        let kind = match fault {
            InventoryFault::ReservedAboveTotal { reserved, total } => {
                fields.with("reserved", reserved)?.with("total", total)?.named("ReservedAboveTotal")
            }
            InventoryFault::MinAboveMax { min_unit, max_unit } => {
                fields.with("min_unit", min_unit)?.with("max_unit", max_unit)?.named("MinAboveMax")
            }
            InventoryFault::ZeroMinUnit => "ZeroMinUnit",
            InventoryFault::ZeroStep => "ZeroStep",
            InventoryFault::RatioOutOfRange { ratio } => {
                fields.with("ratio", ratio)?.named("RatioOutOfRange")
            }
            InventoryFault::CapacityOverflow => "CapacityOverflow",
            _ => "InventoryFault",
        };
        self.with("fault", fields.fault(kind, &fault.to_string())?)
    }

    /// Adds what is wrong with a request.
    fn request_fault(&self, fault: &RequestFault) -> PyResult<&Self> {
        let fields = Fields(PyDict::new(self.0.py()));
        let kind = match fault {
            RequestFault::Nothing => "Nothing",
            RequestFault::ConditionsAlone => "ConditionsAlone",
            RequestFault::ZeroAmount { group, class } => fields
                .with("group", group)?
                .with("resource_class", class.name())?
                .named("ZeroAmount"),
            RequestFault::SumTooLarge { group, class } => fields
                .with("group", group)?
                .with("resource_class", class.name())?
                .named("SumTooLarge"),
            RequestFault::EmptyChoice { group } => {
                fields.with("group", group)?.named("EmptyChoice")
            }
            RequestFault::Contradiction { group, traits } => {
                let traits: Vec<_> = traits.iter().map(|it| it.name()).collect();
                fields.with("group", group)?.with("traits", traits)?.named("Contradiction")
            }
            RequestFault::RootContradiction { quality } => {
                fields.with("trait", quality.name())?.named("RootContradiction")
            }
            RequestFault::DuplicateGroup { name } => {
                fields.with("group", name)?.named("DuplicateGroup")
            }
            RequestFault::LooseGroup { name } => fields.with("group", name)?.named("LooseGroup"),
            RequestFault::UnknownGroup { name } => {
                fields.with("group", name)?.named("UnknownGroup")
            }
            RequestFault::EmptySubtree => "EmptySubtree",
            RequestFault::ZeroLimit => "ZeroLimit",
            _ => "RequestFault",
        };
        self.with("fault", fields.fault(kind, &fault.to_string())?)
    }
}

/// Adds what the error says to `fields`; returns the name of its class.
fn describe(fields: &Fields<'_>, error: &Error) -> PyResult<&'static str> {
    let provider = |uuid| fields.with("provider", id(uuid));
    let consumer = |uuid| fields.with("consumer", id(uuid));
    let amount_of = |uuid, class: &provider_tree::ResourceClass| {
        provider(uuid)?.with("resource_class", class.name())
    };
    Ok(match error {
        Error::Removed { provider: it } => provider(it)?.named("Removed"),
        Error::UnknownProvider { key } => fields.with("key", key)?.named("UnknownProvider"),
        Error::ForeignProvider { provider: it } => provider(it)?.named("ForeignProvider"),
        Error::UuidExists { uuid } => fields.with("uuid", id(uuid))?.named("UuidExists"),
        Error::NameExists { name } => fields.with("name", name)?.named("NameExists"),
        Error::InvalidName { name, length, reason } => fields
            .with("name", name)?
            .with("length", length)?
            .with("reason", reason)?
            .named("InvalidName"),
        Error::HasChildren { provider: it } => provider(it)?.named("HasChildren"),
        Error::WouldCycle { provider: it, parent } => {
            provider(it)?.with("parent", id(parent))?.named("WouldCycle")
        }
        Error::InUse { provider, class, used } => {
            amount_of(provider, class)?.with("used", used)?.named("InUse")
        }
        Error::GenerationConflict { provider: it, expected, actual } => provider(it)?
            .with("expected", expected)?
            .with("actual", actual)?
            .named("GenerationConflict"),
        Error::InvalidInventory { class, fault } => fields
            .with("resource_class", class.name())?
            .inventory_fault(fault)?
            .named("InvalidInventory"),
        Error::NoInventory { provider, class } => amount_of(provider, class)?.named("NoInventory"),
        Error::CapacityExceeded { provider, class, requested, free } => amount_of(provider, class)?
            .with("requested", requested)?
            .with("free", free)?
            .named("CapacityExceeded"),
        Error::Cordoned { provider: it } => provider(it)?.named("Cordoned"),
        Error::UnitViolation { provider, class, requested, min_unit, max_unit, step_size } => {
            amount_of(provider, class)?
                .with("requested", requested)?
                .with("min_unit", min_unit)?
                .with("max_unit", max_unit)?
                .with("step_size", step_size)?
                .named("UnitViolation")
        }
        Error::ZeroAmount { provider, class } => amount_of(provider, class)?.named("ZeroAmount"),
        Error::SumTooLarge { provider, class, sum } => {
            amount_of(provider, class)?.with("sum", sum)?.named("SumTooLarge")
        }
        Error::NotTaken { provider, class, requested, taken } => amount_of(provider, class)?
            .with("requested", requested)?
            .with("taken", taken)?
            .named("NotTaken"),
        Error::EmptyClaim { consumer: it } => consumer(it)?.named("EmptyClaim"),
        Error::ConsumerExists { consumer: it, generation } => {
            consumer(it)?.with("generation", generation)?.named("ConsumerExists")
        }
        Error::AlreadyHeld { consumer: it, generation } => {
            consumer(it)?.with("generation", generation)?.named("AlreadyHeld")
        }
        Error::NotIssued { consumer: it } => consumer(it)?.named("NotIssued"),
        Error::Unnamed => "Unnamed",
        Error::TooFewFit { fit, at_least, refused } => {
            let list = PyList::empty(fields.0.py());
            for (position, error) in refused {
                list.append((position, exception(fields.0.py(), error)?))?;
            }
            fields
                .with("fit", fit)?
                .with("at_least", at_least)?
                .with("refused", list)?
                .named("TooFewFit")
        }
        Error::LeaseEnded { consumer: it } => consumer(it)?.named("LeaseEnded"),
        Error::ForeignLease { consumer: it } => consumer(it)?.named("ForeignLease"),
        Error::NotLeased { consumer: it } => consumer(it)?.named("NotLeased"),
        Error::ConsumerConflict { consumer: it, expected, actual } => consumer(it)?
            .with("expected", expected)?
            .with("actual", actual)?
            .named("ConsumerConflict"),
        Error::ConsumerNotFound { consumer: it } => consumer(it)?.named("ConsumerNotFound"),
        Error::SnapshotTooOld { snapshot } => {
            fields.with("snapshot", snapshot)?.named("SnapshotTooOld")
        }
        Error::ForeignSnapshot { snapshot } => {
            fields.with("snapshot", snapshot)?.named("ForeignSnapshot")
        }
        Error::InvalidRequest { fault } => fields.request_fault(fault)?.named("InvalidRequest"),
        Error::NoHolders => "NoHolders",
        Error::ForeignRequest => "ForeignRequest",
        Error::FellBehind { snapshot } => fields.with("snapshot", snapshot)?.named("FellBehind"),
        Error::ProviderChanged { provider: it } => provider(it)?.named("ProviderChanged"),
        Error::ConsumerChanged { consumer: it } => consumer(it)?.named("ConsumerChanged"),
        Error::InvalidEntries { faults } => fields.faults(faults)?.named("InvalidEntries"),
        Error::TooLarge { what, limit, full } => {
            fields.with("what", what)?.with("limit", limit)?.with("full", full)?.named("TooLarge")
        }
        // The library may come to refuse for more reasons.
        _ => "ProviderTreeError",
    })
}

/// Adds what the fault says to `fields`; returns its kind.
fn describe_fault(fields: &Fields<'_>, fault: &Fault) -> PyResult<&'static str> {
    let provider = |uuid| fields.with("provider", id(uuid));
    let consumer = |uuid| fields.with("consumer", id(uuid));
    let amount_of = |uuid, class: &provider_tree::ResourceClass| {
        provider(uuid)?.with("resource_class", class.name())
    };
    Ok(match fault {
        Fault::DuplicateUuid { provider: it } => provider(it)?.named("DuplicateUuid"),
        Fault::DuplicateName { provider: it, name } => {
            provider(it)?.with("name", name)?.named("DuplicateName")
        }
        Fault::NameExists { provider: it, name } => {
            provider(it)?.with("name", name)?.named("NameExists")
        }
        Fault::InvalidName { provider: it, name, length, reason } => provider(it)?
            .with("name", name)?
            .with("length", length)?
            .with("reason", reason)?
            .named("InvalidName"),
        Fault::Orphan { provider: it, parent } => {
            provider(it)?.with("parent", id(parent))?.named("Orphan")
        }
        Fault::Cycle { provider: it } => provider(it)?.named("Cycle"),
        Fault::InvalidInventory { provider, class, fault } => {
            amount_of(provider, class)?.inventory_fault(fault)?.named("InvalidInventory")
        }
        Fault::GenerationTooLarge { owner, generation } => fields
            .with("owner", id(owner))?
            .with("generation", generation)?
            .named("GenerationTooLarge"),
        Fault::InUse { provider, class, used } => {
            amount_of(provider, class)?.with("used", used)?.named("InUse")
        }
        Fault::AlsoRemoved { provider: it } => provider(it)?.named("AlsoRemoved"),
        Fault::DumpVersion { found, supported } => {
            fields.with("found", found)?.with("supported", supported)?.named("DumpVersion")
        }
        Fault::UsedWithoutInventory { provider, class, used } => {
            amount_of(provider, class)?.with("used", used)?.named("UsedWithoutInventory")
        }
        Fault::UsageDiffers { provider, class, used, held } => amount_of(provider, class)?
            .with("used", used)?
            .with("held", held)?
            .named("UsageDiffers"),
        Fault::DuplicateConsumer { consumer: it } => consumer(it)?.named("DuplicateConsumer"),
        Fault::DeadlineTooLate { consumer: it } => consumer(it)?.named("DeadlineTooLate"),
        Fault::EmptyConsumer { consumer: it } => consumer(it)?.named("EmptyConsumer"),
        Fault::UnknownInventory { consumer: it, provider, class } => {
            amount_of(provider, class)?.with("consumer", id(it))?.named("UnknownInventory")
        }
        Fault::UnknownFloor { place } => fields.with("place", place)?.named("UnknownFloor"),
        Fault::DuplicateFloor { place } => fields.with("place", place)?.named("DuplicateFloor"),
        Fault::FloorTooHigh { place, generation } => {
            fields.with("place", place)?.with("generation", generation)?.named("FloorTooHigh")
        }
        Fault::InvalidAllocation { consumer: it, provider, class, amount } => {
            amount_of(provider, class)?
                .with("consumer", id(it))?
                .with("amount", amount)?
                .named("InvalidAllocation")
        }
        _ => "Fault",
    })
}
