//! What the tests have in common: time, seeds, the history of a log as it says itself, small forests.

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use provider_tree::{Error, Inventories, Inventory, ProviderSpec, ResourceClass};
use provider_tree_cluster::command::Command;
use provider_tree_cluster::log::{Entry, EntryKey, Position};
use provider_tree_cluster::{Error as ClusterError, FORMAT, Made, Options, Replica};
use uuid::Uuid;

use crate::memory_log::MemoryLog;

/// Runs a future on one thread, with a clock that runs hundreds of times as fast as others: so backoff takes
/// no time. Tokio's own way, to jump to the next timer when no task has anything to do, would not do: the
/// applier is a thread, and what waits for it would be overtaken by each timeout.
///
/// # Panics
///
/// If the future takes longer than `limit`; then says what `doing` says.
pub(crate) fn run<T>(
    limit: Duration,
    doing: impl Fn() -> String,
    future: impl Future<Output = T>,
) -> T {
    const TICK: Duration = Duration::from_micros(100);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let (ticks, mut ticked) = tokio::sync::mpsc::channel(1);
    // Time does not jump while such a thread runs.
    let clock = runtime.spawn_blocking(move || {
        while ticks.blocking_send(()).is_ok() {
            std::thread::sleep(TICK);
        }
    });
    let begun = Instant::now();
    let done = runtime.block_on(async {
        let mut future = std::pin::pin!(future);
        loop {
            tokio::select! {
                biased;
                done = &mut future => break done,
                _ = ticked.recv() => {
                    assert!(begun.elapsed() < limit, "does not end: {}", doing());
                    tokio::time::advance(400 * TICK).await;
                }
            }
        }
    });
    drop(ticked);
    runtime.block_on(clock).unwrap();
    done
}

/// Runs a future of a test in which nothing is to take long.
pub(crate) fn quickly<T>(future: impl Future<Output = T>) -> T {
    run(Duration::from_secs(20), || "a test in which nothing takes long".to_owned(), future)
}

/// The seeds of a test's runs: so many, or as the variable `SEED` or `RUNS` says.
pub(crate) fn seeds(count: u64) -> Vec<u64> {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    if let Some(seed) = number("SEED") {
        return vec![seed];
    }
    let first = rand_seed();
    println!("the seeds begin at {first}; SEED=<one of them> repeats the choices of one run");
    let count = number("RUNS").unwrap_or(count);
    (0..count).map(|at| first.wrapping_add(at)).collect()
}

fn rand_seed() -> u64 {
    (Uuid::new_v4().as_u128() >> 96) as u64
}

pub(crate) fn options() -> Options {
    Options { start_timeout: Duration::from_secs(100_000), ..Options::default() }
}

pub(crate) async fn start(log: &MemoryLog) -> Replica {
    Replica::start(log.clone(), options()).await.unwrap()
}

/// Hosts with so many VCPU each.
pub(crate) fn hosts(count: usize, total: u64) -> Vec<ProviderSpec> {
    let host = |number| {
        let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(total));
        ProviderSpec::new(Uuid::new_v4(), format!("host-{number}")).with_inventories(vcpu)
    };
    (0..count).map(host).collect()
}

/// A mark, also if the replica was forgotten.
pub(crate) async fn mark(replica: &Replica) -> Made<Uuid> {
    loop {
        match replica.mark().await {
            Ok(mark) => return mark,
            Err(ClusterError::NotMade { .. } | ClusterError::OutcomeUnknown { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Checks that two replicas come to the same.
pub(crate) async fn assert_same(one: &Replica, other: &Replica) {
    let Made { position, answer } = mark(one).await;
    other.wait_for(position).await.unwrap();
    let dump = one.dump_at_mark(answer).await.unwrap().expect("it has come so far");
    assert_eq!(other.dump_at_mark(answer).await.unwrap(), Some(dump));
}

/// The bytes of an entry, as `format.md` says.
pub(crate) fn entry_bytes(basis: u64, kind: u64, rest: &[u8]) -> bytes::Bytes {
    let mut bytes = postcard::to_extend(&(basis, kind), vec![FORMAT]).unwrap();
    bytes.extend_from_slice(rest);
    bytes.into()
}

/// The commands that were made or refused, in their order, each with its position: the entries of a log, as
/// `format.md` says what becomes of them.
pub(crate) fn decided(history: &[Entry]) -> Vec<(Position, Command)> {
    let mut known = HashMap::<Uuid, (u64, Position, Vec<u8>)>::new();
    let (mut dumped, mut horizon) = (Position(0), Position(0));
    let mut fenced = HashMap::<Uuid, Position>::new();
    let mut all = Vec::new();
    for Entry { position, key: EntryKey { replica, sequence }, bytes } in history {
        assert_eq!(bytes[0], FORMAT);
        let ((basis, kind), rest) = postcard::take_from_bytes::<(u64, u64)>(&bytes[1..]).unwrap();
        if fenced.contains_key(replica) {
            continue;
        }
        let last = match known.get(replica) {
            Some((last, ..)) => *last,
            None if *sequence == 1 && Position(basis) >= horizon => 0,
            None => continue,
        };
        if *sequence <= last {
            continue;
        }
        assert_eq!(*sequence, last + 1, "an entry is missing");
        let known_one = known.entry(*replica).or_default();
        (known_one.0, known_one.1) = (*sequence, *position);
        match kind {
            0 => {
                let mut group = std::mem::take(&mut known_one.2);
                group.extend_from_slice(rest);
                let mut group = &group[..];
                while !group.is_empty() {
                    let (command, rest) = postcard::take_from_bytes(group).unwrap();
                    all.push((*position, command));
                    group = rest;
                }
            }
            1 => known_one.2.extend_from_slice(rest),
            2 => {
                let (stored, _) = postcard::from_bytes::<(u64, u64)>(rest).unwrap();
                let stored = Position(stored);
                if stored > dumped {
                    known.retain(|_, (_, position, _)| *position >= dumped);
                    fenced.retain(|_, position| *position >= dumped);
                    horizon = horizon.max(dumped);
                    dumped = stored;
                }
            }
            3 => {}
            4 => {
                let replica = postcard::from_bytes::<Uuid>(rest).unwrap();
                fenced.insert(replica, *position);
                known.remove(&replica);
            }
            other => panic!("an entry of kind {other}"),
        }
    }
    all
}

/// What a call has done, in short. Of the reasons why amounts don't fit, a forest names that of one of them,
/// which another forest need not name.
pub(crate) fn in_short<T: Debug>(outcome: &provider_tree::Result<T>) -> String {
    let error = match outcome {
        Ok(outcome) => return shortened(&format!("{outcome:?}")),
        Err(error) => error,
    };
    if let Error::CapacityExceeded { .. }
    | Error::Cordoned { .. }
    | Error::NoInventory { .. }
    | Error::UnitViolation { .. } = error
    {
        return "does not fit".to_owned();
    }
    format!("{error:?}").chars().take_while(|letter| letter.is_alphanumeric()).collect()
}

/// Leaves out why members of a gang, or amounts of a claim that is made in part, were refused.
fn shortened(text: &str) -> String {
    let is_of_several = text.starts_with("Gang") || text.starts_with("Partial");
    match is_of_several {
        true => text
            .split("Err(")
            .next()
            .unwrap_or_default()
            .split("refused")
            .next()
            .unwrap()
            .to_owned(),
        false => text.to_owned(),
    }
}
