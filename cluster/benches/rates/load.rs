//! Schedulers that ask replicas for claims: as many as go through, or so many a second.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use provider_tree::Receipt;
use provider_tree_cluster::{Position, Replica, Ticket};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::figures::{Beside, Figures, Times, Watch};
use crate::site::{Outcome, Site};

/// How schedulers ask.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// How many claims each call has.
    pub(crate) group: usize,
}

/// How many schedulers there are for each replica, and how many claims each has on the way, at most.
const SCHEDULERS: usize = 2;
const ON_THE_WAY: usize = 16_384;

type Answers = Vec<provider_tree::Result<Receipt>>;

/// Asks for as many claims as go through.
pub(crate) async fn saturate(
    site: &Site,
    load: Load,
    length: Duration,
    others: &dyn Beside,
) -> Outcome<Figures> {
    let hosts = Arc::new(Site { hosts: site.hosts.clone(), replicas: Vec::new() });
    let metrics = || site.replicas.iter().map(Replica::metrics).collect::<Vec<_>>();
    let before = metrics();
    let watch = Watch::start(others);
    let until = Instant::now() + length;
    let mut schedulers = Vec::new();
    for (replica, number) in site.replicas.iter().zip(0..).flat_map(|(replica, at)| {
        (0..SCHEDULERS as u64).map(move |number| (replica, at * SCHEDULERS as u64 + number))
    }) {
        let (replica, hosts) = (replica.clone(), Arc::clone(&hosts));
        schedulers.push(tokio::spawn(schedule(replica, hosts, load, number << 40, until)));
    }
    let (mut made, mut refused) = (0, 0);
    for scheduler in schedulers {
        let (its_made, its_refused) = scheduler.await??;
        made += its_made;
        refused += its_refused;
    }
    let time = watch.elapsed();
    Ok(watch.figures(made, refused).with_entries(&before, &metrics(), time))
}

/// One scheduler; returns how many claims were made, and how many refused.
async fn schedule(
    replica: Replica,
    site: Arc<Site>,
    load: Load,
    mut number: u64,
    until: Instant,
) -> Outcome<(u64, u64)> {
    let mut on_the_way: VecDeque<Ticket<Answers>> = VecDeque::new();
    let (mut made, mut refused) = (0, 0);
    loop {
        let is_over = Instant::now() >= until;
        if is_over && on_the_way.is_empty() {
            return Ok((made, refused));
        }
        if !is_over && on_the_way.len() * load.group < ON_THE_WAY {
            let claims = (0..load.group as u64).map(|at| site.claim(number + at));
            on_the_way.push_back(replica.submit_all(claims).await?);
            number += load.group as u64;
            continue;
        }
        if let Some(ticket) = on_the_way.pop_front() {
            let answers = ticket.await?.answer;
            let fit = answers.iter().filter(|answer| answer.is_ok()).count();
            made += fit as u64;
            refused += (answers.len() - fit) as u64;
        }
    }
}

/// Asks for so many claims a second, each by itself and whether or not earlier ones are answered, and returns
/// how long each took.
pub(crate) async fn pace(site: &Site, rate: f64, length: Duration) -> Outcome<Times> {
    let (asked, mut answers) = mpsc::unbounded_channel::<(Instant, Ticket<Receipt>)>();
    let replica = site.replicas[0].clone();
    // Answers come in the order of the questions.
    let listening = tokio::spawn(async move {
        let mut times = Times::default();
        while let Some((begun, ticket)) = answers.recv().await {
            ticket.await?;
            times.note(begun.elapsed());
        }
        Ok::<_, provider_tree_cluster::Error>(times.sorted())
    });
    ask_at(&replica, site, rate, length, |begun, ticket| drop(asked.send((begun, ticket)))).await?;
    drop(asked);
    Ok(listening.await??)
}

/// Asks the first replica for so many claims a second, and returns how long after its answers the second one
/// has applied the same.
pub(crate) async fn lag(site: &Site, rate: f64, length: Duration) -> Outcome<Times> {
    let (asked, mut tickets) = mpsc::unbounded_channel::<Ticket<Receipt>>();
    let (answered, mut positions) = mpsc::unbounded_channel::<(Instant, Position)>();
    let listening = tokio::spawn(async move {
        let last = AtomicU64::new(0);
        while let Some(ticket) = tickets.recv().await {
            let position = ticket.await?.position;
            // One for each entry.
            if last.fetch_max(position.0, Ordering::Relaxed) < position.0 {
                // Who measures listens to the end.
                answered.send((Instant::now(), position)).unwrap_or_default();
            }
        }
        Ok::<_, provider_tree_cluster::Error>(())
    });
    let other = site.replicas[1].clone();
    let following = tokio::spawn(async move {
        let mut times = Times::default();
        while let Some((answered, position)) = positions.recv().await {
            other.wait_for(position).await?;
            times.note(answered.elapsed());
        }
        Ok::<_, provider_tree_cluster::Error>(times.sorted())
    });
    let replica = site.replicas[0].clone();
    ask_at(&replica, site, rate, length, |_, ticket| drop(asked.send(ticket))).await?;
    drop(asked);
    listening.await??;
    Ok(following.await??)
}

/// Asks for so many claims a second.
async fn ask_at(
    replica: &Replica,
    site: &Site,
    rate: f64,
    length: Duration,
    mut asked: impl FnMut(Instant, Ticket<Receipt>),
) -> Outcome {
    let mut tick = interval(Duration::from_millis(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let begun = Instant::now();
    let mut number = 1 << 56;
    let first = number;
    while begun.elapsed() < length {
        tick.tick().await;
        let due = (begun.elapsed().as_secs_f64() * rate) as u64;
        while number - first < due {
            let since = Instant::now();
            asked(since, replica.submit(site.claim(number)).await?);
            number += 1;
        }
    }
    Ok(())
}
