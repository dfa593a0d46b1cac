//! The report as text, aligned in columns.

use std::fmt;

use super::{Port, Report};
use crate::printable::thousands;

/// Rows in columns as wide as their widest cell; the columns named in `right` are aligned to the right.
pub fn columns(rows: &[Vec<String>], right: &[usize]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (c, cell) in row.iter().enumerate() {
            let space = " ".repeat(widths[c] - cell.chars().count());
            let (before, after) = if right.contains(&c) { (space, String::new()) } else { (String::new(), space) };
            line += &before;
            line += cell;
            line += &after;
            line += "  ";
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

pub(super) fn port(f: &mut fmt::Formatter<'_>, word: &str, port: &Port) -> fmt::Result {
    let shape: Vec<String> = port.shape.iter().map(ToString::to_string).collect();
    writeln!(f, "{word:<7} {} : {} [{}]", port.name, port.element, shape.join(", "))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "model   {}", self.model)?;
        for input in &self.inputs {
            port(f, "input", input)?;
        }
        for output in &self.outputs {
            port(f, "output", output)?;
        }
        writeln!(f)?;

        let head = ["block", "kind", "geometry", "BOPs", "FLOPs", "weight bytes", "fused"];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        let dash = |value: u64| if value == 0 { "-".to_owned() } else { thousands(value) };
        for row in &self.blocks {
            rows.push(vec![
                row.name.clone(),
                row.kind.clone(),
                row.geometry.clone(),
                dash(row.binary_macs),
                dash(row.flops),
                dash(row.weight_bytes),
                row.fused.join(" + "),
            ]);
        }
        f.write_str(&columns(&rows, &[3, 4, 5]))?;

        let reasons: Vec<Vec<String>> = self
            .blocks
            .iter()
            .filter_map(|row| Some(vec![format!("  {}", row.name), row.kind.clone(), row.reason.clone()?]))
            .collect();
        if !reasons.is_empty() {
            writeln!(f, "\nNot binary, or not fused, because:")?;
            f.write_str(&columns(&reasons, &[]))?;
        }

        let t = &self.totals;
        writeln!(f, "\nTotals")?;
        let line = |name: &str, value: u64| vec![format!("  {name}"), thousands(value)];
        let totals = [
            line("binary MACs (BOPs)", t.binary_macs),
            line("real MACs", t.real_macs),
            line("FLOPs", t.flops),
            line("binary operators", t.binary_operators as u64),
            line("of them fused", t.fused_blocks as u64),
            line("weight bytes", t.weight_bytes),
            line("weights file", t.weights_file_bytes),
            line("scratch bytes", t.scratch_bytes),
            line("least of any order", t.scratch_bound_bytes),
        ];
        f.write_str(&columns(&totals, &[1]))?;

        for (title, lines) in [("Notes", &self.notes), ("Warnings", &self.warnings)] {
            if !lines.is_empty() {
                writeln!(f, "\n{title}")?;
                for line in lines {
                    writeln!(f, "  {line}")?;
                }
            }
        }
        Ok(())
    }
}
