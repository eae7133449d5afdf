//! Everything at once: load from four replicas, and every fault there is.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::{Duration, Instant};

use cluster_rig::{Options, length};
use fastrand::Rng;
use provider_tree_cluster::read_dump;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::chaos::{self, Chaos, Processes};
use crate::deeds::{Deed, Deeds, Fate, Held, Hold, Register, wish};
use crate::site::Site;
use crate::tool::{PATIENCE, Tool, run_well};
use crate::{choices, host, kind, populate};

/// How many replicas there are; every second one is served, the others are driven through pipes.
const REPLICAS: usize = 4;

/// How many VCPUs each host has.
const TOTALS: [u64; 6] = [100; 6];

/// How many lines each replica has on its way.
const IN_FLIGHT: usize = 32;

/// After how many bytes of entries a dump is stored: so that there are many, which are told of.
const DUMP_EVERY: &[&str] = &["--dump-every", "40000", "--log", "info"];

/// How long nobody waits for an answer without looking whether the test is over.
const GLANCE: Duration = Duration::from_millis(50);

#[test]
fn what_was_answered_holds_through_all_faults_and_replicas_are_equal() {
    let mut rng = choices("everything");
    let site = Site::start(Options::new(3));
    let mut first = site.submit(0, DUMP_EVERY);
    assert_eq!(kind(&first.said_to(&populate(&TOTALS))), "ok");
    drop(first);

    let (processes, clock, over) =
        (Processes::default(), AtomicU64::new(1), AtomicBool::new(false));
    let until = Instant::now() + length(Duration::from_secs(9));
    let mut faults = chaos::Tally::new();
    let drivers: Vec<Driver<'_>> = thread::scope(|scope| {
        let drivers: Vec<_> = (0..REPLICAS)
            .map(|slot| {
                let mut driver = Driver::new(slot, &site, &processes, &clock, rng.fork());
                let over = &over;
                scope.spawn(move || {
                    driver.drive(over);
                    driver
                })
            })
            .collect();
        // Whatever goes wrong here, nobody goes on for ever.
        let _end = End(&over);
        let chaos = [(chaos::OF_ETCD, 100..700), (chaos::OF_REPLICAS, 100..1200)];
        let chaos = chaos.map(|(kinds, lasting)| {
            let (site, processes, rng) = (&site, &processes, rng.fork());
            let chaos = Chaos { site, processes, kinds, lasting, rng };
            scope.spawn(move || chaos.run(until))
        });
        for chaos in chaos {
            faults.extend(chaos.join().unwrap());
        }
        site.heal();
        over.store(true, Ordering::SeqCst);
        drivers.into_iter().map(|driver| driver.join().unwrap()).collect()
    });
    let begun = Instant::now();
    let said = check(&site, drivers, &faults);
    eprintln!("everything: {faults:?}; {said}; checked in {:?}", begun.elapsed());
}

/// Says that it is over when it is dropped.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Checks what all have come to, and says what there was.
fn check(site: &Site, mut drivers: Vec<Driver<'_>>, faults: &chaos::Tally) -> String {
    // Byte for byte: the replicas that are served, one that starts anew, and one that only dumps.
    let fresh = site.serve(REPLICAS, &[]).expect("it is started");
    let mut served: Vec<&Tool> = drivers.iter().filter_map(|it| it.tool.as_ref()).collect();
    served.retain(|tool| tool.address.is_some());
    served.push(&fresh);
    let addresses: Vec<&str> = served.iter().map(|it| it.address.as_deref().unwrap()).collect();
    assert_eq!(addresses.len(), REPLICAS / 2 + 1);
    for pair in addresses.windows(2) {
        run_well(&["verify", pair[0], pair[1]]);
    }
    let (position, dump) = read_dump(&site.dump("dump")).unwrap();
    let [stored, loaded, forgotten] =
        ["a dump is stored", "loads a dump", "goes on as a new replica"].map(|it| site.told(it));

    // What those have who can't be dumped.
    let mut tally = Counts::new();
    let mut deeds = Deeds::default();
    let mut entries = HashMap::new();
    for driver in &mut drivers {
        let tool = driver.tool.as_mut().expect("each has one at the end");
        if tool.address.is_none() {
            read_everything(tool, &dump);
        }
        for (kind, count) in std::mem::take(&mut driver.tally) {
            *tally.entry(kind).or_default() += count;
        }
        for (position, process) in std::mem::take(&mut driver.entries) {
            let owner = *entries.entry(position).or_insert((driver.slot, process));
            assert_eq!(owner, (driver.slot, process), "two replicas have an entry at {position}");
        }
        deeds.merge(std::mem::take(&mut driver.deeds));
    }
    deeds.check(&dump, &TOTALS);

    let count = |kind: &str| tally.get(kind).copied().unwrap_or_default();
    let made: usize = faults.values().sum();
    assert!(made >= 12 && faults.len() == 8, "{faults:?}");
    assert!(count("ok") >= 300 && count("refused") >= 20 && count("unknown") >= 1, "{tally:?}");
    assert!(count("started") > REPLICAS, "{tally:?}");
    assert!(site.newest_dump() > Some(0) && stored >= 3, "{stored} dumps");
    let (consumers, held) = (deeds.consumers.len(), dump.consumers.len());
    format!(
        "{tally:?}; {} entries, {consumers} consumers, {held} hold; {stored} dumps stored, \
         {loaded} loaded on the way, {forgotten} times forgotten; all equal at {position}",
        entries.len(),
    )
}

/// Checks that a replica reads what a dump has.
fn read_everything(tool: &mut Tool, dump: &provider_tree::Dump) {
    assert_eq!(kind(&tool.said_to(&json!({ "sync": true }))), "ok");
    for (number, provider) in dump.providers.iter().enumerate() {
        let line = json!({ "read": { "provider": host(number).to_string() } });
        let said = &tool.said_to(&line)["ok"];
        let dumped = dump.providers.iter().find(|it| it.configuration.uuid == host(number));
        let dumped = dumped.unwrap_or(provider);
        assert_eq!(said["cordoned"], dumped.cordoned);
        let used = dumped.used.values().map(|amounts| amounts.used).sum::<u64>();
        assert_eq!(said["usages"]["VCPU"]["used"], used);
    }
    for held in &dump.consumers {
        let said = tool.said_to(&json!({ "read": { "allocations": held.consumer } }));
        assert_eq!(said["ok"]["generation"], held.generation);
        assert_eq!(said["ok"]["allocations"], json!(held.allocations));
    }
}

/// How many answers of each kind there were, and what else is counted.
type Counts = BTreeMap<&'static str, usize>;

/// Drives one replica after the other.
struct Driver<'a> {
    slot: usize,
    site: &'a Site,
    processes: &'a Processes,
    clock: &'a AtomicU64,
    rng: Rng,
    tool: Option<Tool>,
    /// What is asked for and not answered, with the marks of the lines.
    waiting: VecDeque<(u64, Deed)>,
    asked: u64,
    /// Those whose commands are answered.
    idle: Vec<Uuid>,
    deeds: Deeds,
    /// The positions of answers, with the number of the process.
    entries: HashMap<u64, usize>,
    last: u64,
    tally: Counts,
}

impl<'a> Driver<'a> {
    fn new(
        slot: usize,
        site: &'a Site,
        processes: &'a Processes,
        clock: &'a AtomicU64,
        rng: Rng,
    ) -> Self {
        Driver {
            slot,
            site,
            processes,
            clock,
            rng,
            tool: None,
            waiting: VecDeque::new(),
            asked: 0,
            idle: Vec::new(),
            deeds: Deeds::default(),
            entries: HashMap::new(),
            last: 0,
            tally: Counts::new(),
        }
    }

    /// Goes on until it is over, and then until all is answered.
    fn drive(&mut self, over: &AtomicBool) {
        while !over.load(Ordering::SeqCst) {
            self.start();
            while self.waiting.len() < IN_FLIGHT && self.tool.is_some() {
                self.ask();
            }
            self.take_answer(GLANCE);
        }
        let begun = Instant::now();
        while self.tool.is_none() || !self.waiting.is_empty() {
            assert!(begun.elapsed() < PATIENCE, "replica {} does not answer", self.slot);
            self.start();
            self.take_answer(GLANCE);
        }
    }

    fn start(&mut self) {
        if self.tool.is_some() {
            return;
        }
        *self.tally.entry("started").or_default() += 1;
        let mut tool = match self.slot.is_multiple_of(2) {
            true => self.site.submit(self.slot, DUMP_EVERY),
            false => match self.site.serve(self.slot, DUMP_EVERY) {
                Some(tool) => tool,
                None => return,
            },
        };
        self.processes.put(self.slot, tool.process());
        // Nothing is asked for until it is there.
        let is_there = tool.ask(&json!({ "sync": true })).is_ok()
            && tool.answer_within(PATIENCE).is_ok_and(|said| kind(&said) == "ok");
        match is_there {
            true => self.tool = Some(tool),
            false => self.processes.take(self.slot),
        }
        self.last = 0;
    }

    fn ask(&mut self) {
        let (command, deed) = self.choose();
        self.asked += 1;
        let line = json!({ "id": self.asked, "command": command });
        let tool = self.tool.as_mut().expect("there is one");
        let written = tool.ask(&line);
        self.waiting.push_back((self.asked, deed));
        if written.is_err() {
            self.lose();
        }
    }

    fn take_answer(&mut self, patience: Duration) {
        let Some(tool) = &self.tool else { return };
        let answer = match tool.answer_within(patience) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => return,
            Err(RecvTimeoutError::Disconnected) => return self.lose(),
        };
        let (id, deed) = self.waiting.pop_front().expect("it was asked for");
        assert_eq!(answer["id"], id, "{answer}");
        let kind = kind(&answer);
        *self.tally.entry(kind).or_default() += 1;
        let at = answer["position"].as_u64();
        if let Some(at) = at {
            assert!(at >= self.last, "{answer} came after {}", self.last);
            self.last = at;
            self.entries.insert(at, self.tally["started"]);
        }
        let fate = match (kind, at) {
            ("ok", Some(at)) => Fate::Made { at },
            ("refused", Some(_)) => {
                self.check_refusal(&deed, &answer);
                Fate::NotMade
            }
            ("not_made", None) => Fate::NotMade,
            ("unknown", None) => Fate::Unknown,
            _ => panic!("{answer}"),
        };
        self.settle(deed, fate, Some(&answer));
    }

    fn settle(&mut self, deed: Deed, fate: Fate, answer: Option<&Value>) {
        let consumers: Vec<Uuid> = deed.changes.iter().map(|(consumer, _)| *consumer).collect();
        self.deeds.settle(deed, fate, answer);
        for consumer in consumers {
            match self.deeds.consumers.get(&consumer) {
                Some(Held::Nothing) | None => {}
                // It has ended, and nothing more can be done with it.
                Some(Held::Leased { .. }) if fate == Fate::NotMade => {}
                Some(_) => self.idle.push(consumer),
            }
        }
    }

    /// Checks that a command was refused for what may be the matter.
    fn check_refusal(&self, deed: &Deed, answer: &Value) {
        let error = answer["refused"]["error"].as_str().unwrap();
        let of_lease = deed.changes.first().is_some_and(|(consumer, _)| {
            matches!(self.deeds.consumers.get(consumer), Some(Held::Leased { .. }))
        });
        let takes = deed.changes.iter().any(|(_, held)| *held != Held::Nothing);
        let expected: &[&str] = match (of_lease, takes) {
            (true, _) => &["LeaseEnded"],
            (false, true) => &["CapacityExceeded", "Cordoned"],
            (false, false) => &[],
        };
        assert!(expected.contains(&error), "{deed:?}: {answer}");
    }

    /// Gives up a replica that is gone: what it was asked for may have been made, or may be yet.
    fn lose(&mut self) {
        self.processes.take(self.slot);
        self.tool = None;
        for (_, deed) in std::mem::take(&mut self.waiting) {
            *self.tally.entry("unknown").or_default() += 1;
            self.settle(deed, Fate::Unknown, None);
        }
    }

    /// Returns a command, and what it is to do.
    fn choose(&mut self) -> (Value, Deed) {
        let number = self.rng.usize(..TOTALS.len());
        let mut deed = Deed { changes: Vec::new(), write: None, expire: None };
        let roll = self.rng.usize(..100);
        let idle = match roll {
            0..40 => self.take_idle(),
            _ => None,
        };
        let command = match (roll, idle) {
            (0..40, Some((consumer, Held::Leased { hold, generation, .. }))) => {
                match self.rng.bool() {
                    true => {
                        deed.changes.push((consumer, Held::ForGood(hold)));
                        let now = self.clock.load(Ordering::SeqCst);
                        let lease = json!({
                            "consumer": consumer, "generation": generation, "now": now,
                        });
                        json!({ "confirm": lease })
                    }
                    false => {
                        deed.changes.push((consumer, Held::Nothing));
                        json!({ "cancel": { "consumer": consumer, "generation": generation } })
                    }
                }
            }
            (0..15, Some((consumer, _))) => {
                let hold = self.hold();
                deed.changes.push((consumer, Held::ForGood(hold.clone())));
                json!({ "replace": { "claim": wish(consumer, &hold) } })
            }
            (15..22, Some((consumer, _))) => {
                let hold = self.hold();
                let new = self.new_consumer();
                deed.changes.push((consumer, Held::Nothing));
                deed.changes.push((new, Held::ForGood(hold.clone())));
                let changes = [
                    json!({ "release": { "consumer": consumer } }),
                    json!({ "claim": wish(new, &hold) }),
                ];
                json!({ "batch": { "consumers": changes } })
            }
            (22..40, Some((consumer, _))) => {
                deed.changes.push((consumer, Held::Nothing));
                json!({ "release": { "consumer": consumer } })
            }
            (40..55, _) => {
                let (consumer, hold) = (self.new_consumer(), self.hold());
                let deadline = self.clock.load(Ordering::SeqCst) + self.rng.u64(1..20);
                deed.changes.push((consumer, Held::leased(hold.clone(), deadline)));
                json!({ "lease": { "claim": wish(consumer, &hold), "deadline": deadline } })
            }
            (55..59, _) => {
                let now = self.clock.fetch_add(self.rng.u64(1..5), Ordering::SeqCst);
                deed.expire = Some(now);
                json!({ "expire": { "now": now } })
            }
            (59, _) => {
                deed.write = Some((Register::Cordon(number), 1));
                json!({ "cordon": { "provider": host(number) } })
            }
            (60..63, _) => {
                deed.write = Some((Register::Cordon(number), 0));
                json!({ "uncordon": { "provider": host(number) } })
            }
            (63, _) => {
                let total = TOTALS[number] - self.rng.u64(..20);
                deed.write = Some((Register::Total(number), total));
                let inventories = json!({ "VCPU": { "total": total } });
                let edit = json!([{ "update_inventories": inventories }]);
                json!({ "configure": { "provider": host(number), "edit": edit } })
            }
            _ => {
                let (consumer, hold) = (self.new_consumer(), self.hold());
                deed.changes.push((consumer, Held::ForGood(hold.clone())));
                json!({ "claim": wish(consumer, &hold) })
            }
        };
        (command, deed)
    }

    /// Takes a consumer that nothing is on its way for.
    fn take_idle(&mut self) -> Option<(Uuid, Held)> {
        let any = self.rng.usize(..self.idle.len().max(1));
        let consumer = (any < self.idle.len()).then(|| self.idle.swap_remove(any))?;
        let held = self.deeds.consumers.get(&consumer)?;
        Some((consumer, held.clone()))
    }

    /// Nobody else has the same.
    fn new_consumer(&mut self) -> Uuid {
        Uuid::from_u128(self.rng.u128(..))
    }

    fn hold(&mut self) -> Hold {
        let count = self.rng.usize(1..=2);
        (0..count).map(|_| (self.rng.usize(..TOTALS.len()), self.rng.u64(1..6))).collect()
    }
}
