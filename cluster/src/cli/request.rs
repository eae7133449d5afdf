//! [`Request`]: what a line asks for.

use std::borrow::Cow;
use std::collections::BTreeMap;

use provider_tree::ResourceClass;
use provider_tree_cluster::command::Command;
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::quote::quote;

/// Represents what a line asks for, and the mark that its answer is to have.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) id: Option<Box<RawValue>>,
    /// What is asked for, or what is wrong with the line.
    pub(crate) what: Result<What, String>,
}

/// Represents what a line asks for.
#[derive(Debug)]
pub(crate) enum What {
    Command(Box<Command>),
    /// A read, and whether it is to have what was answered anywhere before.
    Read(Read, bool),
    Sync,
    /// Has what another replica has on its way refused.
    Fence(Uuid),
}

/// Represents a question about the forest.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Read {
    /// What a consumer holds.
    Allocations(Uuid),
    /// How much of a class of a provider is used.
    Usage {
        /// The uuid or the name of the provider.
        provider: String,
        class: ResourceClass,
    },
    /// What a provider has and is, by its uuid or its name.
    Provider(String),
}

/// What a line looks like that is not a command alone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    #[serde(default, rename = "id")]
    _id: Option<Box<RawValue>>,
    command: Option<Command>,
    read: Option<Read>,
    #[serde(default)]
    fresh: bool,
    #[serde(default)]
    sync: bool,
    fence: Option<Uuid>,
}

/// The fields that a command alone never has.
const FIELDS: [&str; 6] = ["command", "fence", "fresh", "id", "read", "sync"];

impl Request {
    pub(crate) fn parse(line: &[u8]) -> Self {
        let fields: BTreeMap<Cow<'_, str>, &RawValue> = match serde_json::from_slice(line) {
            Ok(fields) => fields,
            Err(error) => return Request { id: None, what: Err(explain(&error)) },
        };
        let id = fields.get("id").map(|id| (*id).to_owned());
        let what = if FIELDS.iter().any(|field| fields.contains_key(*field)) {
            serde_json::from_slice(line).map_err(|error| explain(&error)).and_then(Envelope::open)
        } else {
            let command = serde_json::from_slice(line);
            command.map(|command| What::Command(Box::new(command))).map_err(|error| explain(&error))
        };
        Request { id, what }
    }
}

impl Envelope {
    fn open(self) -> Result<What, String> {
        const KINDS: &str = "\"command\", \"read\", \"sync\" and \"fence\"";
        let Envelope { _id, command, read, fresh, sync, fence } = self;
        match (command, read, sync, fence) {
            (Some(command), None, false, None) if !fresh => Ok(What::Command(Box::new(command))),
            (None, Some(read), false, None) => Ok(What::Read(read, fresh)),
            (None, None, true, None) if !fresh => Ok(What::Sync),
            (None, None, false, Some(replica)) if !fresh => Ok(What::Fence(replica)),
            (None, None, false, None) => Err(format!("none of {KINDS} is asked for")),
            _ if fresh => Err("\"fresh\" belongs to a \"read\"".to_owned()),
            _ => Err(format!("more than one of {KINDS}")),
        }
    }
}

/// Says what is wrong with a line, and where in the line.
fn explain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(reason) => format!("{} at column {}", quote(reason), error.column()),
        None => quote(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "11111111-2222-3333-4444-555555555555";

    fn parse(line: &str) -> Request {
        Request::parse(line.replace("UUID", &format!("\"{UUID}\"")).as_bytes())
    }

    #[test]
    fn what_is_asked_for_is_found_in_any_order() {
        for line in [
            r#"{"release": {"consumer": UUID}}"#,
            r#"{"command": {"release": {"consumer": UUID}}}"#,
            r#"{"id": {"a": [1]}, "command": {"release": {"consumer": UUID}}}"#,
            r#" {"command": {"release": {"consumer": UUID}}, "id": null} "#,
        ] {
            assert!(matches!(parse(line).what, Ok(What::Command(_))), "{line}");
        }
        for (line, is_fresh) in [
            (r#"{"read": {"allocations": UUID}}"#, false),
            (r#"{"fresh": true, "read": {"allocations": UUID}, "id": 3}"#, true),
            (r#"{"read": {"usage": {"provider": "a", "class": "VCPU"}}, "fresh": true}"#, true),
            (r#"{"read": {"provider": "a"}, "fresh": false}"#, false),
        ] {
            let asked = parse(line).what;
            assert!(matches!(asked, Ok(What::Read(_, fresh)) if fresh == is_fresh), "{line}");
        }
        assert!(matches!(parse(r#"{"sync": true}"#).what, Ok(What::Sync)));
        let fenced = parse(r#"{"fence": UUID, "id": 1}"#).what;
        assert!(matches!(fenced, Ok(What::Fence(replica)) if replica.to_string() == UUID));
    }

    #[test]
    fn an_id_comes_back_as_it_was() {
        let big = "123456789012345678901234567890.5e3";
        let line = format!(r#"{{"id": {big}, "sync": true}}"#);
        assert_eq!(parse(&line).id.unwrap().get(), big);
        assert_eq!(parse(r#"{"id": null, "sync": true}"#).id.unwrap().get(), "null");
        let of_invalid = parse(r#"{"id": "a", "command": {"clame": {}}}"#);
        assert_eq!(of_invalid.id.unwrap().get(), "\"a\"");
        let why = of_invalid.what.unwrap_err();
        assert!(why.ends_with(" at column 31"), "{why}");
    }

    #[test]
    fn lines_that_make_no_sense_are_explained() {
        let deep = "[".repeat(100_000);
        for (line, why) in [
            ("x", "expected value at column 1"),
            ("3", "expected a map"),
            ("{}", "at column 2"),
            (r#"{"release": {"consumer": UUID}"#, "EOF"),
            (r#"{"release": {"consumer": UUID}} 3"#, "trailing characters"),
            (r#"{"release": {"consumer": 3}}"#, "at column"),
            (r#"{"release": {"consumer": UUID, "more": 1}}"#, "unknown field `more`"),
            (r#"{"release": {"consumer": UUID}, "cancel": {}}"#, "at column"),
            (r#"{"clame": {}}"#, "unknown variant `clame`"),
            (r#"{"id": 3}"#, "none of"),
            (r#"{"sync": false}"#, "none of"),
            (r#"{"sync": true, "read": {"allocations": UUID}}"#, "more than one"),
            (r#"{"sync": true, "fresh": true}"#, "belongs to a"),
            (r#"{"fence": UUID, "sync": true}"#, "more than one"),
            (r#"{"fence": UUID, "fresh": true}"#, "belongs to a"),
            (r#"{"fence": true}"#, "at column"),
            (r#"{"sync": true, "sync": true}"#, "duplicate field `sync`"),
            (r#"{"sync": true, "else": 1}"#, "unknown field `else`"),
            (r#"{"read": {"everything": 1}}"#, "unknown variant `everything`"),
            (&format!(r#"{{"release": {deep}"#), "at column"),
            (&format!(r#"{{"id": {deep}"#), "at column"),
        ] {
            let why_not = parse(line).what.unwrap_err();
            assert!(why_not.contains(why), "{}: {why_not}", &line[..line.len().min(80)]);
            assert!(why_not.len() < 1000 && !why_not.contains("line 1"), "{why_not}");
        }
        assert!(Request::parse(b"{\"\xff\": 1}").what.is_err());
    }
}
