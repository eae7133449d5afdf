//! `dump`: writes the dump of the state as of now.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use provider_tree_cluster::{FormatError, Options, StateDump, read_dump};
use serde_json::json;

use crate::failure::Failure;
use crate::logs::OpenLog;
use crate::options::DumpOptions;
use crate::running::Running;

pub(crate) async fn run(options: DumpOptions) -> Result<ExitCode, Failure> {
    if options.out.is_none() && !options.json && io::stdout().is_terminal() {
        let text = "a dump is not for a terminal: say --out FILE, or --json";
        return Err(Failure::usage(text));
    }
    let log = OpenLog::open_existing(&options.log).await?;
    let running = Running::start(log, Options::default()).await?;
    let dump = running.replica.dump().await;
    running.close().await?;
    let dump = dump?;
    let bytes = match options.json {
        true => as_json(&dump).map_err(|error| Failure::failed(error.to_string()))?,
        false => dump.bytes.to_vec(),
    };
    match &options.out {
        Some(file) => std::fs::write(file, bytes).map_err(Failure::unwritable(file))?,
        None => {
            let mut output = io::stdout();
            let written = output.write_all(&bytes).and_then(|()| output.flush());
            written.map_err(Failure::unprintable)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(dump: &StateDump) -> Result<Vec<u8>, FormatError> {
    let (position, dump) = read_dump(&dump.bytes)?;
    Ok(format!("{}\n", json!({ "position": position, "dump": dump })).into_bytes())
}
