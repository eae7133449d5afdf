//! What is free of a class in each tree, as NumPy reads it: `Column`.

use std::ffi::{c_int, c_void};
use std::ptr;

use pyo3::exceptions::{PyBufferError, PyIndexError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyMemoryView};

/// Has what is free of one class in each tree of a view, by the number of the tree.
///
/// A column is of the moment when `View.free` returned it, and stays so. NumPy reads it in place, without a
/// copy: `numpy.asarray(column)` is an array of uint64 that can't be written to and keeps the column alive. It
/// is a sequence of ints too, and offers a one-dimensional buffer of the format "Q".
#[pyclass(frozen, sequence, module = "provider_tree", name = "Column")]
pub(crate) struct PyColumn {
    free: Box<[u64]>,
    /// The shape and the strides that buffers of the column refer to.
    shape: [isize; 1],
    strides: [isize; 1],
}

impl PyColumn {
    pub(crate) fn new(free: Box<[u64]>) -> Self {
        // No slice has more bytes than an isize counts.
        let shape = [free.len() as isize];
        PyColumn { free, shape, strides: [size_of::<u64>() as isize] }
    }
}

#[pymethods]
impl PyColumn {
    fn __len__(&self) -> usize {
        self.free.len()
    }

    fn __getitem__(&self, index: isize) -> PyResult<u64> {
        // The length fits in an isize, so the sum does not overflow.
        let from_start = if index < 0 { index + self.shape[0] } else { index };
        let found = usize::try_from(from_start).ok().and_then(|index| self.free.get(index));
        found.copied().ok_or_else(|| PyIndexError::new_err("the column has no such tree"))
    }

    fn __iter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, PyIterator>> {
        PyMemoryView::from(slf.as_any())?.try_iter()
    }

    /// Fills in what a reader of the buffer asks for.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        if view.is_null() {
            return Err(PyBufferError::new_err("there is no buffer to fill in"));
        }
        let asks_for = |flag: c_int| flags & flag == flag;
        if asks_for(ffi::PyBUF_WRITABLE) {
            // SAFETY: the interpreter passes a buffer that may be written to, and it is not null. Of a buffer
            // that is refused, `obj` has to be null.
            unsafe { (*view).obj = ptr::null_mut() };
            return Err(PyBufferError::new_err("a column can't be written to"));
        }
        let column = slf.get();
        let buffer = ffi::Py_buffer {
            buf: column.free.as_ptr().cast::<c_void>().cast_mut(),
            len: size_of_val(&*column.free) as isize,
            itemsize: size_of::<u64>() as isize,
            readonly: 1,
            ndim: 1,
            format: match asks_for(ffi::PyBUF_FORMAT) {
                true => c"Q".as_ptr().cast_mut(),
                false => ptr::null_mut(),
            },
            shape: match asks_for(ffi::PyBUF_ND) {
                true => column.shape.as_ptr().cast_mut(),
                false => ptr::null_mut(),
            },
            strides: match asks_for(ffi::PyBUF_STRIDES) {
                true => column.strides.as_ptr().cast_mut(),
                false => ptr::null_mut(),
            },
            suboffsets: ptr::null_mut(),
            internal: ptr::null_mut(),
            // Taken over by the buffer, which gives it back when it is released.
            obj: slf.clone().into_any().into_ptr(),
        };
        // SAFETY: the interpreter passes a buffer that may be written to, and it is not null. What the buffer
        // points to belongs to the column, never moves and never changes, since the class is frozen and the
        // buffer says that it is read-only; and the buffer has a reference to the column in `obj`.
        unsafe { view.write(buffer) };
        Ok(())
    }

    fn __repr__(&self) -> String {
        const SHOWN: usize = 8;
        let mut shown: Vec<_> = self.free.iter().take(SHOWN).map(u64::to_string).collect();
        if self.free.len() > SHOWN {
            shown.push("..".to_owned());
        }
        format!("<Column of {} trees: {}>", self.free.len(), shown.join(", "))
    }
}
