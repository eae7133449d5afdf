//! What a search finds: `Candidate`, `Placed` and `Eviction`.

use provider_tree::{Candidate, Claim, Eviction, Placed};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::batch::PyBatch;
use crate::claim::PyClaim;
use crate::consumer::Consumer;
use crate::convert::{Class, Id, a_kind, count};
use crate::provider::{PyProvider, handles};
use crate::receipt::PyReceipt;

/// Represents for whom something is claimed: a consumer, a claim with a tag or with chains of a quota, or
/// nobody yet, so that the forest names the consumer.
pub(crate) enum For<'py> {
    Nobody,
    Consumer(Consumer<'py>),
    Claim(Bound<'py, PyClaim>),
}

impl<'py> FromPyObject<'_, 'py> for For<'py> {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(claim) = given.cast::<PyClaim>() {
            return Ok(For::Claim(claim.to_owned()));
        }
        match given.extract::<Consumer<'py>>() {
            Ok(consumer) => Ok(For::Consumer(consumer)),
            Err(error) if error.is_instance_of::<PyTypeError>(given.py()) => {
                let kind = a_kind(&given)?;
                let message = format!("claims are for a consumer, a Claim or None, not for {kind}");
                Err(PyTypeError::new_err(message))
            }
            Err(error) => Err(error),
        }
    }
}

impl For<'_> {
    /// Returns the claim to which what a candidate gives is added.
    pub(crate) fn claim(&self) -> PyResult<Claim> {
        Ok(match self {
            For::Nobody => Claim::unnamed(),
            For::Consumer(consumer) => Claim::new(consumer.uuid),
            For::Claim(claim) => claim.get().read()?.claim.clone(),
        })
    }
}

/// Represents one way to serve a request: which provider gives what.
///
/// In the view that found it everything fits together. Whether it still does is decided by the claim. What a
/// candidate says is made into Python's values when it is asked for.
#[pyclass(frozen, module = "provider_tree", name = "Candidate")]
pub(crate) struct PyCandidate(pub(crate) Candidate);

#[pymethods]
impl PyCandidate {
    /// The root of the tree that the candidate is found in.
    #[getter]
    fn root(&self) -> PyProvider {
        PyProvider(self.0.root())
    }

    /// What the candidate gives: provider, class and amount; the named groups first.
    #[getter]
    fn lines(&self) -> Vec<(PyProvider, Class, u64)> {
        let lines = self.0.lines();
        lines.map(|(provider, class, it)| (PyProvider(provider), Class(class), it)).collect()
    }

    /// The providers of the candidate, each once.
    #[getter]
    fn providers(&self) -> Vec<PyProvider> {
        handles(self.0.providers())
    }

    /// Returns the provider that serves a named group; None if the request has no such group.
    fn provider(&self, group: &str) -> Option<PyProvider> {
        self.0.provider(group).map(PyProvider)
    }

    /// Returns the provider that gives a class to the unnamed group; None if that does not ask for the class.
    fn provider_of(&self, resource_class: Class) -> Option<PyProvider> {
        self.0.provider_of(resource_class.0).map(PyProvider)
    }

    /// Returns the claim of everything that the candidate gives, for a consumer, or in addition to what a claim
    /// asks for, which stays as it is. Without either, the forest names the consumer.
    #[pyo3(signature = (consumer=None))]
    fn claim(&self, py: Python<'_>, consumer: Option<For<'_>>) -> PyResult<Py<PyClaim>> {
        let consumer = consumer.unwrap_or(For::Nobody);
        claim_of(py, self.0.claim(consumer.claim()?), &consumer)
    }

    fn __repr__(&self) -> String {
        let line = |(provider, class, amount): (provider_tree::Provider, _, _)| {
            format!("{amount} {class} of {}", provider.uuid())
        };
        let lines: Vec<_> = self.0.lines().map(line).collect();
        format!("<Candidate: {}>", lines.join(", "))
    }
}

/// Returns a claim as Python sees it, which keeps the uuid of its consumer if that was issued.
fn claim_of(py: Python<'_>, claim: Claim, whose: &For<'_>) -> PyResult<Py<PyClaim>> {
    let issued = match whose {
        For::Nobody => None,
        For::Consumer(consumer) => consumer.issued.as_ref().map(|issued| issued.clone().unbind()),
        For::Claim(claim) => claim.get().read()?.issued.as_ref().map(|it| it.clone_ref(py)),
    };
    let claim = Bound::new(py, PyClaim::of(claim))?;
    if let Some(issued) = issued {
        claim.call_method1("for_consumer", (issued,))?;
    }
    Ok(claim.unbind())
}

/// Describes what was placed. The consumer holds it until it is released.
///
/// It stands for its consumer wherever a consumer is asked for: `worker.release(placed)`.
#[pyclass(frozen, module = "provider_tree", name = "Placed")]
pub(crate) struct PyPlaced(Box<Placed>);

impl PyPlaced {
    /// Returns what was placed as Python sees it. Needs no interpreter, which then has little left to do.
    pub(crate) fn new(placed: Placed) -> Self {
        PyPlaced(Box::new(placed))
    }

    pub(crate) fn placed(&self) -> &Placed {
        &self.0
    }
}

#[pymethods]
impl PyPlaced {
    /// The consumer, and its generation.
    #[getter]
    fn receipt(&self) -> PyReceipt {
        PyReceipt(self.0.receipt)
    }

    /// The uuid of the consumer.
    #[getter]
    fn consumer(&self) -> Id {
        Id(self.0.receipt.consumer)
    }

    /// The claim that was granted, for the consumer that has it. `View.released` takes it, or the whole of this,
    /// when the consumer has ended.
    #[getter]
    fn claim(&self) -> PyClaim {
        let mut claim = self.0.claim.clone();
        claim.for_consumer(self.0.receipt.consumer);
        PyClaim::of(claim)
    }

    /// The candidate that was claimed.
    #[getter]
    fn candidate(&self) -> PyCandidate {
        PyCandidate(self.0.candidate.clone())
    }

    /// How many claims before this one were refused because another thread had been faster.
    #[getter]
    fn refusals(&self) -> u32 {
        self.0.refusals
    }

    fn __repr__(&self) -> String {
        let candidate = PyCandidate(self.0.candidate.clone()).__repr__();
        format!("<Placed {}: {candidate}>", self.0.receipt.consumer)
    }
}

/// Describes consumers that would have to go, and what would fit then. Nothing was changed.
#[pyclass(frozen, module = "provider_tree", name = "Eviction")]
pub(crate) struct PyEviction(pub(crate) Eviction);

#[pymethods]
impl PyEviction {
    /// What fits without the victims.
    #[getter]
    fn candidate(&self) -> PyCandidate {
        PyCandidate(self.0.candidate.clone())
    }

    /// The uuids of the consumers that have to go.
    #[getter]
    fn victims(&self) -> Vec<Id> {
        self.0.victims.iter().copied().map(Id).collect()
    }

    /// What the victims cost together, at most 2**64 - 1.
    #[getter]
    fn cost(&self) -> u64 {
        self.0.cost
    }

    /// Returns the batch that releases the victims and claims what the candidate gives, as one, for a consumer
    /// or in addition to what a claim asks for. `Worker.commit` refuses it as `ConsumerConflict` if a victim has
    /// changed since the view has seen it, and returns the receipts of the victims first, and the new one last. A
    /// uuid that was issued has to be kept until then.
    #[pyo3(signature = (claim=None))]
    fn batch(&self, claim: Option<For<'_>>) -> PyResult<PyBatch> {
        let claim = claim.unwrap_or(For::Nobody);
        Ok(PyBatch::of(self.0.batch(claim.claim()?), self.0.victims.len() + 1))
    }

    fn __repr__(&self) -> String {
        let victims = count(self.0.victims.len() as u64, "consumer");
        format!("<Eviction of {victims} at cost {}>", self.0.cost)
    }
}
