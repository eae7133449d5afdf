//! Text in columns, on lines that are no longer than a narrow terminal is wide.

/// The longest line, in characters.
pub(crate) const WIDTH: usize = 80;

/// A column of a table.
pub(crate) struct Column {
    header: &'static str,
    cells: Vec<String>,
}

impl Column {
    /// Returns a column with a cell in each row.
    pub(crate) fn new(header: &'static str, cells: impl IntoIterator<Item = String>) -> Self {
        Self { header, cells: cells.into_iter().collect() }
    }

    /// Returns the header and the cells, as wide as the widest of them.
    fn lines(&self) -> impl Iterator<Item = String> {
        let width = self.width();
        let lines = std::iter::once(self.header).chain(self.cells.iter().map(|cell| &**cell));
        lines.map(move |line| format!("{line:>width$}"))
    }

    fn width(&self) -> usize {
        self.cells.iter().map(|cell| cell.chars().count()).fold(self.header.len(), usize::max)
    }
}

/// Puts columns beside each other. Those that would not fit on a line go below the others, again
/// beside the first one.
pub(crate) fn side_by_side(first: &Column, columns: &[Column]) -> String {
    let (mut text, mut rest) = (String::new(), columns);
    while !rest.is_empty() {
        let (block, below) = rest.split_at(fitting(first, rest));
        let mut lines: Vec<_> = first.lines().collect();
        for column in block {
            for (line, cell) in lines.iter_mut().zip(column.lines()) {
                *line = format!("{line} {cell}");
            }
        }
        for line in lines {
            text += line.trim_end();
            text.push('\n');
        }
        if !below.is_empty() {
            text.push('\n');
        }
        rest = below;
    }
    text
}

/// Returns how many columns fit on a line beside the first one; at least one.
fn fitting(first: &Column, columns: &[Column]) -> usize {
    let mut width = first.width();
    let fits = |column: &&Column| {
        width += 1 + column.width();
        width <= WIDTH
    };
    columns.iter().take_while(fits).count().max(1)
}

/// Appends words to a line that has begun, which goes on below, indented, where it would get too
/// long. A word that is longer than a line stays whole.
pub(crate) fn folded(start: &str, words: &str, indent: usize) -> String {
    let mut text = start.to_owned();
    let (mut width, mut is_first) = (start.chars().count(), true);
    for word in words.split(' ') {
        let length = word.chars().count();
        let space = usize::from(!is_first);
        if !is_first && width + space + length > WIDTH {
            text.push('\n');
            text += &" ".repeat(indent);
            width = indent;
        } else {
            text += &" ".repeat(space);
            width += space;
        }
        text += word;
        width += length;
        is_first = false;
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(header: &'static str, width: usize) -> Column {
        Column::new(header, ["1".to_owned(), "9".repeat(width)])
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let text = side_by_side(&column("seed", 2), &[column("tasks", 7), column("x", 1)]);
        assert_eq!(text, "seed   tasks x\n   1       1 1\n  99 9999999 9\n");
    }

    #[test]
    fn columns_that_do_not_fit_go_below() {
        let first = column("seed", 20);
        let text = side_by_side(&first, &[column("a", 29), column("b", 29), column("c", 29)]);
        let lines: Vec<_> = text.lines().map(|line| line.chars().count()).collect();
        assert_eq!(lines, [80, 80, 80, 0, 50, 50, 50]);
        assert!(text.lines().nth(4).is_some_and(|line| line.starts_with("                seed")));
    }

    #[test]
    fn long_lines_go_on_below() {
        let text = folded("label  ", &["word"; 30].join(" "), 7);
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("       word")), "{text}");
        assert_eq!(text.matches("word").count(), 30);
        assert_eq!(folded("a ", "b", 2), "a b\n");
        assert_eq!(folded("", &"x".repeat(100), 2), format!("{}\n", "x".repeat(100)));
    }
}
