//! [`Call`] without the feature `tracing`: it knows nothing, tells nothing and costs nothing.

use std::fmt;
use std::marker::PhantomData;

use uuid::Uuid;

use crate::error::Result;
use crate::forest::Provider;

/// Stands for what a call asks for.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a>(PhantomData<&'a ()>);

impl<'a> Call<'a> {
    #[inline(always)]
    pub(crate) fn of_worker(_: &'static str, _: Option<Uuid>) -> Self {
        Call(PhantomData)
    }

    #[inline(always)]
    pub(crate) fn of_forest(_: &'static str) -> Self {
        Call(PhantomData)
    }

    #[inline(always)]
    pub(crate) fn of(self, _: &Provider) -> Self {
        self
    }

    #[inline(always)]
    pub(crate) fn making(self, _: Option<Uuid>, _: Uuid) -> Self {
        self
    }

    #[inline(always)]
    pub(crate) fn below(self, _: Option<&Provider>) -> Self {
        self
    }

    #[inline(always)]
    pub(crate) fn named(self, _: &'a str) -> Self {
        self
    }

    #[inline(always)]
    pub(crate) fn with_amounts(self, _: &'a dyn fmt::Debug) -> Self {
        self
    }

    #[inline(always)]
    pub(crate) fn with_refused(self, _: &'a dyn fmt::Debug) -> Self {
        self
    }

    #[inline(always)]
    pub(crate) fn with_values(self, _: &'a dyn fmt::Debug) -> Self {
        self
    }

    #[inline(always)]
    pub(crate) fn tell<T>(self, _: &Result<T>, _: u64) {}
}
