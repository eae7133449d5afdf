//! What one would write without this crate, and what the logs can do by themselves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cluster_rig::Members;
use etcd_client::{Client, Compare, CompareOp, GetOptions, Txn, TxnOp};
use provider_tree_cluster::log::{EntryKey, LocalLog, Log};
use uuid::Uuid;

use crate::figures::{Figures, Watch};
use crate::site::{Outcome, Site};

const PUTTERS: usize = 64;

/// Plain puts of 256 bytes, each under a key of its own.
pub(crate) async fn puts(members: &Members, length: Duration) -> Outcome<Figures> {
    let until = Instant::now() + length;
    let watch = Watch::start(members);
    let mut putters = Vec::new();
    let mut clients = Vec::new();
    for endpoint in members.endpoints() {
        clients.push(Client::connect([endpoint], None).await?);
    }
    for number in 0..PUTTERS {
        let mut kv = clients[number % clients.len()].kv_client();
        putters.push(tokio::spawn(async move {
            let mut count = 0;
            while Instant::now() < until {
                let key = Uuid::new_v4().as_bytes().to_vec();
                kv.put(key, vec![7; 256], None).await?;
                count += 1;
            }
            Ok::<u64, etcd_client::Error>(count)
        }));
    }
    let mut count = 0;
    for putter in putters {
        count += putter.await??;
    }
    Ok(watch.figures(count, 0))
}

/// Claims as one would write them on etcd: what is used of a host is the value of a key, and a claim is a
/// transaction that puts it and the allocation if it is as it was read.
pub(crate) async fn transactions(
    members: &Members,
    site: &Site,
    clients: usize,
    length: Duration,
) -> Outcome<Figures> {
    let prefix = Uuid::new_v4();
    let hosts: Arc<[Uuid]> = site.hosts.clone().into();
    let until = Instant::now() + length;
    let watch = Watch::start(members);
    let endpoints = members.endpoints();
    let mut claimers = Vec::new();
    for number in 0..clients {
        let endpoint = &endpoints[number % endpoints.len()];
        let mut kv = Client::connect([endpoint], None).await?.kv_client();
        let hosts = Arc::clone(&hosts);
        claimers.push(tokio::spawn(async move {
            let (mut count, mut conflicts) = (0, 0);
            let mut at = number;
            while Instant::now() < until {
                at = (at + 7919) % hosts.len();
                let usage = format!("{prefix}/usage/{}", hosts[at]);
                let read = kv.get(usage.clone(), None::<GetOptions>).await?;
                let (used, revision) = match read.kvs().first() {
                    Some(kv) => (kv.value().len(), kv.mod_revision()),
                    None => (0, 0),
                };
                let allocation = format!("{prefix}/allocation/{}", Uuid::new_v4());
                let unchanged = Compare::mod_revision(usage.clone(), CompareOp::Equal, revision);
                let claim = Txn::new().when([unchanged]).and_then([
                    TxnOp::put(usage, vec![7; (used + 1).min(64)], None),
                    TxnOp::put(allocation, hosts[at].to_string(), None),
                ]);
                match kv.txn(claim).await?.succeeded() {
                    true => count += 1,
                    false => conflicts += 1,
                }
            }
            Ok::<(u64, u64), etcd_client::Error>((count, conflicts))
        }));
    }
    let (mut count, mut conflicts) = (0, 0);
    for claimer in claimers {
        let (its_count, its_conflicts) = claimer.await??;
        count += its_count;
        conflicts += its_conflicts;
    }
    Ok(watch.figures(count, conflicts))
}

/// Appends of 256 bytes, so many at a time.
pub(crate) async fn appends(log: &LocalLog, at_once: usize, length: Duration) -> Outcome<Figures> {
    let until = Instant::now() + length;
    let watch = Watch::start(&());
    let appenders = (0..at_once).map(|_| {
        let log = log.clone();
        tokio::spawn(async move {
            let replica = Uuid::new_v4();
            let mut sequence = 0;
            while Instant::now() < until {
                sequence += 1;
                log.append(EntryKey { replica, sequence }, Bytes::from_static(&[7; 256])).await?;
            }
            Ok::<u64, provider_tree_cluster::LogError>(sequence)
        })
    });
    let mut count = 0;
    for appender in appenders.collect::<Vec<_>>() {
        count += appender.await??;
    }
    Ok(watch.figures(count, 0))
}
