//! The results as JSON, which a second process reads to add its own.

use std::fs;
use std::path::Path;

use crate::results::Run;

/// The name of the file.
pub(crate) const FILE: &str = "bench.json";

/// What was written before; nothing if there is no such file.
pub(crate) fn read(folder: &Path) -> Result<Vec<Run>, String> {
    let path = folder.join(FILE);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(&path).map_err(|error| fault(&path, &error))?;
    serde_json::from_str(&text).map_err(|error| fault(&path, &error))
}

pub(crate) fn write(folder: &Path, runs: &[Run]) -> Result<(), String> {
    let path = folder.join(FILE);
    let text = serde_json::to_string_pretty(runs).map_err(|error| fault(&path, &error))?;
    fs::write(&path, text + "\n").map_err(|error| fault(&path, &error))
}

pub(crate) fn fault(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}
