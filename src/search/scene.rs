//! [`Scene`]: what a search of one tree looks at, and how far it may go.

use std::fmt;

use crate::search::form::Form;
use crate::search::member::Member;
use crate::search::picture::Picture;
use crate::search::plan::Plan;

/// Holds what a search of one tree looks at.
pub(super) struct Scene<'a> {
    pub(super) picture: &'a Picture,
    pub(super) form: &'a Form,
    pub(super) plan: &'a Plan,
    /// The tree that each slot's provider has to be in, if the request says so.
    pub(super) trees: &'a [Option<u32>],
    pub(super) taste: Taste<'a>,
}

/// Counts the looks at trees and at providers that may serve.
pub(super) struct Steps<'a> {
    pub(super) made: u64,
    pub(super) most: u64,
    /// Asked whether the search is to end.
    pub(super) is_over: Option<Box<dyn FnMut() -> bool + 'a>>,
    /// How many steps were made when it was asked last.
    asked: u64,
}

impl Steps<'_> {
    pub(super) fn unbounded() -> Self {
        Steps { made: 0, most: u64::MAX, is_over: None, asked: 0 }
    }

    #[inline]
    pub(super) fn are_over(&self) -> bool {
        self.made >= self.most
    }

    /// Asks whether the search is to end. Lets the steps be over if it is.
    #[inline]
    pub(super) fn ask(&mut self) {
        if let Some(is_over) = &mut self.is_over {
            self.asked = self.made;
            if is_over() {
                self.most = self.made;
            }
        }
    }

    /// Returns whether the steps are over. Asks too, once in some steps: one tree may take very many.
    #[inline]
    pub(super) fn are_over_in_a_tree(&mut self) -> bool {
        const SELDOM: u64 = 64;
        if self.is_over.is_some() && self.made - self.asked >= SELDOM {
            self.ask();
        }
        self.are_over()
    }
}

/// Tells which ways to serve a request are shown, and which come first in one tree.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Taste<'a> {
    /// Whether identical providers are told apart.
    pub(super) all: bool,
    pub(super) first: First<'a>,
}

/// Tells which providers of one tree are tried first.
#[derive(Clone, Copy, Default)]
pub(super) enum First<'a> {
    /// As they stand in the tree.
    #[default]
    InOrder,
    /// Those that have least free, so that others stay whole.
    Tightest,
    /// At random, as this seed decides.
    Shuffled(u64),
    /// Those with the least keys.
    By(&'a Key<'a>),
}

/// Returns the key of a provider of a tree.
pub(super) type Key<'a> = dyn Fn(Member<'_>) -> u64 + 'a;

impl fmt::Debug for First<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            First::InOrder => "InOrder",
            First::Tightest => "Tightest",
            First::Shuffled(_) => "Shuffled",
            First::By(_) => "By",
        })
    }
}
