//! The columns that say when tasks come and go.

use std::path::Path;

use super::problem::{Parsed, Problem, Reason};
use super::table::{Columns, Row, Table};
use super::{TASK_COLUMNS, TaskList, in_file, task_list};
use crate::shape::Models;

const CREATION: &str = "creation_time";
const DELETION: &str = "deletion_time";

const COLUMNS: Columns = Columns {
    required: &["name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli", CREATION, DELETION],
    ..TASK_COLUMNS
};

/// When a task was created and deleted, in seconds, as far as its list says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) creation: Option<u64>,
    pub(crate) deletion: Option<u64>,
}

/// Reads a task list, and the times of each task.
pub(crate) fn read_timed_tasks(
    file: &Path,
    models: &Models,
) -> Result<(TaskList, Vec<Times>), Problem> {
    in_file(file, |text| {
        let times = parse_times(text)?;
        Ok((task_list(file, text, models, false)?, times))
    })
}

fn parse_times(text: &str) -> Parsed<Vec<Times>> {
    let table = Table::new(text, COLUMNS).map_err(|(place, reason)| match reason {
        Reason::MissingColumn(name @ (CREATION | DELETION)) => (place, Reason::NoTimes(name)),
        reason => (place, reason),
    })?;
    let times = table.rows().map(|row| {
        let row = row?;
        Ok(Times { creation: time(&row, CREATION)?, deletion: time(&row, DELETION)? })
    });
    times.collect()
}

/// Returns the time in a column, unless it is empty.
fn time(row: &Row<'_>, column: &'static str) -> Parsed<Option<u64>> {
    if row.text(column).is_empty() {
        return Ok(None);
    }
    row.number(column, 0, u32::MAX).map(|seconds| Some(seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli";

    #[test]
    fn a_time_may_be_missing() {
        let rows = "t,1,1,0,0,5,70\nu,1,1,0,0,,7\nv,1,1,0,0,5,\n";
        let times = parse_times(&format!("{HEADER},creation_time,deletion_time\n{rows}"));
        let time = |creation, deletion| Times { creation, deletion };
        let expected = [time(Some(5), Some(70)), time(None, Some(7)), time(Some(5), None)];
        assert_eq!(times, Ok(expected.to_vec()));
    }

    #[test]
    fn a_list_without_times_says_so() {
        for (columns, missing) in [("", CREATION), (",creation_time", DELETION)] {
            let header = format!("{HEADER}{columns}");
            let (place, reason) = parse_times(&format!("{header}\n")).expect_err("no times");
            assert_eq!((place.line, place.column), (1, header.len() + 1));
            assert_eq!(reason, Reason::NoTimes(missing));
        }
    }

    #[test]
    fn a_bad_time_is_placed() {
        let text = format!("{HEADER},creation_time,deletion_time\nt,1,1,0,0,1,soon\n");
        let (place, reason) = parse_times(&text).expect_err("it is no time");
        assert_eq!((place.line, place.column, place.field), (2, 13, Some(DELETION)));
        assert_eq!(reason, Reason::NotANumber("soon".to_owned()));
    }
}
