//! One forest for many schedulers: durable on one machine, replicated on etcd.
#![forbid(unsafe_code)]

pub mod log;
