//! One forest for many schedulers: durable on one machine, replicated on etcd.
//!
//! [`provider_tree`] keeps a forest in the memory of one process. This crate makes that forest one truth for
//! any number of processes and machines, which survives each of them: every change goes through an ordered
//! [log](log::Log), and each process has a [`Replica`], whose forest the log brings forward. So
//!
//! - *reads* are of the replica's own forest, at the speed of memory: snapshots, views, searches, everything
//!   that [`Forest`] has;
//! - *changes* are [commands](command), each of which is made at one place in the order of the log, on every
//!   replica alike. What is claimed is never granted twice, whoever else asks at the same time;
//! - *nothing is invented* to agree on the order: a file does it for one process, etcd for many.
//!
//! # One process
//!
#![cfg_attr(feature = "local", doc = "```")]
#![cfg_attr(not(feature = "local"), doc = "```ignore")]
//! use provider_tree::{Inventories, Inventory, ProviderSpec, ResourceClass};
//! use provider_tree_cluster::command::{Claim, Populate};
//! use provider_tree_cluster::log::LocalLog;
//! use provider_tree_cluster::{Options, Replica};
//! use uuid::Uuid;
//!
//! # let folder = tempfile::tempdir().expect("there is room");
//! # let path = folder.path().join("forest.log");
//! let runtime = tokio::runtime::Runtime::new()?;
//! let host = Uuid::new_v4();
//! let vm = Uuid::new_v4();
//! runtime.block_on(async {
//!     let replica = Replica::start(LocalLog::open(&path).await?, Options::default()).await?;
//!     let vcpu = Inventories::new().with(ResourceClass::VCPU, Inventory::new(16));
//!     let providers = vec![ProviderSpec::new(host, "host-1").with_inventories(vcpu)];
//!     replica.ask(Populate { providers }).await?;
//!     replica.ask(Claim::new(vm).take(host, ResourceClass::VCPU, 4)).await?;
//!     replica.close().await;
//!
//!     // Another process, some day.
//!     let replica = Replica::start(LocalLog::open(&path).await?, Options::default()).await?;
//!     let held = replica.forest().allocations(vm).expect("it was claimed");
//!     assert_eq!(held.allocations[0].amount, 4);
//!     replica.close().await;
//!     Ok::<(), provider_tree_cluster::Error>(())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Many processes
//!
//! The same with an `EtcdLog` (feature `etcd`) in the place of the file, in each process:
//!
#![cfg_attr(feature = "etcd", doc = "```no_run")]
#![cfg_attr(not(feature = "etcd"), doc = "```ignore")]
//! use provider_tree_cluster::log::{EtcdLog, EtcdOptions};
//! use provider_tree_cluster::{Options, Replica};
//!
//! # async fn start() -> Result<(), provider_tree_cluster::Error> {
//! let members = ["http://etcd-1:2379", "http://etcd-2:2379", "http://etcd-3:2379"];
//! let log = EtcdLog::connect(members, EtcdOptions::new("cell-1")).await?;
//! let replica = Replica::start(log, Options::default()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Features and requirements
//!
//! | feature | brings | takes |
//! |---|---|---|
//! | `local` (default) | `LocalLog`, in a file | |
//! | `etcd` | `EtcdLog` | `protoc` with its own protos, to build; etcd from 3.4 on, of which 3.4.23 is tested |
//! | `etcd-tls` | the same over TLS, also with client certificates | |
//! | `cli` | the tool `provider-tree-cluster` | |
//!
//! Rust 1.90. A program depends on `provider-tree` and `uuid` beside this crate, and on `tokio` with the feature
//! `rt-multi-thread`.
//!
//! # A scheduler
//!
//! A scheduler searches a [view](Forest::view) of its replica's forest, as it would without a cluster. What
//! it has found becomes a command: `command::Claim::from(&claim)`. The answer takes a round trip to the log;
//! meanwhile the scheduler goes on with the next task, and has its view
//! [assume](provider_tree::View::assume) what it has asked for. So the round trip costs latency and not
//! throughput; and commands that are asked for together are appended together. If the answer is a refusal,
//! because another scheduler was faster, the scheduler places that task again. If the outcome is unknown, it asks the
//! same replica again, as [`Error`] says. `examples/schedulers.rs` is such a scheduler.
//!
//! Threads that may block use [`Replica::blocking`], and [`Ticket::wait`] in the place of `.await`.
//!
//! # What is promised
//!
//! | | |
//! |---|---|
//! | an answer | tells what the command has done at its place in the order; it is durable then |
//! | order | all replicas apply the same commands in the same order, and come to equal forests: their [dumps](Replica::dump) are equal byte for byte |
//! | once | a command is made once, or not at all, however often its entry had to be sent |
//! | reads | [`Replica::forest`] is as of the last entry applied here; after [`Replica::sync`] it has everything that was answered anywhere before the call |
//! | time | the crate looks at no clock for what it decides: deadlines of leases are compared with the `now` of commands, and a lease that is over holds what it holds until somebody sends [`Expire`](command::Expire) |
//!
//! [`guarantees`] says failure by failure what holds, what a client sees, and which test shows it;
//! [`operating`] says what to watch, to back up and to do when something is wrong, and how to bring in a new release;
//! [`format`](mod@format) is the format of the log, [`sizing`] says what it takes for how many schedulers and
//! hosts, and [`json`] is what the tool takes and answers.
#![forbid(unsafe_code)]

pub mod command;
mod docs;
mod entry;
mod error;
mod forest;
pub mod log;
mod metrics;
mod replica;
mod state;
mod ticket;

pub use docs::{format, guarantees, json, operating, sizing};
pub use entry::{FORMAT, FormatError};
pub use error::{Error, Reason, Result, Sent};
pub use forest::Forest;
pub use log::{LogError, Position};
pub use metrics::Metrics;
pub use replica::{Blocking, Options, Replica, StateDump, Status, Trouble};
pub use state::{DumpError, Halt, read_dump};
pub use ticket::{Made, Ticket, Waiting};
