//! What a replica does in one situation each.

use std::time::Duration;

use provider_tree::ResourceClass;
use provider_tree_cluster::command::{Claim, Command, Create, Populate, Release, Rename};
use provider_tree_cluster::log::{EntryKey, Log, LogError, Position};
use provider_tree_cluster::{
    Error, FORMAT, FormatError, Halt, Made, Options, Reason, Replica, Trouble,
};
use uuid::Uuid;

use crate::memory_log::MemoryLog;
use crate::rig::{assert_same, entry_bytes, hosts, options, quickly, start};

/// A replica with a host of 8 VCPU.
async fn with_host(log: &MemoryLog, options: Options) -> (Replica, Uuid) {
    let replica = Replica::start(log.clone(), options).await.unwrap();
    let providers = hosts(1, 8);
    let host = providers[0].uuid;
    replica.ask(Populate { providers }).await.unwrap();
    (replica, host)
}

fn claim(host: Uuid, amount: u64) -> Claim {
    Claim::new(Uuid::new_v4()).take(host, ResourceClass::VCPU, amount)
}

fn holds(replica: &Replica, claim: &Claim) -> bool {
    replica.forest().allocations(claim.consumer).is_some()
}

fn soon() -> std::time::Instant {
    tokio::time::Instant::now().into_std() + Duration::from_millis(100)
}

/// Gives a command to the replica, and waits until it is sent, and shut in by the gate.
pub(crate) async fn sent<C: provider_tree_cluster::command::Ask>(
    log: &MemoryLog,
    replica: &Replica,
    command: C,
) -> provider_tree_cluster::Ticket<C::Answer> {
    let before = attempts(log).await;
    let ticket = replica.submit(command).await.unwrap();
    log.until(|kept| kept.attempts > before).await;
    ticket
}

pub(crate) async fn attempts(log: &MemoryLog) -> u64 {
    let count = std::cell::Cell::new(0);
    log.until(|kept| {
        count.set(kept.attempts);
        true
    })
    .await;
    count.get()
}

/// Has a replica ask for so much that one dump is stored, and it knows.
async fn dump_by(replica: &Replica) {
    let before = replica.status().dumped;
    let name = "x".repeat(1_000);
    let refused = replica.ask(Rename { provider: Uuid::nil(), name }).await;
    assert!(matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    while replica.status().dumped == before {
        replica.wait_for(Position(replica.position().0 + 1)).await.unwrap();
    }
}

fn dumping() -> Options {
    Options { dump_every_bytes: 1_000, ..options() }
}

#[test]
fn two_replicas_come_to_the_same() {
    quickly(async {
        let log = MemoryLog::new();
        let (one, other) = (start(&log).await, start(&log).await);
        let providers = hosts(2, 8);
        let host = providers[0].uuid;
        one.ask(Populate { providers }).await.unwrap();
        let held = claim(host, 6);
        let receipt = other.ask(held.clone()).await.unwrap();
        assert_eq!(receipt.consumer, held.consumer);
        let refused = one.ask(claim(host, 6)).await.unwrap_err();
        assert!(matches!(refused, Error::Refused { .. }), "{refused:?}");
        assert_same(&one, &other).await;
        other.ask(Release { consumer: held.consumer }).await.unwrap();
        one.sync().await.unwrap();
        assert!(!holds(&one, &held));
    });
}

#[test]
fn a_ticket_that_is_dropped_withdraws_what_is_not_sent() {
    quickly(async {
        let log = MemoryLog::new();
        let (replica, host) = with_host(&log, options()).await;
        log.set_gates(|gates| gates.appends = true);
        let claims = [1, 1, 1].map(|amount| claim(host, amount));
        let first = sent(&log, &replica, claims[0].clone()).await;
        let second = replica.submit(claims[1].clone()).await.unwrap();
        let third = replica.submit(claims[2].clone()).await.unwrap();
        drop((first, second));
        log.set_gates(|gates| gates.appends = false);
        third.await.unwrap();
        assert!(holds(&replica, &claims[0]), "it was sent");
        assert!(!holds(&replica, &claims[1]), "it was not sent");
        assert_eq!(replica.metrics().commands_withdrawn, 1);
        assert_eq!(replica.status().outstanding, 0);
    });
}

#[test]
fn what_is_withdrawn_is_not_made_and_what_is_sent_is_unknown() {
    quickly(async {
        let log = MemoryLog::new();
        let (replica, host) = with_host(&log, options()).await;
        log.set_gates(|gates| gates.appends = true);
        let (a, b) = (claim(host, 1), claim(host, 1));
        let sent = sent(&log, &replica, a.clone()).await;
        let queued = replica.submit(b.clone()).await.unwrap();
        let withdrawn = queued.try_wait().unwrap_err().withdraw();
        assert_eq!(withdrawn, Err(Error::NotMade { reason: Reason::Deadline }));
        let unknown = sent.try_wait().unwrap_err().withdraw();
        assert!(
            matches!(unknown, Err(Error::OutcomeUnknown { reason: Reason::Deadline, .. })),
            "{unknown:?}"
        );
        log.set_gates(|gates| gates.appends = false);
        replica.sync().await.unwrap();
        replica.ask(claim(host, 1)).await.unwrap();
        assert!(holds(&replica, &a) && !holds(&replica, &b));
    });
}

#[test]
fn a_deadline_ends_the_waiting() {
    quickly(async {
        let log = MemoryLog::new();
        let (replica, host) = with_host(&log, Options { most_outstanding: 2, ..options() }).await;
        let (a, b, c, d) = (claim(host, 1), claim(host, 1), claim(host, 1), claim(host, 1));
        replica.ask_until(d.clone(), soon() + Duration::from_secs(10_000)).await.unwrap();
        log.set_gates(|gates| gates.appends = true);
        let unknown = replica.ask_until(a.clone(), soon()).await.unwrap_err();
        assert!(
            matches!(unknown, Error::OutcomeUnknown { reason: Reason::Deadline, .. }),
            "{unknown:?}"
        );
        let not_made = Error::NotMade { reason: Reason::Deadline };
        assert_eq!(replica.ask_until(b.clone(), soon()).await, Err(not_made.clone()));
        // There is no room for more: two are on their way until the appender has looked at them.
        assert_eq!(replica.ask_until(c.clone(), soon()).await, Err(not_made));
        log.set_gates(|gates| gates.appends = false);
        replica.ask(claim(host, 1)).await.unwrap();
        assert!(holds(&replica, &a) && !holds(&replica, &b) && !holds(&replica, &c));
        assert!(holds(&replica, &d));
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn threads_that_block_have_deadlines_too() {
    let log = MemoryLog::new();
    let (replica, host) = with_host(&log, options()).await;
    tokio::task::spawn_blocking(move || {
        let blocking = replica.blocking();
        let soon = || std::time::Instant::now() + Duration::from_millis(30);
        blocking.ask_until(claim(host, 1), soon() + Duration::from_secs(60)).unwrap();
        let late = blocking.submit(claim(host, 1)).unwrap().wait().unwrap();
        blocking.wait_for(late.position).unwrap();
        let all = blocking.submit_all([claim(host, 1), claim(host, 9)]).unwrap().wait().unwrap();
        assert!(all.answer[0].is_ok() && all.answer[1].is_err());
        assert_eq!(blocking.sync().unwrap(), all.position);
        assert_eq!(blocking.dump().unwrap().position, all.position);

        log.set_gates(|gates| gates.appends = true);
        let unknown = blocking.ask_until(claim(host, 1), soon()).unwrap_err();
        assert!(matches!(unknown, Error::OutcomeUnknown { .. }), "{unknown:?}");
        let not_made = blocking.ask_until(claim(host, 1), soon()).unwrap_err();
        assert_eq!(not_made, Error::NotMade { reason: Reason::Deadline });
        let ticket = blocking.submit(claim(host, 1)).unwrap().wait_until(soon()).unwrap_err();
        log.set_gates(|gates| gates.appends = false);
        ticket.wait().unwrap();
        blocking.close();
        assert_eq!(blocking.ask(claim(host, 1)), Err(Error::NotMade { reason: Reason::Closed }));
    })
    .await
    .unwrap();
}

#[test]
fn who_finds_no_room_is_told_and_room_is_given_back() {
    quickly(async {
        let log = MemoryLog::new();
        let (replica, host) = with_host(&log, Options { most_outstanding: 2, ..options() }).await;
        log.set_gates(|gates| gates.appends = true);
        let first = replica.try_submit(claim(host, 1)).unwrap();
        let second = replica.try_submit(claim(host, 9)).unwrap();
        assert_eq!(replica.try_submit(claim(host, 1)).unwrap_err(), Error::Busy { most: 2 });
        assert_eq!(replica.status().outstanding, 2);
        log.set_gates(|gates| gates.appends = false);
        first.await.unwrap();
        let refused = second.await.unwrap_err();
        assert!(matches!(refused, Error::Refused { .. }), "{refused:?}");
        assert_eq!(replica.status().outstanding, 0);
        let more = [1, 1].map(|amount| replica.try_submit(claim(host, amount)).unwrap());
        for ticket in more {
            ticket.await.unwrap();
        }
        // More than there is ever room for are let in alone.
        let many = replica.submit_all([1, 1, 1, 1].map(|amount| claim(host, amount)));
        assert_eq!(many.await.unwrap().await.unwrap().answer.len(), 4);
    });
}

#[test]
fn closing_waits_for_what_is_on_its_way() {
    quickly(async {
        let log = MemoryLog::new();
        let (replica, host) = with_host(&log, options()).await;
        let tickets: Vec<_> = (0..5).map(|_| replica.try_submit(claim(host, 1)).unwrap()).collect();
        replica.close().await;
        for ticket in tickets {
            ticket.try_wait().expect("it is answered").unwrap();
        }
        let closed = Error::NotMade { reason: Reason::Closed };
        assert_eq!(replica.ask(claim(host, 1)).await, Err(closed.clone()));
        assert_eq!(replica.try_submit(claim(host, 1)).unwrap_err(), closed);
        assert_eq!(replica.mark().await, Err(closed));
        let ended = Error::Ended { reason: Reason::Closed };
        assert_eq!(replica.sync().await, Err(ended.clone()));
        assert_eq!(replica.wait_for(Position(1_000)).await, Err(ended));
        assert_eq!(replica.dump().await.unwrap().position, replica.position());
    });
}

#[test]
fn closing_answers_reads_that_are_on_their_way() {
    quickly(async {
        let log = MemoryLog::new();
        let (replica, _) = with_host(&log, options()).await;
        let other = start(&log.sibling()).await;
        log.set_gates(|gates| gates.follows = true);
        assert!(other.ask(claim(Uuid::nil(), 1)).await.is_err());
        // The question is asked first, and there is something that is not applied.
        let (synced, ()) = tokio::join!(replica.sync(), replica.close());
        assert_eq!(synced, Err(Error::Ended { reason: Reason::Closed }));
    });
}

#[test]
fn dropping_all_handles_answers_all_tickets() {
    quickly(async {
        let log = MemoryLog::new();
        let (replica, host) = with_host(&log, options()).await;
        log.set_gates(|gates| gates.appends = true);
        let first = sent(&log, &replica, claim(host, 1)).await;
        let second = replica.submit(claim(host, 1)).await.unwrap();
        let forest = replica.forest();
        assert!(forest.is_current());
        drop(replica);
        let first = first.await.unwrap_err();
        assert!(matches!(first, Error::OutcomeUnknown { reason: Reason::Closed, .. }), "{first:?}");
        assert_eq!(second.await.unwrap_err(), Error::NotMade { reason: Reason::Closed });
        assert_eq!(forest.roots().len(), 1, "it can be read all the same");
    });
}

#[test]
fn commands_of_one_call_are_answered_in_their_order() {
    quickly(async {
        let log = MemoryLog::new();
        let (replica, host) = with_host(&log, options()).await;
        let mine = claim(host, 5);
        let commands: Vec<Command> = vec![
            mine.clone().into(),
            claim(host, 4).into(),
            Release { consumer: mine.consumer }.into(),
            claim(host, 4).into(),
        ];
        let Made { position, answer } = replica.submit_all(commands).await.unwrap().await.unwrap();
        assert_eq!(answer.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true, true]);
        assert_eq!(position, replica.position());
        let nothing = replica.submit_all(Vec::<Command>::new()).await.unwrap().await.unwrap();
        assert!(nothing.answer.is_empty());
    });
}

#[test]
fn commands_of_one_replica_are_made_in_their_order() {
    quickly(async {
        let log = MemoryLog::new();
        let (replica, host) = with_host(&log, Options { most_entry_bytes: 60, ..options() }).await;
        let provider = host;
        let tickets: Vec<_> = (0..50)
            .map(|at| replica.try_submit(Rename { provider, name: format!("name-{at}") }).unwrap())
            .collect();
        let mut last = Position(0);
        for ticket in tickets {
            let position = ticket.await.unwrap().position;
            assert!(position >= last);
            last = position;
        }
        assert!(replica.forest().find("name-49").is_some());
    });
}

#[test]
fn a_command_that_is_larger_than_an_entry_goes_in_parts() {
    quickly(async {
        let log = MemoryLog::with(1_000, 0, Default::default());
        let other = start(&log).await;
        let replica = start(&log).await;
        let before = claim(Uuid::nil(), 1);
        let providers = hosts(3_000, 4);
        let host = providers[0].uuid;
        let early = replica.try_submit(before).unwrap();
        let large = replica.try_submit(Populate { providers }).unwrap();
        let after = replica.try_submit(claim(host, 1)).unwrap();
        assert!(early.await.is_err());
        let made = large.await.unwrap();
        assert!(made.position > Position(100), "{made:?}");
        assert!(after.await.unwrap().position > made.position);
        assert!(log.history().iter().all(|entry| entry.bytes.len() <= 1_000));
        other.sync().await.unwrap();
        assert_eq!(other.forest().roots().len(), 3_000);
        assert_same(&other, &replica).await;
    });
}

/// What another process writes.
struct Forger {
    log: MemoryLog,
    key: EntryKey,
}

impl Forger {
    fn new(log: &MemoryLog) -> Self {
        let key = EntryKey { replica: Uuid::new_v4(), sequence: 0 };
        Forger { log: log.sibling(), key }
    }

    async fn append(&mut self, kind: u64, rest: &[u8]) -> EntryKey {
        self.append_bytes(entry_bytes(0, kind, rest)).await
    }

    async fn append_bytes(&mut self, bytes: bytes::Bytes) -> EntryKey {
        self.key.sequence += 1;
        self.log.append(self.key, bytes).await.unwrap();
        self.key
    }
}

#[test]
fn a_dump_has_the_parts_of_what_is_not_whole_yet() {
    quickly(async {
        let log = MemoryLog::new();
        let replica = Replica::start(log.clone(), dumping()).await.unwrap();
        let mut forger = Forger::new(&log);
        let command = Command::from(Populate { providers: hosts(3, 4) });
        let bytes = postcard::to_stdvec(&command).unwrap();
        let (first, rest) = bytes.split_at(bytes.len() / 2);
        forger.append(1, first).await;
        dump_by(&replica).await;
        let loaded = start(&log).await;
        assert_eq!(loaded.metrics().dumps_loaded, 1);
        forger.append(0, rest).await;
        for replica in [&replica, &loaded] {
            replica.sync().await.unwrap();
            assert_eq!(replica.forest().roots().len(), 3);
        }
        assert_same(&replica, &loaded).await;
    });
}

#[test]
fn a_replica_that_was_forgotten_goes_on_as_a_new_one() {
    quickly(async {
        let log = MemoryLog::new();
        let own = log.sibling();
        let (quiet, host) = with_host(&own, options()).await;
        let busy = Replica::start(log.clone(), dumping()).await.unwrap();
        let name = quiet.status().replica;
        own.set_gates(|gates| gates.appends = true);
        let held = claim(host, 1);
        let ticket = sent(&log, &quiet, held.clone()).await;
        for _ in 0..3 {
            dump_by(&busy).await;
        }
        own.set_gates(|gates| gates.appends = false);
        assert_eq!(ticket.await.unwrap_err(), Error::NotMade { reason: Reason::Forgotten });
        quiet.ask(claim(host, 1)).await.unwrap();
        assert_ne!(quiet.status().replica, name);
        assert_eq!(quiet.metrics().entries_refused, 1);
        busy.sync().await.unwrap();
        assert!(!holds(&busy, &held));

        // One that has nothing on its way loses nothing.
        let name = quiet.status().replica;
        for _ in 0..3 {
            dump_by(&busy).await;
        }
        quiet.wait_for(busy.position()).await.unwrap();
        // The applier is through with all entries up to there.
        quiet.dump().await.unwrap();
        assert_ne!(quiet.status().replica, name);
        quiet.ask(claim(host, 1)).await.unwrap();
        assert_eq!(quiet.metrics().entries_refused, 1);
    });
}

#[test]
fn a_replica_that_falls_behind_loads_a_dump() {
    quickly(async {
        let log = MemoryLog::new();
        let own = log.sibling();
        let (slow, host) = with_host(&own, options()).await;
        let busy = Replica::start(log.clone(), dumping()).await.unwrap();
        own.set_gates(|gates| gates.follows = true);
        let forest = slow.forest();
        let held = claim(host, 3);
        let ticket = slow.submit(held.clone()).await.unwrap();
        while !holds(&busy, &held) {
            busy.sync().await.unwrap();
        }
        let at = busy.position();
        while !log.has_cut() || cut(&log).await <= at {
            dump_by(&busy).await;
        }
        assert!(forest.is_current());
        own.set_gates(|gates| gates.follows = false);
        let unknown = ticket.await.unwrap_err();
        assert!(
            matches!(unknown, Error::OutcomeUnknown { reason: Reason::Loaded(_), .. }),
            "{unknown:?}"
        );
        assert!(!forest.is_current() && forest.allocations(held.consumer).is_none());
        assert!(slow.forest().is_current() && holds(&slow, &held));
        assert_eq!(slow.metrics().dumps_loaded, 1);
        assert_eq!(slow.metrics().commands_unknown, 1);
        slow.wait_for(busy.position()).await.unwrap();
        // The applier is through with all entries up to there.
        slow.dump().await.unwrap();
        slow.ask(Release { consumer: held.consumer }).await.unwrap();
        assert_same(&slow, &busy).await;
    });
}

async fn cut(log: &MemoryLog) -> Position {
    let cut = std::cell::Cell::new(Position(0));
    log.until(|kept| {
        cut.set(kept.cut);
        true
    })
    .await;
    cut.get()
}

#[test]
fn an_entry_of_another_version_halts_a_replica() {
    quickly(async {
        let log = MemoryLog::new();
        let own = log.sibling();
        let (replica, host) = with_host(&own, options()).await;
        let before = claim(host, 1);
        replica.ask(before.clone()).await.unwrap();
        let position = replica.position();
        own.set_gates(|gates| (gates.follows, gates.replies) = (true, true));
        let key = Forger::new(&log).append_bytes(vec![FORMAT + 1, 7].into()).await;
        let (a, b) = (claim(host, 1), claim(host, 1));
        let sent = sent(&log, &replica, a).await;
        let queued = replica.submit(b).await.unwrap();
        own.set_gates(|gates| gates.follows = false);
        let fault = FormatError::Version { found: FORMAT + 1, supported: FORMAT };
        let at = Position(position.0 + 1);
        let EntryKey { replica: writer, sequence } = key;
        let halt = Halt::Format { replica: writer, sequence, position: at, fault };

        let unknown = sent.await.unwrap_err();
        assert!(
            matches!(&unknown, Error::OutcomeUnknown { reason: Reason::Halted(why), .. } if *why == halt),
            "{unknown:?}"
        );
        own.set_gates(|gates| gates.replies = false);
        let not_made = Error::NotMade { reason: Reason::Halted(halt.clone()) };
        assert_eq!(queued.await.unwrap_err(), not_made);
        assert_eq!(replica.ask(claim(host, 1)).await.unwrap_err(), not_made);
        assert_eq!(replica.sync().await, Err(Error::from(halt.clone())));
        assert_eq!(replica.dump().await, Err(Error::from(halt.clone())));
        assert_eq!(replica.dump_at_mark(Uuid::nil()).await, Err(Error::from(halt.clone())));
        assert_eq!(replica.wait_for(at).await, Err(Error::from(halt.clone())));
        assert_eq!(replica.wait_for(position).await, Ok(()));
        let status = replica.status();
        assert_eq!(status.trouble, Some(Trouble::Ended(Reason::Halted(halt.clone()))));
        assert_eq!((status.position, status.outstanding), (position, 0));
        assert!(holds(&replica, &before), "it can be read all the same");
        assert!(!replica.forest().is_current());
        let again = Replica::start(log.clone(), options()).await;
        assert_eq!(again.unwrap_err(), Error::from(halt));
        replica.close().await;
    });
}

#[test]
fn an_entry_that_makes_no_sense_halts_a_replica_and_changes_nothing() {
    quickly(async {
        let log = MemoryLog::new();
        let (replica, host) = with_host(&log, options()).await;
        let half = claim(host, 1);
        let mut bytes = postcard::to_stdvec(&Command::from(half.clone())).unwrap();
        bytes.push(0xff);
        Forger::new(&log).append(0, &bytes).await;
        let halted = replica.sync().await.unwrap_err();
        let is_malformed = matches!(
            halted,
            Error::Ended {
                reason: Reason::Halted(Halt::Format { fault: FormatError::Malformed { .. }, .. })
            }
        );
        assert!(is_malformed, "{halted:?}");
        assert!(!holds(&replica, &half), "half of the entry is applied");

        for bytes in [&[][..], &[FORMAT], &[FORMAT, 0], &[FORMAT, 0, 9], &[FORMAT, 0, 2]] {
            let log = MemoryLog::new();
            Forger::new(&log).append_bytes(bytes.to_vec().into()).await;
            let halted = Replica::start(log, options()).await.unwrap_err();
            assert!(
                matches!(halted, Error::Ended { reason: Reason::Halted(Halt::Format { .. }) }),
                "{halted:?}"
            );
        }
    });
}

#[test]
fn an_entry_that_is_missing_halts_a_replica() {
    quickly(async {
        let log = MemoryLog::new();
        let replica = start(&log).await;
        let mut forger = Forger::new(&log);
        forger.append(0, &[]).await;
        forger.key.sequence += 1;
        let key = forger.append(0, &[]).await;
        let (replica_of, position) = (key.replica, Position(2));
        let halt = Halt::Missing { replica: replica_of, last: 1, found: 3, position };
        assert_eq!(replica.sync().await, Err(Error::from(halt)));
    });
}

#[test]
fn what_the_log_refuses_is_not_made() {
    quickly(async {
        let log = MemoryLog::new();
        let (replica, host) = with_host(&log, options()).await;
        let denied = LogError::Denied { reason: "no".to_owned() };
        let full = LogError::Full { reason: "no room".to_owned() };
        let lost = LogError::Unavailable { reason: "lost".to_owned() };
        log.refuse([denied.clone()]);
        let (a, b, c) = (claim(host, 1), claim(host, 1), claim(host, 1));
        let error = replica.ask(a.clone()).await.unwrap_err();
        assert_eq!(error, Error::NotMade { reason: Reason::Log(denied.clone()) });
        // Nothing is tried any more.
        assert_eq!(replica.status().trouble, None);
        // What may be there is not given up at once.
        log.refuse([full.clone(), denied.clone()]);
        replica.ask(b.clone()).await.unwrap();
        log.refuse([lost.clone(), denied.clone(), full]);
        replica.ask(c.clone()).await.unwrap();
        // Unless it is refused for long: then it is fenced off before anything else is made, however often the
        // fence is refused in turn.
        let former = replica.status().replica;
        log.refuse(std::iter::once(lost).chain(std::iter::repeat_n(denied.clone(), 11)));
        let refused = Reason::Log(denied);
        let error = replica.ask(claim(host, 1)).await.unwrap_err();
        let Error::OutcomeUnknown { what, reason } = error else { panic!("{error:?}") };
        assert_eq!((what.replica, &reason), (former, &refused));
        while let Err(error) = replica.ask(claim(host, 1)).await {
            assert_eq!(error, Error::NotMade { reason: refused.clone() });
        }
        assert_ne!(replica.status().replica, former);
        let fence = [&[4, 16], &former.as_bytes()[..]].concat();
        let made: Vec<bool> =
            log.history().iter().rev().map(|entry| entry.bytes.ends_with(&fence)).collect();
        assert_eq!(made[..2], [false, true]);
        assert!(!holds(&replica, &a) && holds(&replica, &b) && holds(&replica, &c));
    });
}

#[test]
fn a_group_of_which_a_part_is_refused_is_not_made_and_hinders_no_other() {
    quickly(async {
        let log = MemoryLog::with(200, 0, Default::default());
        let (replica, host) = with_host(&log, options()).await;
        log.set_gates(|gates| gates.replies = true);
        let large = Create { uuid: Uuid::new_v4(), name: "x".repeat(500), parent: None };
        let ticket = sent(&log, &replica, large).await;
        let after = replica.submit(claim(host, 1)).await.unwrap();
        log.until(|kept| kept.attempts >= 2).await;
        let denied = LogError::Denied { reason: "no".to_owned() };
        log.refuse([denied.clone()]);
        log.set_gates(|gates| gates.replies = false);
        let error = ticket.await.unwrap_err();
        assert_eq!(error, Error::NotMade { reason: Reason::Log(denied) });
        after.await.unwrap();
        assert_eq!(replica.forest().roots().len(), 1);
    });
}

#[test]
fn a_log_that_does_not_tell_its_end_delays_the_start() {
    quickly(async {
        let log = MemoryLog::new();
        log.mute(3);
        start(&log).await;
        log.mute(1);
        let never = Options { start_timeout: Duration::ZERO, ..options() };
        let error = Replica::start(log.clone(), never).await.unwrap_err();
        assert!(matches!(error, Error::Log(LogError::Unavailable { .. })), "{error:?}");
        let replica = start(&log).await;
        log.mute(1);
        let error = replica.sync().await.unwrap_err();
        assert!(matches!(error, Error::Log(LogError::Unavailable { .. })), "{error:?}");
    });
}

#[test]
fn a_check_refuses_early_and_changes_nothing() {
    quickly(async {
        let log = MemoryLog::new();
        let (replica, host) = with_host(&log, options()).await;
        let before = replica.dump().await.unwrap();
        assert_eq!(replica.check(&claim(host, 8)), Ok(()));
        assert_eq!(replica.check(&claim(host, 8)), Ok(()));
        for refused in [claim(host, 9), claim(Uuid::nil(), 1)] {
            let refused = replica.check(&refused).unwrap_err();
            let at = replica.position();
            assert!(
                matches!(refused, Error::RefusedEarly { position, .. } if position == at),
                "{refused:?}"
            );
        }
        assert_eq!(replica.dump().await.unwrap(), before);
        assert_eq!(replica.metrics().commands_submitted, 1);
    });
}

#[test]
fn a_mark_is_one_position_on_all_replicas() {
    quickly(async {
        let log = MemoryLog::new();
        let (one, host) = with_host(&log, options()).await;
        let other = start(&log).await;
        one.ask(claim(host, 1)).await.unwrap();
        let mark = one.mark().await.unwrap();
        one.ask(claim(host, 1)).await.unwrap();
        other.wait_for(one.position()).await.unwrap();
        let dump = one.dump_at_mark(mark.answer).await.unwrap().expect("it is there");
        assert_eq!(dump.position, mark.position);
        assert_eq!(other.dump_at_mark(mark.answer).await.unwrap(), Some(dump.clone()));
        assert_ne!(other.dump().await.unwrap(), dump);
        assert_eq!(one.dump_at_mark(Uuid::nil()).await, Ok(None));
        let next = other.mark().await.unwrap();
        one.wait_for(next.position).await.unwrap();
        assert_eq!(one.dump_at_mark(mark.answer).await, Ok(None), "another mark is remembered");
    });
}

#[test]
fn what_was_made_elsewhere_is_seen_once_its_position_is_waited_for() {
    quickly(async {
        let log = MemoryLog::new();
        let own = log.sibling();
        let (one, host) = with_host(&log, options()).await;
        let other = start(&own).await;
        own.set_gates(|gates| gates.follows = true);
        let mine = claim(host, 1);
        let made = one.submit(mine.clone()).await.unwrap().await.unwrap();
        assert!(!holds(&other, &mine));
        let waiting = other.wait_for(made.position);
        own.set_gates(|gates| gates.follows = false);
        waiting.await.unwrap();
        assert!(holds(&other, &mine));
    });
}

#[test]
fn what_is_counted_adds_up() {
    quickly(async {
        let log = MemoryLog::new();
        let (one, host) = with_host(&log, options()).await;
        let other = start(&log).await;
        for amount in [1, 9, 2, 9, 9] {
            drop(one.ask(claim(host, amount)).await);
        }
        other.ask(claim(host, 1)).await.unwrap();
        one.sync().await.unwrap();
        let (a, b) = (one.metrics(), other.metrics());
        assert_eq!((a.commands_submitted, a.commands_made, a.commands_refused), (6, 3, 3));
        assert_eq!((b.commands_submitted, b.commands_made, b.commands_refused), (1, 1, 0));
        let entries = log.history();
        assert_eq!(a.entries_applied, entries.len() as u64);
        assert_eq!(a.entries_appended + b.entries_appended, entries.len() as u64);
        let bytes: usize = entries.iter().map(|entry| entry.bytes.len()).sum();
        assert_eq!(a.bytes_applied, bytes as u64);
        assert_eq!(a.bytes_appended + b.bytes_appended, bytes as u64);
        assert_eq!((a.syncs, b.syncs), (2, 1));
        let status = one.status();
        assert_eq!((status.position, status.end_seen), (one.position(), one.position()));
        assert_eq!((status.outstanding, status.trouble), (0, None));
    });
}
