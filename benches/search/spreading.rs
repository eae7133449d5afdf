//! What it costs to keep threads apart that want the same, in time and in what fits.

use crate::Extent;
use crate::cluster::{Cluster, Shape, draw_jobs};
use crate::figures::median;
use crate::ours::{Ours, Way};
use crate::side::{Turn, team};

const WAYS: [(Way, &str); 7] = [
    (Way::Same, "the first host, everyone"),
    (Way::OwnStart, "own start"),
    (Way::OwnPart, "own part, after a refusal elsewhere"),
    (Way::Lot, "by lot"),
    (Way::Best, "the best host, everyone"),
    (Way::BestOfEight, "one of the eight best"),
    (Way::Intents, "the best host, and intents"),
];

pub(crate) fn spreading(extent: &Extent, hosts: usize) {
    println!("ways to keep threads apart, {hosts} hosts, 70 % full");
    println!(
        "    {:>7} {:36} {:>10} {:>9} {:>8} {:>9}",
        "threads", "way", "per s", "us each", "refused", "packed"
    );
    let clusters: [Cluster; WAYS.len()] = std::array::from_fn(|_| Cluster::new(hosts));
    for threads in [1, 2, 8] {
        let jobs = draw_jobs(hosts, 0.7, threads);
        let ways = WAYS.iter().zip(&clusters);
        let sides: Vec<_> = ways
            .clone()
            .map(|((way, _), cluster)| Ours::new(cluster, *way, threads, extent.is_brief))
            .collect();
        let mut teams: Vec<_> = sides.iter().map(|it| team(it, hosts, &jobs, threads)).collect();
        let mut rounds: [Vec<Turn>; WAYS.len()] = Default::default();
        // One turn that does not count.
        for round in 0..=extent.rounds {
            for (team, turns) in teams.iter_mut().zip(&mut rounds) {
                let turn = team.run(extent.length);
                if round > 0 {
                    turns.push(turn);
                }
            }
        }
        for team in &mut teams {
            if extent.is_brief {
                team.check();
            }
            team.release_all();
        }
        drop(teams);
        for (((way, name), cluster), turns) in ways.zip(&rounds) {
            let of = |what: fn(&Turn) -> f64| median(turns.iter().map(what));
            let packed = packed(extent, cluster, *way, threads);
            println!(
                "    {threads:>7} {name:36} {:>10.0} {:>9.2} {:>8.4} {:>8.2}%",
                of(|turn| turn.rate),
                of(|turn| turn.processor),
                of(|turn| turn.refusals),
                packed * 100.0
            );
        }
    }
}

/// Returns how much of an empty cluster is used when the first job fits nowhere.
fn packed(extent: &Extent, cluster: &Cluster, way: Way, threads: usize) -> f64 {
    let side = Ours::new(cluster, way, threads, extent.is_brief);
    let mut team = team(&side, cluster.hosts.len(), &[], threads);
    team.fill();
    if extent.is_brief {
        team.check();
        assert!(Shape::all().any(|shape| !team.fits(shape)), "something fits nowhere");
    }
    let used = team.used();
    team.release_all();
    used
}
