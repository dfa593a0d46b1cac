//! What becomes of each case, as a list (`statuses.txt`) and as a page for the reader (`SUPPORT.md`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

use xnorc::diagnostics::Code;

use crate::pack::Case;

/// How a case was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Taken {
    AsIs,
    AsInitializers,
    Cast,
    Folded,
    FirstResult,
}

const TAKEN: [(Taken, &str); 5] = [
    (Taken::AsIs, "as is"),
    (Taken::AsInitializers, "as initializers"),
    (Taken::Cast, "cast"),
    (Taken::Folded, "folded"),
    (Taken::FirstResult, "first result"),
];

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Right in interpreter and emitted code.
    Taken(Taken),
    /// The diagnostic.
    Refused(Code, String),
    /// A fault of the compiler.
    Wrong(String),
}

impl Status {
    fn text(&self) -> String {
        match self {
            Status::Taken(taken) => TAKEN.iter().find(|(t, _)| t == taken).map_or("", |(_, text)| text).to_owned(),
            Status::Refused(code, message) => format!("{} {}", code.as_str(), one_line(message)),
            Status::Wrong(message) => format!("WRONG {}", one_line(message)),
        }
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\t'], " ")
}

/// Operator, opset, case, status.
type Row = (String, u32, String, String);

fn rows(cases: &[Case], statuses: &[Status]) -> Vec<Row> {
    let mut rows: Vec<Row> = cases
        .iter()
        .zip(statuses)
        .map(|(case, status)| (case.operator.clone(), case.opset, case.name.clone(), status.text()))
        .collect();
    rows.sort();
    rows
}

fn list(rows: &[Row]) -> String {
    rows.iter().fold(String::new(), |mut text, (operator, opset, name, status)| {
        let _ = writeln!(text, "{operator}\t{opset}\t{name}\t{status}");
        text
    })
}

fn parse(text: &str) -> Vec<Row> {
    text.lines()
        .map(|line| {
            let parts: Vec<&str> = line.splitn(4, '\t').collect();
            let [operator, opset, name, status] = parts[..] else { panic!("{line:?}") };
            (operator.into(), opset.parse().expect("an opset"), name.into(), status.into())
        })
        .collect()
}

fn statuses_file() -> std::path::PathBuf {
    crate::folder().join("statuses.txt")
}

fn page_file() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../SUPPORT.md")
}

/// Writes both files; of cases that were not run they say what they did. Gives the part to record.
pub(crate) fn write<'a>(all: &'a [Case], cases: &[Case], statuses: &[Status]) -> Vec<&'a Case> {
    let ran: HashMap<String, Row> = rows(cases, statuses).into_iter().map(|row| (row.2.clone(), row)).collect();
    let before = if cases.len() == all.len() {
        String::new()
    } else {
        std::fs::read_to_string(statuses_file()).expect("statuses.txt")
    };
    // Of operators that were run, cases that are no longer among theirs are gone.
    let operators: BTreeSet<&str> = cases.iter().map(|case| &*case.operator).collect();
    let mut rows: Vec<Row> = parse(&before).into_iter().filter(|row| !operators.contains(&*row.0)).collect();
    rows.extend(ran.into_values());
    rows.sort();
    std::fs::write(statuses_file(), list(&rows)).expect("written");
    std::fs::write(page_file(), page(&rows)).expect("written");
    choose(all, &rows)
}

/// Both files say of the cases what became of them; with `XNORC_UPDATE` they are made to.
pub(crate) fn check(cases: &[Case], statuses: &[Status]) {
    let mut rows_of_file = parse(&std::fs::read_to_string(statuses_file()).expect("statuses.txt"));
    let now: HashMap<String, String> = rows(cases, statuses).into_iter().map(|(_, _, name, s)| (name, s)).collect();
    let mut differ = Vec::new();
    let mut held = 0;
    for (operator, opset, name, status) in &mut rows_of_file {
        let Some(found) = now.get(name) else { continue };
        held += 1;
        if found != status {
            differ.push(format!("{name} ({operator} {opset}): {found}; the list says: {status}"));
            status.clone_from(found);
        }
    }
    assert_eq!(held, cases.len(), "the list lacks recorded cases");
    if std::env::var_os("XNORC_UPDATE").is_some() {
        std::fs::write(statuses_file(), list(&rows_of_file)).expect("written");
        std::fs::write(page_file(), page(&rows_of_file)).expect("written");
        return;
    }
    assert!(
        differ.is_empty(),
        "{} cases are not what statuses.txt and SUPPORT.md say; XNORC_UPDATE=1 corrects these:\n{}",
        differ.len(),
        differ.join("\n")
    );
    let page_of_file = std::fs::read_to_string(page_file()).expect("SUPPORT.md");
    assert!(page_of_file == page(&rows_of_file), "SUPPORT.md is not made of statuses.txt; XNORC_UPDATE=1 makes it");
}

fn is_written_out(name: &str) -> bool {
    name.contains("_expanded")
}

/// Operators that the compiler knows: one case at least is taken, be it wrongly.
fn known(rows: &[Row]) -> BTreeSet<&str> {
    rows.iter()
        .filter(|(_, _, name, status)| !is_written_out(name) && (is_taken(status) || status.starts_with("WRONG")))
        .map(|(operator, ..)| operator.as_str())
        .collect()
}

fn is_taken(status: &str) -> bool {
    TAKEN.iter().any(|(_, text)| *text == status)
}

/// The page.
fn page(rows: &[Row]) -> String {
    let known = known(rows);
    let of_known: Vec<&Row> = rows.iter().filter(|row| known.contains(row.0.as_str())).collect();
    let taken = of_known.iter().filter(|row| is_taken(&row.3)).count();
    let mut text = format!(
        "# Operators\n\n\
         <!-- Written by the test `node_tests` of `xnorc-tests`; not to be edited. -->\n\n\
         ONNX has tests for each of its operators: a model of one node, inputs, and what it must answer. This table says what becomes\n\
         of them: {taken} of {} cases of {} operators are taken, each right in the interpreter and in emitted code, at the lowest and the\n\
         highest instruction set of the machine; {}.\n\n\
         The cases give everything at run time. Where that is refused, the same case is put as a model would hold it:\n\n\
         - **as initializers**: shapes, axes and other integers, or all operands but the first, are constants of the file;\n\
         - **cast**: integers and booleans enter and leave as floats, behind a `Cast`;\n\
         - **folded**: every operand is a constant, and the operator is evaluated when the model is compiled;\n\
         - **first result**: the results behind the first (a mask, indices, statistics) are not asked for.\n\n\
         The package has cases for the newest version of each operator. Those of an older version (the column *opsets* has the first opset\n\
         of each version that has passing cases; the compiler reads 7 and above) are the same cases in its terms, answered by onnxruntime.\n\n\
         | operator | opsets | taken | of | as is | as initializers | cast | folded | first result |\n|---|---|---:|---:|---:|---:|---:|---:|---:|\n",
        of_known.len(),
        known.len(),
        match rows.iter().filter(|row| row.3.starts_with("WRONG")).count() {
            0 => "no case is answered wrongly".to_owned(),
            n => format!("**{n} are answered wrongly**"),
        },
    );
    for operator in &known {
        let rows: Vec<&&Row> = of_known.iter().filter(|row| row.0 == *operator).collect();
        let opsets: BTreeSet<u32> = rows.iter().filter(|row| is_taken(&row.3)).map(|row| row.1).collect();
        let opsets: Vec<String> = opsets.iter().map(u32::to_string).collect();
        let counts = TAKEN.map(|(_, text)| rows.iter().filter(|row| row.3 == text).count());
        let shown = counts.map(|n| if n == 0 { String::new() } else { n.to_string() });
        let _ = writeln!(
            text,
            "| {operator} | {} | {} | {} | {} |",
            opsets.join(", "),
            counts.iter().sum::<usize>(),
            rows.len(),
            shown.join(" | ")
        );
    }
    text += "\n## Not taken\n\nWhat the compiler says, and how many cases of which operators it says it of.\n\n";
    let mut reasons: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for (operator, _, _, status) in of_known.iter().filter(|row| !is_taken(&row.3)) {
        *reasons.entry(status).or_default().entry(operator).or_default() += 1;
    }
    for (reason, operators) in reasons {
        let operators: Vec<String> = operators.iter().map(|(operator, n)| format!("{operator} {n}")).collect();
        let (code, sentence) = reason.split_once(' ').unwrap_or((reason, ""));
        let _ = writeln!(text, "- `{code}` {sentence}: {}", operators.join(", "));
    }
    text += "\n## Not known\n\nOperators that no case is taken of; in parentheses, how many cases are taken when the operator, a function of others, is \
             written out in terms of these.\n\n";
    let mut unknown: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for (operator, _, name, status) in rows.iter().filter(|row| !known.contains(row.0.as_str())) {
        let counts = unknown.entry(operator).or_default();
        if is_written_out(name) {
            counts[0] += usize::from(is_taken(status));
            counts[1] += 1;
        }
    }
    let unknown: Vec<String> = unknown
        .iter()
        .map(|(operator, [n, of])| if *n > 0 { format!("{operator} ({n} of {of})") } else { (*operator).to_owned() })
        .collect();
    text + &unknown.join(", ") + "\n"
}

/// Cases at most of one operator in the recorded part.
const PER_OPERATOR: usize = 6;
/// Bytes at most of a recorded case.
const LARGEST: usize = 6000;

/// The part to record: of every known operator, the smallest case of each version, set of attributes, number of operands
/// and status.
fn choose<'a>(cases: &'a [Case], rows: &[Row]) -> Vec<&'a Case> {
    let known = known(rows);
    let statuses: HashMap<&str, &str> = rows.iter().map(|row| (row.2.as_str(), row.3.as_str())).collect();
    let size = |case: &Case| crate::pack::write(&[case]).len();
    let mut kinds: BTreeMap<(&str, String), (usize, &Case)> = BTreeMap::new();
    for case in cases {
        let Some(&status) = statuses.get(case.name.as_str()) else { continue };
        if !known.contains(case.operator.as_str()) || status.starts_with("WRONG") || size(case) > LARGEST {
            continue;
        }
        let Some(graph) = &case.model.graph else { continue };
        let attributes: Vec<&str> = graph.node.iter().flat_map(|n| &n.attribute).map(|a| a.name.as_str()).collect();
        let written_out = is_written_out(&case.name);
        // Functions written out are many nodes in every version: one of each operator.
        let kind = if written_out {
            format!("9 {}", is_taken(status))
        } else {
            let rank = if is_taken(status) { 0 } else { 5 };
            format!("{rank} {} {attributes:?} {} {}", 99 - case.opset, graph.input.len(), status)
        };
        let kept = kinds.entry((&case.operator, kind)).or_insert((usize::MAX, case));
        if size(case) < kept.0 {
            *kept = (size(case), case);
        }
    }
    let mut count: HashMap<&str, usize> = HashMap::new();
    let mut chosen: Vec<&Case> = Vec::new();
    for ((operator, _), (_, case)) in kinds {
        let n = count.entry(operator).or_default();
        *n += 1;
        if *n <= PER_OPERATOR {
            chosen.push(case);
        }
    }
    chosen
}
