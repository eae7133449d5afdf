//! `status`: how a replica does, or how far a log has come.

use std::io::{self, Write};
use std::process::ExitCode;

use provider_tree_cluster::{Metrics, Replica, Status, Trouble};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::client;
use crate::failure::Failure;
use crate::logs::OpenLog;
use crate::options::StatusOptions;
use crate::quote::visible;
use crate::running;

/// Describes how a replica that is served does.
#[derive(Serialize, Deserialize)]
pub(crate) struct Document {
    pub(crate) version: String,
    /// The kind of the log.
    pub(crate) log: String,
    pub(crate) replica: Uuid,
    pub(crate) position: u64,
    pub(crate) end_seen: u64,
    pub(crate) lag: u64,
    pub(crate) dumped: u64,
    pub(crate) outstanding: usize,
    pub(crate) ended: bool,
    /// What keeps the replica from working, if anything does.
    pub(crate) trouble: Option<String>,
    pub(crate) forest: ForestCounts,
    /// What is counted, by name.
    pub(crate) metrics: Value,
}

/// Counts what a forest has.
#[derive(Serialize, Deserialize)]
pub(crate) struct ForestCounts {
    pub(crate) providers: u64,
    pub(crate) consumers: u64,
    pub(crate) leases: u64,
    /// The bytes of memory.
    pub(crate) bytes: u64,
}

impl Document {
    /// Describes how a replica does. O(what the forest ever had), so it is for a thread that may take its time.
    pub(crate) fn of(replica: &Replica, log: &str) -> Self {
        let Status { replica: uuid, position, end_seen, dumped, outstanding, trouble, .. } =
            replica.status();
        let metrics: Metrics = replica.metrics();
        let memory = replica.forest().memory();
        Document {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            log: log.to_owned(),
            replica: uuid,
            position: position.0,
            end_seen: end_seen.0,
            lag: end_seen.0.saturating_sub(position.0),
            dumped: dumped.0,
            outstanding,
            ended: matches!(trouble, Some(Trouble::Ended(_))),
            trouble: trouble.map(|trouble| trouble.to_string()),
            forest: ForestCounts {
                providers: memory.providers.live,
                consumers: memory.consumers.live,
                leases: memory.leases,
                bytes: memory.bytes.total(),
            },
            metrics: json!(metrics),
        }
    }

    /// Returns what people want to know, each with its name.
    pub(crate) fn facts(&self) -> Vec<(String, String)> {
        let mut facts = vec![
            ("health", self.trouble.clone().unwrap_or_else(|| "follows the log".to_owned())),
            ("replica", self.replica.to_string()),
            ("log", self.log.clone()),
            ("version", self.version.clone()),
            ("position", self.position.to_string()),
            ("end seen", self.end_seen.to_string()),
            ("lag", self.lag.to_string()),
            ("newest dump at", self.dumped.to_string()),
            ("outstanding", self.outstanding.to_string()),
            ("providers", self.forest.providers.to_string()),
            ("consumers", self.forest.consumers.to_string()),
            ("leases", self.forest.leases.to_string()),
            ("bytes of memory", self.forest.bytes.to_string()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect::<Vec<_>>();
        let metrics = self.metrics.as_object().into_iter().flatten();
        // It is above.
        let metrics = metrics.filter(|(name, _)| *name != "end_seen");
        facts.extend(metrics.map(|(name, count)| (name.replace('_', " "), count.to_string())));
        facts
    }
}

pub(crate) fn run(options: StatusOptions) -> Result<ExitCode, Failure> {
    let (facts, document) = match &options.url {
        Some(url) => {
            let url = client::Address::of(url)?;
            let document: Document =
                serde_json::from_slice(&url.get("/status")?).map_err(|error| {
                    Failure::failed(format!("{url} does not answer as a replica: {error}"))
                })?;
            (document.facts(), json!(document))
        }
        None => running::block_on(status_of_log(&options))?,
    };
    let text = match options.json {
        true => format!("{document}\n"),
        false => {
            facts.iter().map(|(name, value)| format!("{name:<24} {}\n", visible(value))).collect()
        }
    };
    io::stdout().write_all(text.as_bytes()).map_err(Failure::unprintable)?;
    Ok(ExitCode::SUCCESS)
}

async fn status_of_log(options: &StatusOptions) -> Result<(Vec<(String, String)>, Value), Failure> {
    let log = OpenLog::open_existing(&options.log).await?;
    let kind = log.kind();
    let asked = async { Ok::<_, Failure>((log.newest_dump().await?, log.end().await?)) }.await;
    log.close().await;
    let (dump, end) = asked?;
    let shown = dump.as_ref().map_or("none".to_owned(), |dump| dump.position.to_string());
    let mut facts = vec![
        ("log".to_owned(), kind.to_owned()),
        ("end".to_owned(), end.to_string()),
        ("newest dump at".to_owned(), shown),
    ];
    facts.extend(
        dump.as_ref().map(|dump| ("bytes of that dump".to_owned(), dump.bytes.len().to_string())),
    );
    let dump = dump.map(|dump| json!({ "position": dump.position, "bytes": dump.bytes.len() }));
    Ok((facts, json!({ "log": kind, "end": end, "newest_dump": dump })))
}
