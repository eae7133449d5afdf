//! Running commands, files, headings and tables.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::{fmt, fs, io};

/// Why a command of this tool did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line is wrong: exit code 2.
    Usage(String),
    /// Something that must hold does not: exit code 1.
    Failed(String),
    /// It takes something that is not on this machine and can't be had: exit code 1.
    Unavailable(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(reason) | Failure::Failed(reason) | Failure::Unavailable(reason) => {
                formatter.write_str(reason)
            }
        }
    }
}

/// A failure with exit code 1.
pub(crate) fn failed(reason: impl Into<String>) -> Failure {
    Failure::Failed(reason.into())
}

/// Announces a step.
pub(crate) fn heading(text: &str) {
    println!("\n==> {text}");
}

/// Runs a command whose output goes to the terminal.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    println!("$ {}", shown(command));
    let status = command.stdin(Stdio::null()).status();
    succeeded(command, &status.map_err(|error| not_started(command, &error))?)
}

/// Runs a command and returns its standard output; what it says on standard error goes to the
/// terminal.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| not_started(command, &error))?;
    succeeded(command, &output.status)?;
    String::from_utf8(output.stdout)
        .map_err(|_| failed(format!("`{}` printed text that is not UTF-8", shown(command))))
}

/// Runs a command whose output goes to the terminal, and returns its standard output too.
pub(crate) fn echo(command: &mut Command) -> Result<String, Failure> {
    println!("$ {}", shown(command));
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| not_started(command, &error))?;
    let mut said = String::new();
    // Read to its end, or the command could not go on.
    for line in child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).split(b'\n')) {
        let line = line.map_err(|error| failed(format!("`{}`: {error}", shown(command))))?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        said.extend([&*line, "\n"]);
    }
    let status = child.wait().map_err(|error| not_started(command, &error))?;
    succeeded(command, &status)?;
    Ok(said)
}

/// Says whether there is such a program.
pub(crate) fn starts(program: &str) -> bool {
    succeeds(Command::new(program).arg("--version"))
}

/// Runs a command whose output goes nowhere, and says whether it succeeds.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Reads a file.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| trouble(path, &error))
}

/// Writes a file.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| trouble(path, &error))
}

/// A failure with exit code 1, for what is wrong with a file.
pub(crate) fn trouble(path: &Path, error: &io::Error) -> Failure {
    failed(format!("{}: {error}", path.display()))
}

/// Fails unless the command that ended with this status succeeded.
pub(crate) fn succeeded(command: &Command, status: &ExitStatus) -> Result<(), Failure> {
    if status.success() {
        return Ok(());
    }
    Err(failed(format!("`{}` failed ({status})", shown(command))))
}

/// A table in plain text; the columns named in `right` are aligned to the right.
pub(crate) fn table(header: &[&str], right: &[usize], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |cells: &[String]| {
        let pad = |(column, cell): (usize, &String)| {
            let width = widths[column];
            if right.contains(&column) {
                format!("{cell:>width$}")
            } else {
                format!("{cell:width$}")
            }
        };
        let cells: Vec<String> = cells.iter().enumerate().map(pad).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let names: Vec<String> = header.iter().map(|&name| name.to_owned()).collect();
    let rule: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
    let all = [&names, &rule].into_iter().chain(rows);
    all.map(|cells| line(cells)).collect::<Vec<_>>().join("\n")
}

/// The command as a user would type it, with the variables that were set for it.
fn shown(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        value.map(|value| format!("{}={:?}", name.to_string_lossy(), value.to_string_lossy()))
    });
    let program = Path::new(command.get_program());
    let program = program.file_stem().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    variables
        .chain(words.map(|word| word.to_string_lossy().into_owned()))
        .collect::<Vec<_>>()
        .join(" ")
}

fn not_started(command: &Command, error: &std::io::Error) -> Failure {
    failed(format!("`{}` could not be run: {error}", shown(command)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_aligns_its_columns() {
        let rows = [
            vec!["format".to_owned(), "0.5".to_owned()],
            vec!["a longer step".to_owned(), "12.0".to_owned()],
        ];
        let expected = "\
step           seconds
-------------  -------
format             0.5
a longer step     12.0";
        assert_eq!(table(&["step", "seconds"], &[1], &rows), expected);
    }

    #[test]
    fn a_table_without_rows_has_its_header() {
        assert_eq!(table(&["step"], &[], &[]), "step\n----");
    }

    #[test]
    fn what_is_echoed_is_returned() {
        let mut rustc = Command::new("rustc");
        assert!(echo(rustc.arg("--version")).unwrap().starts_with("rustc 1."));
        assert!(echo(rustc.arg("--no-such-option")).is_err());
        assert!(echo(&mut Command::new("provider-tree-no-such-program")).is_err());
    }

    #[test]
    fn a_command_that_cannot_be_run_does_not_succeed() {
        assert!(succeeds(Command::new("rustc").arg("--version")));
        assert!(!succeeds(Command::new("rustc").arg("--no-such-option")));
        assert!(!succeeds(&mut Command::new("provider-tree-no-such-program")));
    }

    #[test]
    fn a_command_is_shown_as_typed() {
        let mut command = Command::new("/somewhere/bin/cargo");
        command.args(["doc", "--locked"]).env("RUSTDOCFLAGS", "-D warnings").env_remove("OTHER");
        assert_eq!(shown(&command), "RUSTDOCFLAGS=\"-D warnings\" cargo doc --locked");
    }
}
