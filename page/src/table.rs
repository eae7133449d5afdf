//! [`Table`]: figures in rows.

use serde::Serialize;

/// Figures in rows, of which the first column names the rows.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    /// Says what the figures are.
    pub caption: String,
    /// Name the columns.
    pub headers: Vec<String>,
    /// As many cells in each row as there are headers.
    pub rows: Vec<Vec<String>>,
}
