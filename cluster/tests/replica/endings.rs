//! What those who wait are told when something ends before its time.

use provider_tree::ResourceClass;
use provider_tree_cluster::command::{Command, Create, Release, Take};
use provider_tree_cluster::log::{EntryKey, Log, Position};
use provider_tree_cluster::{Error, FORMAT, Halt, Options, Reason, Replica, Trouble};
use uuid::Uuid;

use crate::behaviours::{attempts, sent};
use crate::memory_log::MemoryLog;
use crate::rig::{options, quickly, start};

fn root() -> Create {
    Create { uuid: Uuid::new_v4(), name: Uuid::new_v4().to_string(), parent: None }
}

#[test]
fn who_waits_is_told_when_the_runtime_is_shut_down() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let log = MemoryLog::new();
    let replica = runtime.block_on(start(&log));
    let before = runtime.block_on(attempts(&log));
    log.set_gates(|gates| gates.appends = true);
    let asking = {
        let replica = replica.clone();
        std::thread::spawn(move || replica.blocking().ask(root()))
    };
    runtime.block_on(log.until(|kept| kept.attempts > before));
    runtime.shutdown_background();
    let answer = asking.join().unwrap();
    assert!(matches!(answer, Err(Error::OutcomeUnknown { .. })), "{answer:?}");
    let more = replica.blocking().ask(root());
    assert_eq!(more, Err(Error::NotMade { reason: Reason::Closed }));
}

#[test]
fn who_waits_is_told_when_a_part_of_the_replica_panics() {
    quickly(async {
        let log = MemoryLog::new();
        let replica = start(&log).await;
        log.set_gates(|gates| gates.panics = true);
        let waiting = replica.wait_for(Position(1_000_000));
        let (answer, waited) = tokio::join!(replica.ask(root()), waiting);
        assert!(matches!(answer, Err(Error::OutcomeUnknown { .. })), "{answer:?}");
        let panicked = Reason::Halted(Halt::Panicked);
        assert_eq!(waited, Err(Error::Ended { reason: panicked.clone() }));
        assert_eq!(replica.status().trouble, Some(Trouble::Ended(panicked)));
    });
}

#[test]
fn an_answer_that_is_there_is_not_unknown() {
    quickly(async {
        let replica = start(&MemoryLog::new()).await;
        let ticket = replica.submit(root()).await.unwrap();
        replica.ask(root()).await.unwrap();
        ticket.withdraw().expect("it is answered");
    });
}

#[test]
fn withdrawn_commands_take_no_room() {
    quickly(async {
        let log = MemoryLog::new();
        let replica = Replica::start(log.clone(), Options { most_outstanding: 8, ..options() })
            .await
            .unwrap();
        log.set_gates(|gates| gates.appends = true);
        let on_its_way = sent(&log, &replica, root()).await;
        for _ in 0..1_000 {
            let withdrawn = replica.try_submit(root()).expect("there is room").withdraw();
            assert_eq!(withdrawn, Err(Error::NotMade { reason: Reason::Deadline }));
            drop(replica.try_submit(Release { consumer: Uuid::nil() }).expect("there is room"));
        }
        assert_eq!(replica.status().outstanding, 1);
        assert_eq!(replica.metrics().commands_withdrawn, 2_000);
        log.set_gates(|gates| gates.appends = false);
        on_its_way.await.unwrap();
        assert_eq!(replica.forest().roots().len(), 1);
    });
}

#[test]
fn what_a_fenced_replica_has_on_its_way_is_never_made() {
    quickly(async {
        let log = MemoryLog::new();
        let (one, other) = (start(&log).await, start(&log.sibling()).await);
        one.ask(root()).await.unwrap();
        let before = one.status().replica;
        log.set_gates(|gates| gates.appends = true);
        let late = sent(&log, &one, root()).await;
        other.fence(before).await.unwrap();
        log.set_gates(|gates| gates.appends = false);
        let told = late.await.unwrap_err();
        assert_eq!(told, Error::NotMade { reason: Reason::Forgotten });
        // It goes on as a new one.
        one.ask(root()).await.unwrap();
        assert_ne!(one.status().replica, before);
        other.sync().await.unwrap();
        assert_eq!(other.forest().roots().len(), 2);
    });
}

#[test]
fn who_asks_for_classes_teaches_no_names() {
    quickly(async {
        let log = MemoryLog::new();
        let replica = start(&log).await;
        let taught = |number: u64| ResourceClass::find(&format!("CUSTOM_ASKED_{number}"));
        // Each of these is refused, as there is no such provider.
        let other = Uuid::new_v4();
        for sequence in 1..=1_000 {
            let entry = entry_that_asks_for(&format!("CUSTOM_ASKED_{sequence}"));
            log.append(EntryKey { replica: other, sequence }, entry.into()).await.unwrap();
        }
        replica.sync().await.unwrap();
        assert_eq!(replica.metrics().entries_applied, 1_000);
        assert!((1..=1_000).all(|number| taught(number).is_none()));
        assert_eq!(replica.status().trouble, None);
    });
}

/// The entry of a process that knows this class.
fn entry_that_asks_for(class: &str) -> Vec<u8> {
    let amounts = vec![(ResourceClass::VCPU, 1)];
    let take = Command::from(Take { provider: Uuid::nil(), amounts });
    let bytes = postcard::to_stdvec(&take).unwrap();
    let at = bytes.windows(5).position(|bytes| bytes == b"\x04VCPU").unwrap();
    let mut written = vec![FORMAT, 0, 0];
    written.extend_from_slice(&bytes[..at]);
    written.push(u8::try_from(class.len()).unwrap());
    written.extend_from_slice(class.as_bytes());
    written.extend_from_slice(&bytes[at + 5..]);
    written
}
