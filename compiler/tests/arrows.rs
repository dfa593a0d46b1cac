//! No import runs upward: the table in `src/lib.rs` lists the modules of the compiler from the ground up, and a file uses
//! only what stands before its own module there. Nor do two files need each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{Group, TokenStream, TokenTree};

/// Arrows that still run upward, from and to. One that is gone must go from here, too.
const STILL: &[(&str, &str)] = &[];

/// A module's path below the crate's root.
type Module = Vec<String>;

/// The text of every module without its comments, tests apart.
fn sources() -> BTreeMap<Module, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let module = module(path.strip_prefix(&root).unwrap());
            if module.last().is_some_and(|name| ["tests", "testing"].contains(&name.as_str())) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                all.insert(module, code(&std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    all
}

fn module(path: &Path) -> Module {
    let path: PathBuf = path.with_extension("");
    let words = path.iter().map(|word| word.to_str().unwrap().to_owned());
    words.filter(|word| word != "mod" && word != "lib").collect()
}

/// What stands in front of a file's tests, without comments and literals: what is emitted has paths of its own.
fn code(text: &str) -> String {
    let text = text.split_once("#[cfg(test)]\nmod tests {").map_or(text, |(before, _)| before);
    without_literals(text.parse().unwrap()).to_string().replace(" :: ", "::")
}

fn without_literals(tokens: TokenStream) -> TokenStream {
    let tokens = tokens.into_iter().filter(|token| !matches!(token, TokenTree::Literal(_)));
    tokens
        .map(|token| match token {
            TokenTree::Group(group) => Group::new(group.delimiter(), without_literals(group.stream())).into(),
            other => other,
        })
        .collect()
}

/// Every path that begins with one of these words, the branches of `{...}` taken apart.
fn paths(code: &str, first: &[&str]) -> Vec<Module> {
    let mut found = Vec::new();
    for word in first {
        let begin = format!("{word}::");
        let begins = code.match_indices(&begin).filter(|(at, _)| {
            let before = code[..*at].chars().next_back();
            before.is_none_or(|c| !(c.is_alphanumeric() || c == '_' || c == ':'))
        });
        for (at, _) in begins {
            branches(&code[at..], &mut Vec::new(), &mut found);
        }
    }
    found
}

/// Reads one path, or the branches of one; gives what follows.
fn branches<'a>(text: &'a str, before: &mut Module, found: &mut Vec<Module>) -> &'a str {
    let mut text = text.trim_start();
    let depth = before.len();
    loop {
        if let Some(inside) = text.strip_prefix('{') {
            text = inside.trim_start();
            while !text.starts_with('}') {
                text = branches(text, before, found).trim_start();
                text = text.strip_prefix(',').unwrap_or(text).trim_start();
            }
            before.truncate(depth);
            return &text[1..];
        }
        let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
        // `*`, or a path that a macro makes.
        if end == 0 {
            found.push(before.clone());
            before.truncate(depth);
            return &text[text.chars().next().map_or(0, char::len_utf8)..];
        }
        before.push(text[..end].to_owned());
        text = &text[end..];
        match text.strip_prefix("::") {
            Some(rest) => text = rest,
            None => {
                found.push(before.clone());
                before.truncate(depth);
                // A name that is taken under another one.
                let other = text.trim_start().strip_prefix("as ").map(str::trim_start);
                return other.map_or(text, |other| other.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'));
            }
        }
    }
}

/// The modules from the ground up, as the table has them.
fn floors() -> Vec<String> {
    let page = include_str!("../src/lib.rs");
    let rows = page.lines().filter_map(|line| line.strip_prefix("// | `")).filter_map(|row| row.split(" | ").next());
    rows.flat_map(|row| row.split(['`', ' ']).filter(|word| !word.is_empty()).map(str::to_owned)).collect()
}

#[test]
fn the_table_lists_every_module() {
    let declared = include_str!("../src/lib.rs").lines().filter_map(|line| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        line.strip_prefix("mod ")?.strip_suffix(';')
    });
    let listed = floors();
    assert_eq!(declared.collect::<BTreeSet<_>>(), listed.iter().map(String::as_str).collect::<BTreeSet<_>>());
}

#[test]
fn no_import_runs_upward() {
    let floors = floors();
    let floor = |name: &str| floors.iter().position(|floor| floor == name);
    let (mut wrong, mut still) = (Vec::new(), BTreeSet::new());
    for (module, code) in sources() {
        // The root itself stands above all.
        let Some(here) = module.first().and_then(|name| floor(name)) else { continue };
        for path in paths(&code, &["crate"]) {
            let (from, to) = (&floors[here], &path[1]);
            match floor(to) {
                Some(there) if there <= here => {}
                _ if STILL.contains(&(from, to)) => {
                    still.insert((from.clone(), to.clone()));
                }
                _ => wrong.push(format!("{} uses {}", module.join("::"), path.join("::"))),
            }
        }
        if module == ["ir", "tensor"] && !paths(&code, &["crate", "super"]).is_empty() {
            wrong.push("ir::tensor is the ground, and uses something".to_owned());
        }
    }
    assert!(wrong.is_empty(), "upward:\n{}", wrong.join("\n"));
    let listed: BTreeSet<_> = STILL.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
    assert_eq!(still, listed, "what runs upward, and what is listed as still doing so");
}

/// A module and those below it are one thing in several files; any other two are two things.
#[test]
fn no_two_files_need_each_other() {
    let sources = sources();
    let mut uses: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
    for (module, code) in &sources {
        for path in paths(code, &["crate", "super"]) {
            let ups = path.iter().take_while(|word| *word == "super").count();
            let base = if ups == 0 { &[][..] } else { &module[..module.len().saturating_sub(ups)] };
            let mut target = base.to_vec();
            for word in &path[ups.max(1)..] {
                target.push(word.clone());
                if !sources.contains_key(&target) {
                    target.pop();
                    break;
                }
            }
            if let Some((target, _)) = sources.get_key_value(&target) {
                uses.entry(module).or_default().insert(target);
            }
        }
    }
    let apart = |a: &Module, b: &Module| !a.starts_with(b) && !b.starts_with(a);
    // As long as `STILL` has arrows between them.
    let still = |module: &Module| ["emit", "plan"].contains(&module[0].as_str());
    let pairs: Vec<_> = (uses.iter())
        .flat_map(|(a, targets)| targets.iter().map(move |b| (*a, *b)))
        .filter(|(a, b)| a < b && apart(a, b) && uses.get(b).is_some_and(|targets| targets.contains(a)))
        .filter(|(a, b)| !(still(a) && still(b)))
        .map(|(a, b)| format!("{} and {}", a.join("::"), b.join("::")))
        .collect();
    assert!(pairs.is_empty(), "need each other:\n{}", pairs.join("\n"));
}

#[test]
fn paths_are_taken_apart() {
    let code = code(
        "use crate::ir::{self, DType, network::{Block as B, *}}; // crate::emit
        fn f() { let x = crate::ops::of(op); \"crate::runtime use crate::{{a}}\" }",
    );
    let found: Vec<String> = paths(&code, &["crate"]).iter().map(|path| path.join("::")).collect();
    let wanted =
        ["crate::ir::self", "crate::ir::DType", "crate::ir::network::Block", "crate::ir::network", "crate::ops::of"];
    assert_eq!(found, wanted);
}
