//! The figures as a picture: time per block beside its limit.

use std::fmt::Write as _;

use super::Bench;
use super::table::{label, share};

const BINARY: &str = "#2171b5";
const REAL: &str = "#e6820e";
const OTHER: &str = "#8c8c8c";
const DARK: &str = "#222222";

/// A bar per block that takes at least half a per cent of the time: its minimum, with a line on to its median and a mark at its
/// limit, and the same as numbers. SVG 1.1 without style sheets or fonts of its own.
pub fn plot(bench: &Bench) -> String {
    const LEFT: f64 = 330.0;
    const BAR: f64 = 400.0;
    const ROW: f64 = 22.0;
    const TOP: f64 = 108.0;
    const COLUMNS: [f64; 3] = [LEFT + BAR + 78.0, LEFT + BAR + 152.0, LEFT + BAR + 216.0];
    let total: f64 = bench.blocks.iter().map(|b| b.min_ms).sum();
    let shown: Vec<_> = bench.blocks.iter().filter(|b| b.min_ms >= 0.005 * total).collect();
    let longest = shown.iter().map(|b| b.median_ms.max(b.limit_ms)).fold(f64::MIN_POSITIVE, f64::max);
    let (width, height) = (COLUMNS[2] + 14.0, TOP + ROW * shown.len() as f64 + 12.0);
    let unit = Unit::of(longest);
    let whole = Unit::of(bench.min_ms);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"12\" fill=\"{DARK}\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"22\" font-size=\"15\" font-weight=\"bold\">Whole network: minimum {} {unit}, median {} {unit}, \
         limit {} {unit}{}</text>\n\
         <text x=\"12\" y=\"42\" fill=\"#555555\">{}, {}, {} runs; the limit is what its multiply-accumulates take at {} a \
         second</text>\n",
        whole.number(bench.min_ms),
        whole.number(bench.median_ms),
        whole.number(bench.limit_ms),
        share(bench.limit_ms, bench.min_ms).map_or(String::new(), |share| format!(" ({share} of it)")),
        bench.level,
        super::threads(bench.threads),
        bench.repeat,
        bench.rates(),
        unit = whole.name(),
    );
    // The legend.
    let mut x = 12.0;
    for (color, word) in [(BINARY, "binary"), (REAL, "real"), (OTHER, "no multiplications")] {
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"56\" width=\"14\" height=\"12\" fill=\"{color}\"/><text x=\"{}\" y=\"67\">{word}</text>",
            x + 19.0
        );
        x += 40.0 + 6.5 * word.len() as f64;
    }
    let _ = writeln!(
        svg,
        "<rect x=\"{x}\" y=\"58\" width=\"22\" height=\"8\" fill=\"#bbbbbb\"/>\
         <line x1=\"{a}\" y1=\"62\" x2=\"{b}\" y2=\"62\" stroke=\"{DARK}\"/>\
         <line x1=\"{b}\" y1=\"58\" x2=\"{b}\" y2=\"66\" stroke=\"{DARK}\"/>\
         <text x=\"{}\" y=\"67\">minimum, median</text>\
         <line x1=\"{l}\" y1=\"55\" x2=\"{l}\" y2=\"69\" stroke=\"{DARK}\" stroke-width=\"3\"/>\
         <text x=\"{}\" y=\"67\">limit</text>\
         <text x=\"{}\" y=\"67\" fill=\"#555555\">blocks below half a per cent are left out</text>",
        x + 41.0,
        x + 174.0,
        x + 216.0,
        a = x + 22.0,
        b = x + 34.0,
        l = x + 166.0,
    );
    for (column, word) in COLUMNS.iter().zip([format!("min {}", unit.name()), "median".into(), "of limit".into()]) {
        let y = TOP - 10.0;
        let _ = writeln!(svg, "<text x=\"{column}\" y=\"{y}\" text-anchor=\"end\" fill=\"#555555\">{word}</text>");
    }
    for (i, block) in shown.iter().enumerate() {
        let y = TOP + ROW * i as f64;
        let at = |ms: f64| LEFT + BAR * ms / longest;
        let color = match (block.binary_macs, block.real_macs) {
            (1.., _) => BINARY,
            (_, 1..) => REAL,
            _ => OTHER,
        };
        let (min, median, middle) = (at(block.min_ms), at(block.median_ms), y + 8.0);
        let _ = write!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{y:.0}\" width=\"{:.1}\" height=\"16\" fill=\"{color}\"/>\
             <line x1=\"{min:.1}\" y1=\"{middle:.0}\" x2=\"{median:.1}\" y2=\"{middle:.0}\" stroke=\"{DARK}\"/>\
             <line x1=\"{median:.1}\" y1=\"{:.0}\" x2=\"{median:.1}\" y2=\"{:.0}\" stroke=\"{DARK}\"/>",
            LEFT - 8.0,
            y + 13.0,
            escape(&label(block)),
            min - LEFT,
            y + 4.0,
            y + 12.0,
        );
        if block.limit_ms > 0.0 {
            let (x, low, high) = (at(block.limit_ms), y - 1.0, y + 17.0);
            let _ = write!(
                svg,
                "<line x1=\"{x:.1}\" y1=\"{low:.0}\" x2=\"{x:.1}\" y2=\"{high:.0}\" stroke=\"white\" stroke-width=\"5\"/>\
                 <line x1=\"{x:.1}\" y1=\"{low:.0}\" x2=\"{x:.1}\" y2=\"{high:.0}\" stroke=\"{DARK}\" stroke-width=\"3\"/>"
            );
        }
        let cells = [
            unit.number(block.min_ms),
            unit.number(block.median_ms),
            share(block.limit_ms, block.min_ms).unwrap_or_else(|| "-".to_owned()),
        ];
        for (column, cell) in COLUMNS.iter().zip(cells) {
            let _ = write!(svg, "<text x=\"{column}\" y=\"{:.0}\" text-anchor=\"end\">{cell}</text>", y + 13.0);
        }
        svg.push('\n');
    }
    svg.push_str("</svg>\n");
    svg
}

/// Microseconds where it is fast.
#[derive(Clone, Copy)]
enum Unit {
    Micro,
    Milli,
}

impl Unit {
    /// For a time in milliseconds.
    fn of(longest: f64) -> Self {
        if longest < 1.0 { Self::Micro } else { Self::Milli }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Micro => "us",
            Self::Milli => "ms",
        }
    }

    /// Three digits, of a time in milliseconds.
    fn number(self, ms: f64) -> String {
        let value = if let Self::Micro = self { 1e3 * ms } else { ms };
        let digits = match value {
            v if v >= 100.0 => 0,
            v if v >= 10.0 => 1,
            v if v >= 1.0 => 2,
            _ => 3,
        };
        format!("{value:.digits$}")
    }
}

/// Names come from the file; the end of a long one says more than its beginning.
fn escape(name: &str) -> String {
    let skip = name.chars().count().saturating_sub(46);
    let tail: String = name.chars().skip(skip).collect();
    let tail = tail.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    if skip > 0 { format!("…{tail}") } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::BlockTime;

    #[test]
    fn a_bar_per_block_that_counts() {
        let block = |name: &str, min_ms, binary_macs, real_macs| BlockTime {
            name: name.into(),
            median_ms: 2.0 * min_ms,
            min_ms,
            limit_ms: min_ms / 2.0,
            binary_macs,
            real_macs,
            bytes: 1000,
            arithmetic: None,
        };
        let bench = Bench {
            median_ms: 6.0,
            min_ms: 4.0,
            limit_ms: 2.0,
            peak_binary_gmacs: 1.0,
            peak_rows_gmacs: 1.0,
            peak_pixels_gmacs: None,
            peak_real_gmacs: 1.0,
            peak_bf16_gmacs: None,
            peak_int8_gmacs: Some(4.0),
            threads: 1,
            level: "portable".into(),
            repeat: 1,
            blocks: vec![
                block("a<b & c", 1.0, 1, 0),
                block("too small", 0.001, 1, 0),
                block(&"x".repeat(80), 1.5, 0, 1),
                block("pool", 1.0, 0, 0),
            ],
        };
        let svg = plot(&bench);
        let count = |color: &str| svg.matches(&format!("height=\"16\" fill=\"{color}\"")).count();
        assert_eq!((count(BINARY), count(REAL), count(OTHER)), (1, 1, 1), "{svg}");
        assert!(svg.contains("a&lt;b &amp; c") && !svg.contains("too small") && svg.ends_with("</svg>\n"));
        // The longest median fills the width, its minimum half of it, its limit a quarter.
        assert!(svg.contains("x2=\"730.0\"") && svg.contains("width=\"200.0\" height=\"16\""), "{svg}");
        assert!(svg.contains("x1=\"430.0\""), "{svg}");
        assert!(svg.contains("1 G binary and 1.0 G real and 4.0 G int8 a second"), "{svg}");
        assert!(svg.contains("minimum 4.00 ms, median 6.00 ms, limit 2.00 ms (50 % of it)"), "{svg}");
        for word in ["binary", "real", "no multiplications", "minimum, median", "limit", "min ms", ">1.50<", ">50 %<"] {
            assert!(svg.contains(word), "{word}: {svg}");
        }
        // What is fast is in microseconds.
        let mut fast = bench.clone();
        (fast.min_ms, fast.median_ms, fast.limit_ms) = (0.04, 0.05, 0.01);
        for block in &mut fast.blocks {
            (block.min_ms, block.median_ms, block.limit_ms) = (block.min_ms / 100.0, block.median_ms / 100.0, 0.0);
        }
        let svg = plot(&fast);
        assert!(
            svg.contains("minimum 40.0 us, median 50.0 us") && svg.contains("min us") && svg.contains(">15.0<"),
            "{svg}"
        );
        let table = crate::bench::table(&bench);
        assert_eq!(table.lines().count(), 9, "{table}");
        assert!(table.contains("50 %") && table.contains("2.00 times as long"), "{table}");
    }
}
