//! How long a replica takes to start.

use std::time::Instant;

use cluster_rig::Members;
use provider_tree_cluster::log::{EtcdLog, EtcdOptions, LocalLog, Log};
use provider_tree_cluster::{Options, Replica};

use crate::site::{Outcome, Site};

/// How many claims are asked for at once.
const GROUP: usize = 1_000;

pub(crate) async fn run(allocations: usize) -> Outcome {
    println!("\n== starting with {allocations} allocations");
    let members = Members::start(1)?;
    let log = EtcdLog::connect(members.endpoints(), EtcdOptions::new("recovery")).await?;
    let site = Site::on_etcd_log(log.clone()).await?;
    recover(site, "etcd", log, allocations).await?;

    let folder = tempfile::tempdir()?;
    let path = folder.path().join("recovery.log");
    let site = Site::on_file(&path, Options::default()).await?;
    fill(&site, allocations).await?;
    site.close().await;
    start(LocalLog::open(&path).await?, "file", allocations).await
}

async fn recover(site: Site, name: &str, log: impl Log + Clone, allocations: usize) -> Outcome {
    fill(&site, allocations).await?;
    site.close().await;
    start(log, name, allocations).await
}

/// Makes so many allocations, and has the log keep a dump.
async fn fill(site: &Site, allocations: usize) -> Outcome {
    let replica = &site.replicas[0];
    // Each claim has two.
    let mut numbers = (0..allocations as u64 / 2).peekable();
    while numbers.peek().is_some() {
        let claims = numbers.by_ref().take(GROUP).map(|number| site.claim(number));
        let ticket = replica.submit_all(claims).await?;
        ticket.await?;
    }
    let begun = Instant::now();
    replica.store_dump().await?;
    println!("a dump is stored in                      {:.2} s", begun.elapsed().as_secs_f64());
    Ok(())
}

async fn start(log: impl Log + Clone, name: &str, allocations: usize) -> Outcome {
    let begun = Instant::now();
    let replica = Replica::start(log, Options::default()).await?;
    let time = begun.elapsed();
    let held = replica.forest().snapshot().all_allocations()?;
    let count: usize = held.iter().map(|held| held.allocations.len()).sum();
    assert_eq!(count, allocations, "all are there");
    println!("a replica starts from the {name} in          {:.2} s", time.as_secs_f64());
    let (begun, dump) = (Instant::now(), replica.dump().await?);
    println!(
        "it dumps {:.1} MB in                        {:.2} s",
        dump.bytes.len() as f64 / 1e6,
        begun.elapsed().as_secs_f64()
    );
    replica.close().await;
    Ok(())
}
