//! Objects that one thread at a time may be in a call of.

use std::sync::{Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::error::in_use;

/// Holds what one thread at a time calls, until it is closed.
///
/// Nobody waits for it: a second thread is refused. So no thread waits here for one that waits for the
/// interpreter, whichever of them holds what.
pub(crate) struct Single<T> {
    what: &'static str,
    value: Mutex<Option<T>>,
}

impl<T> Single<T> {
    pub(crate) fn new(what: &'static str, value: T) -> Self {
        Single { what, value: Mutex::new(Some(value)) }
    }

    /// Calls with the value. What the call returns becomes an exception only when the value is free again,
    /// for Python may run any code then.
    #[inline]
    pub(crate) fn with<R>(&self, call: impl FnOnce(&mut T) -> R) -> PyResult<R> {
        let mut held = match self.value.try_lock() {
            Ok(held) => held,
            Err(TryLockError::Poisoned(held)) => held.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(in_use(self.what)),
        };
        match &mut *held {
            Some(value) => Ok(call(value)),
            None => Err(self.closed()),
        }
    }

    /// Drops the value, if it is there still.
    pub(crate) fn close(&self) -> PyResult<()> {
        let taken = match self.value.try_lock() {
            Ok(mut held) => held.take(),
            Err(TryLockError::Poisoned(held)) => held.into_inner().take(),
            Err(TryLockError::WouldBlock) => return Err(in_use(self.what)),
        };
        drop(taken);
        Ok(())
    }

    /// Returns whether the value was dropped. False while another thread is in a call.
    pub(crate) fn is_closed(&self) -> bool {
        self.value.try_lock().is_ok_and(|held| held.is_none())
    }

    #[cold]
    fn closed(&self) -> PyErr {
        PyValueError::new_err(format!("the {} is closed", self.what))
    }
}

/// Holds what any number of threads read, or one changes. Nobody waits for it, as for a [`Single`].
pub(crate) struct Shared<T> {
    what: &'static str,
    value: RwLock<T>,
}

impl<T> Shared<T> {
    pub(crate) fn new(what: &'static str, value: T) -> Self {
        Shared { what, value: RwLock::new(value) }
    }

    #[inline]
    pub(crate) fn read(&self) -> PyResult<RwLockReadGuard<'_, T>> {
        match self.value.try_read() {
            Ok(held) => Ok(held),
            Err(TryLockError::Poisoned(held)) => Ok(held.into_inner()),
            Err(TryLockError::WouldBlock) => Err(in_use(self.what)),
        }
    }

    #[inline]
    pub(crate) fn write(&self) -> PyResult<RwLockWriteGuard<'_, T>> {
        match self.value.try_write() {
            Ok(held) => Ok(held),
            Err(TryLockError::Poisoned(held)) => Ok(held.into_inner()),
            Err(TryLockError::WouldBlock) => Err(in_use(self.what)),
        }
    }
}
