//! [`Splitter`]: cuts what comes in into lines.

/// How many bytes a line can have.
pub(crate) const MOST_BYTES: usize = 64 << 20;

/// Represents a line that has something in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The line's number, from 1.
    pub(crate) number: u64,
    /// What it says; `None` if it is too long.
    pub(crate) text: Option<Vec<u8>>,
}

/// Cuts what comes in into lines, and leaves out those that are blank.
#[derive(Default)]
pub(crate) struct Splitter {
    /// How many lines have ended.
    ended: u64,
    /// What the next line has so far.
    begun: Vec<u8>,
    is_too_long: bool,
}

impl Splitter {
    /// Returns the lines that end in what comes next.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.add(&bytes[..end]);
            lines.extend(self.end_line());
            bytes = &bytes[end + 1..];
        }
        self.add(bytes);
        lines
    }

    /// Returns the last line, if what came in did not end with one.
    pub(crate) fn end(mut self) -> Option<Line> {
        self.end_line()
    }

    fn add(&mut self, bytes: &[u8]) {
        self.is_too_long |= self.begun.len() + bytes.len() > MOST_BYTES;
        if self.is_too_long {
            self.begun = Vec::new();
        } else {
            self.begun.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self) -> Option<Line> {
        self.ended += 1;
        let text = std::mem::take(&mut self.begun);
        let is_too_long = std::mem::take(&mut self.is_too_long);
        let is_blank = !is_too_long && text.trim_ascii().is_empty();
        let text = (!is_too_long).then_some(text);
        (!is_blank).then_some(Line { number: self.ended, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64, text: &str) -> Line {
        Line { number, text: Some(text.into()) }
    }

    #[test]
    fn lines_are_cut_wherever_they_come_in_parts() {
        let text = "one\n\n \t\r\ntwo\r\n\u{1f332}";
        let expected = [line(1, "one"), line(4, "two\r"), line(5, "\u{1f332}")];
        for size in 1..=text.len() {
            let mut splitter = Splitter::default();
            let parts = text.as_bytes().chunks(size);
            let mut lines: Vec<Line> = parts.flat_map(|part| splitter.feed(part)).collect();
            lines.extend(splitter.end());
            assert_eq!(lines, expected, "{size}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_not_kept() {
        let mut splitter = Splitter::default();
        let most = vec![b'x'; MOST_BYTES];
        assert_eq!(splitter.feed(&most), []);
        let lines = splitter.feed(b"\n");
        assert_eq!(lines[0].text.as_ref().map(Vec::len), Some(MOST_BYTES));
        assert_eq!(splitter.feed(&most), []);
        assert_eq!(splitter.feed(b"x"), []);
        assert_eq!(splitter.begun.capacity(), 0);
        assert_eq!(splitter.feed(b"x\ny\n"), [Line { number: 2, text: None }, line(3, "y")]);
        assert_eq!(splitter.end(), None);
    }
}
