//! [`Why`]: what rules roots out.

use crate::forest::Forest;
use crate::search::picture::Picture;
use crate::search::plan::Obstacle;
use crate::search::prepared::Prepared;
use crate::values::ResourceClass;

/// Counts why the roots of a view can't serve a request; see [`View::why`](crate::View::why). Each
/// root is counted once, under the first condition that it fails, in the order of the fields.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Why {
    /// All roots.
    pub roots: usize,
    /// Roots without a required trait, or with a forbidden one.
    pub root_traits: usize,
    /// Roots in whose trees no provider has what a group asks for, however much is free: classes
    /// and units, traits, aggregates. By the name of the group; `None` is the unnamed one.
    pub groups: Vec<(Option<String>, usize)>,
    /// Roots in whose trees the providers of the unnamed group lack one of its traits.
    pub traits: usize,
    /// Roots in whose trees too little is free of a class, in one provider or together. A cordoned
    /// provider counts as one of which nothing is free.
    pub short: Vec<(ResourceClass, usize)>,
    /// Roots in whose trees everything is free, but not in a way that the request allows: in
    /// several providers, in the same one, in one subtree.
    pub together: usize,
    /// Roots that can serve the request.
    pub fitting: usize,
}

impl Why {
    pub(super) fn new(forest: &Forest, picture: &Picture, prepared: &mut Prepared) -> Self {
        prepared.catch_up(forest, picture, None);
        let mut why = Why::default();
        let form = std::sync::Arc::clone(&prepared.form);
        for tree in picture.live_trees() {
            why.roots += 1;
            match prepared.plan(picture, tree).map(|_| ()) {
                Err(Obstacle::Root) => why.root_traits += 1,
                Err(Obstacle::Traits) => why.traits += 1,
                Err(Obstacle::Slot(slot)) => {
                    let group = form.slots[slot].group.map(|at| form.name(at).to_owned());
                    count(&mut why.groups, group);
                }
                Ok(()) => match prepared.shortage(picture, tree) {
                    Some(class) => count(&mut why.short, ResourceClass::from_number(class)),
                    None if prepared.fits(picture, tree) => why.fitting += 1,
                    None => why.together += 1,
                },
            }
        }
        why
    }
}

fn count<K: PartialEq>(counts: &mut Vec<(K, usize)>, key: K) {
    match counts.iter_mut().find(|(known, _)| *known == key) {
        Some((_, count)) => *count += 1,
        None => counts.push((key, 1)),
    }
}
