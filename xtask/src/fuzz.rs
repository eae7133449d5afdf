//! `cargo xtask fuzz`: random calls and dumps, under libFuzzer where there is a C++ compiler.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::metadata::{OPTIMISED, Workspace};
use crate::shell::{self, Failure, failed, heading};
use crate::test::FEATURES;

const TARGETS: &[&str] = &["operations", "dump"];

/// What libFuzzer needs the compiler to insert. Works with a stable compiler.
const COVERAGE: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cdebug-assertions -Ccodegen-units=1";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// For each target.
    seconds: u64,
    target: Option<&'static str>,
}

impl Request {
    pub(crate) fn parse(words: &[&str]) -> Result<Request, Failure> {
        let usage = |reason: String| Failure::Usage(reason);
        let mut request = Request { seconds: 60, target: None };
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            match word {
                "--seconds" => {
                    let seconds = words.next().and_then(|word| word.parse().ok());
                    request.seconds =
                        seconds.ok_or_else(|| usage("`--seconds` takes a number".to_owned()))?;
                }
                name => {
                    let known = TARGETS.iter().find(|target| **target == name);
                    let unknown = || usage(format!("`fuzz` has no target `{name}`"));
                    request.target = Some(known.ok_or_else(unknown)?);
                }
            }
        }
        Ok(request)
    }
}

/// Runs every target on random bytes for so many seconds, not optimised: to build the library once
/// more, optimised and with debug assertions, would take far longer than that.
pub(crate) fn briefly(workspace: &Workspace, seconds: u64) -> Result<String, Failure> {
    for target in TARGETS {
        heading(&format!("fuzz {target}"));
        shell::run(&mut random_bytes(workspace, &FEATURES, target, seconds))?;
    }
    Ok(format!("{seconds} s each on random bytes"))
}

/// Runs the targets; says how.
pub(crate) fn run(workspace: &Workspace, request: &Request) -> Result<String, Failure> {
    let compiler = ["c++", "g++", "clang++"].into_iter().find(|name| {
        let version = Command::new(name).arg("--version").stdout(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    });
    for target in TARGETS.iter().filter(|target| request.target.is_none_or(|it| it == **target)) {
        heading(&format!("fuzz {target}"));
        match compiler {
            Some(_) => under_libfuzzer(workspace, target, request.seconds)?,
            None => on_random_bytes(workspace, target, request.seconds)?,
        }
    }
    Ok(match compiler {
        Some(_) => format!("{} s each under libFuzzer", request.seconds),
        None => format!("{} s each on random bytes: no C++ compiler", request.seconds),
    })
}

/// With debug assertions, as under libFuzzer.
fn on_random_bytes(workspace: &Workspace, target: &str, seconds: u64) -> Result<(), Failure> {
    let mut command = random_bytes(workspace, &["--profile", OPTIMISED], target, seconds);
    command
        .env("CARGO_PROFILE_OPTIMISED_DEBUG_ASSERTIONS", "true")
        .env("CARGO_TARGET_DIR", workspace.target_directory().join("fuzz"));
    shell::run(&mut command)
}

/// Returns the command that runs a target on random bytes, built with these options.
fn random_bytes(workspace: &Workspace, options: &[&str], target: &str, seconds: u64) -> Command {
    let mut command = workspace.cargo("run");
    command.args(options).args(["--package", "fuzz", "--bin", "random", "--", target]);
    command.arg(seconds.to_string());
    command
}

fn under_libfuzzer(workspace: &Workspace, target: &str, seconds: u64) -> Result<(), Failure> {
    let corpus = corpus(workspace, target)?;
    let artifacts = workspace.target_directory().join("fuzz/artifacts/");
    fs::create_dir_all(&artifacts).map_err(|error| failed(error.to_string()))?;
    let host = host()?;
    let mut command = workspace.cargo("run");
    command
        .args(["--profile", OPTIMISED, "--package", "fuzz"])
        .args(["--features", "libfuzzer", "--bin", target])
        // Given, so that build scripts are compiled without the flags.
        .args(["--target", &host])
        .env("RUSTFLAGS", COVERAGE)
        .env("CARGO_TARGET_DIR", workspace.target_directory().join("fuzz"))
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .arg("--")
        .arg(&corpus)
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(format!("-max_total_time={seconds}"))
        .args(["-max_len=4096", "-timeout=20", "-print_final_stats=1"]);
    shell::run(&mut command).map_err(|failure| {
        let again = format!("cargo xtask fuzz {target}");
        failed(format!("{failure}\nthe input is below {}; `{again}`", artifacts.display()))
    })
}

/// Where inputs that reached something new are kept, with a first one.
fn corpus(workspace: &Workspace, target: &str) -> Result<PathBuf, Failure> {
    let trouble = |error: std::io::Error| failed(error.to_string());
    let corpus = workspace.target_directory().join("fuzz/corpus").join(target);
    fs::create_dir_all(&corpus).map_err(trouble)?;
    if target == "dump" {
        let arguments =
            ["--profile", OPTIMISED, "--quiet", "--package", "fuzz", "--bin", "random", "--"];
        let example = shell::output(workspace.cargo("run").args(arguments).arg("example"))?;
        fs::write(corpus.join("example"), example).map_err(trouble)?;
    }
    Ok(corpus)
}

/// The triple of this machine.
fn host() -> Result<String, Failure> {
    let version = shell::output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| failed("rustc names no host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_understood() {
        let parse = |words: &[&str]| Request::parse(words).unwrap();
        assert_eq!(parse(&[]), Request { seconds: 60, target: None });
        let expected = Request { seconds: 5, target: Some("dump") };
        assert_eq!(parse(&["--seconds", "5", "dump"]), expected);
        for wrong in [&["--seconds"][..], &["--seconds", "x"], &["other"]] {
            assert!(matches!(Request::parse(wrong), Err(Failure::Usage(_))), "{wrong:?}");
        }
    }
}
