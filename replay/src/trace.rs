//! Reads node and task lists in the openb format: comma separated lines under a header.
//!
//! Columns are found by their header names, so the eleven-column and the five-column task lists
//! both work. A problem is reported with its file, its line and its column: both count from 1, and
//! the column is that of the field's first character in its line, as editors count.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use provider_tree::Trait;

use crate::shape::{Demand, MOST_GPUS, ModelSet, Models, Node, WHOLE_GPU};

const NODE_COLUMNS: [&str; 5] = ["sn", "cpu_milli", "memory_mib", "gpu", "model"];
const TASK_COLUMNS: [&str; 5] = ["name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli"];
const OPTIONAL_TASK_COLUMNS: [&str; 6] =
    ["gpu_spec", "qos", "pod_phase", "creation_time", "deletion_time", "scheduled_time"];

/// Reads a node list. The nodes come back in the order of their names.
pub(crate) fn read_nodes(file: &Path) -> Result<(Vec<Node>, Models), Problem> {
    in_file(file, parse_nodes)
}

/// Reads a task list, in its own order.
pub(crate) fn read_tasks(file: &Path, models: &Models) -> Result<Vec<Demand>, Problem> {
    in_file(file, |text| parse_tasks(text, models))
}

/// Why a file can't be used, and where in it.
#[derive(Debug)]
pub(crate) struct Problem {
    file: PathBuf,
    place: Option<Place>,
    reason: Reason,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:", self.file.display())?;
        if let Some(Place { line, column }) = self.place {
            write!(formatter, "{line}:{column}:")?;
        }
        write!(formatter, " {}", self.reason)
    }
}

impl std::error::Error for Problem {}

/// A position in a file, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    line: usize,
    column: usize,
}

/// What is wrong.
#[derive(Debug, PartialEq, Eq)]
enum Reason {
    Unreadable(String),
    NotText,
    Empty,
    MissingColumn(&'static str),
    UnknownColumn(String),
    RepeatedColumn(String),
    FieldCount { expected: usize, found: usize },
    Quoted,
    NoName,
    BadName(String),
    RepeatedName { name: String, line: usize },
    NotANumber { column: &'static str, text: String },
    OutOfRange { column: &'static str, least: u32, most: u32 },
    ShareWithoutGpu,
    AsksForNothing,
    BadModel { model: String, why: String },
    TooManyModels,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(formatter, "can't be read: {why}"),
            Self::NotText => write!(formatter, "not UTF-8 text"),
            Self::Empty => write!(formatter, "no rows below the header"),
            Self::MissingColumn(name) => write!(formatter, "the header has no column `{name}`"),
            Self::UnknownColumn(name) => write!(formatter, "unknown column `{name}`"),
            Self::RepeatedColumn(name) => write!(formatter, "column `{name}` appears twice"),
            Self::FieldCount { expected, found } => {
                write!(formatter, "{found} fields where the header has {expected}")
            }
            Self::Quoted => write!(formatter, "quoted fields are not part of this format"),
            Self::NoName => write!(formatter, "the name is empty"),
            Self::BadName(name) => {
                write!(formatter, "`/` in `{name}`: it separates a node's name from its GPUs'")
            }
            Self::RepeatedName { name, line } => {
                write!(formatter, "`{name}` was already defined in line {line}")
            }
            Self::NotANumber { column, text } => {
                write!(formatter, "{column}: `{text}` is not a whole number")
            }
            Self::OutOfRange { column, least, most } => {
                write!(formatter, "{column}: must be between {least} and {most}")
            }
            Self::ShareWithoutGpu => write!(formatter, "gpu_milli without a GPU"),
            Self::AsksForNothing => write!(formatter, "the task asks for nothing"),
            Self::BadModel { model, why } => write!(formatter, "model `{model}`: {why}"),
            Self::TooManyModels => {
                write!(formatter, "more than {} different GPU models", Models::MOST)
            }
        }
    }
}

/// A reason and its place; the file is added where it is known.
type Parsed<T> = Result<T, (Place, Reason)>;

fn in_file<T>(file: &Path, parse: impl FnOnce(&str) -> Parsed<T>) -> Result<T, Problem> {
    let problem = |place, reason| Problem { file: file.to_owned(), place, reason };
    let bytes =
        fs::read(file).map_err(|error| problem(None, Reason::Unreadable(error.to_string())))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        problem(Some(place_of_byte(&bytes, error.valid_up_to())), Reason::NotText)
    })?;
    parse(text.strip_prefix('\u{feff}').unwrap_or(text))
        .map_err(|(place, reason)| problem(Some(place), reason))
}

/// The place of the first byte that is not text; everything before it is.
fn place_of_byte(bytes: &[u8], offset: usize) -> Place {
    let before = String::from_utf8_lossy(&bytes[..offset]);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

fn parse_nodes(text: &str) -> Parsed<(Vec<Node>, Models)> {
    let table = Table::new(text, &NODE_COLUMNS, &[])?;
    let (mut nodes, mut models, mut names) = (Vec::new(), Models::default(), HashMap::new());
    for row in table.rows() {
        let row = row?;
        let node = parse_node(&row, &mut models)?;
        if let Some(line) = names.insert(node.name.clone(), row.line) {
            return Err(row.problem("sn", Reason::RepeatedName { name: node.name, line }));
        }
        nodes.push(node);
    }
    if nodes.is_empty() {
        return Err(table.empty());
    }
    nodes.sort_by(|one, other| one.name.cmp(&other.name));
    Ok((nodes, models))
}

fn parse_node(row: &Row<'_>, models: &mut Models) -> Parsed<Node> {
    let name = row.name("sn")?;
    if name.contains('/') {
        return Err(row.problem("sn", Reason::BadName(name.to_owned())));
    }
    let model = match row.text("model") {
        "" => None,
        model => {
            Trait::new(model).map_err(|error| {
                let why = error.to_string();
                row.problem("model", Reason::BadModel { model: model.to_owned(), why })
            })?;
            let known = models.intern(model);
            Some(known.ok_or_else(|| row.problem("model", Reason::TooManyModels))?)
        }
    };
    Ok(Node {
        name: name.to_owned(),
        cpu_milli: row.number("cpu_milli", 0, u32::MAX)?,
        memory_mib: row.number("memory_mib", 0, u32::MAX)?,
        gpus: row.number("gpu", 0, u32::from(MOST_GPUS))? as u8,
        model,
    })
}

fn parse_tasks(text: &str, models: &Models) -> Parsed<Vec<Demand>> {
    let table = Table::new(text, &TASK_COLUMNS, &OPTIONAL_TASK_COLUMNS)?;
    let tasks = table.rows().map(|row| parse_task(&row?, models)).collect::<Parsed<Vec<_>>>()?;
    if tasks.is_empty() { Err(table.empty()) } else { Ok(tasks) }
}

fn parse_task(row: &Row<'_>, models: &Models) -> Parsed<Demand> {
    row.name("name")?;
    let gpus = row.number("num_gpu", 0, u32::from(MOST_GPUS))? as u8;
    let least_share = u32::from(gpus > 0);
    let demand = Demand {
        cpu_milli: row.number("cpu_milli", 0, u32::MAX)?,
        memory_mib: row.number("memory_mib", 0, u32::MAX)?,
        gpus,
        gpu_milli: row.number("gpu_milli", least_share, u32::from(WHOLE_GPU))? as u16,
        // A task without GPU runs anywhere, whatever its GPU models say.
        models: if gpus == 0 { ModelSet::ANY } else { accepted(row.text("gpu_spec"), models) },
    };
    if gpus == 0 && demand.gpu_milli > 0 {
        return Err(row.problem("gpu_milli", Reason::ShareWithoutGpu));
    }
    if gpus == 0 && demand.cpu_milli == 0 && demand.memory_mib == 0 {
        return Err(row.problem("cpu_milli", Reason::AsksForNothing));
    }
    Ok(demand)
}

/// The models of a `gpu_spec`: separated by `|`, empty for any.
fn accepted(spec: &str, models: &Models) -> ModelSet {
    if spec.is_empty() { ModelSet::ANY } else { models.set(spec.split('|')) }
}

/// A text with a checked header.
struct Table<'a> {
    columns: HashMap<&'static str, usize>,
    width: usize,
    body: &'a str,
}

impl<'a> Table<'a> {
    fn new(
        text: &'a str,
        required: &[&'static str],
        optional: &[&'static str],
    ) -> Parsed<Table<'a>> {
        let (header, body) = text.split_once('\n').unwrap_or((text, ""));
        let header = header.strip_suffix('\r').unwrap_or(header);
        let mut columns = HashMap::new();
        let mut width = 0;
        for (column, field) in fields(header) {
            let place = Place { line: 1, column };
            let known = required.iter().chain(optional).find(|&&name| name == field);
            let name = *known.ok_or_else(|| (place, Reason::UnknownColumn(field.to_owned())))?;
            if columns.insert(name, width).is_some() {
                return Err((place, Reason::RepeatedColumn(field.to_owned())));
            }
            width += 1;
        }
        let end = Place { line: 1, column: header.chars().count() + 1 };
        match required.iter().find(|&name| !columns.contains_key(name)) {
            Some(name) => Err((end, Reason::MissingColumn(name))),
            None => Ok(Table { columns, width, body }),
        }
    }

    /// The rows; blank lines are passed over but counted.
    fn rows(&self) -> impl Iterator<Item = Parsed<Row<'_>>> {
        let numbered = self.body.lines().zip(2..);
        numbered.filter(|(text, _)| !text.is_empty()).map(|(text, line)| self.row(text, line))
    }

    fn row<'r>(&'r self, text: &'r str, line: usize) -> Parsed<Row<'r>> {
        let fields: Vec<_> = fields(text).collect();
        if let Some(&(column, _)) = fields.iter().find(|(_, field)| field.starts_with('"')) {
            return Err((Place { line, column }, Reason::Quoted));
        }
        if fields.len() != self.width {
            // The first field too many, or where the next one is missing.
            let end = text.chars().count() + 1;
            let column = fields.get(self.width).map_or(end, |&(column, _)| column);
            let reason = Reason::FieldCount { expected: self.width, found: fields.len() };
            return Err((Place { line, column }, reason));
        }
        Ok(Row { line, fields, columns: &self.columns })
    }

    fn empty(&self) -> (Place, Reason) {
        (Place { line: 1 + self.body.lines().count(), column: 1 }, Reason::Empty)
    }
}

/// The fields of a line, each with its column.
fn fields(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut column = 1;
    line.split(',').map(move |field| {
        let start = column;
        column += field.chars().count() + 1;
        (start, field)
    })
}

struct Row<'a> {
    line: usize,
    fields: Vec<(usize, &'a str)>,
    columns: &'a HashMap<&'static str, usize>,
}

impl Row<'_> {
    /// The text of a column; empty when the file does not have the column.
    fn text(&self, column: &'static str) -> &str {
        self.columns.get(column).map_or("", |&index| self.fields[index].1)
    }

    fn name(&self, column: &'static str) -> Parsed<&str> {
        match self.text(column) {
            "" => Err(self.problem(column, Reason::NoName)),
            name => Ok(name),
        }
    }

    fn number(&self, column: &'static str, least: u32, most: u32) -> Parsed<u32> {
        let text = self.text(column);
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(self.problem(column, Reason::NotANumber { column, text: text.to_owned() }));
        }
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| self.problem(column, Reason::OutOfRange { column, least, most }))
    }

    fn problem(&self, column: &'static str, reason: Reason) -> (Place, Reason) {
        let column = self.columns.get(column).map_or(1, |&index| self.fields[index].0);
        (Place { line: self.line, column }, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: &str = "sn,cpu_milli,memory_mib,gpu,model\n";
    const TASKS: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n";

    fn node_problem(rows: &str) -> (usize, usize, String) {
        problem(parse_nodes(&format!("{NODES}{rows}")).map(|_| ()))
    }

    fn task_problem(rows: &str) -> (usize, usize, String) {
        problem(parse_tasks(&format!("{TASKS}{rows}"), &Models::default()).map(|_| ()))
    }

    fn problem(parsed: Parsed<()>) -> (usize, usize, String) {
        let (place, reason) = parsed.expect_err("the input is bad");
        (place.line, place.column, reason.to_string())
    }

    #[test]
    fn nodes_are_sorted_by_name() {
        let text = format!("{NODES}b,8000,1024,2,T4\r\na,4000,512,0,\n");
        let (nodes, models) = parse_nodes(&text).expect("the list is well formed");
        assert_eq!(nodes[0].name, "a");
        assert_eq!((nodes[0].gpus, nodes[0].model), (0, None));
        assert_eq!((nodes[1].cpu_milli, nodes[1].memory_mib, nodes[1].gpus), (8000, 1024, 2));
        assert_eq!(nodes[1].model.map(|model| models.name(model)), Some("T4"));
    }

    #[test]
    fn a_bad_number_is_placed() {
        let found = node_problem("n1,8000,1024,2,T4\n\nn2,8000,much,2,T4\n");
        assert_eq!(found, (4, 9, "memory_mib: `much` is not a whole number".to_owned()));
        let found = node_problem("n1,-1,1024,2,T4");
        assert_eq!(found, (2, 4, "cpu_milli: `-1` is not a whole number".to_owned()));
        let found = node_problem("n1,1,,2,T4");
        assert_eq!(found, (2, 6, "memory_mib: `` is not a whole number".to_owned()));
        let found = node_problem("n1,4294967296,1024,2,T4");
        assert_eq!(found, (2, 4, "cpu_milli: must be between 0 and 4294967295".to_owned()));
        let found = node_problem("n1,1,1,65,T4");
        assert_eq!(found, (2, 8, "gpu: must be between 0 and 64".to_owned()));
    }

    #[test]
    fn columns_count_characters() {
        let found = node_problem("n\u{f6}de,x,1,1,T4");
        assert_eq!(found, (2, 6, "cpu_milli: `x` is not a whole number".to_owned()));
    }

    #[test]
    fn names_are_unique_and_present() {
        let found = node_problem("n1,1,1,1,T4\nn1,1,1,1,T4");
        assert_eq!(found, (3, 1, "`n1` was already defined in line 2".to_owned()));
        assert_eq!(node_problem(",1,1,1,T4"), (2, 1, "the name is empty".to_owned()));
        assert_eq!(node_problem("a/gpu0,1,1,1,T4").0, 2);
        assert_eq!(task_problem(",1,1,1,500,"), (2, 1, "the name is empty".to_owned()));
    }

    #[test]
    fn a_bad_model_is_placed() {
        let (line, column, reason) = node_problem("n1,1,1,1,no such model");
        assert_eq!((line, column), (2, 10));
        assert!(reason.starts_with("model `no such model`: "), "{reason}");
    }

    #[test]
    fn rows_have_as_many_fields_as_the_header() {
        let found = node_problem("n1,1,1,1\n");
        assert_eq!(found, (2, 9, "4 fields where the header has 5".to_owned()));
        let found = node_problem("n1,1,1,1,T4,x\n");
        assert_eq!(found, (2, 13, "6 fields where the header has 5".to_owned()));
        assert_eq!(node_problem("n1,\"1\",1,1,T4\n").1, 4);
    }

    #[test]
    fn the_header_is_checked() {
        let header = |text| problem(parse_nodes(text).map(|_| ()));
        let missing = header("sn,cpu_milli,memory_mib,gpu\n");
        assert_eq!(missing, (1, 28, "the header has no column `model`".to_owned()));
        assert_eq!(header("sn,cpus\n"), (1, 4, "unknown column `cpus`".to_owned()));
        assert_eq!(header("sn,sn\n"), (1, 4, "column `sn` appears twice".to_owned()));
        assert_eq!(header("").0, 1);
        assert_eq!(header(NODES), (1, 1, "no rows below the header".to_owned()));
    }

    #[test]
    fn five_and_eleven_columns_and_any_order_are_read() {
        let five = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\nt,1,2,1,300\n";
        let eleven = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,\
                      creation_time,deletion_time,scheduled_time\nt,1,2,1,300,,LS,Pending,5,6,\n";
        let turned = "gpu_milli,num_gpu,memory_mib,cpu_milli,name\n300,1,2,1,t";
        let expected =
            Demand { cpu_milli: 1, memory_mib: 2, gpus: 1, gpu_milli: 300, models: ModelSet::ANY };
        for text in [five, eleven, turned] {
            let tasks = parse_tasks(text, &Models::default()).expect("the list is well formed");
            assert_eq!(tasks, [expected]);
        }
    }

    #[test]
    fn a_spec_may_repeat_models_and_name_unknown_ones() {
        let mut models = Models::default();
        let (small, large) = (models.intern("V100M16"), models.intern("V100M32"));
        let other = models.intern("T4");
        let text = format!("{TASKS}t,1,1,1,1000,V100M16|V100M32|V100M32|X\nu,1,1,0,0,T4\n");
        let tasks = parse_tasks(&text, &models).expect("the list is well formed");
        assert!(tasks[0].models.accepts(small) && tasks[0].models.accepts(large));
        assert!(!tasks[0].models.accepts(other) && !tasks[0].models.accepts(None));
        assert!(tasks[1].models.accepts(None), "without a GPU the models don't matter");
    }

    #[test]
    fn shares_are_checked() {
        let range = |least| format!("gpu_milli: must be between {least} and 1000");
        assert_eq!(task_problem("t,1,1,1,0,"), (2, 9, range(1)));
        assert_eq!(task_problem("t,1,1,1,1001,"), (2, 9, range(1)));
        assert_eq!(task_problem("t,1,1,0,5,"), (2, 9, "gpu_milli without a GPU".to_owned()));
        assert_eq!(task_problem("t,0,0,0,0,"), (2, 3, "the task asks for nothing".to_owned()));
    }

    #[test]
    fn a_byte_that_is_not_text_is_placed() {
        assert_eq!(place_of_byte(b"ab\nc\xff", 4), Place { line: 2, column: 2 });
    }
}
