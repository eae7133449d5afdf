//! Providers by number and name, for the models of structure.

use provider_tree::{Provider, ProviderTree};
use uuid::Uuid;

use crate::thread;

/// The uuid of this number.
pub fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// Runs `theirs` in a thread of its own and `mine` in this one.
pub fn race<A, B: Send + 'static>(
    tree: &ProviderTree,
    mine: impl FnOnce(&ProviderTree) -> A,
    theirs: impl FnOnce(&ProviderTree) -> B + Send + 'static,
) -> (A, B) {
    let other = tree.clone();
    let thread = thread::spawn(move || theirs(&other));
    let mine = mine(tree);
    (mine, thread.join().expect("no panic in the thread"))
}

/// Checks that there are `count` providers, all found by uuid and name, and each a child of its parent once.
pub fn assert_sound(tree: &ProviderTree, count: usize) {
    let all = tree.providers();
    assert_eq!(all.len(), count);
    for provider in &all {
        assert_eq!(tree.find(provider.uuid()), Some(*provider));
        let name = tree.configuration(provider).map(|now| now.name.clone()).expect("is there");
        assert_eq!(tree.find(&name), Some(*provider));
        let siblings =
            match tree.ancestors(provider).map(|all| all.first().copied()).expect("is there") {
                Some(parent) => tree.children(&parent).expect("is there"),
                None => tree.roots(),
            };
        assert_eq!(siblings.iter().filter(|sibling| *sibling == provider).count(), 1);
    }
}

/// A new root.
pub fn root(tree: &ProviderTree, name: &str, number: u128) -> Provider {
    tree.create_root(name, uuid(number)).expect("a new provider")
}

/// A new child of `parent`.
pub fn child(tree: &ProviderTree, parent: &Provider, name: &str, number: u128) -> Provider {
    tree.create_child(parent, name, uuid(number)).expect("a new provider")
}
