//! The text of what is kept. Comments and the form of the lines stay; an item goes with the comment above it.

use std::ops::Range;

use super::reach::Reach;
use super::source::{Kind, Source};

/// As long as a line gets.
const WIDTH: usize = 120;

/// The files of which something is kept, by path.
pub(super) fn files(source: &Source, reach: &Reach<'_>) -> Vec<(String, String)> {
    let kept = source.files.iter().filter(|file| reach.keeps_module(file.module));
    kept.map(|file| {
        let mut edits = Edits { source, reach, text: &file.text, list: Vec::new() };
        edits.body(0, &source.modules[file.module].parts);
        (file.path.clone(), edits.applied())
    })
    .collect()
}

struct Edits<'a> {
    source: &'a Source,
    reach: &'a Reach<'a>,
    text: &'a str,
    /// What to replace, in order, by what.
    list: Vec<(Range<usize>, String)>,
}

impl Edits<'_> {
    /// What is cut out of a body that begins there.
    fn body(&mut self, start: usize, parts: &[usize]) {
        let mut end = if start == 0 { 0 } else { self.line_end(start) };
        for &part in parts {
            let span = &self.source.parts[part].span;
            let start = self.with_comment(end, span.start);
            end = self.line_end(span.end);
            if self.reach.keeps(part) {
                self.part(part);
            } else {
                self.list.push((start..end, String::new()));
            }
        }
    }

    /// What is cut out of a part that is kept.
    fn part(&mut self, part: usize) {
        let part = &self.source.parts[part];
        for (range, text) in &part.edits {
            let range =
                if text.is_empty() { self.line_start(range.start)..self.line_end(range.end) } else { range.clone() };
            self.list.push((range, text.clone()));
        }
        match &part.kind {
            // One in a file of its own is not of this text.
            Kind::Module(module) if !part.body.is_empty() => {
                self.body(part.body.start, &self.source.modules[*module].parts);
            }
            Kind::Use => self.imports(&part.span, &part.parts),
            Kind::Trait(_) | Kind::Impl { .. } => self.body(part.body.start, &part.parts),
            _ => {}
        }
    }

    /// A `use` of which some names go.
    fn imports(&mut self, span: &Range<usize>, imports: &[usize]) {
        if imports.iter().all(|&import| self.reach.keeps(import)) {
            return;
        }
        let statement = &self.text[span.clone()];
        // From the keyword on, which is behind attributes and visibility.
        let Some(keyword) = statement.rfind("use ") else { return };
        let kept: Vec<(&[String], &str)> = imports
            .iter()
            .filter(|&&import| self.reach.keeps(import))
            .filter_map(|&import| match &self.source.parts[import].kind {
                Kind::Import { path, text, .. } => Some((path.as_slice(), text.as_str())),
                _ => None,
            })
            // The last segment of a path is the text's, but for these.
            .map(|(path, text)| (&path[..path.len() - usize::from(text != "self" && text != "*")], text))
            .collect();
        let shared = shared(&kept);
        let names: Vec<String> = kept
            .iter()
            .map(|(path, text)| path[shared..].iter().map(|segment| segment.clone() + "::").collect::<String>() + text)
            .collect();
        let prefix: String =
            kept.iter().take(1).flat_map(|(path, _)| &path[..shared]).map(|s| s.clone() + "::").collect();
        let indent = self.text[self.line_start(span.start)..span.start].to_owned();
        let head = statement[keyword..keyword + 4].to_owned() + &prefix;
        let visible = statement[..keyword].rsplit('\n').next().map_or(0, str::len);
        let text = match names.as_slice() {
            [one] => format!("{head}{one};"),
            _ => {
                let line = format!("{head}{{{}}};", names.join(", "));
                if visible + indent.len() + line.len() <= WIDTH { line } else { broken(&head, &names, &indent) }
            }
        };
        self.list.push((span.start + keyword..span.end, text));
    }

    /// Where the comment above a part begins, if it has one: the lines between what is before it and the part, behind the last
    /// empty one.
    fn with_comment(&self, before: usize, start: usize) -> usize {
        let line = self.line_start(start).max(before);
        let gap = self.text.get(before..line).unwrap_or_default();
        let mut at = before;
        let mut lead = before;
        for text in gap.split_inclusive('\n') {
            at += text.len();
            if text.trim().is_empty() {
                lead = at;
            }
        }
        lead
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |newline| newline + 1)
    }

    fn line_end(&self, at: usize) -> usize {
        self.text[at..].find('\n').map_or(self.text.len(), |newline| at + newline + 1)
    }

    fn applied(mut self) -> String {
        self.list.sort_by_key(|(range, _)| (range.start, range.end));
        let mut out = String::new();
        let mut at = 0;
        for (range, text) in &self.list {
            out.push_str(self.text.get(at..range.start).unwrap_or_default());
            out.push_str(text);
            at = at.max(range.end);
        }
        out.push_str(&self.text[at..]);
        without_gaps(&out)
    }
}

/// How many segments all paths begin with.
fn shared(paths: &[(&[String], &str)]) -> usize {
    let Some((first, _)) = paths.first() else { return 0 };
    (0..first.len()).take_while(|&i| paths.iter().all(|(path, _)| path.get(i) == first.get(i))).count()
}

/// A long list of names, over several lines.
fn broken(head: &str, names: &[String], indent: &str) -> String {
    let mut text = format!("{head}{{\n{indent}   ");
    let mut column = indent.len() + 3;
    for name in names {
        if column + name.len() + 2 > WIDTH {
            text += &format!("\n{indent}   ");
            column = indent.len() + 3;
        }
        text += &format!(" {name},");
        column += name.len() + 2;
    }
    text + &format!("\n{indent}}};")
}

/// No two empty lines in a row, and none inside of a brace's lines or at the ends.
fn without_gaps(text: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    for line in text.lines() {
        let is_empty = line.trim().is_empty();
        let opens = out.last().is_none_or(|last| last.trim().is_empty() || last.ends_with('{'));
        if is_empty && opens {
            continue;
        }
        if line.trim_start().starts_with('}') && out.last().is_some_and(|last| last.trim().is_empty()) {
            out.pop();
        }
        out.push(line);
    }
    while out.last().is_some_and(|last| last.trim().is_empty()) {
        out.pop();
    }
    out.join("\n") + "\n"
}
