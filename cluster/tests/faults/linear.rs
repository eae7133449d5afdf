//! Histories of changes and fresh reads, by callers of three replicas, one call each at a time, with faults.
//!
//! A history is short, so that the checker finds its way: it begins with what all is known to be, and ends
//! with a read of everything, when nobody calls. A command of unknown outcome ends it, too: its replica is
//! fenced off, so that the command was made before that or never, and both are tried.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

use cluster_rig::{Options, Proxy, length};
use fastrand::Rng;
use linearize::{Event, History, MOST_EVENTS, linearize};
use serde_json::{Value, json};

use crate::chaos::{self, Chaos, Fault, Processes};
use crate::model::{CONSUMERS, Hosts, Op, Outcome, TOTALS};
use crate::site::{Site, wait_until};
use crate::tool::{PATIENCE, Tool};
use crate::{choices, host, kind, populate};

const CALLERS: usize = 3;

/// How many calls each makes in one history.
const CALLS: usize = 16;

/// How long a line may take, in milliseconds.
const DEADLINE: &[&str] = &["--deadline", "1500"];

/// How many histories there are, at least.
const HISTORIES: usize = 8;

/// How many commands of unknown outcome a history may have.
const MOST_UNKNOWN: usize = CALLERS;

const KINDS: &[Fault] =
    &[Fault::MemberKilled, Fault::MemberStopped, Fault::ProxyCut, Fault::ProxyFrozen];

/// Calls, and what came back.
struct Window {
    history: History<Hosts>,
    /// Commands of which nobody has heard, by whom and when they were asked for, and when they were out of
    /// the way.
    unknown: Vec<Event<Op, Outcome>>,
}

#[test]
fn an_order_explains_what_changes_and_fresh_reads_have_answered() {
    let mut rng = choices("linear");
    let site = Site::start(Options::new(3));
    let mut first = site.submit(0, &[]);
    assert_eq!(kind(&first.said_to(&populate(&TOTALS))), "ok");
    drop(first);

    let processes = Processes::default();
    let until = Instant::now() + length(Duration::from_secs(8));
    let mut windows = Vec::new();
    let faults = thread::scope(|scope| {
        let chaos = [(KINDS, 100..500), (chaos::OF_REPLICAS, 200..800)];
        let chaos = chaos.map(|(kinds, lasting)| {
            let (site, processes, rng) = (&site, &processes, rng.fork());
            let chaos = Chaos { site, processes, kinds, lasting, rng };
            scope.spawn(move || chaos.run(until))
        });
        let mut callers = Callers::new(&site, &processes);
        let mut state = callers.state();
        // On a busy machine some are made after the faults.
        while Instant::now() < until || windows.len() < HISTORIES {
            callers.start_all();
            let window = callers.window(&mut rng, state, windows.len() as u64, || {});
            state = last_state(&window.history);
            windows.push(window);
        }
        let mut faults = chaos::Tally::new();
        for chaos in chaos {
            faults.extend(chaos.join().unwrap());
        }
        // At least one command is of unknown outcome, whatever chance has brought.
        callers.start_all();
        site.members.iter().for_each(|member| member.stop().unwrap());
        let go_on = || site.members.iter().for_each(|member| member.cont().unwrap());
        windows.push(callers.window(&mut rng, state, windows.len() as u64, go_on));
        faults
    });

    let events = || windows.iter().flat_map(|window| &window.history.events);
    let unknown: usize = windows.iter().map(|window| window.unknown.len()).sum();
    let overlaps: usize = windows.iter().map(|window| window.history.overlaps()).sum();
    let refused = events().filter(|it| matches!(it.outcome, Outcome::Refused(_))).count();
    for window in &windows {
        if let Err(why) = window.check() {
            panic!("{} of {} unknown: {why}", window.unknown.len(), window.history.events.len());
        }
    }
    let (altered, rejected) = altered(&windows);
    eprintln!(
        "linear: {faults:?}; {} histories with {} calls, {overlaps} overlaps, {refused} refused, \
         {unknown} unknown; {rejected} of {altered} that were altered are rejected",
        windows.len(),
        events().count(),
    );
    assert!(events().count() >= 60 && overlaps >= 20 && refused >= 5);
    assert!(unknown >= 1 && faults.values().sum::<usize>() >= 8, "{faults:?}");
    // One that was altered may happen to be explained by another order.
    assert!(rejected * 2 > altered && altered >= 1, "{rejected} of {altered}");
}

/// A replica that hears nothing of the log answers with what was: no order explains that, and the checker
/// says so. A fresh read does not answer then.
#[test]
fn reads_that_are_not_fresh_may_be_of_the_past() {
    choices("stale");
    let site = Site::start(Options::new(1));
    let proxy = Proxy::start(site.members.member(0).address()).unwrap();
    let mut writer = site.submit(0, &[]);
    assert_eq!(kind(&writer.said_to(&populate(&TOTALS))), "ok");
    let apart = ["--etcd", &format!("http://{}", proxy.address()), "--prefix", crate::site::PREFIX];
    let apart = apart.map(str::to_owned);
    let mut reader = Tool::submit(&apart, DEADLINE, &site.path("apart"));
    wait_until("it is there", || kind(&reader.said_to(&json!({ "sync": true }))) == "ok");

    proxy.freeze();
    let calls = [(&mut writer, Op::Claim(0, 0, 1)), (&mut reader, Op::Usage(0))];
    let events = calls.into_iter().zip(0..).map(|((tool, op), turn)| {
        let outcome = op.outcome(&tool.said_to(&op.line(false))).unwrap();
        Event { thread: 0, invoked: 2 * turn, responded: 2 * turn + 1, op, outcome }
    });
    let events: Vec<_> = events.collect();
    let mut history = History { seed: 0, initial: Hosts::default(), events };
    assert_eq!(history.events[1].outcome, Outcome::Used(0));
    assert!(linearize(&history).is_err());
    let fresh = reader.said_to(&Op::Usage(0).line(true));
    assert_eq!(kind(&fresh), "not_made", "{fresh}");

    proxy.thaw();
    wait_until("it hears again", || {
        let said = reader.said_to(&Op::Usage(0).line(true));
        match kind(&said) {
            "ok" => history.events[1].outcome = Op::Usage(0).outcome(&said).unwrap(),
            kind => assert_eq!(kind, "not_made", "{said}"),
        }
        kind(&said) == "ok"
    });
    assert_eq!(history.events[1].outcome, Outcome::Used(1));
    assert!(linearize(&history).is_ok());
}

impl Window {
    /// Looks for an order, in which each command of unknown outcome was made or not.
    fn check(&self) -> Result<(), String> {
        let mut why = String::new();
        for made in 0..1_usize << self.unknown.len() {
            let mut history = self.history.clone();
            let unknown = self.unknown.iter().enumerate();
            let made = unknown.filter(|(number, _)| made >> number & 1 == 1);
            history.events.extend(made.map(|(_, event)| event.clone()));
            history.events.sort_by_key(|event| event.invoked);
            match linearize(&history) {
                Ok(_) => return Ok(()),
                Err(rejection) => why = rejection.to_string(),
            }
        }
        Err(why)
    }
}

/// Alters each answer by itself, and returns how many of these histories there are, and how many no order
/// explains.
fn altered(windows: &[Window]) -> (usize, usize) {
    let (mut altered, mut rejected) = (0, 0);
    for window in windows.iter().take(10).filter(|window| window.unknown.is_empty()) {
        for number in 0..window.history.events.len() {
            let mut history = window.history.clone();
            let outcome = &mut history.events[number].outcome;
            *outcome = match outcome {
                Outcome::Used(used) => Outcome::Used(*used + 1),
                Outcome::Changed(changed) => Outcome::Changed(!*changed),
                Outcome::Holds(None) => Outcome::Holds(Some((0, 1))),
                Outcome::Holds(Some(_)) => Outcome::Holds(None),
                Outcome::Refused(_) => Outcome::Done,
                Outcome::Done => Outcome::Refused("CapacityExceeded".to_owned()),
                Outcome::Is(hosts) => {
                    let mut other = hosts.clone();
                    other.cordoned[0] ^= true;
                    Outcome::Is(other)
                }
                Outcome::Unheard => continue,
            };
            let is_rejected = linearize(&history).is_err();
            let is_last = number + 1 == history.events.len();
            assert!(is_rejected || !is_last || window.history.events.len() < 2, "{number}");
            altered += 1;
            rejected += usize::from(is_rejected);
        }
    }
    (altered, rejected)
}

fn last_state(history: &History<Hosts>) -> Hosts {
    match history.events.last().map(|event| &event.outcome) {
        Some(Outcome::Is(hosts)) => hosts.clone(),
        other => panic!("{other:?} is not the last of a history"),
    }
}

struct Callers<'a> {
    site: &'a Site,
    processes: &'a Processes,
    tools: Vec<Option<Caller>>,
    clock: AtomicU64,
}

struct Caller {
    tool: Tool,
    /// Who writes what it asks for.
    replica: Value,
}

/// What a caller has done in a window.
#[derive(Default)]
struct Calls {
    events: Vec<Event<Op, Outcome>>,
    /// With the replica that may have sent it.
    unknown: Vec<(Event<Op, Outcome>, Value)>,
}

impl<'a> Callers<'a> {
    fn new(site: &'a Site, processes: &'a Processes) -> Self {
        let tools = (0..CALLERS).map(|_| None).collect();
        Callers { site, processes, tools, clock: AtomicU64::new(0) }
    }

    /// Has all call, and returns the history of it, at whose end nothing is on its way.
    fn window(
        &mut self,
        rng: &mut Rng,
        initial: Hosts,
        seed: u64,
        after_calls: impl FnOnce(),
    ) -> Window {
        let is_over = AtomicBool::new(false);
        let (clock, processes) = (&self.clock, self.processes);
        let calls: Vec<Calls> = thread::scope(|scope| {
            let callers: Vec<_> = (self.tools.iter_mut().enumerate())
                .map(|(number, caller)| {
                    let (rng, is_over) = (rng.fork(), &is_over);
                    scope.spawn(move || {
                        let calls = call(number, caller, rng, clock, is_over);
                        if caller.is_none() {
                            processes.take(number);
                        }
                        calls
                    })
                })
                .collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).collect()
        });
        let (mut events, mut unknown) = (Vec::new(), Vec::new());
        for calls in calls {
            events.extend(calls.events);
            unknown.extend(calls.unknown);
        }
        assert!(unknown.len() <= MOST_UNKNOWN && events.len() + unknown.len() < MOST_EVENTS);
        events.sort_by_key(|event| event.invoked);
        after_calls();

        let senders: BTreeSet<&str> =
            unknown.iter().map(|(_, replica)| replica.as_str().unwrap()).collect();
        for sender in senders {
            self.ask_until_ok(&json!({ "fence": sender }));
        }
        let fenced = self.tick();
        let unknown = unknown.into_iter().map(|(event, _)| Event { responded: fenced, ..event });
        let unknown = unknown.collect();
        let invoked = self.tick();
        let outcome = Outcome::Is(self.state());
        let (thread, responded, op) = (CALLERS, self.tick(), Op::All);
        events.push(Event { thread, invoked, responded, op, outcome });
        Window { history: History { seed, initial, events }, unknown }
    }

    /// Reads everything, while nobody changes anything.
    fn state(&mut self) -> Hosts {
        let mut hosts = Hosts::default();
        for consumer in 0..CONSUMERS {
            let op = Op::Allocations(consumer);
            match op.outcome(&self.ask_until_ok(&op.line(true))) {
                Some(Outcome::Holds(Some(hold))) => drop(hosts.held.insert(consumer, hold)),
                Some(Outcome::Holds(None)) => {}
                other => panic!("{other:?}"),
            }
        }
        for (number, cordoned) in hosts.cordoned.iter_mut().enumerate() {
            let line = json!({ "read": { "provider": host(number).to_string() }, "fresh": true });
            *cordoned = self.ask_until_ok(&line)["ok"]["cordoned"].as_bool().unwrap();
        }
        hosts
    }

    /// Asks one or the other, until one answers.
    fn ask_until_ok(&mut self, line: &Value) -> Value {
        let begun = Instant::now();
        loop {
            for number in 0..CALLERS {
                assert!(begun.elapsed() < PATIENCE, "nobody answers {line}");
                self.start(number);
                let Some(caller) = &mut self.tools[number] else { continue };
                let said = caller.tool.ask(line).ok();
                match said.and_then(|()| caller.tool.answer_within(PATIENCE).ok()) {
                    Some(said) if matches!(kind(&said), "ok" | "refused") => return said,
                    Some(_) => {}
                    None => self.tools[number] = None,
                }
            }
        }
    }

    /// Starts what is not there, and asks each who it is by now.
    fn start_all(&mut self) {
        for number in 0..CALLERS {
            self.start(number);
            let Some(caller) = &mut self.tools[number] else { continue };
            match who(&mut caller.tool) {
                Some(replica) => caller.replica = replica,
                None => self.tools[number] = None,
            }
        }
    }

    fn start(&mut self, number: usize) {
        if self.tools[number].is_none() {
            let mut tool = self.site.submit(number, DEADLINE);
            self.processes.put(number, tool.process());
            self.tools[number] = who(&mut tool).map(|replica| Caller { tool, replica });
        }
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }
}

/// Asks a replica who it is; `None` if it is gone.
fn who(tool: &mut Tool) -> Option<Value> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        tool.ask(&json!({ "sync": true })).ok()?;
        let said = tool.answer_within(PATIENCE).ok()?;
        if kind(&said) == "ok" {
            return Some(said["ok"]["replica"].clone());
        }
    }
    panic!("a replica does not come to the present");
}

/// Calls, one after the other, until a caller does not hear what has become of a command.
fn call(
    number: usize,
    caller: &mut Option<Caller>,
    mut rng: Rng,
    clock: &AtomicU64,
    is_over: &AtomicBool,
) -> Calls {
    let mut calls = Calls::default();
    let tick = || clock.fetch_add(1, Ordering::SeqCst);
    for _ in 0..CALLS {
        let Some(Caller { tool, replica }) = caller else { break };
        if is_over.load(Ordering::SeqCst) {
            break;
        }
        let op = choose(&mut rng);
        let invoked = tick();
        let said = match tool.ask(&op.line(true)) {
            Ok(()) => tool.answer_within(PATIENCE),
            Err(_) => Err(RecvTimeoutError::Disconnected),
        };
        let responded = tick();
        let unheard = match said {
            Ok(said) => match op.outcome(&said) {
                Some(outcome) => {
                    calls.events.push(Event { thread: number, invoked, responded, op, outcome });
                    continue;
                }
                None if kind(&said) == "unknown" => said["replica"].clone(),
                None => continue,
            },
            Err(RecvTimeoutError::Disconnected) => {
                let sender = replica.clone();
                *caller = None;
                sender
            }
            Err(RecvTimeoutError::Timeout) => panic!("a replica does not answer"),
        };
        if !op.is_read() {
            let outcome = Outcome::Unheard;
            let event = Event { thread: number, invoked, responded, op, outcome };
            calls.unknown.push((event, unheard));
            is_over.store(true, Ordering::SeqCst);
        }
        break;
    }
    calls
}

fn choose(rng: &mut Rng) -> Op {
    let (consumer, number) = (rng.u8(..CONSUMERS), rng.usize(..TOTALS.len()));
    match rng.usize(..20) {
        0..6 => Op::Claim(consumer, number, rng.u64(1..3)),
        6..8 => Op::Replace(consumer, number, rng.u64(1..3)),
        8..11 => Op::Release(consumer),
        11 => Op::Cordon(number),
        12..14 => Op::Uncordon(number),
        14..17 => Op::Usage(number),
        _ => Op::Allocations(consumer),
    }
}
