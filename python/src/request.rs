//! What a scheduler searches for: `Request`, `Group` and `Prepared`.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use provider_tree::{Group, Prepared, Request};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;
use uuid::Uuid;

use crate::convert::{Id, a_kind, amounts, each, pairs, traits, uuids};
use crate::error::OrRaise;
use crate::guard::Single;
use crate::provider::PyProvider;

/// Asks one provider for amounts, under conditions: a named group of a `Request`.
///
/// The provider gives all of `resources`; has all traits in `required`, one trait at least of each set in
/// `any_of`, and none in `forbidden`; is in one aggregate at least of each set in `member_of`, and in none of
/// `not_member_of`; and is in the tree that `in_tree` is in.
///
/// A group without resources is served by a provider that meets its conditions; it has to be in a set of the
/// request's `same_subtree`. A plain value: groups compare and serve as keys.
#[pyclass(frozen, eq, hash, module = "provider_tree", name = "Group")]
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct PyGroup(Group);

/// Represents a provider of the tree that is meant: its uuid or its handle.
pub(crate) struct InTree(Uuid);

impl FromPyObject<'_, '_> for InTree {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        match given.cast::<PyProvider>() {
            Ok(provider) => Ok(InTree(provider.get().0.uuid())),
            Err(_) => given.extract().map(|Id(uuid)| InTree(uuid)),
        }
    }
}

/// Holds the arguments that a group and a request have in common.
struct Conditions<'a, 'py> {
    resources: Option<&'a Bound<'py, PyAny>>,
    required: Option<&'a Bound<'py, PyAny>>,
    any_of: Option<&'a Bound<'py, PyAny>>,
    forbidden: Option<&'a Bound<'py, PyAny>>,
    member_of: Option<&'a Bound<'py, PyAny>>,
    not_member_of: Option<&'a Bound<'py, PyAny>>,
    in_tree: Option<InTree>,
}

impl Conditions<'_, '_> {
    fn read(self) -> PyResult<Group> {
        let mut group = Group::new();
        for (class, amount) in self.resources.map(amounts).transpose()?.unwrap_or_default() {
            group = group.take(class, amount);
        }
        group.required.extend(self.required.map(traits).transpose()?.unwrap_or_default());
        if let Some(sets) = self.any_of {
            for any in each(sets, "sets of traits", |set| traits(&set))? {
                group = group.require_any(any);
            }
        }
        group.forbidden.extend(self.forbidden.map(traits).transpose()?.unwrap_or_default());
        if let Some(sets) = self.member_of {
            for any in each(sets, "sets of aggregates", |set| uuids(&set))? {
                group = group.member_of(any);
            }
        }
        group.not_member_of.extend(self.not_member_of.map(uuids).transpose()?.unwrap_or_default());
        group.in_tree = self.in_tree.map(|InTree(uuid)| uuid);
        Ok(group)
    }
}

#[pymethods]
impl PyGroup {
    #[new]
    #[pyo3(signature = (
        resources=None, *, required=None, any_of=None, forbidden=None, member_of=None, not_member_of=None,
        in_tree=None,
    ))]
    fn new(
        resources: Option<&Bound<'_, PyAny>>,
        required: Option<&Bound<'_, PyAny>>,
        any_of: Option<&Bound<'_, PyAny>>,
        forbidden: Option<&Bound<'_, PyAny>>,
        member_of: Option<&Bound<'_, PyAny>>,
        not_member_of: Option<&Bound<'_, PyAny>>,
        in_tree: Option<InTree>,
    ) -> PyResult<Self> {
        let conditions = Conditions {
            resources,
            required,
            any_of,
            forbidden,
            member_of,
            not_member_of,
            in_tree,
        };
        conditions.read().map(PyGroup)
    }

    fn __repr__(&self) -> String {
        format!("Group({})", shown(&self.0))
    }
}

/// Asks for candidates: everything that Placement's `GET /allocation_candidates` can ask.
///
/// The arguments of a `Group` describe the unnamed group, whose classes may come from several providers of one
/// tree: `required` and each set of `any_of` are met by one of these at least, and the other conditions by each
/// of them, or for aggregates by the root. Each class of the unnamed group comes whole from one provider:
/// `{'PGPU': 2}` wants one provider with 2. For two children with one each, name two groups and isolate them:
///
///     Request({"VCPU": 8}, groups={"gpu0": Group({"PGPU": 1}), "gpu1": Group({"PGPU": 1})}, isolate=True)
///
/// `groups` are served by one provider each; `isolate` wants another provider for each group; of each set of
/// names in `same_subtree`, one provider is the ancestor of the others, or it is the same one; the root of the
/// tree has all of `root_required` and none of `root_forbidden`. At most `limit` candidates are searched for.
///
/// Raises `InvalidRequest`, whose `fault` says why, for a request that contradicts itself or asks for nothing. A
/// plain value that belongs to no forest: requests compare and serve as keys.
#[pyclass(frozen, module = "provider_tree", name = "Request")]
pub(crate) struct PyRequest(pub(crate) Arc<Request>);

#[pymethods]
impl PyRequest {
    #[new]
    #[pyo3(signature = (
        resources=None, *, required=None, any_of=None, forbidden=None, member_of=None, not_member_of=None,
        in_tree=None, groups=None, isolate=false, same_subtree=None, root_required=None, root_forbidden=None,
        limit=None,
    ))]
    #[allow(clippy::too_many_arguments)] // All of Placement's parameters.
    fn new(
        resources: Option<&Bound<'_, PyAny>>,
        required: Option<&Bound<'_, PyAny>>,
        any_of: Option<&Bound<'_, PyAny>>,
        forbidden: Option<&Bound<'_, PyAny>>,
        member_of: Option<&Bound<'_, PyAny>>,
        not_member_of: Option<&Bound<'_, PyAny>>,
        in_tree: Option<InTree>,
        groups: Option<&Bound<'_, PyAny>>,
        isolate: bool,
        same_subtree: Option<&Bound<'_, PyAny>>,
        root_required: Option<&Bound<'_, PyAny>>,
        root_forbidden: Option<&Bound<'_, PyAny>>,
        limit: Option<usize>,
    ) -> PyResult<Self> {
        let conditions = Conditions {
            resources,
            required,
            any_of,
            forbidden,
            member_of,
            not_member_of,
            in_tree,
        };
        let mut request = Request::from(conditions.read()?);
        if let Some(groups) = groups {
            pairs(groups, |name, group| {
                let group = group.cast::<PyGroup>()?.get().0.clone();
                request.groups.push((text(&name)?, group));
                Ok(())
            })?;
        }
        request.isolate = isolate;
        if let Some(sets) = same_subtree {
            for set in each(sets, "sets of groups", |set| each(&set, "groups", |it| text(&it)))? {
                request.same_subtree.push(set.into_iter().collect());
            }
        }
        request.root_required.extend(root_required.map(traits).transpose()?.unwrap_or_default());
        request.root_forbidden.extend(root_forbidden.map(traits).transpose()?.unwrap_or_default());
        request.limit = limit;
        request.check().or_raise()?;
        Ok(PyRequest(Arc::new(request)))
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<PyRequest>().is_ok_and(|other| other.get().0 == self.0)
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        let mut all = shown(&self.0.unnamed);
        for (name, group) in &self.0.groups {
            let comma = if all.is_empty() { "" } else { ", " };
            // Writing to a String never fails.
            let _ = write!(all, "{comma}{name}: {}", shown(group));
        }
        format!("Request({all})")
    }
}

/// Holds a request, prepared to be asked of one view again and again.
///
/// It remembers which trees can't serve the request as they are, so that a search that is made again costs what
/// has changed meanwhile. For one thread at a time, as the view.
#[pyclass(frozen, module = "provider_tree", name = "Prepared")]
pub(crate) struct PyPrepared {
    prepared: Single<Prepared>,
    request: Arc<Request>,
}

impl PyPrepared {
    pub(crate) fn new(prepared: Prepared, request: &Arc<Request>) -> Self {
        PyPrepared { prepared: Single::new("Prepared", prepared), request: Arc::clone(request) }
    }

    /// Calls with what was prepared.
    #[inline]
    pub(crate) fn with<R>(&self, call: impl FnOnce(&mut Prepared) -> R) -> PyResult<R> {
        self.prepared.with(call)
    }
}

#[pymethods]
impl PyPrepared {
    /// The request.
    #[getter]
    fn request(&self) -> PyRequest {
        PyRequest(Arc::clone(&self.request))
    }

    fn __repr__(&self) -> String {
        format!("<Prepared {}>", self.request().__repr__())
    }
}

/// Represents what a view is asked for: a request, prepared or not.
pub(crate) enum Asked<'py> {
    Prepared(Bound<'py, PyPrepared>),
    Request(Bound<'py, PyRequest>),
}

impl<'py> FromPyObject<'_, 'py> for Asked<'py> {
    type Error = PyErr;

    #[inline]
    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(prepared) = given.cast::<PyPrepared>() {
            return Ok(Asked::Prepared(prepared.to_owned()));
        }
        if let Ok(request) = given.cast::<PyRequest>() {
            return Ok(Asked::Request(request.to_owned()));
        }
        let kind = a_kind(&given)?;
        let message = format!("a view is asked for a Request or a Prepared, not for {kind}");
        Err(PyTypeError::new_err(message))
    }
}

fn text(given: &Bound<'_, PyAny>) -> PyResult<String> {
    Ok(given.cast::<PyString>()?.to_str()?.to_owned())
}

/// Returns what a group asks for, as text.
fn shown(group: &Group) -> String {
    let mut all: Vec<String> =
        group.resources.iter().map(|(class, amount)| format!("{amount} {class}")).collect();
    all.extend(group.required.iter().map(|it| it.name().to_string()));
    all.extend(group.forbidden.iter().map(|it| format!("no {it}")));
    let more = group.any_of.len()
        + group.member_of.len()
        + usize::from(!group.not_member_of.is_empty())
        + usize::from(group.in_tree.is_some());
    if more > 0 {
        all.push(format!("{more} more conditions"));
    }
    all.join(" + ")
}
