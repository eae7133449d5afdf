//! Scores of trees, as NumPy computes them.

use std::collections::BinaryHeap;

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

/// Holds a score for each tree, by its number: the lowest is the best.
pub(crate) struct Scores(Vec<u64>);

/// The score of a tree that is never to be chosen.
pub(crate) const NEVER: u64 = u64::MAX;

impl Scores {
    /// Returns the score of a tree.
    #[inline]
    pub(crate) fn get(&self, tree: usize) -> u64 {
        self.0.get(tree).copied().unwrap_or(NEVER)
    }

    /// Returns the numbers of `count` trees with the lowest scores, the lowest first, of equal ones those with
    /// the lowest numbers; and whether these are all that may be chosen.
    pub(crate) fn lowest(&self, count: usize) -> (Vec<usize>, bool) {
        let mut found = BinaryHeap::with_capacity(count + 1);
        let mut bound = NEVER;
        let mut are_all = true;
        for (tree, &score) in self.0.iter().enumerate() {
            // Of equal ones the first is there already.
            if score >= bound {
                are_all &= score == NEVER;
                continue;
            }
            found.push((score, tree));
            if found.len() > count {
                found.pop();
                are_all = false;
            }
            if found.len() == count {
                bound = found.peek().map_or(bound, |(worst, _)| *worst);
            }
        }
        (found.into_sorted_vec().into_iter().map(|(_, tree)| tree).collect(), are_all)
    }

    /// Refuses scores that leave out a tree, of so many.
    pub(crate) fn check(&self, trees: usize) -> PyResult<()> {
        let given = self.0.len();
        match given < trees {
            true => {
                let message = format!("there are {given} scores for {trees} trees");
                Err(PyValueError::new_err(message))
            }
            false => Ok(()),
        }
    }
}

impl FromPyObject<'_, '_> for Scores {
    type Error = PyErr;

    /// Reads a buffer of one dimension.
    fn extract(given: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let py = given.py();
        let kind = || PyTypeError::new_err("scores are one-dimensional float64, int64 or uint64");
        let buffer = PyUntypedBuffer::get(&given).map_err(|_| kind())?;
        if buffer.dimensions() != 1 {
            return Err(kind());
        }
        // Each score as a number without sign that has its place in the order.
        if let Ok(floats) = buffer.as_typed::<f64>() {
            let floats = floats.to_vec(py)?;
            return Ok(Scores(floats.into_iter().map(of_float).collect()));
        }
        if let Ok(signed) = buffer.as_typed::<i64>() {
            let signed = signed.to_vec(py)?;
            return Ok(Scores(signed.into_iter().map(|it| it as u64 ^ 1 << 63).collect()));
        }
        let unsigned = buffer.as_typed::<u64>().map_err(|_| kind())?;
        Ok(Scores(unsigned.to_vec(py)?))
    }
}

/// Returns the place of a float in the order. No number comes last, as infinity does.
#[inline]
fn of_float(score: f64) -> u64 {
    // Of 0.0 and -0.0 neither comes first.
    let bits = (score + 0.0).to_bits();
    match score < f64::INFINITY {
        true if score < 0.0 => !bits,
        true => bits | 1 << 63,
        false => NEVER,
    }
}
