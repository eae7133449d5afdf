//! How many claims a second go through a log, after how long, and what that takes.
//!
//! `cargo xtask cluster --rates`, or `cargo bench --package provider-tree-cluster --features etcd --bench rates`,
//! with the names of parts behind it if only some are of interest. Etcd has to be installed. Everything runs on
//! this machine, so ratios of one run say more than its rates: on machines of their own, etcd and the
//! schedulers would not take processors from each other.
//!
//! | part | question |
//! |---|---|
//! | `one`, `three` | claims a second through etcd with so many members, beside plain puts and beside transactions by key; how long a claim takes at 10, 50 and 90 % of that; how far a second replica is behind |
//! | `bytes` | how that depends on the bytes of an entry |
//! | `replicas` | how it depends on the number of replicas |
//! | `local` | the same for the log in a file, beside its own appends |
//! | `recovery` | how long a replica takes to start from a dump of 1,000,000 allocations |
//!
//! Without `--bench`, as `cargo test` calls it, everything is short, and shows only that it works.

mod figures;
mod load;
mod peers;
mod recovery;
mod site;

use std::time::Duration;

use cluster_rig::Members;
use figures::Figures;
use load::Load;
use provider_tree_cluster::Options;
use provider_tree_cluster::log::LocalLog;
use site::{Outcome, Site};

/// How long things are measured, and with how much.
#[derive(Clone, Copy)]
struct Plan {
    length: Duration,
    allocations: usize,
}

const FULL: Plan = Plan { length: Duration::from_secs(4), allocations: 1_000_000 };
const SHORT: Plan = Plan { length: Duration::from_millis(300), allocations: 20_000 };

const PARTS: [&str; 6] = ["one", "three", "bytes", "replicas", "local", "recovery"];

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let plan = if arguments.iter().any(|argument| argument == "--bench") { FULL } else { SHORT };
    let named: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|name| PARTS.contains(name)).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        for part in PARTS.iter().filter(|part| named.is_empty() || named.contains(part)) {
            match *part {
                "one" => etcd(plan, 1).await?,
                "three" => etcd(plan, 3).await?,
                "bytes" => bytes(plan).await?,
                "replicas" => replicas(plan).await?,
                "local" => local(plan).await?,
                _ => recovery::run(plan.allocations).await?,
            }
        }
        Ok(())
    })
}

/// No dump is made while claims are measured: what is held only grows here, so each would be larger than the last.
fn options() -> Options {
    Options { dump_every_bytes: u64::MAX, ..Options::default() }
}

/// Claims through etcd beside what one would write without this.
async fn etcd(plan: Plan, count: usize) -> Outcome {
    println!("\n== etcd with {count} member(s)");
    let members = Members::start(count)?;
    let puts = peers::puts(&members, plan.length).await?;
    println!("plain puts of 256 bytes, 64 clients      {puts}");
    let mut best = Figures::default();
    for clients in [1, 16, 64] {
        let site = Site::new();
        let done = peers::transactions(&members, &site, clients, plan.length).await?;
        println!("claims as transactions, {clients:2} client(s)      {done}");
        best = best.max(done);
    }
    // Each with a forest in which nothing is held yet.
    let site = Site::on_etcd(&members, 1, options()).await?;
    let together = load::saturate(&site, Load { group: 100 }, plan.length, &members).await?;
    println!("claims, by the hundred                   {together}");
    site.close().await;
    let site = Site::on_etcd(&members, 1, options()).await?;
    let alone = load::saturate(&site, Load { group: 1 }, plan.length, &members).await?;
    println!("claims, each by itself                   {alone}");
    let again = peers::puts(&members, plan.length).await?;
    println!("plain puts again                         {again}");
    let claims = together.max(alone);
    let put = (puts.rate + again.rate) / 2.0;
    println!("claims for each plain put                {:.1}", claims.rate / put);
    println!("claims for each transaction              {:.0}", claims.rate / best.rate);
    for percent in [10, 50, 90] {
        let rate = alone.rate * f64::from(percent) / 100.0;
        let latency = load::pace(&site, rate, plan.length).await?;
        println!("a claim at {percent:2} % of those by themselves    {latency}");
    }
    site.close().await;

    let site = Site::on_etcd(&members, 2, options()).await?;
    for percent in [10, 50, 90] {
        let rate = alone.rate * f64::from(percent) / 100.0;
        let lag = load::lag(&site, rate, plan.length).await?;
        println!("another replica's lag at {percent:2} %            {lag}");
    }
    site.close().await;
    Ok(())
}

/// The same load with entries of other sizes.
async fn bytes(plan: Plan) -> Outcome {
    println!("\n== bytes of an entry, at most; etcd with one and with three members");
    for count in [1, 3] {
        let members = Members::start(count)?;
        for kib in [4, 16, 64, 256, 1000] {
            let options = Options { most_entry_bytes: kib << 10, ..options() };
            let site = Site::on_etcd(&members, 1, options).await?;
            let done = load::saturate(&site, Load { group: 100 }, plan.length, &members).await?;
            println!("{count} member(s), {kib:4} KiB                     {done}");
            site.close().await;
        }
    }
    Ok(())
}

/// The same load from several replicas, each with all of the log to apply.
async fn replicas(plan: Plan) -> Outcome {
    println!("\n== replicas in this process; etcd with one member");
    for count in [1, 2, 4, 8] {
        let members = Members::start(1)?;
        let site = Site::on_etcd(&members, count, options()).await?;
        let done = load::saturate(&site, Load { group: 100 }, plan.length, &members).await?;
        println!("{count} replica(s), together                   {done}");
        site.close().await;
    }
    Ok(())
}

/// Claims through a file of this machine.
async fn local(plan: Plan) -> Outcome {
    println!("\n== the log in a file");
    let folder = tempfile::tempdir()?;
    let log = LocalLog::open(folder.path().join("appends.log")).await?;
    let appends = peers::appends(&log, 1, plan.length).await?;
    println!("appends of 256 bytes, one at a time      {appends}");
    let appends = peers::appends(&log, 64, plan.length).await?;
    println!("appends of 256 bytes, 64 at a time       {appends}");
    drop(log);
    let site = Site::on_file(&folder.path().join("hundreds.log"), options()).await?;
    let together = load::saturate(&site, Load { group: 100 }, plan.length, &()).await?;
    println!("claims, by the hundred                   {together}");
    site.close().await;
    let site = Site::on_file(&folder.path().join("claims.log"), options()).await?;
    let alone = load::saturate(&site, Load { group: 1 }, plan.length, &()).await?;
    println!("claims, each by itself                   {alone}");
    for percent in [10, 50, 90] {
        let rate = alone.rate * f64::from(percent) / 100.0;
        let latency = load::pace(&site, rate, plan.length).await?;
        println!("a claim at {percent:2} % of those by themselves    {latency}");
    }
    site.close().await;
    Ok(())
}
