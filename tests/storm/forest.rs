//! What providers, parents, children, uuids and names have to agree on.

use std::collections::{HashMap, HashSet};

use provider_tree::{Configuration, Error, Provider, ProviderTree, Result};
use uuid::Uuid;

use crate::rig::Gust;

/// Checks the whole forest, which nobody changes meanwhile.
pub(crate) fn check_forest(tree: &ProviderTree) {
    let all = distinct(tree.providers());
    let subtree = |provider: &Provider| tree.subtree(provider).expect("it exists");
    let trees: Vec<Vec<Provider>> = tree.roots().iter().map(subtree).collect();
    assert_eq!(all, trees.concat(), "each provider hangs below exactly one root");
    for provider in &all {
        check_provider(tree, provider);
    }
    let name = |provider: &Provider| {
        tree.configuration(provider).map(|now| now.name.clone()).expect("it exists")
    };
    let names: HashSet<_> = all.iter().map(name).collect();
    assert_eq!(names.len(), all.len(), "each provider has a name of its own");
}

fn check_provider(tree: &ProviderTree, provider: &Provider) {
    let data = tree.configuration(provider).expect("it exists");
    assert_eq!(tree.find(data.uuid), Some(*provider));
    assert_eq!(tree.find(&data.name), Some(*provider));
    let parent = tree.ancestors(provider).map(|all| all.first().copied()).expect("it exists");
    assert_eq!(data.parent, parent.map(|parent| parent.uuid()));
    let siblings = match &parent {
        Some(parent) => tree.children(parent).expect("a child's parent exists"),
        None => tree.roots(),
    };
    assert_eq!(times(&siblings, provider), 1, "{provider:?} is one child of {parent:?}");
    let ancestors = tree.ancestors(provider).expect("it exists");
    assert_eq!(ancestors.first(), parent.as_ref());
    let subtree = |provider: &Provider| tree.subtree(provider).expect("it exists");
    assert_eq!(tree.tree_of(provider), Ok(subtree(ancestors.last().unwrap_or(provider))));
    let children = tree.children(provider).expect("it exists");
    for child in &children {
        assert_eq!(tree.ancestors(child).map(|all| all.first().copied()), Ok(Some(*provider)));
    }
    let below: Vec<Vec<Provider>> = children.iter().map(subtree).collect();
    assert_eq!(subtree(provider), [vec![*provider], below.concat()].concat());
}

/// Checks something of one provider while everybody changes everything.
pub(crate) fn check_amid_changes(tree: &ProviderTree, gust: &mut Gust<'_>, provider: &Provider) {
    let what = match gust.rng.below(6) {
        0 => agrees(tree, provider, "find", |data| Ok(tree.find(data.uuid) == Some(*provider))),
        1 => agrees(tree, provider, "find by name", |data| {
            Ok(tree.find(&data.name) == Some(*provider))
        }),
        2 => agrees(tree, provider, "parent and children", |data| {
            let parent = tree.ancestors(provider).map(|all| all.first().copied())?;
            let siblings = match &parent {
                Some(parent) => distinct(tree.children(parent)?),
                None => distinct(tree.roots()),
            };
            Ok(data.parent == parent.map(|parent| parent.uuid()) && times(&siblings, provider) == 1)
        }),
        3 => agrees(tree, provider, "ancestors", |data| {
            let ancestors = distinct(tree.ancestors(provider)?);
            let parent = ancestors.first().map(Provider::uuid);
            Ok(data.parent == parent && times(&ancestors, provider) == 0)
        }),
        4 => agrees(tree, provider, "subtree", |_| {
            let subtree = distinct(tree.subtree(provider)?);
            Ok(subtree.first() == Some(provider))
        }),
        _ => agrees(tree, provider, "tree", |data| {
            let whole = distinct(tree.tree_of(provider)?);
            let is_root = whole.first() == Some(provider);
            Ok(data.parent.is_none() == is_root && times(&whole, provider) == 1)
        }),
    };
    gust.count(what.unwrap_or("changed while looked at"));
}

/// Runs `check` between two looks at what the provider says of itself. If it says the same, it was
/// there all the time and has neither moved nor got another name, so that the check has to hold.
fn agrees(
    tree: &ProviderTree,
    provider: &Provider,
    what: &'static str,
    check: impl FnOnce(&Configuration) -> Result<bool>,
) -> Option<&'static str> {
    let before = data(tree, provider)?;
    let holds = check(&before);
    let after = data(tree, provider)?;
    if before.generation != after.generation {
        return None;
    }
    assert_eq!(holds, Ok(true), "{what} of {after:?}");
    Some(what)
}

/// What the provider says of itself; none if it has been removed.
pub(crate) fn data(tree: &ProviderTree, provider: &Provider) -> Option<Configuration> {
    match tree.configuration(provider) {
        Ok(data) => {
            assert_eq!(data.uuid, provider.uuid());
            Some(data)
        }
        Err(error) => {
            assert_eq!(error, Error::Removed { provider: provider.uuid() });
            None
        }
    }
}

/// Checks that all providers of one answer fit together, if none of them changed meanwhile; says
/// whether that was so.
pub(crate) fn check_walk(tree: &ProviderTree) -> bool {
    let known = distinct(tree.providers());
    let look = || -> Option<Vec<Configuration>> {
        known.iter().map(|provider| data(tree, provider)).collect()
    };
    let Some(before) = look() else { return false };
    let walk = distinct(tree.providers());
    let Some(after) = look() else { return false };
    let same =
        |(before, after): (&Configuration, &Configuration)| before.generation == after.generation;
    if !before.iter().zip(&after).all(same) || walk.len() != known.len() {
        return false;
    }
    let parents: HashMap<Uuid, Option<Uuid>> =
        after.iter().map(|data| (data.uuid, data.parent)).collect();
    // Those from the root to the provider last seen.
    let mut path: Vec<Uuid> = Vec::new();
    for provider in &walk {
        // Others came, and as many went: impossible while all of them are there.
        let parent = parents.get(&provider.uuid()).expect("the same providers");
        while path.last() != parent.as_ref() {
            assert!(path.pop().is_some(), "{provider:?} before its parent: {walk:?}, {parents:?}");
        }
        path.push(provider.uuid());
    }
    true
}

/// Checks that no provider comes twice in an answer, nor do two with one uuid.
pub(crate) fn distinct(providers: Vec<Provider>) -> Vec<Provider> {
    let uuids: HashSet<Uuid> = providers.iter().map(Provider::uuid).collect();
    assert_eq!(uuids.len(), providers.len(), "one of these comes twice: {providers:?}");
    providers
}

fn times(providers: &[Provider], wanted: &Provider) -> usize {
    providers.iter().filter(|provider| *provider == wanted).count()
}
