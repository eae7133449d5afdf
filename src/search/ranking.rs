//! [`Ranking`]: the roots that serve one request, by a key of the caller.

use std::fmt;

use crate::forest::Forest;
use crate::search::board::Board;
use crate::search::picture::Picture;
use crate::search::prepared::Prepared;
use crate::search::request::Request;
use crate::search::root::Root;
use crate::search::scene::Steps;

/// Holds the roots of a [`View`](crate::View) that serve one request, by a key of the caller's; see
/// [`View::rank`](crate::View::rank).
///
/// A ranking remembers the key of each root that may serve, and computes it again only for trees that
/// have changed since it was asked last.
pub struct Ranking<K> {
    prepared: Prepared,
    key: Box<dyn Fn(Root<'_>) -> K + Send + Sync>,
    standing: Standing<K>,
    /// What the ranking knows of the picture; `None` if it knows nothing.
    seen: Option<Seen>,
}

/// Holds the roots that serve the request, by their keys.
struct Standing<K> {
    board: Board<K>,
    /// The roots that were returned since the ranking was brought up to date, and are not on the board.
    returned: Vec<(u32, K)>,
}

/// Returns one tree after the other, in the order of their keys.
pub(super) trait Next {
    /// Returns the tree that comes next.
    fn next(&mut self) -> Option<u32>;
}

impl<K: Ord + Copy> Next for Standing<K> {
    #[inline]
    fn next(&mut self) -> Option<u32> {
        let (tree, key) = self.board.least()?;
        self.board.set(tree, None);
        self.returned.push((tree, key));
        Some(tree)
    }
}

impl<K: Ord + Copy> Standing<K> {
    /// Puts the roots back that were returned, except those that were found not to serve.
    #[inline]
    fn put_back(&mut self, serves: impl Fn(u32) -> bool) {
        for (tree, key) in self.returned.drain(..).filter(|(tree, _)| serves(*tree)) {
            self.board.set(tree, Some(key));
        }
    }
}

/// Tells up to where a ranking has followed a picture.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    epoch: u64,
    changes: u64,
    shared_changes: u64,
}

impl<K: Ord + Copy> Ranking<K> {
    pub(super) fn new(
        prepared: Prepared,
        key: impl Fn(Root<'_>) -> K + Send + Sync + 'static,
    ) -> Self {
        let standing = Standing { board: Board::default(), returned: Vec::new() };
        Ranking { prepared, key: Box::new(key), standing, seen: None }
    }

    /// Returns the request.
    pub fn request(&self) -> &Request {
        self.prepared.request()
    }

    /// Returns about how many bytes the keys take.
    pub fn bytes(&self) -> usize {
        let Standing { board, returned } = &self.standing;
        board.bytes() + returned.capacity() * size_of::<(u32, K)>()
    }

    pub(super) fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// Returns what a search goes through in the order of the keys, after learning what has changed in
    /// the picture since the last time.
    pub(super) fn parts(
        &mut self,
        forest: &Forest,
        picture: &Picture,
    ) -> (&mut Prepared, &mut (dyn Next + 'static))
    where
        K: 'static,
    {
        // Nothing is known until all is done: a key may panic, and so may the comparison of two.
        let seen = self.seen.take();
        self.prepared.catch_up(forest, picture, None);
        self.standing.put_back(|tree| self.prepared.is_open(tree));
        let now = Seen {
            epoch: picture.epoch,
            changes: picture.changes(),
            shared_changes: picture.shared_changes,
        };
        let seen = seen.filter(|seen| {
            seen.epoch == now.epoch
                && (seen.shared_changes == now.shared_changes || !self.prepared.may_be_shared())
        });
        match seen.and_then(|seen| picture.changed_since(seen.changes)) {
            Some(changed) => changed.for_each(|tree| self.judge(picture, tree)),
            None => self.judge_all(picture),
        }
        self.seen = Some(now);
        (&mut self.prepared, &mut self.standing)
    }

    fn judge_all(&mut self, picture: &Picture) {
        self.standing.board = Board::new(picture.trees.len());
        let (mut next, mut steps) = (0, Steps::unbounded());
        while let Some(tree) = self.prepared.next_tree(picture, next, &mut steps) {
            next = tree as usize + 1;
            self.judge(picture, tree);
        }
    }

    /// Puts a tree where it belongs; nowhere if it can't serve the request. A search of the tree finds out
    /// whether it does.
    #[inline]
    fn judge(&mut self, picture: &Picture, tree: u32) {
        let may_serve = self.prepared.may_serve_by_plan(picture, tree);
        let key = may_serve.then(|| (self.key)(Root { picture, tree }));
        self.standing.board.set(tree, key);
    }
}

impl<K> fmt::Debug for Ranking<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ranking").field("request", self.prepared.request()).finish_non_exhaustive()
    }
}
