//! The best candidates by a key of the caller.

use std::collections::BinaryHeap;

use crate::forest::Forest;
use crate::search::candidate::Candidate;
use crate::search::picture::Picture;
use crate::search::prepared::Prepared;
use crate::search::root::Root;
use crate::search::scene::Steps;

/// Returns candidates of the `k` roots with the least keys among those that can serve the request,
/// the least key first; of roots with equal keys, those with the least numbers.
pub(super) fn best<K: Ord>(
    forest: &Forest,
    picture: &Picture,
    prepared: &mut Prepared,
    k: usize,
    mut key: impl FnMut(Root<'_>) -> K,
) -> Vec<Candidate> {
    prepared.catch_up(forest, picture, None);
    let k = k.min(prepared.form.request.limit.unwrap_or(usize::MAX));
    let mut steps = Steps::unbounded();
    // Holds the best so far, the worst of them on top.
    let mut found: BinaryHeap<(K, u32)> = BinaryHeap::new();
    let mut next = 0;
    if k == 0 {
        return Vec::new();
    }
    while let Some(tree) = prepared.next_tree(picture, next, &mut steps) {
        next = tree as usize + 1;
        let entry = (key(Root { picture, tree }), tree);
        if found.len() == k && found.peek().is_some_and(|worst| *worst <= entry) {
            continue;
        }
        // Only what might be among the best is looked at in full.
        if !prepared.fits(picture, tree) {
            prepared.close();
            continue;
        }
        found.push(entry);
        if found.len() > k {
            found.pop();
        }
    }
    let candidate = |(_, tree)| prepared.fits(picture, tree).then(|| prepared.candidate(picture));
    found.into_sorted_vec().into_iter().filter_map(candidate).collect()
}
