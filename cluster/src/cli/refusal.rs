//! What an error of the forest looks like as JSON.

use provider_tree::Error;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Represents an error of the forest as JSON shows it.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Refusal {
    /// Its name.
    error: &'static str,
    /// Its text.
    message: String,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

/// Returns an error of the forest as JSON shows it.
pub(crate) fn refusal(error: &Error) -> Refusal {
    let (name, fields) = name_and_fields(error);
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Refusal { error: name, message: error.to_string(), fields }
}

macro_rules! plain {
    ($error:expr; $($variant:ident { $($field:ident),* })*; $($pattern:pat => $other:expr,)*) => {
        match $error {
            $(Error::$variant { $($field,)* .. } => {
                (stringify!($variant), vec![$((stringify!($field), json!($field))),*])
            })*
            $($pattern => $other,)*
        }
    };
}

fn name_and_fields(error: &Error) -> (&'static str, Vec<(&'static str, Value)>) {
    plain! { error;
        Removed { provider }
        UnknownProvider { key }
        ForeignProvider { provider }
        UuidExists { uuid }
        NameExists { name }
        InvalidName { name, length, reason }
        HasChildren { provider }
        WouldCycle { provider, parent }
        InUse { provider, class, used }
        GenerationConflict { provider, expected, actual }
        NoInventory { provider, class }
        CapacityExceeded { provider, class, requested, free }
        Cordoned { provider }
        UnitViolation { provider, class, requested, min_unit, max_unit, step_size }
        ZeroAmount { provider, class }
        NotTaken { provider, class, requested, taken }
        EmptyClaim { consumer }
        ConsumerExists { consumer, generation }
        AlreadyHeld { consumer, generation }
        NotIssued { consumer }
        Unnamed {}
        LeaseEnded { consumer }
        ForeignLease { consumer }
        NotLeased { consumer }
        ConsumerConflict { consumer, expected, actual }
        ConsumerNotFound { consumer }
        SnapshotTooOld { snapshot }
        ForeignSnapshot { snapshot }
        NoHolders {}
        ForeignRequest {}
        FellBehind { snapshot }
        ProviderChanged { provider }
        ConsumerChanged { consumer }
        TooLarge { what, limit, full };
        Error::InvalidInventory { class, fault } => {
            let fault = fault.to_string();
            ("InvalidInventory", vec![("class", json!(class)), ("fault", json!(fault))])
        },
        Error::InvalidRequest { fault } => {
            ("InvalidRequest", vec![("fault", json!(fault.to_string()))])
        },
        // JSON's numbers end before the sum does, for many who read them.
        Error::SumTooLarge { provider, class, sum } => {
            let sum = sum.to_string();
            let fields = [("provider", json!(provider)), ("class", json!(class)), ("sum", json!(sum))];
            ("SumTooLarge", fields.into())
        },
        Error::TooFewFit { fit, at_least, refused } => {
            let refused = refused.iter().map(|(index, error)| {
                json!({ "index": index, "refused": refusal(error) })
            });
            let refused = refused.collect::<Vec<_>>();
            let fields =
                [("fit", json!(fit)), ("at_least", json!(at_least)), ("refused", json!(refused))];
            ("TooFewFit", fields.into())
        },
        Error::InvalidEntries { faults } => {
            let faults = faults.iter().map(ToString::to_string).collect::<Vec<_>>();
            ("InvalidEntries", vec![("faults", json!(faults))])
        },
        _ => ("Other", Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use provider_tree::ResourceClass;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_error_has_its_name_its_text_and_its_fields() {
        let (provider, class) = (Uuid::from_u128(1), ResourceClass::VCPU);
        let error = Error::CapacityExceeded { provider, class, requested: 5, free: 2 };
        let expected = json!({
            "error": "CapacityExceeded",
            "message": error.to_string(),
            "provider": provider,
            "class": "VCPU",
            "requested": 5,
            "free": 2,
        });
        assert_eq!(json!(refusal(&error)), expected);

        let error = Error::TooFewFit { fit: 0, at_least: 1, refused: vec![(3, error)] };
        assert_eq!(json!(refusal(&error))["refused"], json!([{ "index": 3, "refused": expected }]));

        let error = Error::SumTooLarge { provider, class, sum: u128::MAX };
        assert_eq!(json!(refusal(&error))["sum"], u128::MAX.to_string());
        assert_eq!(json!(refusal(&Error::Unnamed))["error"], "Unnamed");
    }
}
