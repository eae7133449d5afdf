//! [`Answer`]: what is said of a line.

use provider_tree_cluster::command::Outcome;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::refusal::{Refusal, refusal};

/// Represents what is said of a line.
#[derive(Serialize)]
pub(crate) struct Answer {
    /// The number of the line.
    pub(crate) line: u64,
    /// The mark of the line, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<Box<RawValue>>,
    #[serde(flatten)]
    pub(crate) said: Said,
}

/// Represents what has become of a line.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", untagged)]
pub(crate) enum Said {
    /// It was done, at this position; or what it reads is as of that position, at least.
    Ok { position: u64, ok: Value },
    /// The forest has not allowed it, at this position.
    Refused { position: u64, refused: Refusal },
    /// It was not made, and never will be.
    NotMade { not_made: String },
    /// It can't be known here whether it was made; if so, this replica's entry has it.
    Unknown {
        unknown: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        replica: Option<Uuid>,
    },
    /// It makes no sense.
    Invalid { invalid: String },
}

impl Said {
    /// Returns whether the line was answered by the forest.
    pub(crate) fn is_answered(&self) -> bool {
        matches!(self, Said::Ok { .. } | Said::Refused { .. })
    }
}

impl Answer {
    /// Returns the line that the answer is written as.
    pub(crate) fn to_line(&self) -> Vec<u8> {
        // What it has are texts, numbers, and maps whose keys are texts.
        let mut line = serde_json::to_vec(self).expect("an answer can be written as JSON");
        // The mark of a line may have one between its values.
        line.iter_mut().filter(|byte| **byte == b'\r').for_each(|byte| *byte = b' ');
        line.push(b'\n');
        line
    }
}

/// Returns what a command has done, as JSON.
pub(crate) fn outcome(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Done => json!({}),
        Outcome::Receipt(receipt) => json!(receipt),
        Outcome::Receipts(receipts) => json!({ "receipts": receipts }),
        Outcome::Gang(members) => {
            let members = members.iter().map(|member| match member {
                Ok(receipt) => json!({ "ok": receipt }),
                Err(error) => json!({ "refused": refusal(error) }),
            });
            json!({ "members": members.collect::<Vec<_>>() })
        }
        Outcome::Partial(partial) => {
            let refused = partial
                .refused
                .iter()
                .map(|(index, error)| json!({ "index": index, "refused": refusal(error) }));
            json!({
                "consumer": partial.receipt.consumer,
                "generation": partial.receipt.generation,
                "refused": refused.collect::<Vec<_>>(),
            })
        }
        Outcome::Updated(updated) => json!(updated),
        Outcome::Removed(count) => json!({ "removed": count }),
        Outcome::Changed(changed) => json!({ "changed": changed }),
        other => json!({ "outcome": format!("{other:?}") }),
    }
}
