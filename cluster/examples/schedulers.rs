//! Several scheduler processes place tasks on one cluster together, by etcd; then what each was granted is
//! compared with what the forest says that all hold.
//!
//! ```text
//! cargo run --release -p provider-tree-cluster --features etcd --example schedulers
//! ```
//!
//! Starts an etcd of its own on this machine (which has to be installed), or takes the one at the first
//! argument: `... --example schedulers http://127.0.0.1:2379`.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::error::Error as AnyError;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use provider_tree::Error::AlreadyHeld;
use provider_tree::{
    Claim, Inventories, Inventory, ProviderSpec, Receipt, Request, ResourceClass, View,
};
use provider_tree_cluster::command::{self, Populate};
use provider_tree_cluster::log::{EtcdLog, EtcdOptions};
use provider_tree_cluster::{Error, Options, Reason, Replica, Ticket};
use uuid::Uuid;

type Outcome<T = ()> = Result<T, Box<dyn AnyError>>;

const SCHEDULERS: usize = 3;
const HOSTS: usize = 1_000;
const TASKS_OF_EACH: usize = 10_000;

/// The host's capacity, and what the tasks ask for in turn: together more than there is.
const VCPUS: u64 = 64;
const SIZES: [u64; 5] = [1, 2, 4, 1, 8];

/// How many tasks a scheduler has asked for and not heard of yet, at most.
const ON_THE_WAY: usize = 512;

#[tokio::main]
async fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--scheduler", endpoint, prefix] => schedule(endpoint, prefix).await,
        [endpoint] => run(endpoint).await,
        [] => {
            let members = cluster_rig::Members::start(1)?;
            run(&members.member(0).endpoint()).await
        }
        _ => Err("usage: schedulers [ENDPOINT]".into()),
    }
}

/// Populates the forest, starts the schedulers, and audits what they were granted.
async fn run(endpoint: &str) -> Outcome {
    let prefix = format!("schedulers-{}", Uuid::new_v4());
    let replica = start(endpoint, &prefix).await?;
    let host = |number| {
        let vcpus = Inventories::new().with(ResourceClass::VCPU, Inventory::new(VCPUS));
        ProviderSpec::new(Uuid::new_v4(), format!("host-{number}")).with_inventories(vcpus)
    };
    replica.ask(Populate { providers: (0..HOSTS).map(host).collect() }).await?;
    println!("{SCHEDULERS} schedulers, {HOSTS} hosts, {TASKS_OF_EACH} tasks each");

    let begun = Instant::now();
    let program = std::env::current_exe()?;
    let spawn = |_| {
        let mut scheduler = Command::new(&program);
        scheduler.args(["--scheduler", endpoint, &prefix]).stdout(Stdio::piped()).spawn()
    };
    let schedulers = (0..SCHEDULERS).map(spawn).collect::<Result<Vec<Child>, _>>()?;
    let mut granted = HashMap::new();
    for (number, mut scheduler) in schedulers.into_iter().enumerate() {
        let said = scheduler.stdout.take().ok_or("a scheduler says nothing")?;
        for line in BufReader::new(said).lines() {
            let line = line?;
            match line.split_once(' ') {
                Some(("granted", task)) => {
                    let (task, vcpus) = task.split_once(' ').ok_or("a task has no size")?;
                    let before = granted.insert(task.parse::<Uuid>()?, vcpus.parse::<u64>()?);
                    assert!(before.is_none(), "{task} was granted twice");
                }
                _ => println!("scheduler {number}: {line}"),
            }
        }
        if !scheduler.wait()?.success() {
            return Err("a scheduler has failed".into());
        }
    }
    let time = begun.elapsed();

    replica.sync().await?;
    let snapshot = replica.forest().snapshot();
    let held = snapshot.all_allocations()?;
    let held_by_task: BTreeMap<Uuid, u64> = held
        .iter()
        .map(|held| (held.consumer, held.allocations.iter().map(|part| part.amount).sum()))
        .collect();
    assert_eq!(held_by_task, granted.into_iter().collect(), "what is held is what was granted");
    assert!(snapshot.overcommitted()?.is_empty(), "nothing is oversold");
    let used: u64 = held_by_task.values().sum();
    println!(
        "{} tasks hold {used} of {} VCPU, as the schedulers were told; {:.1} s",
        held.len(),
        HOSTS as u64 * VCPUS,
        time.as_secs_f64()
    );
    replica.close().await;
    Ok(())
}

async fn start(endpoint: &str, prefix: &str) -> Outcome<Replica> {
    let log = EtcdLog::connect([endpoint], EtcdOptions::new(prefix)).await?;
    Ok(Replica::start(log, Options::default()).await?)
}

/// Holds what a scheduler has asked for and not heard of yet.
struct OnTheWay {
    vcpus: u64,
    claim: Claim,
    ticket: Ticket<Receipt>,
}

/// Places tasks as one of several schedulers. It searches a view of its own, has the view assume what it has
/// asked for, and goes on to the next task before it has the answer.
async fn schedule(endpoint: &str, prefix: &str) -> Outcome {
    let replica = start(endpoint, prefix).await?;
    let mut forest = replica.forest();
    let mut view = forest.view();
    let mut waiting: VecDeque<u64> = SIZES.into_iter().cycle().take(TASKS_OF_EACH).collect();
    let mut on_the_way: VecDeque<OnTheWay> = VecDeque::new();
    let (mut granted, mut lost, mut unplaced) = (0, 0, 0);
    let mut seed = Uuid::new_v4().as_u64_pair().0;
    while !waiting.is_empty() || !on_the_way.is_empty() {
        // A replica that falls behind the log loads a dump into a new forest.
        if !forest.is_current() {
            forest = replica.forest();
            view = forest.view();
        }
        let next = if on_the_way.len() < ON_THE_WAY { waiting.pop_front() } else { None };
        if let Some(vcpus) = next {
            seed = seed.wrapping_add(1);
            if let Some(claim) = place(&mut view, vcpus, seed)? {
                view.assume(&claim);
                let ticket = replica.submit(command::Claim::from(&claim)).await?;
                on_the_way.push_back(OnTheWay { vcpus, claim, ticket });
                continue;
            }
            if on_the_way.is_empty() {
                unplaced += 1;
                continue;
            }
            // What is on its way may be refused, and leave room.
            waiting.push_back(vcpus);
        }
        hear(&replica, &mut view, &mut on_the_way, &mut waiting, (&mut granted, &mut lost)).await?;
    }
    println!("{granted} placed, {lost} times another was faster, {unplaced} fit nowhere");
    replica.close().await;
    Ok(())
}

/// Returns a claim for a task of this size on a host that the seed decides, if there is one with room.
fn place(view: &mut View, vcpus: u64, seed: u64) -> Outcome<Option<Claim>> {
    let mut wanted = view.prepare(&Request::new().take(ResourceClass::VCPU, vcpus))?;
    let candidate = view.candidates(&mut wanted)?.seeded(seed).next();
    Ok(candidate.map(|candidate| candidate.claim(Uuid::new_v4())))
}

/// Waits for the answer to what was asked for first.
async fn hear(
    replica: &Replica,
    view: &mut View,
    on_the_way: &mut VecDeque<OnTheWay>,
    waiting: &mut VecDeque<u64>,
    (granted, lost): (&mut usize, &mut usize),
) -> Outcome {
    let Some(OnTheWay { vcpus, claim, ticket }) = on_the_way.pop_front() else { return Ok(()) };
    let answer = ticket.await;
    // Of the same replica it may be asked again: it was not made, or is refused as held already.
    if let Err(Error::OutcomeUnknown { .. } | Error::NotMade { reason: Reason::Forgotten }) =
        &answer
    {
        let ticket = replica.submit(command::Claim::from(&claim)).await?;
        on_the_way.push_back(OnTheWay { vcpus, claim, ticket });
        return Ok(());
    }
    view.undo(&claim);
    let consumer = claim.consumer().ok_or("each task has a uuid")?;
    match answer {
        Ok(_) | Err(Error::Refused { error: AlreadyHeld { .. }, .. }) => {
            view.claimed(&claim);
            *granted += 1;
            println!("granted {consumer} {vcpus}");
        }
        Err(Error::Refused { error, .. }) if error.is_conflict() => {
            // Others have been faster, perhaps elsewhere too.
            view.refresh();
            waiting.push_front(vcpus);
            *lost += 1;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
