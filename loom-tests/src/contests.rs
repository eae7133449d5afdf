//! Creations and removals that contend for one uuid, name or provider: what holds whichever way their
//! transactions go.

use provider_tree::model::interned;
use provider_tree::{Error, ProviderTree};

use crate::providers::{assert_sound, race, root, uuid};

/// Of two creations of one uuid one succeeds, and the other leaves no name behind.
pub fn two_create_one_uuid() {
    let tree = ProviderTree::new();
    let (mine, theirs) =
        race(&tree, |tree| tree.create_root("b", uuid(1)), |tree| tree.create_root("a", uuid(1)));
    let (won, lost, error) = match (mine, theirs) {
        (Ok(_), Err(error)) => ("b", "a", error),
        (Err(error), Ok(_)) => ("a", "b", error),
        other => panic!("{other:?}"),
    };
    assert_eq!(error, Error::UuidExists { uuid: uuid(1) });
    assert_eq!(tree.find(won), tree.find(uuid(1)));
    assert_eq!(tree.find(lost), None);
    assert_eq!(interned(&tree), [1, 1, 0], "interned for nobody");
    assert_sound(&tree, 1);
}

/// Of two creations of one name one succeeds, and the other leaves no uuid behind.
pub fn two_create_one_name() {
    let tree = ProviderTree::new();
    let (mine, theirs) =
        race(&tree, |tree| tree.create_root("a", uuid(1)), |tree| tree.create_root("a", uuid(2)));
    let (lost, error) = match (mine, theirs) {
        (Ok(_), Err(error)) => (uuid(2), error),
        (Err(error), Ok(_)) => (uuid(1), error),
        other => panic!("{other:?}"),
    };
    assert_eq!(error, Error::NameExists { name: "a".into() });
    assert_eq!(tree.find(lost), None);
    assert_sound(&tree, 1);
}

/// Of two removals of one provider exactly one succeeds.
pub fn two_remove_one_provider() {
    let tree = ProviderTree::new();
    let host = root(&tree, "host", 1);
    let (mine, theirs) = race(&tree, |tree| tree.remove(&host), move |tree| tree.remove(&host));
    match (mine, theirs) {
        (Ok(1), Err(Error::Removed { .. })) | (Err(Error::Removed { .. }), Ok(1)) => {}
        other => panic!("{other:?}"),
    }
    assert_sound(&tree, 0);
}

/// A creation with the name of a provider that goes is refused or comes after it.
pub fn one_creates_a_name_whose_owner_goes() {
    let tree = ProviderTree::new();
    let old = root(&tree, "a", 1);
    let (removed, created) =
        race(&tree, |tree| tree.remove(&old), |tree| tree.create_root("a", uuid(2)));
    assert_eq!(removed, Ok(1));
    assert_eq!(tree.find(uuid(1)), None);
    match created {
        Ok(new) => {
            assert_eq!(tree.find("a"), Some(new));
            assert_sound(&tree, 1);
        }
        Err(error) => {
            assert_eq!(error, Error::NameExists { name: "a".into() });
            assert_eq!(tree.find("a"), None);
            assert_sound(&tree, 0);
        }
    }
}
