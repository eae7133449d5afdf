//! The command line.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextValue, ErrorKind};
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use provider_tree_cluster::Options;

use crate::quote::{quote, without_credentials};

/// Serves, changes, shows, dumps and compares replicas of one forest
#[derive(Parser, Debug)]
#[command(name = "provider-tree-cluster", version, disable_help_subcommand = true)]
#[command(verbatim_doc_comment, next_line_help = true)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// What is logged on standard error [default: RUST_LOG, or warn]
    ///
    /// off, error, warn, info, debug or trace, or levels by module, such as
    /// provider_tree_cluster::replica=debug. What libraries log is left out.
    #[arg(long, global = true, value_name = "FILTER", verbatim_doc_comment)]
    pub(crate) log: Option<String>,
}

/// What the tool is asked to do.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run a replica until SIGINT or SIGTERM, and tell of it over HTTP
    ///
    /// The first line of standard output is the address. Nobody is asked who
    /// they are: let only those reach the address who may read the forest, and
    /// with --allow-submit change it.
    ///
    ///   GET  /                 a page for people
    ///   GET  /health           200 while the replica works, else 503 and why
    ///   GET  /metrics          for Prometheus
    ///   GET  /status           the page as JSON
    ///   GET  /dump             the bytes of the dump as of now
    ///   POST /mark             sets a mark, and answers its uuid and position
    ///   GET  /dump?mark=UUID   the bytes of the dump as of a mark, or 404
    ///   POST /submit           takes and answers lines as `submit` does
    #[command(verbatim_doc_comment)]
    Serve(ServeOptions),
    /// Run a replica, and give it the commands in the lines of a file
    ///
    /// A line is a command as JSON, such as
    ///
    ///   {"release": {"consumer": UUID}}
    ///   {"id": ANYTHING, "command": {"release": {"consumer": UUID}}}
    ///
    /// of which the second has a value of your own, which comes back in the
    /// answer, as it does on every kind of line; or a read, with "fresh": true
    /// for one that has whatever was answered anywhere before:
    ///
    ///   {"read": {"allocations": UUID}}
    ///   {"read": {"usage": {"provider": UUID-OR-NAME, "class": "VCPU"}}}
    ///   {"read": {"provider": UUID-OR-NAME}, "fresh": true}
    ///
    /// or what else a replica can be asked for: to wait for what was answered
    /// anywhere before, and to fence another replica off, so that what it has on
    /// its way is never made:
    ///
    ///   {"sync": true}
    ///   {"fence": UUID}
    ///
    /// The answers come in the order of the lines, each as soon as it is known:
    ///
    ///   {"line": 1, "position": 41, "ok": {...}}
    ///   {"line": 2, "position": 41, "refused": {"error": ..., ...}}
    ///   {"line": 3, "not_made": WHY}      it never will be
    ///   {"line": 4, "unknown": WHY, "replica": UUID}    it may have been made
    ///   {"line": 5, "invalid": WHY}
    ///
    /// To a sync, the answer is which replica it is: {"replica": UUID}. The page
    /// cluster/src/docs/json.md has an example of each kind of command.
    #[command(verbatim_doc_comment)]
    Submit(SubmitOptions),
    /// Show how a served replica does, or how far a log has come
    Status(StatusOptions),
    /// Run a replica up to the present, and write the dump of its state
    Dump(DumpOptions),
    /// Compare two dumps, or two served replicas, byte for byte
    ///
    /// Each is the file of a dump, or the address of a replica that is served.
    /// Two replicas are compared as of one position: the first sets a mark, and
    /// the second is waited for.
    #[command(verbatim_doc_comment)]
    Verify(VerifyOptions),
}

/// The options of `serve`.
#[derive(Args, Debug)]
pub(crate) struct ServeOptions {
    /// Where to listen; port 0 takes one that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7780")]
    pub(crate) listen: String,

    /// Let whoever reaches the address change the forest, by POST /submit
    #[arg(long)]
    pub(crate) allow_submit: bool,

    #[command(flatten)]
    pub(crate) lines: LineOptions,

    #[command(flatten)]
    pub(crate) dumps: StoringOptions,

    #[command(flatten)]
    pub(crate) log: LogOptions,
}

/// The options of `submit`.
#[derive(Args, Debug)]
pub(crate) struct SubmitOptions {
    /// The file with the lines; - is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) lines: LineOptions,

    #[command(flatten)]
    pub(crate) dumps: StoringOptions,

    #[command(flatten)]
    pub(crate) log: LogOptions,
}

/// When dumps are stored.
#[derive(Args, Debug, Clone)]
pub(crate) struct StoringOptions {
    /// After how many bytes of entries a dump is stored [default: 64 MiB]
    ///
    /// What the dump before it has is cut off from the log.
    #[arg(long, value_name = "BYTES")]
    dump_every: Option<NonZeroU64>,
}

impl StoringOptions {
    /// Returns the options of a replica that stores dumps so often.
    pub(crate) fn of_replica(&self) -> Options {
        let usual = Options::default();
        let dump_every_bytes = self.dump_every.map_or(usual.dump_every_bytes, NonZeroU64::get);
        Options { dump_every_bytes, ..usual }
    }
}

/// How lines are answered.
#[derive(Args, Debug, Clone)]
pub(crate) struct LineOptions {
    /// How long each line may take to be answered, in milliseconds [default: as
    /// long as it takes]
    #[arg(long, value_name = "MS")]
    deadline: Option<NonZeroU64>,

    /// How many lines are on their way at the same time, at most
    #[arg(long, value_name = "N", default_value = "4096", value_parser = in_flight)]
    pub(crate) in_flight: NonZeroUsize,
}

impl LineOptions {
    #[cfg(test)]
    pub(crate) fn new(deadline: Option<Duration>, in_flight: usize) -> Self {
        let millis = |deadline: Duration| u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        let deadline = deadline.and_then(|deadline| NonZeroU64::new(millis(deadline)));
        LineOptions { deadline, in_flight: NonZeroUsize::new(in_flight).expect("it is not 0") }
    }

    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.deadline.map(|millis| Duration::from_millis(millis.get()))
    }
}

/// The options of `status`.
#[derive(Args, Debug)]
pub(crate) struct StatusOptions {
    /// The address of a replica that is served
    #[arg(long, value_name = "URL", conflicts_with_all = ["local", "etcd"])]
    pub(crate) url: Option<String>,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) log: LogOptions,
}

/// The options of `dump`.
#[derive(Args, Debug)]
pub(crate) struct DumpOptions {
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Write the position and the forest as JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) log: LogOptions,
}

/// The options of `verify`.
#[derive(Args, Debug)]
pub(crate) struct VerifyOptions {
    /// The file of a dump, or http://ADDRESS:PORT of a served replica
    pub(crate) a: String,

    /// The other one
    pub(crate) b: String,

    /// How long to wait for a replica that is behind, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub(crate) timeout: u64,
}

/// Where the log is.
#[derive(Args, Debug)]
pub(crate) struct LogOptions {
    /// The log is this file, which one process at a time has open
    #[arg(long, value_name = "PATH", conflicts_with = "etcd", help_heading = "The log")]
    pub(crate) local: Option<PathBuf>,

    /// The log is on etcd, of which these are members: http://HOST:PORT, or https
    #[arg(
        long,
        value_name = "ENDPOINTS",
        value_delimiter = ',',
        help_heading = "The log",
        hide = !cfg!(feature = "etcd")
    )]
    pub(crate) etcd: Vec<String>,

    /// What the keys of the log in etcd begin with [default: provider-tree]
    #[arg(long, requires = "etcd", conflicts_with = "local", help_heading = "The log", hide = !cfg!(feature = "etcd"))]
    pub(crate) prefix: Option<String>,

    /// The user of etcd; the password is in the variable PROVIDER_TREE_PASSWORD
    #[arg(
        long,
        value_name = "NAME",
        requires = "etcd", conflicts_with = "local",
        help_heading = "The log",
        hide = !cfg!(feature = "etcd")
    )]
    pub(crate) user: Option<String>,

    /// The password is the first line of this file, and not in the variable
    #[arg(
        long,
        value_name = "FILE",
        requires = "user", conflicts_with = "local",
        help_heading = "The log",
        hide = !cfg!(feature = "etcd")
    )]
    pub(crate) password_file: Option<PathBuf>,

    /// The certificates (PEM) of those who sign for members of etcd
    #[arg(
        long,
        value_name = "FILE",
        requires = "etcd", conflicts_with = "local",
        help_heading = "The log",
        hide = !cfg!(feature = "etcd-tls")
    )]
    pub(crate) ca: Option<PathBuf>,

    /// The certificate (PEM) that etcd is shown
    #[arg(
        long,
        value_name = "FILE",
        requires_all = ["etcd", "key"], conflicts_with = "local",
        help_heading = "The log",
        hide = !cfg!(feature = "etcd-tls")
    )]
    pub(crate) cert: Option<PathBuf>,

    /// The key (PEM) of that certificate
    #[arg(
        long,
        value_name = "FILE",
        requires = "cert", conflicts_with = "local",
        help_heading = "The log",
        hide = !cfg!(feature = "etcd-tls")
    )]
    pub(crate) key: Option<PathBuf>,
}

impl CommandLine {
    /// Returns what the command line says; prints the help or what is wrong, and ends the program,
    /// if it says that or nothing that is allowed.
    pub(crate) fn from_command_line() -> Self {
        let parsed = Self::try_parse().and_then(|command_line| {
            command_line.check()?;
            Ok(command_line)
        });
        parsed.unwrap_or_else(|error| quoted(error).exit())
    }

    /// Refuses options that name no log.
    fn check(&self) -> Result<(), clap::Error> {
        let (log, others) = match &self.command {
            Command::Serve(ServeOptions { log, .. })
            | Command::Submit(SubmitOptions { log, .. })
            | Command::Dump(DumpOptions { log, .. }) => (log, ""),
            Command::Status(StatusOptions { url: None, log, .. }) => (log, "--url URL, "),
            Command::Status(_) | Command::Verify(_) => return Ok(()),
        };
        if log.local.is_some() || !log.etcd.is_empty() {
            return Ok(());
        }
        let what = format!("say which: {others}--local PATH, or --etcd ENDPOINTS");
        Err(Self::command().error(ErrorKind::MissingRequiredArgument, what))
    }
}

/// Reads how many lines are on their way.
fn in_flight(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse().ok().filter(|number| (1..=1_000_000).contains(number));
    number.and_then(NonZeroUsize::new).ok_or("must be a whole number from 1 to 1000000".to_owned())
}

/// Returns a message of the option parser with what came in quoted, and without credentials.
fn quoted(mut error: clap::Error) -> clap::Error {
    let texts = error.context().filter_map(|(kind, value)| match value {
        ContextValue::String(text) => Some((kind, quote(&without_credentials(text)))),
        _ => None,
    });
    for (kind, text) in texts.collect::<Vec<_>>() {
        error.insert(kind, ContextValue::String(text));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<CommandLine, clap::Error> {
        let arguments = ["provider-tree-cluster"].iter().chain(arguments);
        let command_line = CommandLine::try_parse_from(arguments)?;
        command_line.check()?;
        Ok(command_line)
    }

    #[test]
    fn the_parser_is_in_order() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn a_log_has_to_be_named() {
        for command in ["serve", "submit", "status", "dump"] {
            let missing = parsed(&[command]).unwrap_err();
            assert_eq!(missing.kind(), ErrorKind::MissingRequiredArgument, "{command}");
            parsed(&[command, "--local", "x"]).unwrap();
            parsed(&[command, "--etcd", "http://a:1,http://b:1", "--prefix", "p"]).unwrap();
            let both = parsed(&[command, "--local", "x", "--etcd", "http://a:1"]).unwrap_err();
            assert_eq!(both.kind(), ErrorKind::ArgumentConflict, "{command}");
            let of_etcd = parsed(&[command, "--local", "x", "--user", "me"]).unwrap_err();
            assert_eq!(of_etcd.kind(), ErrorKind::ArgumentConflict, "{command}");
        }
        parsed(&["status", "--url", "http://a:1"]).unwrap();
        parsed(&["verify", "a", "b"]).unwrap();
        assert!(parsed(&["verify", "a"]).is_err());
    }

    #[test]
    fn messages_have_no_credentials() {
        for arguments in [
            &["submit", "--etcd", "http://a:1", "--password", "s3cret"][..],
            &["submit", "--etcd", "http://a:1", "--password=s3cret"],
            &["status", "http://me:s3cret@a:1"],
            &["verify", "http://a:1", "http://b:1", "http://me:s3cret@a:1"],
            &["http://me:s3cret@a:1"],
            &["--http://me:s3cret@a:1"],
            &["serve", "--local", "x", "--in-flight", "http://me:s3cret@a:1"],
        ] {
            let message = quoted(parsed(arguments).unwrap_err()).render().ansi().to_string();
            assert!(!message.contains("s3cret"), "{arguments:?}: {message}");
        }
    }
}
