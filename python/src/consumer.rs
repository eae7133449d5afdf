//! Who claims: an argument that names a consumer.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;
use uuid::Uuid;

use crate::allocations::PyAllocations;
use crate::candidate::PyPlaced;
use crate::convert::{Id, a_kind, uuid_object};
use crate::issued::PyIssued;
use crate::lease::PyLease;
use crate::receipt::PyReceipt;

/// Represents a consumer: a uuid as text or as a `uuid.UUID`, or what says itself which consumer it is of.
pub(crate) struct Consumer<'py> {
    pub(crate) uuid: Uuid,
    /// What the uuid was issued with, which has to live until the uuid is claimed.
    pub(crate) issued: Option<Bound<'py, PyIssued>>,
}

impl<'py> FromPyObject<'_, 'py> for Consumer<'py> {
    type Error = PyErr;

    #[inline]
    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(receipt) = given.cast::<PyReceipt>() {
            return Ok(Consumer { uuid: receipt.get().0.consumer, issued: None });
        }
        if given.is_instance_of::<PyString>() {
            return given.extract().map(|Id(uuid)| Consumer { uuid, issued: None });
        }
        if let Ok(lease) = given.cast::<PyLease>() {
            return Ok(Consumer { uuid: lease.get().0.consumer(), issued: None });
        }
        if let Ok(issued) = given.cast::<PyIssued>() {
            let issued = issued.to_owned();
            return Ok(Consumer { uuid: issued.get().consumer, issued: Some(issued) });
        }
        if let Ok(placed) = given.cast::<PyPlaced>() {
            return Ok(Consumer { uuid: placed.get().placed().receipt.consumer, issued: None });
        }
        if let Ok(allocations) = given.cast::<PyAllocations>() {
            return Ok(Consumer { uuid: allocations.get().whose(), issued: None });
        }
        match uuid_object(&given) {
            Ok(uuid) => Ok(Consumer { uuid, issued: None }),
            Err(error) if error.is_instance_of::<PyTypeError>(given.py()) => {
                let message = format!(
                    "a consumer is a str, a uuid.UUID, a Receipt, a Placed, an Allocations, a Lease or an Issued, \
                     not {}",
                    a_kind(&given)?
                );
                Err(PyTypeError::new_err(message))
            }
            Err(error) => Err(error),
        }
    }
}
