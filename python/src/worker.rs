//! What one thread claims, replaces and releases with: `Worker`.

use provider_tree::{Claim, Deadline, Error, Now, Worker};
use pyo3::prelude::*;
use pyo3::types::PyList;
use pythonize::pythonize;

use crate::batch::PyBatch;
use crate::claim::PyClaim;
use crate::consumer::Consumer;
use crate::convert::{Expected, amounts, each, expectation};
use crate::error::{OrRaise, exception};
use crate::guard::Single;
use crate::lease::PyLease;
use crate::provider::{PyConfiguration, PyProvider};
use crate::receipt::{PyPartial, PyReceipt, receipts};
use crate::tree::PyProviderTree;

/// Makes the claims and releases of one thread; see `ProviderTree.worker`.
///
/// Every change takes effect at one instant or, if it is refused, not at all. A claim that fits is never
/// refused because another thread has changed the same provider.
///
/// Each thread has a worker of its own: a call of a worker that another thread is in a call of is refused as
/// `InUseByAnotherThread`. Short calls keep the interpreter's lock; `claim_gang`, `commit`, `expire`, and claims
/// of 256 amounts or more let other threads run meanwhile. As a context manager, a worker closes itself at the
/// end; a call of a closed worker raises ValueError.
#[pyclass(frozen, module = "provider_tree", name = "Worker")]
pub(crate) struct PyWorker(Single<Worker>);

impl PyWorker {
    pub(crate) fn new(worker: Worker) -> Self {
        PyWorker(Single::new("Worker", worker))
    }

    /// Calls with the worker.
    #[inline]
    pub(crate) fn with<R>(&self, call: impl FnOnce(&mut Worker) -> R) -> PyResult<R> {
        self.0.with(call)
    }

    /// Makes of a claim what `call` makes of it.
    #[inline]
    fn with_claim<R: Send>(
        &self,
        claim: &Bound<'_, PyClaim>,
        call: impl FnOnce(&mut Worker, &Claim) -> Result<R, Error> + Send,
    ) -> PyResult<R> {
        let done = {
            let asked = claim.get().read()?;
            let is_long = asked.is_long();
            let asked = &asked.claim;
            self.0.with(|worker| match is_long {
                true => claim.py().detach(|| call(worker, asked)),
                false => call(worker, asked),
            })
        };
        done?.or_raise()
    }
}

#[pymethods]
impl PyWorker {
    /// Gives a consumer that holds nothing all that the claim asks for.
    ///
    /// Raises `CapacityExceeded` with what is free, `UnitViolation`, `NoInventory`, `Removed`, `Cordoned`, or
    /// `GenerationConflict`, which are all a `Conflict`; `AlreadyHeld` if the consumer holds exactly what the
    /// claim asks for, as after a reply that was lost, and `ConsumerExists` if it holds something else;
    /// `NotIssued`, `EmptyClaim`, `ZeroAmount`, `SumTooLarge`, `ForeignProvider`; `TooLarge` beyond 16,379
    /// amounts.
    fn claim(&self, claim: &Bound<'_, PyClaim>) -> PyResult<PyReceipt> {
        self.with_claim(claim, Worker::claim).map(PyReceipt)
    }

    /// Gives a consumer what the claim asks for, in the place of everything that it held before.
    ///
    /// Without `expect`, a consumer that holds nothing is created; with a generation, the consumer has to be
    /// at it, or the call raises `ConsumerConflict`. A lease stays a lease, and the tag stays unless the claim
    /// sets another. Raises what `claim` raises, and `Unnamed` for a claim without a consumer.
    #[pyo3(signature = (claim, expect=None))]
    fn replace(&self, claim: &Bound<'_, PyClaim>, expect: Option<Expected>) -> PyResult<PyReceipt> {
        self.with_claim(claim, move |worker, claim| worker.replace(claim, expectation(expect)))
            .map(PyReceipt)
    }

    /// Gives back all that a consumer holds. Raises `ConsumerNotFound` if it holds nothing.
    fn release(&self, consumer: Consumer<'_>) -> PyResult<PyReceipt> {
        self.with(|worker| worker.release(consumer.uuid))?.or_raise().map(PyReceipt)
    }

    /// Takes amounts from one provider for no consumer, all of them or none. No change is faster.
    ///
    /// They count as used until they are put back. Raises what `claim` raises of providers and amounts.
    fn take(&self, provider: PyProvider, amounts: &Bound<'_, PyAny>) -> PyResult<()> {
        let amounts = self::amounts(amounts)?;
        self.with(|worker| worker.take(&provider.0, &amounts))?.or_raise()
    }

    /// Gives back amounts that were taken for no consumer. Raises `NotTaken` if less is taken.
    fn put_back(&self, provider: PyProvider, amounts: &Bound<'_, PyAny>) -> PyResult<()> {
        let amounts = self::amounts(amounts)?;
        self.with(|worker| worker.put_back(&provider.0, &amounts))?.or_raise()
    }

    /// Gives a consumer that holds nothing as much of the claim as fits, if anything fits.
    ///
    /// Each amount of the claim is taken as a whole or not at all, in their order, at one instant. Conditions
    /// and chains are all or nothing. Raises `TooFewFit` if nothing fits.
    fn claim_partly(&self, claim: &Bound<'_, PyClaim>) -> PyResult<PyPartial> {
        self.with_claim(claim, Worker::claim_partly).map(PyPartial)
    }

    /// Makes those of the claims that fit, if at least `at_least` of them fit; otherwise makes none.
    ///
    /// Returns for each claim its receipt, or the exception that says why it does not fit, which is not
    /// raised. The claims are tried in order, at one instant. Raises `TooFewFit` if too few fit, with the
    /// reason of each that does not.
    fn claim_gang<'py>(
        &self,
        py: Python<'py>,
        members: &Bound<'py, PyAny>,
        at_least: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        // An issued uuid is good as long as what it was issued with lives: a generator keeps nothing.
        let (members, _issued): (Vec<_>, Vec<_>) = each(members, "members", |one| {
            let asked = one.cast::<PyClaim>()?.get().read()?;
            Ok((asked.claim.clone(), asked.issued.as_ref().map(|issued| issued.clone_ref(py))))
        })?
        .into_iter()
        .unzip();
        let call = |worker: &mut Worker| worker.claim_gang(&members, at_least);
        let made = self.with(|worker| py.detach(|| call(worker)))?.or_raise()?;
        let list = PyList::empty(py);
        for member in made {
            match member {
                Ok(receipt) => list.append(PyReceipt(receipt))?,
                Err(error) => list.append(exception(py, &error)?)?,
            }
        }
        Ok(list)
    }

    /// Makes all changes of a batch at one instant, or none of them. Returns a receipt for each consumer, in
    /// the order of the batch; for `Eviction.batch`, those of the victims first, and the new one last.
    ///
    /// What the batch gives back is free for what it takes. Raises what the calls raise that its changes
    /// stand for; `InvalidEntries` with all that is wrong with the batch by itself; `ProviderChanged` or
    /// `ConsumerChanged` if the batch rests on what a fork has read, and that has changed.
    fn commit(&self, py: Python<'_>, batch: &Bound<'_, PyBatch>) -> PyResult<Vec<PyReceipt>> {
        let done = {
            let collected = batch.get().read()?;
            let batch = &collected.batch;
            self.with(|worker| py.detach(|| worker.commit(batch)))
        };
        done?.or_raise().map(receipts)
    }

    /// Makes a claim as `claim` does, for a lease until a deadline.
    ///
    /// From the deadline on the lease can't be confirmed any more, and the next `expire` gives back what it
    /// holds. Time is the caller's own. Raises what `claim` raises; `TooLarge` for a deadline of 2**64 - 1.
    fn lease(&self, claim: &Bound<'_, PyClaim>, deadline: u64) -> PyResult<PyLease> {
        let deadline = Deadline(deadline);
        self.with_claim(claim, move |worker, claim| worker.lease(claim, deadline)).map(PyLease)
    }

    /// Keeps for good what a lease holds. Confirming once more changes nothing and succeeds.
    ///
    /// Raises `LeaseEnded` if `now` is the deadline or later, or if the lease has ended otherwise;
    /// `ForeignLease`.
    fn confirm(&self, lease: &Bound<'_, PyLease>, now: u64) -> PyResult<PyReceipt> {
        let lease = &lease.get().0;
        self.with(|worker| worker.confirm(lease, Now(now)))?.or_raise().map(PyReceipt)
    }

    /// Gives a lease another deadline, earlier or later.
    ///
    /// Raises `LeaseEnded` and `ForeignLease` as `confirm` does; `NotLeased` if the lease is confirmed;
    /// `TooLarge` for a deadline of 2**64 - 1.
    fn renew(&self, lease: &Bound<'_, PyLease>, deadline: u64, now: u64) -> PyResult<PyReceipt> {
        let (lease, deadline, now) = (&lease.get().0, Deadline(deadline), Now(now));
        self.with(|worker| worker.renew(lease, deadline, now))?.or_raise().map(PyReceipt)
    }

    /// Gives back what a lease holds. Raises `LeaseEnded` if nothing is left of it, `NotLeased` if it is
    /// confirmed, `ForeignLease`.
    fn cancel(&self, lease: &Bound<'_, PyLease>) -> PyResult<PyReceipt> {
        let lease = &lease.get().0;
        self.with(|worker| worker.cancel(lease))?.or_raise().map(PyReceipt)
    }

    /// Ends all leases whose deadline is `now` or earlier, each at an instant of its own. Returns the receipts
    /// of those that this call has ended. O(n log m) for n leases that are due, of m.
    fn expire(&self, py: Python<'_>, now: u64) -> PyResult<Vec<PyReceipt>> {
        let call = |worker: &mut Worker| worker.expire(Now(now));
        self.with(|worker| py.detach(|| call(worker)))?.or_raise().map(receipts)
    }

    /// Returns everything about a provider but its usage: from memory, if nothing has changed since this
    /// worker has read it.
    fn configuration(&self, provider: PyProvider) -> PyResult<PyConfiguration> {
        let read = self.with(|worker| worker.configuration(&provider.0).cloned())?;
        read.or_raise().map(PyConfiguration)
    }

    /// Returns what this worker has done since it began: counts by name.
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let metrics = self.with(|worker| worker.metrics())?;
        Ok(pythonize(py, &metrics)?)
    }

    /// Gives back what the worker has of the forest. What consumers hold stays. Closing once more does
    /// nothing.
    fn close(&self) -> PyResult<()> {
        self.0.close()
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (kind, error, trace, /))]
    fn __exit__(
        &self,
        kind: &Bound<'_, PyAny>,
        error: &Bound<'_, PyAny>,
        trace: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let _ = (kind, error, trace);
        self.close()
    }

    fn __repr__(&self) -> &'static str {
        match self.0.is_closed() {
            true => "<Worker, closed>",
            false => "<Worker>",
        }
    }
}

#[pymethods]
impl PyProviderTree {
    /// Returns a new worker, which one thread claims and releases with.
    ///
    /// A worker has a few spare records of the forest until it is closed or collected. Raises `TooLarge`
    /// beyond 32,768 workers at the same time.
    fn worker(&self) -> PyResult<PyWorker> {
        self.0.worker().or_raise().map(PyWorker::new)
    }
}
