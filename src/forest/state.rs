//! Reads what a provider has and is, as of one instant: now, or the instant of a snapshot.
//!
//! A method returns `None` if what the method has read contradicts itself, or can't be read any
//! more.

use std::sync::Arc;

use uuid::Uuid;

use crate::error::Result;
use crate::forest::configuration::Configuration;
use crate::forest::core::Forest;
use crate::forest::provider::{Provider, ProviderData};
use crate::layout::{State, Structure, UsageWords, usage_of};
use crate::ledger::{Cell, View};

impl Forest {
    /// Returns everything about `provider` but its usage.
    pub(crate) fn data(
        &self,
        view: &mut impl View,
        provider: &Provider,
    ) -> Option<Result<ProviderData>> {
        let structure = view.read(provider.cell, Structure::of_words)?;
        if let Err(removed) = provider.check_life(structure.life) {
            return Some(Err(removed));
        }
        self.data_of(view, provider.cell, &structure, |_| ()).map(|(data, ())| Ok(data))
    }

    /// Returns everything but the usage about the provider with this structure, and what `extract`
    /// makes of the usage.
    pub(crate) fn data_of<T>(
        &self,
        view: &mut impl View,
        cell: Cell,
        structure: &Structure,
        extract: impl FnOnce(UsageWords<&[u64]>) -> T,
    ) -> Option<(ProviderData, T)> {
        let parent = self.uuid_of_parent(view, structure)?;
        let (life, generation, version, extracted) = view.read(usage_of(cell), |words| {
            let usage = UsageWords(words);
            (usage.life(), usage.generation(), usage.configuration(), extract(usage))
        })?;
        if !life.is(State::Live, structure.life.incarnation) {
            return None;
        }
        let configuration = self.configurations.find(usage_of(cell), version)?;
        let data = ProviderData {
            uuid: structure.uuid,
            name: configuration.name.clone(),
            parent,
            generation,
            inventories: configuration.inventories.clone(),
            traits: configuration.traits.clone(),
            aggregates: configuration.aggregates.clone(),
            resources: configuration.resources.clone(),
        };
        Some((data, extracted))
    }

    fn uuid_of_parent(&self, view: &mut impl View, structure: &Structure) -> Option<Option<Uuid>> {
        let parent = structure.parent?;
        if parent == self.super_root {
            return Some(None);
        }
        view.read(parent, |words| Some(Structure::of_words(words).uuid))
    }

    /// Returns what `extract` makes of the usage of `provider`.
    pub(crate) fn usage_at<T>(
        &self,
        view: &mut impl View,
        provider: &Provider,
        extract: impl FnOnce(UsageWords<&[u64]>) -> T,
    ) -> Option<Result<T>> {
        let cell = match self.usage_cell(provider) {
            Ok(cell) => cell,
            Err(foreign) => return Some(Err(foreign)),
        };
        view.read(cell, |words| {
            let usage = UsageWords(words);
            provider.check_life(usage.life())?;
            Ok(extract(usage))
        })
    }

    /// Returns the configuration of `provider` in force.
    pub(crate) fn configuration_at(
        &self,
        view: &mut impl View,
        provider: &Provider,
    ) -> Option<Result<Arc<Configuration>>> {
        match self.usage_at(view, provider, |usage| usage.configuration())? {
            Ok(version) => self.configurations.find(usage_of(provider.cell), version).map(Ok),
            Err(error) => Some(Err(error)),
        }
    }
}
