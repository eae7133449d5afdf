//! Reads node and task lists in the openb format: comma separated lines under a header.
//!
//! Columns are found by their header names, so the eleven-column and the five-column task lists
//! both work. A problem is reported with its file, its line and its column: both count from 1, and
//! the column is that of the field's first character in its line, as editors count. Whatever the
//! provider tree would refuse later is found here.

mod oddities;
mod problem;
mod table;
mod times;

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use provider_tree::{Error, Trait};

use crate::fingerprint::fingerprint;
use crate::shape::{Demand, MOST_GPUS, ModelId, ModelSet, Models, Node, WHOLE_GPU, gpu_name};

pub(crate) use problem::{Problem, shown};
pub(crate) use times::{Times, read_timed_tasks};

use oddities::Oddities;
use problem::{Parsed, Place, Reason};
use table::{Columns, Row, Table};

const NODE_COLUMNS: Columns =
    Columns { required: &["sn", "cpu_milli", "memory_mib", "gpu", "model"], optional: &[] };
const TASK_COLUMNS: Columns = Columns {
    required: &["name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli"],
    optional: &["gpu_spec", "qos", "pod_phase", "creation_time", "deletion_time", "scheduled_time"],
};

/// The file name that stands for standard input.
pub(crate) const STANDARD_INPUT: &str = "-";

/// How long a provider's name can be, in bytes.
const LONGEST_NAME: usize = 1024;

/// How many providers a forest has room for: it has 2^26 cells, and a provider takes three.
const MOST_PROVIDERS: u64 = (1 << 26) / 3;

/// A node list.
pub(crate) struct NodeList {
    /// In the order of their names.
    pub(crate) nodes: Vec<Node>,
    pub(crate) models: Models,
    /// The fingerprint of the file.
    pub(crate) content: String,
}

/// A task list, in its own order.
pub(crate) struct TaskList {
    pub(crate) tasks: Vec<Demand>,
    /// The tasks' names, if they are asked for.
    pub(crate) names: Vec<String>,
    /// What is odd about it.
    pub(crate) warnings: Vec<String>,
    /// The fingerprint of the file.
    pub(crate) content: String,
}

/// Reads the list of nodes, of which each is to be there `scale` times.
pub(crate) fn read_nodes(file: &Path, scale: u32) -> Result<NodeList, Problem> {
    in_file(file, |text| {
        let (nodes, models) = parse_nodes(text, scale)?;
        Ok(NodeList { nodes, models, content: fingerprint(text) })
    })
}

/// Reads a task list, and the names of the tasks if they are asked for.
pub(crate) fn read_tasks(
    file: &Path,
    models: &Models,
    are_names_kept: bool,
) -> Result<TaskList, Problem> {
    in_file(file, |text| task_list(file, text, models, are_names_kept))
}

fn task_list(file: &Path, text: &str, models: &Models, are_names_kept: bool) -> Parsed<TaskList> {
    let (tasks, oddities) = parse_tasks(text, models)?;
    let names = if are_names_kept { parse_names(text)? } else { Vec::new() };
    let shown = shown(file);
    let warnings = oddities.in_words(models);
    let warnings = warnings.into_iter().map(|words| format!("{shown}: {words}")).collect();
    Ok(TaskList { tasks, names, warnings, content: fingerprint(text) })
}

fn in_file<T>(file: &Path, parse: impl FnOnce(&str) -> Parsed<T>) -> Result<T, Problem> {
    let problem = |place, reason| Problem { file: file.to_owned(), place, reason };
    let bytes = bytes_of(file).map_err(|reason| problem(None, reason))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        problem(Some(place_of_byte(&bytes, error.valid_up_to())), Reason::NotText)
    })?;
    parse(text.strip_prefix('\u{feff}').unwrap_or(text))
        .map_err(|(place, reason)| problem(Some(place), reason))
}

fn bytes_of(file: &Path) -> Result<Vec<u8>, Reason> {
    const COMPRESSED: [&str; 5] = ["gz", "bz2", "xz", "zst", "zip"];
    const GZIP: &[u8] = b"\x1f\x8b";

    let extension = file.extension().unwrap_or_default().to_ascii_lowercase();
    if COMPRESSED.iter().any(|compressed| extension == *compressed) {
        return Err(Reason::Compressed);
    }
    let bytes = if file.as_os_str() == STANDARD_INPUT {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(file)
    };
    let bytes = bytes.map_err(|error| Reason::Unreadable(error.to_string()))?;
    if bytes.starts_with(GZIP) { Err(Reason::Compressed) } else { Ok(bytes) }
}

/// Returns the place of the first byte that is not text; everything before it is.
fn place_of_byte(bytes: &[u8], offset: usize) -> Place {
    let before = String::from_utf8_lossy(&bytes[..offset]);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before[line_start..].chars().count() + 1;
    Place::new(before.matches('\n').count() + 1, column)
}

fn parse_nodes(text: &str, scale: u32) -> Parsed<(Vec<Node>, Models)> {
    let table = Table::new(text, NODE_COLUMNS)?;
    let (mut nodes, mut models, mut lines) = (Vec::new(), Models::default(), HashMap::new());
    let mut providers = 0;
    for row in table.rows() {
        let row = row?;
        let node = parse_node(&row, scale, &mut models)?;
        let name = row.name("sn")?;
        if let Some(line) = lines.insert(name, row.line) {
            return Err(row.problem("sn", Reason::RepeatedName { name: name.to_owned(), line }));
        }
        providers += (1 + u64::from(node.gpus)) * u64::from(scale);
        if providers > MOST_PROVIDERS {
            return Err(row.problem("sn", Reason::TooManyProviders { most: MOST_PROVIDERS }));
        }
        nodes.push(node);
    }
    if nodes.is_empty() {
        return Err(table.without_rows());
    }
    nodes.sort_by(|one, other| one.name.cmp(&other.name));
    Ok((nodes, models))
}

fn parse_node(row: &Row<'_>, scale: u32, models: &mut Models) -> Parsed<Node> {
    let gpus = row.number("gpu", 0, u32::from(MOST_GPUS))? as u8;
    Ok(Node {
        name: node_name(row, longest_suffix(gpus, scale))?,
        cpu_milli: row.number("cpu_milli", 0, u32::MAX)?,
        memory_mib: row.number("memory_mib", 0, u32::MAX)?,
        gpus,
        model: node_model(row, gpus, models)?,
    })
}

/// Returns a node's name if it, and with a suffix of this length, can name a provider.
fn node_name(row: &Row<'_>, suffix: usize) -> Parsed<String> {
    let name = row.name("sn")?.to_owned();
    let most = LONGEST_NAME - suffix;
    if name.contains('/') {
        Err(row.problem("sn", Reason::SlashInName(name)))
    } else if name.len() > most {
        Err(row.problem("sn", Reason::LongName { name, most }))
    } else {
        Ok(name)
    }
}

/// Returns the length of the longest that is added to a node's name: the number of a copy, as
/// `.99`, and the number of a GPU.
fn longest_suffix(gpus: u8, scale: u32) -> usize {
    let copy = if scale > 1 { format!(".{}", scale - 1).len() } else { 0 };
    let gpu = gpus.checked_sub(1).map_or(0, |last| gpu_name("", last).len());
    copy + gpu
}

/// Returns the model of a node's GPUs, if it has any and the model is given.
fn node_model(row: &Row<'_>, gpus: u8, models: &mut Models) -> Parsed<Option<ModelId>> {
    let model = row.text("model").trim();
    if model.is_empty() {
        return Ok(None);
    }
    Trait::new(model).map_err(|error| {
        let why = match error {
            Error::InvalidName { reason, .. } => reason.to_owned(),
            error => error.to_string(),
        };
        row.problem("model", Reason::BadModel { model: model.to_owned(), why })
    })?;
    if gpus == 0 {
        return Ok(None);
    }
    let known = models.intern(model);
    known.map(Some).ok_or_else(|| row.problem("model", Reason::TooManyModels))
}

fn parse_tasks(text: &str, models: &Models) -> Parsed<(Vec<Demand>, Oddities)> {
    let table = Table::new(text, TASK_COLUMNS)?;
    let (mut tasks, mut oddities, mut names) = (Vec::new(), Oddities::default(), HashSet::new());
    for row in table.rows() {
        let row = row?;
        let name = row.name("name")?;
        if !names.insert(name) {
            oddities.see_repeated(name, row.line);
        }
        tasks.push(parse_task(&row, models, &mut oddities)?);
    }
    if tasks.is_empty() { Err(table.without_rows()) } else { Ok((tasks, oddities)) }
}

fn parse_names(text: &str) -> Parsed<Vec<String>> {
    let table = Table::new(text, TASK_COLUMNS)?;
    table.rows().map(|row| Ok(row?.name("name")?.to_owned())).collect()
}

fn parse_task(row: &Row<'_>, models: &Models, oddities: &mut Oddities) -> Parsed<Demand> {
    let gpus = row.number("num_gpu", 0, u32::from(MOST_GPUS))? as u8;
    let least_share = u32::from(gpus > 0);
    let demand = Demand {
        cpu_milli: row.number("cpu_milli", 0, u32::MAX)?,
        memory_mib: row.number("memory_mib", 0, u32::MAX)?,
        gpus,
        gpu_milli: row.number("gpu_milli", least_share, u32::from(WHOLE_GPU))? as u16,
        // A task without GPU runs anywhere, whatever its GPU models say.
        models: match gpus {
            0 => ModelSet::ANY,
            _ => accepted(row.text("gpu_spec"), models, oddities),
        },
    };
    if gpus == 0 && demand.gpu_milli > 0 {
        return Err(row.problem("gpu_milli", Reason::ShareWithoutGpu));
    }
    if gpus == 0 && demand.cpu_milli == 0 && demand.memory_mib == 0 {
        return Err(row.problem("cpu_milli", Reason::AsksForNothing));
    }
    Ok(demand)
}

/// Returns the models of a `gpu_spec`: separated by `|`, with or without blanks; empty for any.
fn accepted(spec: &str, models: &Models, oddities: &mut Oddities) -> ModelSet {
    if spec.trim().is_empty() {
        return ModelSet::ANY;
    }
    let named = || spec.split('|').map(str::trim);
    oddities.see_models(named(), models);
    models.set(named())
}

#[cfg(test)]
mod tests {
    use provider_tree::ProviderTree;

    use super::*;

    const NODES: &str = "sn,cpu_milli,memory_mib,gpu,model\n";
    const TASKS: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n";

    fn node_problem(rows: &str) -> (usize, usize, String) {
        problem(parse_nodes(&format!("{NODES}{rows}"), 1).map(|_| ()))
    }

    fn task_problem(rows: &str) -> (usize, usize, String) {
        problem(parse_tasks(&format!("{TASKS}{rows}"), &Models::default()).map(|_| ()))
    }

    fn problem(parsed: Parsed<()>) -> (usize, usize, String) {
        let (place, reason) = parsed.expect_err("the input is bad");
        let (line, column) = (place.line, place.column);
        let field = place.field.map_or(String::new(), |field| format!("{field}: "));
        (line, column, format!("{field}{reason}"))
    }

    #[test]
    fn nodes_are_sorted_by_name() {
        let text = format!("{NODES}b,8000,1024,2,T4\r\na,4000,512,0,\n");
        let (nodes, models) = parse_nodes(&text, 1).expect("the list is well formed");
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
        assert_eq!(found, (3, 1, "sn: `n1` was already defined in line 2".to_owned()));
        assert_eq!(node_problem(",1,1,1,T4"), (2, 1, "sn: the name is empty".to_owned()));
        assert_eq!(node_problem("a/gpu0,1,1,1,T4").0, 2);
        assert_eq!(task_problem(",1,1,1,500,"), (2, 1, "name: the name is empty".to_owned()));
    }

    #[test]
    fn a_bad_model_is_placed() {
        let (line, column, reason) = node_problem("n1,1,1,1,no such model");
        assert_eq!((line, column), (2, 10));
        assert!(reason.starts_with("model: `no such model`: only ASCII"), "{reason}");
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
        let header = |text: &str| problem(parse_nodes(text, 1).map(|_| ()));
        let missing = header("sn,cpu_milli,memory_mib,gpu\n");
        assert_eq!(missing, (1, 28, "the header has no column `model`".to_owned()));
        assert_eq!(header("sn,cpus\n"), (1, 4, "unknown column `cpus`".to_owned()));
        assert_eq!(header("sn,sn\n"), (1, 4, "column `sn` appears twice".to_owned()));
        assert_eq!(header("sn,,model\n"), (1, 4, "a column of the header has no name".to_owned()));
        assert_eq!(header(NODES), (1, 1, "no rows below the header".to_owned()));
    }

    #[test]
    fn a_header_that_is_missing_is_missed_where_it_should_be() {
        let header = |text: &str| problem(parse_nodes(text, 1).map(|_| ()));
        assert_eq!(header(""), (1, 1, "the file is empty".to_owned()));
        let columns = "instead of sn,cpu_milli,memory_mib,gpu,model";
        let blank = format!("the header is missing: a blank line {columns}");
        for text in ["\n", " \r\n\n", &format!("\n{NODES}n1,1,1,1,T4\n")] {
            assert_eq!(header(text), (1, 1, blank.clone()), "{text:?}");
        }
        let row = format!("the header is missing: `n1,1,1,1,T4` {columns}");
        assert_eq!(header("n1,1,1,1,T4\n"), (1, 1, row));
    }

    #[test]
    fn lines_of_blanks_are_blank() {
        let text = format!("{NODES}  \nn1,1,1,1,T4\n\t\n");
        assert_eq!(parse_nodes(&text, 1).expect("the list is well formed").0.len(), 1);
    }

    #[test]
    fn names_are_as_long_as_the_forest_takes() {
        let tree = ProviderTree::new();
        assert!(tree.create_root(&"a".repeat(LONGEST_NAME), None).is_ok());
        assert!(tree.create_root(&"a".repeat(LONGEST_NAME + 1), None).is_err());
    }

    #[test]
    fn names_leave_room_for_what_is_made_of_them() {
        let parse = |length: usize, gpus: u8, scale: u32| {
            let name = "a".repeat(length);
            parse_nodes(&format!("{NODES}{name},1,1,{gpus},\n"), scale)
        };
        for (gpus, scale, longest) in [
            (0, 1, 1024),
            (1, 1, 1024 - "/gpu0".len()),
            (11, 1, 1024 - "/gpu10".len()),
            (0, 10, 1024 - ".9".len()),
            (64, 1000, 1024 - ".999/gpu63".len()),
        ] {
            assert!(parse(longest, gpus, scale).is_ok(), "{gpus} GPUs, scale {scale}");
            let (_, column, reason) = problem(parse(longest + 1, gpus, scale).map(|_| ()));
            let shown = format!("`{}... ({} bytes)`", "a".repeat(60), longest + 1);
            let expected = format!(
                "sn: {shown} is too long: at most {longest} bytes, with room for what --scale and \
                 GPUs add"
            );
            assert_eq!((column, reason), (1, expected));
        }
    }

    #[test]
    fn a_cluster_has_no_more_providers_than_the_forest() {
        let row = |number| format!("n{number},1,1,64,\n");
        let rows: String = (0..345).map(row).collect();
        let (line, column, reason) =
            problem(parse_nodes(&format!("{NODES}{rows}"), 1000).map(|_| ()));
        assert_eq!((line, column), (346, 1));
        assert_eq!(reason, "sn: more than 22369621 nodes and GPUs, counted with --scale");
        let rows: String = (0..344).map(row).collect();
        assert!(parse_nodes(&format!("{NODES}{rows}"), 1000).is_ok());
    }

    #[test]
    fn what_came_in_is_cut_and_escaped() {
        let long = format!("\u{1b}[31m{}", "x".repeat(5000));
        for rows in [
            format!("{long},x,1,1,T4\n"),
            format!("{long},1,1,1,T4\n"),
            format!("n,{long},1,1,T4\n"),
            format!("n,1,1,1,{long}\n"),
            "\u{1b}[31m/,1,1,1,\n".to_owned(),
            "\u{1b},1,1,1,\n\u{1b},1,1,1,\n".to_owned(),
        ] {
            let (.., reason) = node_problem(&rows);
            assert!(!reason.contains('\u{1b}') && reason.len() < 200, "{reason:?}");
        }
        for text in [format!("{long},sn\n"), format!("sn,{long}\n"), format!("{long}\n")] {
            let (.., reason) = problem(parse_nodes(&text, 1).map(|_| ()));
            assert!(!reason.contains('\u{1b}') && reason.len() < 200, "{reason:?}");
            assert!(reason.contains(r"\u{1b}[31mxxx"), "{reason}");
        }
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
            let parsed = parse_tasks(text, &Models::default()).expect("the list is well formed");
            assert_eq!(parsed, (vec![expected], Oddities::default()));
        }
    }

    #[test]
    fn a_spec_may_repeat_models_and_name_unknown_ones() {
        let mut models = Models::default();
        let (small, large) = (models.intern("V100M16"), models.intern("V100M32"));
        let other = models.intern("T4");
        let text = format!("{TASKS}t,1,1,1,1000,V100M16|V100M32|V100M32|X\nu,1,1,0,0,T4\n");
        let (tasks, _) = parse_tasks(&text, &models).expect("the list is well formed");
        assert!(tasks[0].models.accepts(small) && tasks[0].models.accepts(large));
        assert!(!tasks[0].models.accepts(other) && !tasks[0].models.accepts(None));
        assert!(tasks[1].models.accepts(None), "without a GPU the models don't matter");
    }

    #[test]
    fn names_are_in_the_order_of_the_tasks() {
        let names = parse_names(&format!("{TASKS}u,1,1,0,0,\n\nt,1,1,0,0,\nu,1,1,0,0,\n"));
        assert_eq!(names, Ok(["u", "t", "u"].map(str::to_owned).to_vec()));
    }

    /// What is odd about these tasks on a cluster with the models T4 and G2.
    fn oddities(rows: &str) -> (Vec<Demand>, Vec<String>) {
        let mut models = Models::default();
        assert!(models.intern("T4").is_some() && models.intern("G2").is_some());
        let parsed = parse_tasks(&format!("{TASKS}{rows}"), &models);
        let (tasks, oddities) = parsed.expect("the list is well formed");
        (tasks, oddities.in_words(&models))
    }

    #[test]
    fn blanks_around_models_mean_nothing() {
        let (plain, _) = oddities("t,1,1,1,1000,T4|G2\nu,1,1,1,1000,\n");
        let (tasks, words) = oddities("t,1,1,1,1000, T4 |\tG2 \nu,1,1,1,1000,  \n");
        assert_eq!(tasks, plain);
        assert!(words.is_empty(), "{words:?}");
        let text = format!("{NODES}n1,1,1,1, T4 \n");
        let (_, models) = parse_nodes(&text, 1).expect("the list is well formed");
        assert!(models.has("T4"));
    }

    #[test]
    fn models_that_no_node_has_are_counted() {
        let rows = "t,1,1,1,1000,t4|t4|T4\nu,1,1,1,1000,t4\nv,1,1,0,0,X\nw,1,1,1,1000,\x1b|G2\n";
        let (tasks, words) = oddities(rows);
        assert_eq!(tasks[1].models, Models::default().set(["t4"]), "it is not taken for T4");
        let expected = [
            r"no node has the GPU model `\u{1b}` that 1 task may run on",
            "no node has the GPU model `t4` that 2 tasks may run on; a node's is `T4`",
            "no node has any GPU model of 1 task: they can't be placed",
        ];
        assert_eq!(words, expected);
        let rows: String = (0..13).map(|task| format!("t{task},1,1,1,9,T4|X{task:02}\n")).collect();
        let (_, words) = oddities(&rows);
        assert_eq!(words.len(), 11);
        assert_eq!(words[10], "3 more GPU models that tasks name are no node's");
    }

    #[test]
    fn a_model_of_a_node_without_gpus_is_no_node_s() {
        let text = format!("{NODES}n1,1,1,0,T4\nn2,1,1,1,G2\n");
        let (nodes, models) = parse_nodes(&text, 1).expect("the list is well formed");
        assert_eq!(nodes[0].model, None);
        assert!(models.has("G2") && !models.has("T4"));
    }

    #[test]
    fn tasks_of_one_name_are_counted() {
        let (tasks, words) = oddities("t,1,1,0,0,\nu,1,1,0,0,\nt,1,1,0,0,\nt,1,1,0,0,\n");
        assert_eq!(tasks.len(), 4);
        assert_eq!(words, ["2 tasks with an earlier one's name, the first of them `t` in line 4"]);
    }

    #[test]
    fn shares_are_checked() {
        let range = |least| format!("gpu_milli: must be between {least} and 1000");
        assert_eq!(task_problem("t,1,1,1,0,"), (2, 9, range(1)));
        assert_eq!(task_problem("t,1,1,1,1001,"), (2, 9, range(1)));
        assert_eq!(
            task_problem("t,1,1,0,5,"),
            (2, 9, "gpu_milli: a share without a GPU".to_owned())
        );
        assert_eq!(
            task_problem("t,0,0,0,0,"),
            (2, 3, "cpu_milli: the task asks for nothing".to_owned())
        );
    }

    #[test]
    fn a_byte_that_is_not_text_is_placed() {
        assert_eq!(place_of_byte(b"ab\nc\xff", 4), Place::new(2, 2));
    }
}
