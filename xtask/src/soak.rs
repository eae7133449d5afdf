//! `cargo xtask soak`: everything that the library does, at once and for long.

use crate::metadata::{LIBRARY, OPTIMISED, Workspace};
use crate::shell::{self, Failure};

/// The integration test and its module and function.
const TEST: (&str, &str) = ("storm", "soak::all_guarantees_hold");

/// How long it takes unless told otherwise.
const MINUTES: f64 = 10.0;

/// The minutes that the arguments ask for.
pub(crate) fn minutes(words: &[&str]) -> Result<f64, Failure> {
    let usage = |reason: String| Err(Failure::Usage(reason));
    match words {
        [] => Ok(MINUTES),
        ["--minutes"] => usage("`--minutes` lacks a number".to_owned()),
        ["--minutes", number] => match number.parse() {
            Ok(minutes) if f64::is_finite(minutes) && minutes > 0.0 => Ok(minutes),
            _ => usage(format!("`{number}` is no number of minutes")),
        },
        ["--minutes", _, extra, ..] => usage(format!("`soak` takes no argument `{extra}`")),
        [unknown, ..] => usage(format!("`soak` has no option `{unknown}`")),
    }
}

/// Runs the soak, optimised, with what it prints.
pub(crate) fn run(workspace: &Workspace, minutes: f64) -> Result<(), Failure> {
    let (target, test) = TEST;
    let mut command = workspace.cargo("test");
    command.args(["--profile", OPTIMISED, "--package", LIBRARY, "--test", target, "--"]);
    command.args(["--exact", test, "--nocapture"]);
    shell::run(command.env("STORM_SECONDS", (minutes * 60.0).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_ten_minutes_or_what_is_asked_for() {
        assert_eq!(minutes(&[]).unwrap(), 10.0);
        assert_eq!(minutes(&["--minutes", "0.2"]).unwrap(), 0.2);
    }

    #[test]
    fn other_arguments_are_refused() {
        let refusal = |words: &[&str]| minutes(words).unwrap_err().to_string();
        assert_eq!(refusal(&["--minutes"]), "`--minutes` lacks a number");
        for number in ["0", "-1", "inf", "NaN", "ten"] {
            let expected = format!("`{number}` is no number of minutes");
            assert_eq!(refusal(&["--minutes", number]), expected);
        }
        assert_eq!(refusal(&["--minutes", "1", "2"]), "`soak` takes no argument `2`");
        assert_eq!(refusal(&["--hours", "1"]), "`soak` has no option `--hours`");
    }

    /// A name that no test has would select none, and pass.
    #[test]
    fn the_test_exists() {
        let (target, test) = TEST;
        let (module, function) = test.split_once("::").unwrap();
        let tests = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests");
        let read = |path: String| std::fs::read_to_string(tests.join(path)).unwrap();
        assert!(read(format!("{target}/main.rs")).contains(&format!("\nmod {module};\n")));
        let source = read(format!("{target}/{module}/mod.rs"));
        assert!(source.contains(&format!("\n#[test]\nfn {function}() {{\n")));
    }
}
