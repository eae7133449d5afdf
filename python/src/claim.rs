//! What one consumer wants: `Claim`.

use std::sync::RwLockReadGuard;

use provider_tree::{Claim, Provider, ResourceClass};
use pyo3::prelude::*;
use uuid::Uuid;

use crate::consumer::Consumer;
use crate::convert::{Class, Id, amount, amounts, pairs};
use crate::guard::Shared;
use crate::issued::PyIssued;
use crate::provider::PyProvider;

/// Represents what one consumer wants: amounts of classes from any number of providers, all of them or none.
///
/// `amounts` says which, as `{provider: {resource_class: amount}}`; `chains` likewise what `take_with_ancestors`
/// adds, and `generations` what `require_generation` adds, as `{provider: generation}`. Without a consumer,
/// the forest names one each time the claim is granted, and the receipt says which: no claim is cheaper. Such a
/// consumer ends with its release: one that is to come back needs a uuid of the caller's.
///
/// `take` and the methods like it change the claim, and return it. A claim is checked and put in order while
/// it is made, so one that is asked again, for one consumer after the other, costs nothing of that again.
/// Amounts are checked by the call that the claim is given to.
#[pyclass(frozen, module = "provider_tree", name = "Claim")]
pub(crate) struct PyClaim(Shared<Asked>);

/// Holds a claim, and what else Python shows of it.
pub(crate) struct Asked {
    pub(crate) claim: Claim,
    /// What the consumer's uuid was issued with, which lives until it is claimed.
    pub(crate) issued: Option<Py<PyIssued>>,
    chains: Vec<(Provider, ResourceClass, u64)>,
    generations: Vec<(Provider, u64)>,
}

/// Counts the amounts of a claim from which on other threads may run Python while it is made: then the claim
/// takes so long that to give up the interpreter and to ask for it again costs little beside.
const MANY: usize = 256;

impl Asked {
    fn new(claim: Claim) -> Self {
        Asked { claim, issued: None, chains: Vec::new(), generations: Vec::new() }
    }

    /// Returns whether the claim is a long call.
    #[inline]
    pub(crate) fn is_long(&self) -> bool {
        self.claim.amounts().len() + self.chains.len() >= MANY
    }

    /// Makes of the claim what `change` makes of it.
    fn change(&mut self, change: impl FnOnce(Claim) -> Claim) {
        let claim = std::mem::replace(&mut self.claim, Claim::unnamed());
        self.claim = change(claim);
    }

    fn take_with_ancestors(&mut self, provider: Provider, class: ResourceClass, amount: u64) {
        self.change(|claim| claim.take_with_ancestors(&provider, class, amount));
        self.chains.push((provider, class, amount));
    }

    fn require_generation(&mut self, provider: Provider, generation: u64) {
        self.change(|claim| claim.require_generation(&provider, generation));
        self.generations.push((provider, generation));
    }

    fn copy(&self, py: Python<'_>) -> Self {
        Asked {
            claim: self.claim.clone(),
            issued: self.issued.as_ref().map(|issued| issued.clone_ref(py)),
            chains: self.chains.clone(),
            generations: self.generations.clone(),
        }
    }
}

impl PyClaim {
    /// Returns a claim of the library as Python sees it. The library shows no chains and no conditions of a
    /// claim, so those are not shown here.
    pub(crate) fn of(claim: Claim) -> Self {
        PyClaim::new(Asked::new(claim))
    }

    fn new(asked: Asked) -> Self {
        PyClaim(Shared::new("Claim", asked))
    }

    /// Returns the claim, which nobody changes meanwhile.
    #[inline]
    pub(crate) fn read(&self) -> PyResult<RwLockReadGuard<'_, Asked>> {
        self.0.read()
    }
}

#[pymethods]
impl PyClaim {
    #[new]
    #[pyo3(signature = (amounts=None, *, consumer=None, tag=None, chains=None, generations=None))]
    fn make(
        amounts: Option<&Bound<'_, PyAny>>,
        consumer: Option<Consumer<'_>>,
        tag: Option<u64>,
        chains: Option<&Bound<'_, PyAny>>,
        generations: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let mut asked = Asked::new(match &consumer {
            Some(consumer) => Claim::new(consumer.uuid),
            None => Claim::unnamed(),
        });
        asked.issued = consumer.and_then(|it| it.issued).map(Bound::unbind);
        if let Some(tag) = tag {
            asked.change(|claim| claim.with_tag(tag));
        }
        if let Some(given) = amounts {
            each_amount(given, |line| asked.claim.extend([line]))?;
        }
        if let Some(given) = chains {
            each_amount(given, |(provider, class, amount)| {
                asked.take_with_ancestors(provider, class, amount);
            })?;
        }
        if let Some(given) = generations {
            pairs(given, |provider, generation| {
                let PyProvider(provider) = provider.extract()?;
                asked.require_generation(provider, generation.extract()?);
                Ok(())
            })?;
        }
        Ok(PyClaim::new(asked))
    }

    /// Adds an amount of a class from a provider, and returns the claim.
    ///
    /// A claim that asks twice for the same class of the same provider asks for the sum.
    fn take<'py>(
        slf: &Bound<'py, Self>,
        provider: PyProvider,
        resource_class: Class,
        amount: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, Self>> {
        let amount = self::amount(resource_class.0, amount)?;
        slf.get().0.write()?.claim.extend([(provider.0, resource_class.0, amount)]);
        Ok(slf.clone())
    }

    /// Adds an amount from each provider that has an inventory of the class, among a provider and its
    /// ancestors, and returns the claim.
    ///
    /// At least one of them has to have such an inventory. This serves quotas: the provider of a team is a
    /// child of the provider of its organisation, and each has an inventory of what may be used.
    fn take_with_ancestors<'py>(
        slf: &Bound<'py, Self>,
        provider: PyProvider,
        resource_class: Class,
        amount: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, Self>> {
        let amount = self::amount(resource_class.0, amount)?;
        slf.get().0.write()?.take_with_ancestors(provider.0, resource_class.0, amount);
        Ok(slf.clone())
    }

    /// Adds the condition that a provider is at a generation when the claim is made, and returns the claim.
    ///
    /// If it is not, the claim is refused as `GenerationConflict`. This serves decisions that rest on more
    /// than what is free, such as a trait.
    fn require_generation<'py>(
        slf: &Bound<'py, Self>,
        provider: PyProvider,
        generation: u64,
    ) -> PyResult<Bound<'py, Self>> {
        slf.get().0.write()?.require_generation(provider.0, generation);
        Ok(slf.clone())
    }

    /// Makes the claim one of another consumer, and returns it. All that it asks for stays, and is neither
    /// checked nor put in order again: `worker.claim(small.for_consumer(uuid))` in a loop.
    fn for_consumer<'py>(
        slf: &Bound<'py, Self>,
        consumer: Consumer<'py>,
    ) -> PyResult<Bound<'py, Self>> {
        let before = {
            let asked = &mut *slf.get().0.write()?;
            asked.claim.for_consumer(consumer.uuid);
            std::mem::replace(&mut asked.issued, consumer.issued.map(Bound::unbind))
        };
        drop(before);
        Ok(slf.clone())
    }

    /// Sets the tag of the consumer, and returns the claim.
    ///
    /// The tag is any number of the caller's, such as an index, a priority or an owner. It changes together
    /// with what the consumer holds, and is shown with it.
    fn with_tag<'py>(slf: &Bound<'py, Self>, tag: u64) -> PyResult<Bound<'py, Self>> {
        slf.get().0.write()?.change(|claim| claim.with_tag(tag));
        Ok(slf.clone())
    }

    /// Returns a claim that asks for the same, to be changed by itself: `copy.copy(claim)`.
    fn __copy__(&self, py: Python<'_>) -> PyResult<Self> {
        Ok(PyClaim::new(self.read()?.copy(py)))
    }

    /// The uuid of the consumer; None if the forest is to name it.
    #[getter]
    fn consumer(&self) -> PyResult<Option<Id>> {
        Ok(self.read()?.claim.consumer().map(Id))
    }

    /// The tag that the claim sets; None if it sets none.
    #[getter]
    fn tag(&self) -> PyResult<Option<u64>> {
        Ok(self.read()?.claim.tag())
    }

    /// What `take` has added, in that order: the provider, the class and the amount of each.
    #[getter]
    fn amounts(&self) -> PyResult<Vec<(PyProvider, Class, u64)>> {
        let asked = self.read()?;
        let amounts = asked.claim.amounts();
        Ok(amounts.map(|(provider, class, it)| (PyProvider(provider), Class(class), it)).collect())
    }

    fn __repr__(&self) -> PyResult<String> {
        let asked = self.read()?;
        let by_uuid =
            |(provider, class, amount): (Provider, _, _)| (provider.uuid(), class, amount);
        let mut text = match asked.claim.consumer() {
            Some(consumer) => format!("<Claim of {consumer}: "),
            None => "<Claim: ".to_owned(),
        };
        text += &shown(asked.claim.amounts().map(by_uuid));
        if !asked.chains.is_empty() {
            text += "; with ancestors ";
            text += &shown(asked.chains.iter().copied().map(by_uuid));
        }
        for (provider, generation) in &asked.generations {
            text += &format!("; {} at generation {generation}", provider.uuid());
        }
        Ok(text + ">")
    }
}

/// Reads amounts by provider and class.
fn each_amount(
    given: &Bound<'_, PyAny>,
    mut add: impl FnMut((Provider, ResourceClass, u64)),
) -> PyResult<()> {
    pairs(given, |provider, of_one| {
        let PyProvider(provider) = provider.extract()?;
        for (class, amount) in amounts(&of_one)? {
            add((provider, class, amount));
        }
        Ok(())
    })?;
    Ok(())
}

/// Returns what amounts look like in text; beyond a few, how many more there are.
pub(crate) fn shown(amounts: impl ExactSizeIterator<Item = (Uuid, ResourceClass, u64)>) -> String {
    const SHOWN: usize = 8;
    let more = amounts.len().saturating_sub(SHOWN);
    let one = |(provider, class, amount)| format!("{amount} {class} of {provider}");
    let mut all: Vec<String> = amounts.take(SHOWN).map(one).collect();
    if all.is_empty() {
        return "nothing".to_owned();
    }
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    all.join(", ")
}
