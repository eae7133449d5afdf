//! Instructions per operation, as `valgrind` counts them: a figure that other work on the machine does
//! not change.
//!
//! Each operation is done often and seldom, and the difference divided by that of the times, so that
//! start and set-up cancel out. The table that is kept is that of one compiler and one architecture;
//! with others the counts differ a little without a change here.

use std::collections::BTreeMap;
use std::env::consts::{ARCH, EXE_SUFFIX};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

/// How often each operation is done; `operate` allows no more than 16,384. The set-up differs a little
/// between two runs, as the hashers' seeds do, and has to be small beside what is counted.
const SELDOM: u64 = 1000;
const OFTEN: u64 = 16_000;

/// What an operation may grow by before `--check` fails.
const TOLERANCE: f64 = 0.05;

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Counts {
    architecture: String,
    compiler: String,
    /// Instructions per operation.
    instructions: BTreeMap<String, f64>,
}

/// Prints the counts beside those that are kept, and compares or replaces them.
pub(crate) fn run(check: bool, update: bool) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("counts.json");
    let counted = count()?;
    let kept = read(&path)?;
    println!("{}", table(&counted, kept.as_ref()));
    if update {
        let text = serde_json::to_string_pretty(&counted).map_err(|error| error.to_string())?;
        fs::write(&path, text + "\n").map_err(|error| fault(&path, &error))?;
        println!("\nwritten: {}", path.display());
    }
    if !check {
        return Ok(());
    }
    let kept = kept.ok_or_else(|| format!("there is no {} to check with", path.display()))?;
    if kept.architecture != counted.architecture {
        return Err(format!("the kept counts are of {}", kept.architecture));
    }
    if kept.compiler != counted.compiler {
        println!("\nnote: the kept counts are of {}", kept.compiler);
    }
    match grown(&counted, &kept).as_slice() {
        [] => Ok(()),
        grown => Err(format!("more than 5 % over the kept counts: {}", grown.join("; "))),
    }
}

fn count() -> Result<Counts, String> {
    let program = operate()?;
    let names = output(&mut Command::new(&program))?.0;
    let mut instructions = BTreeMap::new();
    for name in names.lines() {
        let often = collected(&program, name, OFTEN)?;
        let seldom = collected(&program, name, SELDOM)?;
        let each = often.saturating_sub(seldom) as f64 / (OFTEN - SELDOM) as f64;
        instructions.insert(name.to_owned(), (each * 10.0).round() / 10.0);
    }
    let compiler = output(Command::new("rustc").arg("--version"))?.0.trim().to_owned();
    Ok(Counts { architecture: ARCH.to_owned(), compiler, instructions })
}

/// The program that is built beside this one.
fn operate() -> Result<PathBuf, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    Ok(this.with_file_name(format!("operate{EXE_SUFFIX}")))
}

/// The instructions of a whole run.
fn collected(program: &Path, name: &str, times: u64) -> Result<u64, String> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
    let errors = output(command.arg(name).arg(times.to_string()))?.1;
    collected_in(&errors).ok_or_else(|| format!("valgrind said nothing of instructions:\n{errors}"))
}

/// From a line such as `==123== Collected : 4567`.
fn collected_in(text: &str) -> Option<u64> {
    let lines = text.lines().filter_map(|line| line.split_once("Collected :"));
    lines.filter_map(|(_, number)| number.trim().parse().ok()).next_back()
}

/// What a command says on standard output and on standard error.
fn output(command: &mut Command) -> Result<(String, String), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("`{program}` could not be run: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, errors) = (text(&output.stdout), text(&output.stderr));
    match output.status.success() {
        true => Ok((out, errors)),
        false => Err(format!("`{program}` failed ({}):\n{errors}", output.status)),
    }
}

fn read(path: &Path) -> Result<Option<Counts>, String> {
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(path).map_err(|error| fault(path, &error))?;
    serde_json::from_str(&text).map(Some).map_err(|error| fault(path, &error))
}

fn fault(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

fn table(counted: &Counts, kept: Option<&Counts>) -> String {
    let mut text =
        format!("{:34} {:>12} {:>9} {:>8}", "instructions each", "now", "kept", "change");
    for (name, now) in &counted.instructions {
        text += &format!("\n{name:34} {now:12.1}");
        if let Some(before) = kept.and_then(|kept| kept.instructions.get(name)) {
            text += &format!(" {before:9.1} {:+7.1}%", (now / before - 1.0) * 100.0);
        }
    }
    text
}

/// The operations that take more than is tolerated, and those that are counted no more.
fn grown(counted: &Counts, kept: &Counts) -> Vec<String> {
    let each = kept.instructions.iter().filter_map(|(name, before)| {
        let Some(now) = counted.instructions.get(name) else {
            return Some(format!("{name} is not counted"));
        };
        let grown = *now > before * (1.0 + TOLERANCE);
        grown.then(|| format!("{name}: {before:.1} to {now:.1}"))
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(instructions: &[(&str, f64)]) -> Counts {
        let instructions = instructions.iter().map(|&(name, each)| (name.to_owned(), each));
        Counts {
            architecture: ARCH.to_owned(),
            compiler: String::new(),
            instructions: instructions.collect(),
        }
    }

    #[test]
    fn the_sum_is_found_in_what_valgrind_says() {
        let text = "==7== Callgrind, a profiler\n==7== Events    : Ir\n==7== Collected : 1234567\n";
        assert_eq!(collected_in(text), Some(1_234_567));
        assert_eq!(collected_in("==7== nothing"), None);
    }

    #[test]
    fn only_growth_beyond_the_tolerance_counts() {
        let kept = counts(&[("a", 100.0), ("b", 100.0), ("c", 100.0), ("d", 100.0)]);
        let now = counts(&[("a", 104.9), ("b", 105.1), ("c", 50.0), ("new", 1.0)]);
        assert_eq!(grown(&now, &kept), ["b: 100.0 to 105.1", "d is not counted"]);
    }
}
