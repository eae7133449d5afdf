//! What the command line says.

use clap::ValueEnum;

use super::*;
use crate::policy::PolicyName;

fn parsed(arguments: &[&str]) -> Result<Command, clap::Error> {
    Command::parsed(["replay"].iter().chain(arguments).map(OsString::from))
}

fn run(arguments: &[&str]) -> RunOptions {
    match parsed(arguments) {
        Ok(Command::Run(options)) => options,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

pub(super) fn table(arguments: &[&str]) -> TableOptions {
    match parsed(&[&["table"], arguments].concat()) {
        Ok(Command::Table(options)) => options,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

#[test]
fn seeds_count_up_from_the_first() {
    let options = run(&["--seed", "7", "--seeds", "3"]);
    assert_eq!(options.seeds().collect::<Vec<_>>(), [7, 8, 9]);
    assert_eq!(table(&["--seed", "7"]).seeds().collect::<Vec<_>>(), Vec::from_iter(7..17));
}

#[test]
fn run_is_the_default() {
    for arguments in [&[][..], &["run"]] {
        assert_eq!(run(arguments).seeds, 1);
    }
    for arguments in [&["--seeds", "3"][..], &["run", "--seeds", "3"]] {
        assert_eq!(run(arguments).seeds, 3);
    }
    assert!(matches!(Command::parsed([]), Ok(Command::Run(_))), "without even a program's name");
    let kind = |arguments: &[&str]| parsed(arguments).expect_err("nothing to do").kind();
    for help in ["-h", "--help"] {
        assert_eq!(kind(&[help]), ErrorKind::DisplayHelp);
        assert_eq!(kind(&["table", help]), ErrorKind::DisplayHelp);
    }
    for version in ["-V", "--version"] {
        assert_eq!(kind(&[version]), ErrorKind::DisplayVersion);
        assert_eq!(kind(&["run", version]), ErrorKind::DisplayVersion);
    }
    assert_eq!(kind(&["tabel"]), ErrorKind::InvalidSubcommand);
}

#[test]
fn whole_numbers_say_what_is_allowed() {
    for option in ["--threads", "--seed", "--seeds", "--scale", "--pause", "--load"] {
        for command in ["run", "table"] {
            for text in ["-1", "x", "", "99999999999999999999999", "1e3"] {
                if (option, text) == ("--load", "1e3") || (option, command) == ("--pause", "table")
                {
                    continue;
                }
                let error = parsed(&[command, option, text]);
                let error = error.expect_err("it is not allowed").to_string();
                assert!(error.contains("must be a "), "{option} {text}: {error}");
                assert!(error.contains(option), "{option} {text}: {error}");
            }
        }
    }
    assert_eq!(run(&["--seed", "18446744073709551615"]).shared.seed, u64::MAX);
}

#[test]
fn messages_of_the_option_parser_are_quoted() {
    let long = format!("\u{1b}[31m{}", "x".repeat(5000));
    for arguments in [
        &["--policy", &long][..],
        &["--load", &long],
        &["--threads", &long],
        &[&format!("--{long}")],
        &[&format!("--json={long}")],
        &[&format!("-{long}")],
        &[&long],
        &["table", &long],
        &["table", "--policies", &long],
        &["table", "--threads", &long],
        &["table", "--format", &long],
    ] {
        let error = parsed(arguments).expect_err("it is not allowed");
        let text = quoted(error).render().to_string();
        assert!(!text.contains('\u{1b}') && text.len() < 500, "{text:?}");
    }
}

#[test]
fn standard_input_is_one_file() {
    for command in ["run", "table"] {
        let parse = |nodes, tasks| parsed(&[command, "--nodes", nodes, "--tasks", tasks]);
        assert!(parse("-", "t.csv").is_ok());
        assert!(parse("n.csv", "-").is_ok());
        assert!(parse("-", "-").is_err());
    }
}

#[test]
fn nodes_and_tasks_come_together() {
    for command in ["run", "table"] {
        assert!(parsed(&[command, "--nodes", "n.csv"]).is_err());
        assert!(parsed(&[command, "--tasks", "t.csv"]).is_err());
    }
}

#[test]
fn a_table_has_every_policy_and_one_thread_unless_it_is_told() {
    let options = table(&[]);
    assert_eq!(options.policies, PolicyName::value_variants());
    assert_eq!((options.threads, options.seeds), (vec![1], 10));
    assert_eq!((options.format, options.shared.load()), (Format::Markdown, 1.3));
    let options = table(&["--policies", "random,best-fit", "--threads", "1,2,4"]);
    assert_eq!(options.policies, [PolicyName::Random, PolicyName::BestFit]);
    assert_eq!(options.threads().collect::<Vec<_>>(), [1, 2, 4]);
}

#[test]
fn task_lists_are_several_words_or_several_options() {
    for tasks in [&["--tasks", "a", "b"][..], &["--tasks", "a", "--tasks", "b"]] {
        let options = table(&[tasks, &["--nodes", "n"]].concat());
        assert_eq!(options.tasks, ["a", "b"].map(std::path::PathBuf::from));
    }
}

#[test]
fn nothing_is_given_twice() {
    let files = ["table", "--nodes", "n", "--tasks", "t"];
    for more in [
        &["u", "t"][..],
        &["--policies", "random,random"],
        &["--threads", "2,1,2"],
        &["--keep", "t"],
        &["--placements", "n"],
        &["--keep", "k", "--placements", "p"],
    ] {
        assert!(parsed(&[&files, more].concat()).is_err(), "{more:?}");
    }
    assert!(parsed(&[&files[..], &["u", "--keep", "k", "--threads", "2,1"]].concat()).is_ok());
    assert!(parsed(&["run", "--nodes", "n", "--tasks", "t", "--placements", "t"]).is_err());
}
