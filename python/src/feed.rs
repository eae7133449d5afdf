//! What changes, piece by piece: `Feed`.

use std::time::{Duration, Instant};

use provider_tree::{Feed, Touched};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pythonize::pythonize;

use crate::convert::Id;
use crate::error::OrRaise;
use crate::guard::Single;
use crate::provider::PyProvider;
use crate::snapshot::PySnapshot;

/// Goes through what changes, piece by piece.
///
/// All pieces in their order lead from the snapshot at which the feed began to the present; each has at most
/// one state of each provider and consumer, the newest. `for changes in feed:` waits for the next piece, and
/// never ends by itself. Writers do nothing for a feed beyond what they do for a snapshot.
///
/// A piece is a dict with the shape of `provider_tree.types.Changes`; `Snapshot.changes_since` shows one. To follow
/// with a way to end:
///
///     while not stop.is_set():
///         if feed.wait(0.2):
///             apply(feed.poll())
///
/// For one thread at a time: another one raises `InUseByAnotherThread`. A feed whose bound was met raises
/// `FellBehind` and is over: begin another at a new snapshot.
#[pyclass(frozen, module = "provider_tree", name = "Feed")]
pub(crate) struct PyFeed(Single<Feed>);

/// A thread that waits looks for signals so often.
const SLICE: Duration = Duration::from_millis(100);

impl PyFeed {
    pub(crate) fn new(feed: Feed) -> Self {
        PyFeed(Single::new("Feed", feed))
    }
}

#[pymethods]
impl PyFeed {
    /// Returns what has changed since the last poll, at once: what `Snapshot.changes_since` returns. The lists
    /// are empty if nothing has changed.
    fn poll<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let changes = self.0.with(|feed| py.detach(|| feed.poll()))?.or_raise()?;
        Ok(pythonize(py, &changes)?)
    }

    /// Returns what may have changed since the last poll of either kind, at once, and by name alone: a dict
    /// with `from`, `to`, a dict `providers` from uuids to handles, None for those that are gone, and a list
    /// `consumers`. Costs less than `poll`: for a caller that reads itself what it wants to know of them.
    fn poll_touched<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let touched = self.0.with(|feed| py.detach(|| feed.poll_touched()))?;
        let Touched { from, to, providers, consumers, .. } = touched.or_raise()?;
        let handles = PyDict::new(py);
        for touched in providers {
            handles.set_item(Id(touched.provider), touched.handle.map(PyProvider))?;
        }
        let consumers: Vec<_> = consumers.into_iter().map(Id).collect();
        let all = PyDict::new(py);
        all.set_item("from", from)?;
        all.set_item("to", to)?;
        all.set_item("providers", handles)?;
        all.set_item("consumers", consumers)?;
        Ok(all)
    }

    /// Waits until something has changed since the last poll, or for so many seconds; returns whether
    /// something has. `math.inf` waits for as long as it takes.
    ///
    /// Sleeps without the interpreter, and reacts to signals such as Ctrl-C within a tenth of a second. A poll
    /// may find nothing all the same: what has changed may have changed back.
    fn wait(&self, py: Python<'_>, seconds: f64) -> PyResult<bool> {
        if seconds.is_nan() || seconds < 0.0 {
            let message = format!("a time to wait is a number of seconds, not {seconds}");
            return Err(PyValueError::new_err(message));
        }
        // Longer than the clock goes is for as long as it takes.
        let time = Duration::try_from_secs_f64(seconds).ok();
        let end = time.and_then(|time| Instant::now().checked_add(time));
        self.0.with(|feed| wait(py, feed, end))?
    }

    /// Returns the snapshot to which everything leads that was polled. Another feed can go on from it.
    fn position(&self) -> PyResult<PySnapshot> {
        self.0.with(|feed| PySnapshot(feed.position().clone()))
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    /// Waits for the next piece of changes, which is never empty, and returns it.
    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        loop {
            self.0.with(|feed| wait(py, feed, None))??;
            let changes = self.0.with(|feed| py.detach(|| feed.poll()))?.or_raise()?;
            if !changes.is_empty() {
                return Ok(pythonize(py, &changes)?);
            }
        }
    }

    fn __repr__(&self) -> String {
        match self.0.with(|feed| feed.position().number()) {
            Ok(number) => format!("<Feed at {number}>"),
            Err(_) => "<Feed, in use>".to_owned(),
        }
    }
}

/// Waits until something has changed, or until `end`; raises what a handler of a signal raises.
fn wait(py: Python<'_>, feed: &mut Feed, end: Option<Instant>) -> PyResult<bool> {
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let slice = left.map_or(SLICE, |left| left.min(SLICE));
        if py.detach(|| feed.wait(slice)) {
            return Ok(true);
        }
        py.check_signals()?;
        if left.is_some_and(|left| left <= SLICE) {
            return Ok(false);
        }
    }
}
