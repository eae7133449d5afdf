//! Every development command of provider-tree.
//!
//! `cargo xtask test` runs everything that must pass; the other commands run one part of it.

mod bench;
mod checks;
mod circles;
mod cluster;
mod cores;
mod debian;
mod fuzz;
mod loom;
mod metadata;
mod modules;
mod mutants;
mod names;
mod page;
mod pages;
mod python;
mod readme;
mod shell;
mod soak;
mod source;
mod test;

use std::process::ExitCode;

use loom::Checker;
use metadata::Workspace;
use shell::Failure;

const USAGE: &str = "\
Usage: cargo xtask <command>

Commands:
  check                      what each commit has to pass: format, clippy, quick tests, docs
  test [step ...]            everything that must pass, or these steps of it, up to the first failure
  loom [--list] [filter]     the models whose name contains the filter; --list only names them
  loom --mutants [filter]    that each bug of xtask/mutants is caught by what it names
  shuttle [--list] [filter]  the same models and larger ones, in random interleavings
  fuzz [--seconds N] [name]  random calls beside a model, and random dumps
  soak [--minutes M]         one storm of everything, for 10 minutes or so many
  bench [options]            ours beside the peers, with both allocators; --help lists the options
  bench --count | --check    instructions per operation; --check fails if they have grown
  page                       opens the pages with pictures in a browser, and takes pictures of them
  python [--nova | --native] the package for Python: its own tests, and Nova's with its module and ours
  cluster [--long | --rates] the packages for many schedulers with etcd: their tests, or how fast they are
  msrv                       no dependency of the library needs a newer Rust than it promises
  forbid                     the rules of the source tree that no lint can state
  help                       this text";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(reason)) => {
            eprintln!("error: {reason}\n\n{USAGE}");
            ExitCode::from(2)
        }
        Err(Failure::Failed(reason) | Failure::Unavailable(reason)) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<(), Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["check"] => test::check(&Workspace::load()?),
        ["test", steps @ ..] => test::run(&Workspace::load()?, steps),
        ["loom", "--mutants"] => mutants::run(&Workspace::load()?, None),
        ["loom", "--mutants", filter] => mutants::run(&Workspace::load()?, Some(filter)),
        ["loom", rest @ ..] => {
            let request = loom::Request::parse(Checker::Loom, rest)?;
            loom::run(&Workspace::load()?, &request)
        }
        ["shuttle", rest @ ..] => {
            let request = loom::Request::parse(Checker::Shuttle, rest)?;
            loom::run(&Workspace::load()?, &request)
        }
        ["fuzz", rest @ ..] => {
            let request = fuzz::Request::parse(rest)?;
            report(fuzz::run(&Workspace::load()?, &request)?)
        }
        ["soak", rest @ ..] => {
            let minutes = soak::minutes(rest)?;
            soak::run(&Workspace::load()?, minutes)
        }
        ["bench", rest @ ..] => bench::run(&Workspace::load()?, rest),
        ["page"] => page::run(&Workspace::load()?),
        ["python", rest @ ..] => {
            let request = python::Request::parse(rest)?;
            report(python::run(&Workspace::load()?, request)?)
        }
        ["cluster", rest @ ..] => {
            let request = cluster::Request::parse(rest)?;
            report(cluster::run(&Workspace::load()?, request)?)
        }
        ["msrv"] => report(checks::msrv(&Workspace::load()?)?),
        ["forbid"] => report(checks::forbid(&Workspace::load()?)?),
        ["help" | "--help" | "-h"] => report(USAGE.to_owned()),
        [] => Err(Failure::Usage("a command is missing".to_owned())),
        [known @ ("check" | "page" | "msrv" | "forbid"), extra, ..] => {
            Err(Failure::Usage(format!("`{known}` takes no argument `{extra}`")))
        }
        [unknown, ..] => Err(Failure::Usage(format!("unknown command `{unknown}`"))),
    }
}

fn report(text: String) -> Result<(), Failure> {
    println!("{text}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(words: &[&str]) -> String {
        let arguments: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        match dispatch(&arguments) {
            Err(Failure::Usage(reason)) => reason,
            other => panic!("{words:?} was not refused: {other:?}"),
        }
    }

    #[test]
    fn mistakes_on_the_command_line_are_usage_errors() {
        assert_eq!(refusal(&[]), "a command is missing");
        assert_eq!(refusal(&["tset"]), "unknown command `tset`");
        assert_eq!(refusal(&["check", "loom"]), "`check` takes no argument `loom`");
        assert!(refusal(&["test", "lom"]).starts_with("`test` has no step `lom`, but format, "));
        assert_eq!(refusal(&["loom", "--lsit"]), "`loom` has no option `--lsit`");
        assert_eq!(refusal(&["python", "nova"]), "`python` has no option `nova`");
        assert_eq!(refusal(&["cluster", "long"]), "`cluster` has no option `long`");
        assert_eq!(refusal(&["soak", "10"]), "`soak` has no option `10`");
        assert_eq!(refusal(&["loom", "one", "two"]), "`loom` takes one filter, not also `two`");
    }
}
