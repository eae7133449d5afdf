//! `submit`: each kind of line, and of answer.

use std::io::Write as _;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::process::{Running, run};
use crate::{Folder, HOST, claim, host, lines};

#[test]
fn each_kind_of_line_has_its_kind_of_answer_in_the_order_of_the_lines() {
    let folder = Folder::new();
    let [a, b, c] = [1, 2, 3].map(Uuid::from_u128);
    let members = json!([claim(20, 1)["claim"], claim(21, 99)["claim"]]);
    let mut partly = claim(30, 1)["claim"].clone();
    partly["takes"][0]["amounts"] = json!({ "VCPU": 1, "MEMORY_MB": 1 });
    let input = [
        host(8),
        json!({ "id": { "mine": [1, "x"] }, "command": claim(1, 6) }),
        claim(2, 3),
        claim(1, 6),
        json!({ "claim_gang": { "members": members, "at_least": 1 } }),
        json!({ "claim_partly": { "claim": partly } }),
        json!({ "lease": { "claim": Value::Null } }),
        json!({ "cordon": { "provider": HOST } }),
        json!({ "release": { "consumer": b } }),
        json!({ "read": { "allocations": a } }),
        json!({ "read": { "allocations": c }, "id": null }),
        json!({ "read": { "usage": { "provider": "host-1", "class": "VCPU" } }, "fresh": true }),
        json!({ "read": { "usage": { "provider": HOST.to_string(), "class": "DISK_GB" } } }),
        json!({ "read": { "provider": HOST.to_string() } }),
        json!({ "read": { "provider": "nobody" } }),
        json!({ "sync": true }),
        json!({ "expire": { "now": 7 } }),
        json!({ "remove": { "provider": HOST } }),
    ];
    let ran = run(&["submit", "--local", &folder.log()], &lines(&input)).expect(1);
    let answers = ran.answers();
    let numbers: Vec<u64> = answers.iter().map(|it| it["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, Vec::from_iter(1..=input.len() as u64), "{}", ran.out);
    let answer = |line: usize| &answers[line - 1];

    assert_eq!(answer(1)["ok"], json!({}));
    assert!(answer(1)["position"].as_u64() > Some(0));
    assert_eq!(answer(2)["id"], json!({ "mine": [1, "x"] }));
    assert_eq!(answer(2)["ok"]["consumer"], json!(a));
    let refused = &answer(3)["refused"];
    assert_eq!(refused["error"], "CapacityExceeded");
    assert_eq!((&refused["provider"], &refused["class"]), (&json!(HOST), &json!("VCPU")));
    assert_eq!((&refused["requested"], &refused["free"]), (&json!(3), &json!(2)));
    assert!(refused["message"].as_str().unwrap().contains("2 free"));
    assert_eq!(answer(4)["refused"]["error"], "AlreadyHeld");
    assert_eq!(answer(4)["refused"]["generation"], answer(2)["ok"]["generation"]);
    let gang = &answer(5)["ok"]["members"];
    assert_eq!(gang[0]["ok"]["consumer"], json!(Uuid::from_u128(20)));
    assert_eq!(gang[1]["refused"]["error"], "CapacityExceeded");
    let partial = &answer(6)["ok"];
    // JSON has the classes in the order of their names.
    assert_eq!(partial["refused"][0]["index"], 0, "{partial}");
    assert_eq!(partial["refused"][0]["refused"]["error"], "NoInventory");
    assert!(answer(7)["invalid"].as_str().unwrap().contains("column"), "{}", answer(7));
    assert_eq!(answer(8)["ok"], json!({ "changed": true }));
    assert_eq!(answer(9)["refused"]["error"], "ConsumerNotFound");
    assert_eq!(answer(10)["ok"]["allocations"][0]["amount"], 6);
    assert_eq!((&answer(11)["ok"], answer(11).get("id")), (&Value::Null, Some(&Value::Null)));
    assert_eq!(answer(12)["ok"], json!({ "capacity": 8, "used": 8 }));
    assert_eq!(answer(13)["refused"]["error"], "NoInventory");
    assert_eq!(answer(14)["ok"]["configuration"]["name"], "host-1");
    assert_eq!(answer(14)["ok"]["cordoned"], true);
    assert_eq!(answer(14)["ok"]["usages"]["VCPU"]["used"], 8);
    assert_eq!(answer(15)["refused"]["error"], "UnknownProvider");
    assert!(answer(16)["ok"]["replica"].as_str().unwrap().parse::<Uuid>().is_ok());
    assert!(answer(16)["position"].as_u64() >= answer(8)["position"].as_u64());
    assert_eq!(answer(17)["ok"], json!({ "receipts": [] }));
    assert_eq!(answer(18)["refused"]["error"], "InUse");
}

#[test]
fn refused_lines_are_answered_and_the_rest_of_the_last_line_is_one() {
    let folder = Folder::new();
    let file = folder.path("lines");
    let text = format!("{}\r\n\n  \n{}\n{}", host(1), claim(1, 1), claim(2, 1));
    std::fs::write(&file, text).unwrap();
    let answers = run(&["submit", "--local", &folder.log(), &file], "").expect(0).answers();
    let numbers: Vec<_> = answers.iter().map(|answer| &answer["line"]).collect();
    assert_eq!(numbers, [1, 4, 5]);
    assert_eq!(answers[2]["refused"]["error"], "CapacityExceeded");
    // And what was answered is there for the next one.
    let read = json!({ "read": { "allocations": Uuid::from_u128(1) } });
    let answers = run(&["submit", "--local", &folder.log()], &lines(&[read])).expect(0).answers();
    assert_eq!(answers[0]["ok"]["allocations"][0]["amount"], 1);
}

#[test]
fn nothing_is_answered_with_nothing() {
    let folder = Folder::new();
    let ran = run(&["submit", "--local", &folder.log(), "-"], "").expect(0);
    assert_eq!(ran.out, "");
}

#[test]
fn a_replica_that_is_fenced_off_goes_on_as_another_one() {
    let folder = Folder::new();
    let mut running = Running::start(&["submit", "--local", &folder.log()]);
    let mut ask = |line: Value| {
        running.write(&lines(&[line]));
        running.answer()
    };
    assert_eq!(ask(host(8))["ok"], json!({}));
    let before = ask(json!({ "sync": true }))["ok"]["replica"].clone();
    let someone = ask(json!({ "fence": Uuid::from_u128(1), "id": 1 }));
    assert_eq!((&someone["ok"], &someone["id"]), (&json!({}), &json!(1)));
    assert_eq!(ask(json!({ "sync": true }))["ok"]["replica"], before);
    let itself = ask(json!({ "fence": before }));
    assert!(itself["position"].as_u64() > someone["position"].as_u64());
    assert_eq!(ask(claim(1, 3))["ok"]["consumer"], json!(Uuid::from_u128(1)));
    assert_ne!(ask(json!({ "sync": true }))["ok"]["replica"], before);
}

#[test]
fn a_program_may_wait_for_each_answer() {
    for in_flight in ["1", "4096"] {
        let folder = Folder::new();
        let arguments = ["submit", "--local", &folder.log(), "--in-flight", in_flight];
        let mut running = Running::start(&arguments);
        running.write(&lines(&[host(20)]));
        assert_eq!(running.answer()["ok"], json!({}));
        for consumer in 1..=20 {
            // A line may come in parts.
            let line = lines(&[claim(consumer, 1)]);
            let (begin, end) = line.split_at(line.len() / 2);
            running.write(begin);
            running.write(end);
            let answer = running.answer();
            assert_eq!(answer["ok"]["consumer"], json!(Uuid::from_u128(consumer)));
        }
        running.close_input();
        assert_eq!(running.end(), (Some(0), String::new()));
    }
}

#[test]
fn many_lines_are_on_their_way_together() {
    let folder = Folder::new();
    let count = 3000;
    let mut input = vec![host(count)];
    input.extend((1..=count).map(|consumer| claim(consumer.into(), 1)));
    let answers = run(&["submit", "--local", &folder.log()], &lines(&input)).expect(0).answers();
    assert_eq!(answers.len(), input.len());
    assert!(answers.iter().all(|answer| answer.get("ok").is_some()));
    let positions = answers.iter().map(|answer| answer["position"].as_u64().unwrap());
    assert!(positions.clone().is_sorted());
    // Entries of one command each would be as many as the lines.
    assert!(positions.max() < Some(count / 2), "commands are appended together");
}

#[test]
fn lines_that_make_no_sense_stop_nothing() {
    let folder = Folder::new();
    let arguments = ["submit", "--local", &folder.log()];
    let mut running = Running::start(&arguments);
    let release = r#"{"release": {"consumer": "00000000-0000-0000-0000-000000000001"}}"#;
    let cases = [
        ("nonsense".to_owned(), "column 2"),
        ("\u{0}\u{1b}".to_owned(), "column 1"),
        ("[]".to_owned(), "expected a map"),
        ("\"claim\"".to_owned(), "expected a map"),
        (release.replace('}', ""), "EOF"),
        (release.replace("consumer", "customer"), "unknown field `customer`"),
        (release.replace("release", "unrelease"), "unknown variant `unrelease`"),
        (format!("{release}{release}"), "trailing characters"),
        ("[".repeat(1 << 20), "column"),
        (format!("{{\"{}\": 1}}", "x".repeat(1 << 20)), "bytes"),
    ];
    for (number, (line, why)) in (1..).zip(&cases) {
        running.write(&format!("{line}\n"));
        let answer = running.answer();
        assert_eq!(answer["line"], number);
        let invalid = answer["invalid"].as_str().unwrap();
        assert!(invalid.contains(why) && invalid.len() < 1000, "{invalid}");
    }
    running.write(&lines(&[host(1)]));
    assert_eq!(running.answer()["ok"], json!({}));
    running.close_input();
    assert_eq!(running.end().0, Some(1));
}

#[test]
fn a_huge_line_is_taken_and_one_that_is_too_long_is_not() {
    let folder = Folder::new();
    let providers = (0..20_000).map(
        |number| json!({ "uuid": Uuid::from_u128(number + 1), "name": format!("host-{number}") }),
    );
    let huge = json!({ "populate": { "providers": providers.collect::<Vec<_>>() } });
    let file = folder.path("lines");
    let mut lines = std::io::BufWriter::new(std::fs::File::create(&file).unwrap());
    writeln!(lines, "{huge}").unwrap();
    for _ in 0..65 {
        lines.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    writeln!(lines, "{{").unwrap();
    writeln!(lines, "{}", json!({ "read": { "provider": "host-19999" } })).unwrap();
    lines.into_inner().unwrap();
    let answers = run(&["submit", "--local", &folder.log(), &file], "").expect(1).answers();
    assert_eq!(answers[0]["ok"], json!({}));
    assert_eq!(
        answers[1],
        json!({ "line": 2, "invalid": "the line is longer than 67108864 bytes" })
    );
    assert_eq!(answers[2]["ok"]["configuration"]["uuid"], json!(Uuid::from_u128(20_000)));
}

#[test]
fn at_its_deadline_a_line_is_answered_whatever_becomes_of_it() {
    let folder = Folder::new();
    let count: u64 = 20_000;
    let providers = (0..count).map(|number| {
        json!({ "uuid": Uuid::from_u128(u128::from(number) + 1), "name": format!("host-{number}") })
    });
    // No log and no forest takes so much within a millisecond.
    let huge = json!({ "populate": { "providers": providers.collect::<Vec<_>>() } });
    let arguments = ["submit", "--local", &folder.log(), "--deadline", "1"];
    let answers = run(&arguments, &lines(&[huge])).expect(1).answers();
    let read = json!({ "read": { "provider": "host-0" } });
    let later = run(&["submit", "--local", &folder.log()], &lines(&[read])).expect(0).answers();
    if let Some(why) = answers[0].get("not_made") {
        assert_eq!(why, "the deadline has come");
        assert_eq!(later[0]["refused"]["error"], "UnknownProvider");
    } else {
        let why = answers[0]["unknown"].as_str().unwrap();
        assert!(why.contains("the deadline has come"), "{why}");
        // The tool has waited for it before it ended.
        assert_eq!(later[0]["ok"]["configuration"]["name"], "host-0");
    }
}

#[test]
fn a_signal_ends_it_properly() {
    for signal in ["INT", "TERM"] {
        let folder = Folder::new();
        let arguments = ["submit", "--local", &folder.log()];
        let mut running = Running::start(&arguments);
        running.write(&lines(&[host(1)]));
        running.answer();
        running.signal(signal);
        assert_eq!(running.end(), (Some(130), String::new()), "{signal}");
        let read = lines(&[json!({ "read": { "provider": "host-1" } })]);
        assert!(run(&arguments, &read).expect(0).answers()[0].get("ok").is_some());
    }
}

#[test]
fn it_ends_when_nobody_reads_the_answers() {
    let folder = Folder::new();
    let text = lines(&vec![json!({ "sync": true }); 100_000]);
    let file = folder.path("lines");
    std::fs::write(&file, text).unwrap();
    let mut command = crate::process::tool(&["submit", "--local", &folder.log(), &file]);
    let command = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with("error: standard output can't be written"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
}
