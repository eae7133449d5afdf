//! What those who wait are told when something ends before its time.

use std::future::IntoFuture;

use provider_tree::{Expect, Inventories, Inventory, ProviderSpec, ResourceClass};
use provider_tree_cluster::command::{
    Batch, Claim, Command, Configure, ConsumerChange, Create, Release, Take,
};
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

#[test]
fn a_batch_may_claim_of_the_classes_that_it_brings() {
    quickly(async {
        let log = MemoryLog::new();
        let replica = start(&log).await;
        let (host, vm) = (Uuid::new_v4(), Uuid::new_v4());
        let vcpu = || Inventories::new().with(ResourceClass::VCPU, Inventory::new(8));
        let created = Batch {
            created: vec![ProviderSpec::new(host, "host").with_inventories(vcpu())],
            consumers: vec![ConsumerChange::Claim(Claim::new(vm).take(
                host,
                ResourceClass::VCPU,
                1,
            ))],
            ..Batch::default()
        };
        let expect = Expect::Any;
        let configured = Batch {
            configured: vec![Configure { provider: host, edit: vcpu().into(), expect }],
            consumers: vec![ConsumerChange::Replace {
                claim: Claim::new(vm).take(host, ResourceClass::VCPU, 2),
                expect,
            }],
            ..Batch::default()
        };
        // Of a process that knows the classes, which this one has not met.
        let entries = [(created, "CUSTOM_BROUGHT_A"), (configured, "CUSTOM_BROUGHT_B")];
        let other = Uuid::new_v4();
        for ((batch, class), sequence) in entries.into_iter().zip(1..) {
            assert_eq!(ResourceClass::find(class), None);
            let entry = entry_of(batch.into(), class);
            log.append(EntryKey { replica: other, sequence }, entry.into()).await.unwrap();
            replica.sync().await.unwrap();
            let class = ResourceClass::find(class).expect("it was brought");
            let held = replica.forest().allocations(vm).expect("it was claimed");
            assert_eq!((held.allocations[0].class, held.allocations[0].amount), (class, sequence));
        }
    });
}

#[test]
fn a_statement_behind_an_empty_call_is_made() {
    quickly(async {
        let log = MemoryLog::new();
        let (one, other) = (start(&log).await, start(&log.sibling()).await);
        one.ask(root()).await.unwrap();
        let fenced = one.status().replica;
        log.set_gates(|gates| gates.appends = true);
        let nothing = other.submit_all(Vec::<Create>::new()).await.unwrap();
        let fencing = other.fence(fenced);
        let (fenced_at, answers, ()) = tokio::join!(fencing, nothing.into_future(), async {
            log.until(|kept| kept.attempts > 0).await;
            log.set_gates(|gates| gates.appends = false);
        });
        assert!(answers.unwrap().answer.is_empty());
        one.wait_for(fenced_at.unwrap()).await.unwrap();
        one.sync().await.unwrap();
        assert_ne!(one.status().replica, fenced);
    });
}

#[test]
fn a_fenced_replica_that_loads_a_dump_answers_what_it_has_sent() {
    quickly(async {
        let log = MemoryLog::new();
        let (one, other) = (start(&log).await, start(&log.sibling()).await);
        one.ask(root()).await.unwrap();
        let fenced = one.status().replica;
        log.set_gates(|gates| (gates.appends, gates.follows) = (true, true));
        let late = sent(&log, &one, root()).await;
        other.fence(fenced).await.unwrap();
        // Its entry comes behind the fence, of which it does not learn.
        log.set_gates(|gates| gates.appends = false);
        while one.metrics().entries_appended < 2 {
            tokio::task::yield_now().await;
        }
        for _ in 0..2 {
            other.ask(root()).await.unwrap();
            assert!(other.store_dump().await.unwrap());
        }
        assert!(log.has_cut());
        log.set_gates(|gates| gates.follows = false);
        let told = late.await.unwrap_err();
        let is_lost = matches!(told, Error::OutcomeUnknown { reason: Reason::Loaded(_), .. });
        assert!(is_lost, "{told:?}");
        one.close().await;
    });
}

/// The entry of a process that knows this class.
fn entry_that_asks_for(class: &str) -> Vec<u8> {
    let amounts = vec![(ResourceClass::VCPU, 1)];
    entry_of(Take { provider: Uuid::nil(), amounts }.into(), class)
}

/// The entry with a command that has this class wherever the one given has VCPU.
fn entry_of(command: Command, class: &str) -> Vec<u8> {
    const VCPU: &[u8] = b"\x04VCPU";
    let bytes = postcard::to_stdvec(&command).unwrap();
    let mut written = vec![FORMAT, 0, 0];
    let mut rest = &bytes[..];
    while let Some(at) = rest.windows(VCPU.len()).position(|bytes| bytes == VCPU) {
        written.extend_from_slice(&rest[..at]);
        written.push(u8::try_from(class.len()).unwrap());
        written.extend_from_slice(class.as_bytes());
        rest = &rest[at + VCPU.len()..];
    }
    written.extend_from_slice(rest);
    written
}
