//! What a view costs by itself.

use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use benches::random::Random;
use cpu_time::ThreadTime;
use provider_tree::{Provider, View};

use crate::Extent;
use crate::cluster::*;
use crate::figures::{less, median, nanoseconds};

/// Ten candidates in a cluster that is almost full.
pub(crate) fn candidates(extent: &Extent, hosts: usize) {
    println!("candidates, {hosts} hosts, 99 % full");
    let cluster = Cluster::new(hosts);
    let mut worker = cluster.tree.worker().expect("few workers");
    // Full, and then a job away here and there.
    let mut jobs = draw_jobs(hosts, 1.0, 1);
    let mut random = Random(1);
    let mut used = gpus_of(hosts, 1.0);
    while used > gpus_of(hosts, 0.99) {
        used -= jobs.swap_remove(random.below(jobs.len())).0.gpus;
    }
    let consumer = |number: usize| uuid(number, 15, 15);
    for (number, (shape, spot)) in jobs.iter().enumerate() {
        let claim = cluster.claim(consumer(number), *shape, *spot);
        worker.claim(&claim).map(drop).expect("fits");
    }
    let mut view = cluster.tree.view();
    let prepare = |model| view.prepare(&request(Shape { gpus: 1, model }, false)).expect("sound");
    let mut prepared: Vec<_> = (0..MODELS).map(prepare).collect();
    let mut ten = |view: &View, number: usize| {
        let candidates = view.candidates(&mut prepared[number % MODELS]).expect("its view");
        let claims = candidates.seeded(number as u64).take(10);
        claims.fold(0, |count, candidate| {
            let _claim = black_box(candidate.claim(consumer(usize::MAX)));
            count + 1
        })
    };
    for number in 0..MODELS {
        ten(&view, number);
    }
    let still = nanoseconds(extent.repeats, |number| {
        black_box(ten(&view, number));
    });
    let found: usize = (0..MODELS).map(|number| ten(&view, number)).sum();
    let mut times = Vec::new();
    for number in 0..extent.repeats {
        let (shape, spot) = jobs[random.below(jobs.len())];
        let claim = cluster.claim(consumer(0), shape, spot);
        view.released(&claim);
        view.claimed(&claim);
        let begin = Instant::now();
        ten(&view, number);
        times.push(begin.elapsed().as_nanos() as f64);
    }
    let floors = match hosts {
        100_000 => Some((4.0, 1.0)),
        10_000 => Some((3.0, 1.0)),
        _ => None,
    };
    println!("    {:60} {:>10.2}", "found", found as f64 / MODELS as f64);
    less("ten as claims, us", still / 1e3, floors);
    less("the same after a release and a claim, us", median(times.into_iter()) / 1e3, floors);
}

pub(crate) fn refreshes(extent: &Extent, hosts: usize) {
    println!("refresh, {hosts} hosts, 8 workers");
    let cluster = Cluster::new(hosts);
    let mut workers: Vec<_> = (0..8).map(|_| cluster.tree.worker().expect("few workers")).collect();
    let mut random = Random(1);
    let mut gpus: Vec<_> = cluster.hosts.iter().flat_map(|host| host.gpus.concat()).collect();
    for at in 0..gpus.len() {
        let other = random.below(gpus.len());
        gpus.swap(at, other);
    }
    let amount = [(cluster.gpu, 1)];
    let mut change = |worker: usize, gpus: &[Provider], takes: bool| {
        for gpu in gpus {
            let worker = &mut workers[worker];
            match takes {
                true => worker.take(gpu, &amount).map(drop).expect("is free"),
                false => worker.put_back(gpu, &amount).map(drop).expect("was taken"),
            }
        }
    };
    let mut view = cluster.tree.view();
    for worker in 0..8 {
        change(worker, &gpus[..1], true);
        change(worker, &gpus[..1], false);
    }
    view.refresh();
    let idle = nanoseconds(extent.repeats * 10, |_| assert_eq!(view.refresh(), 0));
    less("nothing changed, ns", idle, Some((50.0, 10.0)));
    let batches = gpus.chunks_exact(200).take(extent.repeats.min(40));
    let mut times = Vec::new();
    let mut refresh = |times: &mut Vec<f64>, changed: usize| {
        let begin = Instant::now();
        let read = view.refresh();
        times.push(begin.elapsed().as_nanos() as f64 / read as f64);
        assert_eq!(read, changed);
    };
    for batch in batches.clone() {
        for takes in [true, false] {
            change(0, batch, takes);
            refresh(&mut times, batch.len());
        }
    }
    less("each of 200 changed by this thread, ns", median(times.drain(..)), Some((170.0, 60.0)));
    // Odd while it is the other thread's turn, who keeps its core meanwhile.
    let turn = &AtomicUsize::new(0);
    let wait = |parity: usize| {
        while turn.load(Ordering::Acquire) % 2 != parity {
            spin_loop();
        }
    };
    thread::scope(|scope| {
        let all = batches.clone();
        scope.spawn(move || {
            for batch in all {
                for takes in [true, false] {
                    wait(1);
                    change(1, batch, takes);
                    turn.fetch_add(1, Ordering::Release);
                }
            }
        });
        for batch in batches {
            for _ in 0..2 {
                turn.fetch_add(1, Ordering::Release);
                wait(0);
                refresh(&mut times, batch.len());
            }
        }
    });
    less(
        "each of 200 changed by another thread, ns",
        median(times.drain(..)),
        Some((400.0, 300.0)),
    );
}

/// A closure over two columns, for each host.
pub(crate) fn scores(extent: &Extent, hosts: usize) {
    let cluster = Cluster::new(hosts);
    let mut worker = cluster.tree.worker().expect("few workers");
    for (number, (shape, spot)) in draw_jobs(hosts, 0.7, 1).into_iter().enumerate() {
        let claim = cluster.claim(uuid(number, 15, 15), shape, spot);
        worker.claim(&claim).map(drop).expect("fits");
    }
    let view = cluster.tree.view();
    let score = |vcpu: u64, memory: u64| (vcpu << 13).abs_diff(memory);
    let each = nanoseconds(extent.repeats / 10, |_| {
        let (vcpu, memory) = (view.free(VCPU), view.free(MEMORY_MB));
        let scores = vcpu.iter().zip(&*memory).map(|(vcpu, memory)| score(*vcpu, *memory));
        black_box(scores.min());
    });
    println!("scores, {hosts} hosts");
    less("all hosts by two columns, us", each / 1e3, (hosts == 10_000).then_some((20.0, 8.0)));
}

pub(crate) fn builds(extent: &Extent, hosts: usize) {
    println!("a view of {hosts} hosts with {} providers each", 1 + NODES * (1 + GPUS));
    let cluster = Cluster::new(hosts);
    let times = (0..if extent.is_brief { 1 } else { 5 }).map(|_| {
        let begin = ThreadTime::now();
        black_box(cluster.tree.view());
        begin.elapsed().as_secs_f64() * 1e3
    });
    // In proportion to the floor for 100,000.
    let part = hosts as f64 / 100_000.0;
    less("build, ms", median(times), Some((500.0 * part, 250.0 * part)));
    let view = cluster.tree.view();
    let bytes = view.bytes() as f64 / view.providers() as f64;
    less("bytes for each provider", bytes, Some((150.0, 90.0)));
}

/// What views that are refreshed all the time cost those who claim.
pub(crate) fn beside(extent: &Extent, hosts: usize) {
    const PAUSE: Duration = Duration::from_micros(100);
    println!("claim and release beside views that refresh each 100 us, {hosts} hosts");
    println!(
        "    {:>5} {:>12} {:>14} {:>20} {:>20}",
        "views", "ns each", "by none", "by threads that wake", "processor of a view"
    );
    let cluster = Cluster::new(hosts);
    let run = |views: usize, refreshes: bool| {
        let over = &AtomicBool::new(false);
        let mut worker = cluster.tree.worker().expect("few workers");
        let mut random = Random(1);
        thread::scope(|scope| {
            let others: Vec<_> = (0..views)
                .map(|_| {
                    let mut view = cluster.tree.view();
                    scope.spawn(move || {
                        let begin = ThreadTime::now();
                        while !over.load(Ordering::Relaxed) {
                            if refreshes {
                                view.refresh();
                            }
                            thread::sleep(PAUSE);
                        }
                        begin.elapsed()
                    })
                })
                .collect();
            let (begin, wall) = (ThreadTime::now(), Instant::now());
            let mut claims = 0_u32;
            while wall.elapsed() < extent.length {
                for _ in 0..100 {
                    let host = random.below(hosts);
                    let shape = Shape { gpus: 1, model: host % MODELS };
                    let spot = Spot { host: host as u32, node: 0, gpus: 1 };
                    let consumer = uuid(random.below(1 << 30), 15, 15);
                    worker.claim(&cluster.claim(consumer, shape, spot)).map(drop).expect("fits");
                    worker.release(consumer).map(drop).expect("was claimed");
                    claims += 1;
                }
            }
            let (each, wall) = (begin.elapsed() / claims, wall.elapsed().as_secs_f64());
            over.store(true, Ordering::Relaxed);
            let own = others.into_iter().map(|thread| thread.join().expect("no panic"));
            let own = own.sum::<Duration>().as_secs_f64() / wall / views.max(1) as f64;
            (each.as_nanos() as f64, own)
        })
    };
    const VIEWS: [usize; 4] = [0, 1, 2, 8];
    let mut rounds: Vec<[[f64; 4]; VIEWS.len()]> = Vec::new();
    for _ in 0..extent.rounds {
        let none = run(0, false).0;
        rounds.push(VIEWS.map(|views| {
            let awake = run(views, false).0;
            let (each, own) = run(views, true);
            [each, each / none, each / awake, own]
        }));
    }
    for (at, views) in VIEWS.into_iter().enumerate() {
        let of = |what: usize| median(rounds.iter().map(|round| round[at][what]));
        let [each, by_none, by_awake, own] = std::array::from_fn(of);
        println!(
            "    {views:>5} {each:>12.0} {by_none:>14.2} {by_awake:>20.2} {:>19.1}%",
            own * 100.0
        );
        if views == 1 {
            less("processor time of claims beside a view by without", by_none, Some((1.15, 1.03)));
        }
    }
}
