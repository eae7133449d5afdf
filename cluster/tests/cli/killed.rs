//! What is acknowledged survives `kill -9`, whenever that comes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use cluster_rig::length;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::process::{Running, run};
use crate::{Folder, claim, host, lines};

/// How often the tool is killed, at least.
const ROUNDS: u128 = 3;

/// For how long it is killed again and again.
const LENGTH: Duration = Duration::from_secs(2);

/// How many claims are on their way each time.
const CLAIMS: u128 = 120;

/// How many of them are acknowledged before the tool is killed, at most.
const MOST_ANSWERED: usize = 60;

/// The variable that says when the tool is killed.
const KILLED_SEED: &str = "KILLED_SEED";

/// Numbers the rounds until it is time to end.
fn rounds() -> impl Iterator<Item = u128> {
    let until = Instant::now() + length(LENGTH);
    (0..).take_while(move |round| *round < ROUNDS || Instant::now() < until)
}

/// Checks that each of these consumers holds what it has claimed.
fn check_all_held(log: &str, consumers: &[Uuid]) {
    let read = |consumer| json!({ "read": { "allocations": consumer } });
    let input: Vec<Value> = consumers.iter().map(read).collect();
    let answers = run(&["submit", "--local", log], &lines(&input)).expect(0).answers();
    for (consumer, answer) in consumers.iter().zip(&answers) {
        assert_eq!(answer["ok"]["consumer"], json!(consumer));
        assert_eq!(answer["ok"]["allocations"][0]["amount"], 1);
    }
    assert_eq!(answers.len(), consumers.len());
}

/// Dumps are stored so often that it is killed while one is stored, too.
const DUMP_EVERY: [&str; 2] = ["--dump-every", "3000"];

/// Says after how many answers the tool is killed each time, and prints how to have it so again.
fn moments(test: &str) -> impl Iterator<Item = usize> {
    let given = std::env::var(KILLED_SEED).ok();
    let seed = given.map_or_else(|| fastrand::u64(..), |text| text.parse().unwrap());
    println!("{test}: {KILLED_SEED}={seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(move || rng.usize(..=MOST_ANSWERED))
}

/// Makes claims of which more are on their way than were answered.
fn claims(round: u128) -> String {
    let consumers = (round * 1000 + 1)..=(round * 1000 + CLAIMS);
    lines(&consumers.map(|consumer| claim(consumer, 1)).collect::<Vec<_>>())
}

fn consumer_of(answer: &str) -> Uuid {
    let answer: Value = serde_json::from_str(answer).unwrap();
    answer["ok"]["consumer"].as_str().unwrap().parse().unwrap()
}

#[test]
fn what_submit_has_answered_is_there_after_it_was_killed() {
    let folder = Folder::new();
    run(&["submit", "--local", &folder.log()], &lines(&[host(10_000_000)])).expect(0);
    let mut held = Vec::new();
    for (round, answered) in rounds().zip(moments("submit")) {
        let submit = ["submit", "--local", &folder.log()];
        let mut running = Running::start(&[&submit[..], &DUMP_EVERY].concat());
        running.write(&claims(round));
        for _ in 0..answered {
            held.push(consumer_of(&running.line()));
        }
        running.kill();
        check_all_held(&folder.log(), &held);
    }
}

#[test]
fn what_serve_has_answered_is_there_after_it_was_killed() {
    let folder = Folder::new();
    run(&["submit", "--local", &folder.log()], &lines(&[host(10_000_000)])).expect(0);
    let mut held = Vec::new();
    for (round, answered) in rounds().zip(moments("serve")) {
        let more = [&["--allow-submit"], &DUMP_EVERY[..]].concat();
        let (mut serving, url) = Running::serve(&folder.log(), &more);
        let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
        let head = "POST /submit HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = claims(round);
        // The request is not at its end.
        write!(stream, "{head}{:x}\r\n{body}\r\n", body.len()).unwrap();
        let answers = BufReader::new(&stream).lines().map(Result::unwrap);
        let answers = answers.filter(|line| line.starts_with('{'));
        let before = held.len();
        held.extend(answers.take(answered).map(|answer| consumer_of(&answer)));
        assert_eq!(held.len(), before + answered);
        serving.kill();
        check_all_held(&folder.log(), &held);
    }
}

#[test]
fn serve_answers_what_it_has_taken_before_it_ends() {
    let folder = Folder::new();
    let (mut serving, url) = Running::serve(&folder.log(), &["--allow-submit"]);
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    let head = "POST /submit HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let body = lines(&[host(8)]);
    // The request is not at its end, and never will be.
    write!(stream, "{head}{:x}\r\n{body}\r\n", body.len()).unwrap();
    let mut answers = BufReader::new(&stream).lines().map(Result::unwrap);
    assert!(answers.any(|line| line.contains("\"ok\"")));
    serving.signal("TERM");
    assert_eq!(serving.end().0, Some(0));
}
