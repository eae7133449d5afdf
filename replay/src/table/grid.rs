//! A table in Markdown whose columns line up as plain text, too.

/// Rows of cells below a header.
pub(super) struct Grid {
    rows: Vec<Vec<String>>,
    /// How many of the first columns are words; the others are numbers.
    words: usize,
}

impl Grid {
    /// Returns a grid without rows, of whose columns the first ones are words.
    pub(super) fn new(header: impl IntoIterator<Item = String>, words: usize) -> Self {
        Self { rows: vec![header.into_iter().collect()], words }
    }

    /// Adds a row, which has as many cells as the header.
    pub(super) fn push(&mut self, row: impl IntoIterator<Item = String>) {
        let row: Vec<_> = row.into_iter().map(|cell| cell.replace('|', "\\|")).collect();
        debug_assert_eq!(row.len(), self.rows[0].len());
        self.rows.push(row);
    }

    /// Returns the table: words to the left, numbers to the right.
    pub(super) fn into_text(self) -> String {
        let columns = self.rows[0].len();
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.fold(3, usize::max)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        let rule = widths.iter().enumerate().map(|(column, &width)| match column < self.words {
            true => "-".repeat(width),
            false => "-".repeat(width - 1) + ":",
        });
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            text += &self.line(row, &widths);
            if number == 0 {
                text += &format!("| {} |\n", Vec::from_iter(rule.clone()).join(" | "));
            }
        }
        text
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, &width))| {
            match column < self.words {
                true => format!("{cell:<width$}"),
                false => format!("{cell:>width$}"),
            }
        });
        format!("| {} |\n", Vec::from_iter(cells).join(" | "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut grid = Grid::new(["a", "b"].map(str::to_owned), 1);
        grid.push(["x|y", "1"].map(str::to_owned));
        grid.push(["", "1 \u{b1} 2"].map(str::to_owned));
        let lines = [
            "| a    |     b |",
            "| ---- | ----: |",
            r"| x\|y |     1 |",
            "|      | 1 \u{b1} 2 |",
            "",
        ];
        assert_eq!(grid.into_text(), lines.join("\n"));
    }
}
