//! Decisions: the sides beside each other.

use crate::Extent;
use crate::cluster::{Cluster, Shape, Spot, draw_jobs};
use crate::figures::{less, median, more};
use crate::ours::{Ours, Way};
use crate::peers::{LockedArray, LockedView, OwnSets, best_of_sample, first_fit};
use crate::side::{Team, Turn, team};

pub(crate) const SIDES: [&str; 6] = [
    "ours, refreshed when nothing fits",
    "ours, refreshed each time",
    "a Mutex around the same index",
    "a Mutex around an array, first fit",
    "an ordered set a thread, and claims",
    "a Mutex around an array, best of 50",
];

pub(crate) fn decisions(extent: &Extent, hosts: usize) {
    println!(
        "decisions (place and release), {hosts} hosts, medians of {} rounds of {} ms",
        extent.rounds,
        extent.length.as_millis()
    );
    println!(
        "    {:>4} {:>7} {:36} {:>10} {:>9} {:>8} {:>9} {:>8} {:>8} {:>6}",
        "full",
        "threads",
        "side",
        "per s",
        "us each",
        "by ours:",
        "processor",
        "refused",
        "in vain",
        "used"
    );
    let clusters: [Cluster; 3] = std::array::from_fn(|_| Cluster::new(hosts));
    let mut medians = Vec::new();
    for share in [0.5, 0.7, 0.99] {
        for threads in [1, 2, 8] {
            let jobs = draw_jobs(hosts, share, threads);
            let results = compete(extent, &clusters, hosts, &jobs, threads);
            for (side, result) in results.iter().enumerate() {
                let [rate, processor, refusals, vain, used, by_rate, by_processor] = *result;
                println!(
                    "    {:>3}% {threads:>7} {:36} {rate:>10.0} {processor:>9.2} {by_rate:>8.2} \
                     {by_processor:>9.2} {refusals:>8.4} {vain:>8.4} {:>5.1}%",
                    share * 100.0,
                    SIDES[side],
                    used * 100.0
                );
            }
            medians.push((share, threads, results));
        }
    }
    let of = |threads: usize, side: usize, what: usize| {
        let found = medians.iter().find(|it| it.0 == 0.7 && it.1 == threads);
        found.expect("measured").2[side][what]
    };
    let floors = match hosts {
        100_000 => Some((200e3, 280e3)),
        10_000 => Some((300e3, 450e3)),
        1_000 => Some((500e3, 750e3)),
        _ => None,
    };
    println!("    70 % full:");
    more("decisions per second, 1 thread", of(1, 0, 0), floors);
    more("2 threads by 1", of(2, 0, 0) / of(1, 0, 0), Some((1.5, 1.8)));
    more("8 threads by 2", of(8, 0, 0) / of(2, 0, 0), Some((0.85, 0.95)));
    for (threads, floors) in [(1, (5.0, 2.0)), (2, (1.5, 0.8)), (8, (2.5, 1.0))] {
        let floors = (hosts == 1_000).then_some(floors);
        less(&format!("the Mutex by ours, threads: {threads}"), of(threads, 2, 5), floors);
    }
}

/// Returns for each side the medians of rate, processor time, refusals and searches in vain, the
/// share that is used at the end, and the medians of the ratios of the first two to ours.
pub(crate) fn compete(
    extent: &Extent,
    clusters: &[Cluster; 3],
    hosts: usize,
    jobs: &[(Shape, Spot)],
    threads: usize,
) -> [[f64; 7]; SIDES.len()] {
    let is_brief = extent.is_brief;
    let [lazy, fresh, ordered] = clusters;
    let view = LockedView::new(lazy, is_brief);
    let lazy = Ours::new(lazy, Way::OwnPart, threads, is_brief);
    let fresh = Ours::new(fresh, Way::OwnPart, threads, is_brief).refreshed_each_time();
    let array = LockedArray::new(hosts, first_fit);
    let ordered = OwnSets { cluster: ordered };
    let sample = LockedArray::new(hosts, best_of_sample);
    let mut teams: [Box<dyn Team + '_>; SIDES.len()] = [
        team(&lazy, hosts, jobs, threads),
        team(&fresh, hosts, jobs, threads),
        team(&view, hosts, jobs, threads),
        team(&array, hosts, jobs, threads),
        team(&ordered, hosts, jobs, threads),
        team(&sample, hosts, jobs, threads),
    ];
    if is_brief {
        for shape in Shape::all() {
            let fit = teams.each_mut().map(|team| team.fits(shape));
            assert!(fit.iter().all(|&fits| fits == fit[0]), "{shape:?}: {fit:?}");
        }
    }
    let mut rounds: [Vec<Turn>; SIDES.len()] = Default::default();
    // One turn that does not count.
    for round in 0..=extent.rounds {
        for (team, turns) in teams.iter_mut().zip(&mut rounds) {
            let turn = team.run(extent.length);
            if round > 0 {
                turns.push(turn);
            }
        }
    }
    let results = std::array::from_fn(|side| {
        let of = |what: &dyn Fn(&Turn, &Turn) -> f64| {
            median(rounds[side].iter().zip(&rounds[0]).map(|(turn, ours)| what(turn, ours)))
        };
        [
            of(&|turn, _| turn.rate),
            of(&|turn, _| turn.processor),
            of(&|turn, _| turn.refusals),
            of(&|turn, _| turn.vain),
            teams[side].used(),
            of(&|turn, ours| turn.rate / ours.rate),
            of(&|turn, ours| turn.processor / ours.processor),
        ]
    });
    for team in &mut teams {
        if is_brief {
            team.check();
        }
        team.release_all();
    }
    results
}
