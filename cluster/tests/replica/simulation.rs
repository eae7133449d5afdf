//! Replicas that come and go on a log that fails, and clients of theirs who ask for commands of all kinds.
//!
//! What goes wrong is chosen by a seed. The applier of a replica is a thread, so a seed repeats the choices,
//! and not the run.

use std::collections::{BTreeMap, HashMap};
use std::future::IntoFuture;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use provider_tree_cluster::command::{Command, Cordon, Outcome};
use provider_tree_cluster::log::{Entry, Position};
use provider_tree_cluster::{
    Error, Made, Options, Reason, Replica, Result, Ticket, Waiting, read_dump,
};
use shared::plan::Rng;
use uuid::Uuid;

use crate::commands;
use crate::memory_log::{Faults, MemoryLog};
use crate::reference::Reference;
use crate::rig::{decided, in_short, mark, run, seeds};

/// How many runs there are without the variable `RUNS`.
const RUNS: u64 = if cfg!(debug_assertions) { 80 } else { 4_000 };
const THREADS: usize = 4;

/// A run takes some milliseconds.
const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn replicas_on_a_log_that_fails_come_to_the_same_and_answer_truly() {
    let seeds = seeds(RUNS);
    let mut tally = Tally::new();
    // The runs mostly wait for their clocks.
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let seeds = seeds.iter().copied().skip(thread).step_by(THREADS);
                scope.spawn(|| runs(seeds))
            })
            .collect();
        for thread in threads {
            for (what, count) in thread.join().unwrap() {
                *tally.entry(what).or_default() += count;
            }
        }
    });
    println!("{tally:?}");
    if std::env::var("SEED").is_err() && std::env::var("RUNS").is_err() {
        let all = [
            "made",
            "refused",
            "not made",
            "unknown",
            "withdrawn",
            "dropped",
            "cut",
            "loaded",
            "entries refused",
            "entries repeated",
            "parts",
        ];
        for what in all {
            assert!(tally.get(what).is_some_and(|count| *count > 0), "{what}: {tally:?}");
        }
    }
}

fn runs(seeds: impl Iterator<Item = u64>) -> Tally {
    let mut tally = Tally::new();
    for seed in seeds {
        let waits = Waits::default();
        let doing = || format!("seed {seed}: {:?}", waits.0.lock().unwrap());
        let _told = ToldOnPanic(seed);
        run(LIMIT, doing, one_run(seed, &waits, &mut tally));
    }
    tally
}

struct ToldOnPanic(u64);

impl Drop for ToldOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the seed of the run that failed is {}", self.0);
        }
    }
}

/// What each task waits for.
#[derive(Clone, Default)]
struct Waits(Arc<Mutex<BTreeMap<String, &'static str>>>);

impl Waits {
    async fn on<T>(&self, who: &str, what: &'static str, future: impl Future<Output = T>) -> T {
        self.0.lock().unwrap().insert(who.to_owned(), what);
        let done = future.await;
        self.0.lock().unwrap().remove(who);
        done
    }
}

/// A call of a client. Before the command there is one that names the call, and changes nothing: it is about
/// a provider that there isn't.
struct Record {
    name: Uuid,
    command: Command,
    end: End,
}

enum End {
    Answered(Result<Made<Vec<provider_tree::Result<Outcome>>>>),
    /// Nobody waited for the answer.
    Dropped,
}

type Records = Arc<Mutex<Vec<Record>>>;
type Tally = BTreeMap<&'static str, u64>;

async fn one_run(seed: u64, waits: &Waits, tally: &mut Tally) {
    let rng = &mut Rng::new(seed);
    let percent = rng.pick(&[0, 3, 10, 25]);
    let faults = Faults {
        lost: rng.below(percent + 1),
        unanswered: rng.below(percent + 1),
        late: rng.below(2 * percent + 1),
        arrives: rng.pick(&[0, 3, 20]),
        refused: rng.below(percent / 2 + 1),
        gaps: rng.pick(&[0, 30]),
        unfollowed: rng.below(percent + 1),
        slow: rng.below(percent + 1),
        reached: rng.pick(&[0, 10, 50]),
        mute: rng.below(percent + 1),
        undumped: rng.below(2 * percent + 1),
    };
    let log = MemoryLog::with(rng.pick(&[40, 200, 10_000]), seed, faults);
    let records = Records::default();
    let slots = 2 + rng.below(3);
    let tasks: Vec<_> = (0..slots)
        .map(|slot| {
            let life = Lives {
                name: format!("slot {slot}"),
                log: log.clone(),
                options: some_options(rng),
                rng: Rng::new(seed.wrapping_mul(31).wrapping_add(slot)),
                records: Arc::clone(&records),
                waits: waits.clone(),
            };
            tokio::spawn(life.go())
        })
        .collect();
    let mut replicas = Vec::new();
    for task in tasks {
        replicas.extend(task.await.unwrap());
    }
    log.heal();
    let quiet = Options { dump_every_bytes: u64::MAX, ..some_options(rng) };
    let fresh = Replica::start(log.clone(), quiet.clone());
    replicas.push(waits.on("fresh", "start", fresh).await.unwrap());
    let mark = waits.on("end", "mark", mark(replicas.last().unwrap())).await;
    let whole = Replica::start(log.uncut(), quiet);
    let whole = waits.on("whole", "start", whole).await.unwrap();
    for replica in &replicas {
        waits.on("end", "sync", replica.sync()).await.unwrap();
        count_metrics(replica, tally);
    }
    replicas.push(whole);
    let mut dumps = Vec::new();
    for replica in &replicas {
        let dump = waits.on("end", "dump", replica.dump_at_mark(mark.answer)).await.unwrap();
        dumps.push(dump.expect("it has come so far"));
        assert_eq!(dumps[0].position, mark.position);
        assert_eq!(dumps.last(), dumps.first(), "the dumps differ");
    }
    *tally.entry("cut").or_default() += u64::from(log.has_cut());

    let history = log.history();
    let is_part = |entry: &&Entry| {
        let (_, kind): (u64, u64) = postcard::from_bytes(&entry.bytes[1..]).unwrap();
        kind == 1
    };
    *tally.entry("parts").or_default() += history.iter().filter(is_part).count() as u64;
    let decided = decided(&history);
    let mut reference = Reference::new();
    let outcomes: Vec<_> = decided
        .iter()
        .filter(|(position, _)| *position <= mark.position)
        .map(|(_, command)| reference.make(command.clone()))
        .collect();
    let (_, forest) = read_dump(&dumps[0].bytes).unwrap();
    assert_eq!(reference.tree.snapshot().dump().unwrap(), forest);
    check(&records.lock().unwrap(), &decided, &outcomes, tally);
}

fn some_options(rng: &mut Rng) -> Options {
    Options {
        most_outstanding: rng.pick(&[1, 5, 100]),
        most_entry_bytes: rng.pick(&[20, 60, 300, 10_000]) as usize,
        dump_every_bytes: rng.pick(&[100, 400, 3_000, 100_000]),
        start_timeout: Duration::from_secs(1_000_000),
    }
}

/// The replicas of one slot, which come one after the other.
struct Lives {
    name: String,
    log: MemoryLog,
    options: Options,
    rng: Rng,
    records: Records,
    waits: Waits,
}

impl Lives {
    /// Returns the last replica, if it was kept.
    async fn go(mut self) -> Option<Replica> {
        let mut kept = None;
        for _ in 0..1 + self.rng.below(2) {
            let replica = self.start().await;
            let clients: Vec<_> = (0..1 + self.rng.below(3))
                .map(|number| {
                    let client = Client {
                        name: format!("{}, client {number}", self.name),
                        replica: replica.clone(),
                        rng: Rng::new(self.rng.below(u64::MAX)),
                        records: Arc::clone(&self.records),
                        waits: self.waits.clone(),
                    };
                    tokio::spawn(client.go())
                })
                .collect();
            let end = self.rng.below(3);
            if end == 0 {
                // While the clients ask.
                let wait = Duration::from_millis(self.rng.below(200));
                self.waits.on(&self.name, "its time", tokio::time::sleep(wait)).await;
                self.waits.on(&self.name, "close", replica.close()).await;
            }
            kept = (end == 1).then_some(replica);
            for client in clients {
                client.await.unwrap();
            }
        }
        kept
    }

    async fn start(&self) -> Replica {
        loop {
            let start = Replica::start(self.log.clone(), self.options.clone());
            match self.waits.on(&self.name, "start", start).await {
                Ok(replica) => return replica,
                Err(Error::Log(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}

struct Client {
    name: String,
    replica: Replica,
    rng: Rng,
    records: Records,
    waits: Waits,
}

type Asked = (Uuid, Command, Waiting<Vec<provider_tree::Result<Outcome>>>);

impl Client {
    async fn go(mut self) {
        let mut waiting = Vec::new();
        for _ in 0..self.rng.below(12) {
            if let Some(asked) = self.ask().await {
                waiting.push(asked);
            }
            if self.rng.percent(10) {
                let synced = self.waits.on(&self.name, "sync", self.replica.sync()).await;
                assert!(
                    !matches!(synced, Err(Error::Ended { reason: Reason::Halted(_) })),
                    "{synced:?}"
                );
            }
            if self.rng.percent(30) {
                let wait = Duration::from_millis(self.rng.below(40));
                self.waits.on(&self.name, "its time", tokio::time::sleep(wait)).await;
            }
        }
        if self.rng.percent(70) {
            for asked in waiting.drain(..) {
                self.wait(asked).await;
            }
        }
        // The last handle may be this one.
        let Client { name, rng: _, records, waits, replica } = self;
        drop(replica);
        for (id, command, ticket) in waiting {
            let answered = waits.on(&name, "an answer of a replica that is gone", ticket).await;
            note(&records, id, command, End::Answered(answered));
        }
    }

    /// Asks for a command; returns what is to be waited for later.
    async fn ask(&mut self) -> Option<Asked> {
        let (name, command) = (
            Uuid::new_v4(),
            match self.rng.percent(5) {
                true => commands::first_providers().into(),
                false => commands::any(&mut self.rng),
            },
        );
        let both = [Command::from(Cordon { provider: name }), command.clone()];
        let submitted = self.waits.on(&self.name, "room", self.replica.submit_all(both)).await;
        let ticket = match submitted {
            Ok(ticket) => ticket,
            Err(error) => {
                assert!(error.is_refusal(), "{error:?}");
                note(&self.records, name, command, End::Answered(Err(error)));
                return None;
            }
        };
        match self.rng.below(10) {
            0 => {
                drop(ticket);
                note(&self.records, name, command, End::Dropped);
                None
            }
            1 => {
                for _ in 0..self.rng.below(20) {
                    tokio::task::yield_now().await;
                }
                let answered = ticket.try_wait().unwrap_or_else(Ticket::withdraw);
                note(&self.records, name, command, End::Answered(answered));
                None
            }
            2..=5 => {
                self.wait((name, command, ticket.into_future())).await;
                None
            }
            _ => Some((name, command, ticket.into_future())),
        }
    }

    async fn wait(&self, (name, command, waiting): Asked) {
        let answered = self.waits.on(&self.name, "an answer", waiting).await;
        note(&self.records, name, command, End::Answered(answered));
    }
}

fn note(records: &Records, name: Uuid, command: Command, end: End) {
    records.lock().unwrap().push(Record { name, command, end });
}

/// Checks that what was answered is what has happened.
fn check(
    records: &[Record],
    decided: &[(Position, Command)],
    outcomes: &[provider_tree::Result<Outcome>],
    tally: &mut Tally,
) {
    let mut places = HashMap::<Uuid, Vec<usize>>::new();
    for (at, (_, command)) in decided.iter().enumerate() {
        if let Command::Cordon(Cordon { provider }) = command {
            places.entry(*provider).or_default().push(at);
        }
    }
    for Record { name, command, end } in records {
        let found = places.get(name).cloned().unwrap_or_default();
        assert!(found.len() <= 1, "made {} times: {command:?}", found.len());
        let found = found.first().copied();
        if let Some(at) = found {
            assert_eq!(decided[at + 1].1, *command);
            assert_eq!(decided[at + 1].0, decided[at].0);
        }
        let what = match end {
            End::Answered(Ok(made)) => {
                let at = found.unwrap_or_else(|| panic!("answered, and not made: {command:?}"));
                assert_eq!(decided[at].0, made.position, "{command:?}");
                assert_eq!(made.answer.len(), 2);
                for (answer, at) in made.answer.iter().zip(at..) {
                    assert_eq!(in_short(answer), in_short(&outcomes[at]), "{command:?}");
                }
                if made.answer[1].is_ok() { "made" } else { "refused" }
            }
            End::Answered(Err(error)) if error.is_refusal() => {
                assert_eq!(found, None, "made, although {error}: {command:?}");
                let is_late = error.to_string().contains("deadline");
                if is_late { "withdrawn" } else { "not made" }
            }
            End::Answered(Err(Error::OutcomeUnknown { .. })) => "unknown",
            End::Answered(Err(error)) => panic!("{error:?}"),
            End::Dropped => "dropped",
        };
        *tally.entry(what).or_default() += 1;
    }
}

fn count_metrics(replica: &Replica, tally: &mut Tally) {
    let metrics = replica.metrics();
    *tally.entry("loaded").or_default() += metrics.dumps_loaded;
    *tally.entry("entries refused").or_default() += metrics.entries_refused;
    *tally.entry("entries repeated").or_default() += metrics.entries_repeated;
    *tally.entry("followed anew").or_default() += metrics.follow_failures;
}
