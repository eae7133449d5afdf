//! Replicas with a populated forest.

use std::error::Error;
use std::path::Path;

use cluster_rig::Members;
use provider_tree::{Inventories, Inventory, ProviderSpec, ResourceClass};
use provider_tree_cluster::command::{Claim, Populate};
use provider_tree_cluster::log::{EtcdLog, EtcdOptions, LocalLog};
use provider_tree_cluster::{Options, Replica};
use uuid::Uuid;

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

pub(crate) const HOSTS: usize = 10_000;

/// More than all claims of a run ask for together.
const ROOM: u64 = 1 << 40;

pub(crate) struct Site {
    pub(crate) hosts: Vec<Uuid>,
    pub(crate) replicas: Vec<Replica>,
}

impl Site {
    /// Hosts, and nothing that knows of them.
    pub(crate) fn new() -> Self {
        let hosts = (0..HOSTS).map(|_| Uuid::new_v4()).collect();
        Site { hosts, replicas: Vec::new() }
    }

    pub(crate) async fn on_etcd(
        members: &Members,
        replicas: usize,
        options: Options,
    ) -> Outcome<Self> {
        let mut site = Site::new();
        let prefix = format!("rates-{}", Uuid::new_v4());
        for _ in 0..replicas {
            // Each with a connection of its own, as in a process of its own.
            let log = EtcdLog::connect(members.endpoints(), EtcdOptions::new(&prefix)).await?;
            site.replicas.push(Replica::start(log, options.clone()).await?);
        }
        site.populate().await?;
        Ok(site)
    }

    pub(crate) async fn on_etcd_log(log: EtcdLog) -> Outcome<Self> {
        let mut site = Site::new();
        site.replicas.push(Replica::start(log, Options::default()).await?);
        site.populate().await?;
        Ok(site)
    }

    pub(crate) async fn on_file(path: &Path, options: Options) -> Outcome<Self> {
        let mut site = Site::new();
        site.replicas.push(Replica::start(LocalLog::open(path).await?, options).await?);
        site.populate().await?;
        Ok(site)
    }

    async fn populate(&self) -> Outcome {
        let spec = |(number, uuid): (usize, &Uuid)| {
            let inventories = Inventories::new()
                .with(ResourceClass::VCPU, Inventory::new(ROOM))
                .with(ResourceClass::MEMORY_MB, Inventory::new(ROOM));
            ProviderSpec::new(*uuid, format!("host-{number}")).with_inventories(inventories)
        };
        let providers = self.hosts.iter().enumerate().map(spec).collect();
        self.replicas[0].ask(Populate { providers }).await?;
        for replica in &self.replicas {
            replica.sync().await?;
        }
        Ok(())
    }

    /// A claim of a new consumer for two amounts of one host.
    pub(crate) fn claim(&self, number: u64) -> Claim {
        let host = self.hosts[(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % HOSTS];
        Claim::new(Uuid::new_v4()).take(host, ResourceClass::VCPU, 2).take(
            host,
            ResourceClass::MEMORY_MB,
            4096,
        )
    }

    pub(crate) async fn close(self) {
        for replica in &self.replicas {
            replica.close().await;
        }
    }
}
