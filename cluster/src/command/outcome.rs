//! [`Outcome`]: what a command has done.

use provider_tree::{Partial, Receipt, Updated};

use super::Command;
use super::batch::Batch;
use super::claims::{
    Cancel, Claim, ClaimGang, ClaimPartly, Confirm, Expire, Lease, PutBack, Release, Renew,
    Replace, Take,
};
use super::providers::{
    Configure, Cordon, Create, Move, Populate, Remove, RemoveLeaf, Rename, Uncordon,
};

/// Says what a command of any kind has done.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// What there is no more to say of.
    Done,
    /// Which consumer has come to which generation.
    Receipt(Receipt),
    /// The same for several consumers.
    Receipts(Vec<Receipt>),
    /// What has become of each member of a gang.
    Gang(Vec<provider_tree::Result<Receipt>>),
    /// What has become of a claim that may be made in part.
    Partial(Partial),
    /// What has become of a provider's configuration.
    Updated(Updated),
    /// How many providers have been removed.
    Removed(usize),
    /// Whether anything has changed.
    Changed(bool),
}

/// Is implemented by all kinds of commands: says what a replica answers to one.
pub trait Ask: Into<Command> {
    /// What is answered if the command is not refused.
    type Answer;

    /// Reads the answer from what the command has done. Returns `None` for what a command of this kind
    /// never does.
    fn answer(outcome: Outcome) -> Option<Self::Answer>;
}

macro_rules! kinds {
    ($($kind:ident -> $answer:ty, $outcome:pat => $is:expr;)*) => {$(
        impl From<$kind> for Command {
            fn from(command: $kind) -> Self {
                Command::$kind(command)
            }
        }

        impl Ask for $kind {
            type Answer = $answer;

            fn answer(outcome: Outcome) -> Option<Self::Answer> {
                match outcome {
                    $outcome => Some($is),
                    _ => None,
                }
            }
        }
    )*};
}

kinds! {
    Claim -> Receipt, Outcome::Receipt(receipt) => receipt;
    Replace -> Receipt, Outcome::Receipt(receipt) => receipt;
    Release -> Receipt, Outcome::Receipt(receipt) => receipt;
    ClaimGang -> Vec<provider_tree::Result<Receipt>>, Outcome::Gang(made) => made;
    ClaimPartly -> Partial, Outcome::Partial(made) => made;
    Lease -> Receipt, Outcome::Receipt(receipt) => receipt;
    Confirm -> Receipt, Outcome::Receipt(receipt) => receipt;
    Renew -> Receipt, Outcome::Receipt(receipt) => receipt;
    Cancel -> Receipt, Outcome::Receipt(receipt) => receipt;
    Expire -> Vec<Receipt>, Outcome::Receipts(ended) => ended;
    Take -> (), Outcome::Done => ();
    PutBack -> (), Outcome::Done => ();
    Batch -> Vec<Receipt>, Outcome::Receipts(made) => made;
    Create -> (), Outcome::Done => ();
    Populate -> (), Outcome::Done => ();
    Remove -> usize, Outcome::Removed(count) => count;
    RemoveLeaf -> (), Outcome::Done => ();
    Move -> (), Outcome::Done => ();
    Rename -> (), Outcome::Done => ();
    Cordon -> bool, Outcome::Changed(changed) => changed;
    Uncordon -> bool, Outcome::Changed(changed) => changed;
    Configure -> Updated, Outcome::Updated(updated) => updated;
}

/// Answers the outcome as it is.
impl Ask for Command {
    type Answer = Outcome;

    fn answer(outcome: Outcome) -> Option<Self::Answer> {
        Some(outcome)
    }
}
