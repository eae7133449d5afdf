//! Placing: find, claim, and go on after a conflict.

use crate::claim::{Claim, Receipt, Worker};
use crate::error::Error;
use crate::search::candidate::Candidate;
use crate::search::view::View;

/// Describes what was placed; see [`View::place`].
#[derive(Clone, Debug)]
#[must_use = "the consumer holds what was placed until it is released"]
#[non_exhaustive]
pub struct Placed {
    /// What the claim has led to.
    pub receipt: Receipt,
    /// The claim that was granted. [`View::released`] takes it when the consumer has ended.
    pub claim: Claim,
    /// The candidate that was claimed.
    pub candidate: Candidate,
    /// Counts the claims before this one that were refused because another thread had been faster.
    pub refusals: u32,
}

/// Tells why nothing was placed; see [`View::place`].
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unplaced {
    /// Nothing fits in a view that was brought up to date during the call.
    #[error("nothing fits")]
    NothingFits {
        /// Counts the claims that were refused before.
        refusals: u32,
    },

    /// As many claims as were allowed were refused because other threads had been faster. This says
    /// nothing about whether the request fits somewhere: try again, or choose in another way.
    #[error("{refusals} claims were refused, the last one since {last}")]
    GaveUp {
        /// Counts the claims that were refused.
        refusals: u32,
        /// Why the last one was.
        last: Error,
    },

    /// The claim was refused for a reason that no other candidate changes, such as that the consumer
    /// exists, or that what the claim asks for beside the candidate does not fit: a quota is full.
    #[error(transparent)]
    Refused(#[from] Error),
}

/// Returns whether another candidate may change what the refusal is for. If it is for what the claim asks for
/// beside the candidate, such as a chain at a full quota, none does.
fn is_about(refusal: &Error, candidate: &Candidate) -> bool {
    refusal
        .provider()
        .is_none_or(|refused| candidate.providers().any(|provider| provider.uuid() == refused))
}

impl View {
    /// Finds a candidate, claims it in addition to what `claim` asks for, which most often is a
    /// consumer and nothing more, and counts it as used. If the claim is refused because of a
    /// [conflict](Error::is_conflict), most often since another thread was faster, the view reads the
    /// candidate's providers again and the search goes on, for at most `tries` claims in all; `tries`
    /// of 0 claims once. Before the call says that nothing fits, and after half of the tries, it brings
    /// the view up to date.
    ///
    /// What `claim` asks for itself is not searched for. If that does not fit, such as a quota that is
    /// used up, no candidate helps, and the call ends as [`Refused`](Unplaced::Refused) at once.
    ///
    /// Costs a search and a claim for each try, and at most two refreshes.
    ///
    /// `choose` finds a candidate by `asked`, which is a [`Prepared`](crate::Prepared), a
    /// [`Ranking`](crate::Ranking), or whatever the caller searches with: nothing else is done with it.
    /// `|view, prepared| Ok(view.candidates(prepared)?.next())` takes the first candidate,
    /// `|view, ranking| Ok(view.ranked(ranking)?.next())` the best one.
    ///
    /// # Errors
    ///
    /// Returns [`Unplaced`]; nothing is claimed then. After [`GaveUp`](Unplaced::GaveUp) the request may
    /// fit somewhere all the same: the caller tries again, or chooses in another way.
    pub fn place<A>(
        &mut self,
        worker: &mut Worker,
        asked: &mut A,
        claim: impl Into<Claim>,
        tries: u32,
        mut choose: impl FnMut(&View, &mut A) -> Result<Option<Candidate>, Error>,
    ) -> Result<Placed, Unplaced> {
        let claim = claim.into();
        let mut refusals = 0;
        let mut is_fresh = false;
        loop {
            let Some(candidate) = choose(self, asked)? else {
                if std::mem::replace(&mut is_fresh, true) {
                    return Err(Unplaced::NothingFits { refusals });
                }
                self.refresh();
                continue;
            };
            let claim = candidate.claim(claim.clone());
            match worker.claim(&claim) {
                Ok(receipt) => {
                    self.claimed(&claim);
                    return Ok(Placed { receipt, claim, candidate, refusals });
                }
                Err(last) if last.is_conflict() && is_about(&last, &candidate) => {
                    refusals += 1;
                    for provider in candidate.providers() {
                        // Removed: the view does not have it any more.
                        let _ = self.reread(&provider);
                    }
                    if refusals >= tries {
                        return Err(Unplaced::GaveUp { refusals, last });
                    }
                    if refusals == tries / 2 {
                        // What was read again was not all that is out of date.
                        self.refresh();
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
