//! What is wrong is said in a sentence, and without anybody's credentials.

use std::net::TcpListener;

use crate::process::{run, tool};
use crate::{Folder, host, lines};

#[test]
fn wrong_usage_ends_with_2() {
    let folder = Folder::new();
    let (log, missing) = (folder.log(), folder.path("missing"));
    for arguments in [
        &[][..],
        &["surf"],
        &["serve"],
        &["submit"],
        &["dump"],
        &["status"],
        &["verify", "one"],
        &["submit", "--local", &log, "--in-flight", "0"],
        &["submit", "--local", &log, "--deadline", "-1"],
        &["submit", "--local", &log, "--else"],
        &["submit", "--local", &log, "--user", "me"],
        &["submit", "--local", &log, "--etcd", "http://127.0.0.1:1"],
        &["submit", "--local", &log, "--log", "=nonsense="],
        &["submit", "--local", &log, &missing],
        &["serve", "--local", &log, "--listen", "nowhere"],
        &["status", "--local", &missing],
        &["dump", "--local", &missing],
        &["verify", &missing, &missing],
        &["verify", "ftp://127.0.0.1:1", "http://127.0.0.1:1/path"],
        &["status", "--url", "127.0.0.1:1"],
    ] {
        let ran = run(arguments, "").expect(2);
        assert!(ran.out.is_empty() && !ran.err.is_empty(), "{arguments:?}: {ran:?}");
    }
    assert!(!std::path::Path::new(&missing).exists(), "to look makes no log");
}

#[test]
fn what_fails_ends_with_1_and_one_sentence() {
    let folder = Folder::new();
    let not_a_log = folder.path("text");
    std::fs::write(&not_a_log, "text").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (arguments, why) in [
        (&["submit", "--local", &*not_a_log][..], "damaged"),
        (&["submit", "--local", "/no/such/folder/log"], "not available"),
        (&["serve", "--local", &folder.log(), "--listen", &taken], "can't be listened to"),
        (&["status", "--url", &format!("http://{taken}")], "can't be asked"),
    ] {
        let ran = run(arguments, &lines(&[host(1)])).expect(1);
        assert!(ran.err.starts_with("error: ") && ran.err.contains(why), "{ran:?}");
        assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
        assert!(ran.out.is_empty(), "{ran:?}");
    }
}

#[test]
fn what_is_logged_is_asked_for() {
    let folder = Folder::new();
    let quiet = run(&["submit", "--local", &folder.log()], &lines(&[host(1)])).expect(0);
    assert_eq!(quiet.err, "");
    let loud = run(&["submit", "--local", &folder.log(), "--log", "trace"], "").expect(0);
    assert!(loud.err.lines().all(|line| line.contains("provider_tree")), "{loud:?}");
}

#[test]
fn nobodys_credentials_are_printed() {
    let folder = Folder::new();
    let file = folder.path("password");
    std::fs::write(&file, "s3cret\n").unwrap();
    let nowhere = "http://127.0.0.1:1";
    let with_user = "http://me:s3cret@127.0.0.1:1";
    for arguments in [
        &["submit", "--etcd", with_user][..],
        &["submit", "--etcd", nowhere, "--user", "me"],
        &["submit", "--etcd", nowhere, "--user", "me", "--password-file", &file],
        &["submit", "--etcd", nowhere, "--user", "me", "--password", "s3cret"],
        &["submit", "--etcd", nowhere, "--user", "me", "--password=s3cret"],
        &["status", "--url", with_user],
        &["status", with_user],
        &["verify", with_user, with_user],
        &["serve", "--listen", with_user, "--local", &folder.log()],
    ] {
        let mut command = tool(arguments);
        command.env("PROVIDER_TREE_PASSWORD", "s3cret").env("RUST_LOG", "trace");
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        let mut printed = output.stdout;
        printed.extend(output.stderr);
        let printed = String::from_utf8(printed).unwrap();
        assert!(!printed.is_empty() && !printed.contains("s3cret"), "{arguments:?}: {printed}");
    }
}
