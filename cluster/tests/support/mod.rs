//! What tests of logs share.
#![allow(dead_code, reason = "no test uses all of it")]

pub(crate) mod contract;
pub(crate) mod member;
