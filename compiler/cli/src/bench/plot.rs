//! The figures as a picture: time per block beside its limit.

use std::fmt::Write as _;

use super::Bench;
use super::table::label;

/// Bars, one pair per block that takes at least half a per cent of the time; SVG 1.1 without style sheets or fonts of its own.
pub fn plot(bench: &Bench) -> String {
    const LEFT: f64 = 330.0;
    const BAR: f64 = 420.0;
    const ROW: f64 = 22.0;
    const TOP: f64 = 56.0;
    let total: f64 = bench.blocks.iter().map(|b| b.min_ms).sum();
    let shown: Vec<_> = bench.blocks.iter().filter(|b| b.min_ms >= 0.005 * total).collect();
    let longest = shown.iter().map(|b| b.min_ms.max(b.limit_ms)).fold(f64::MIN_POSITIVE, f64::max);
    let (width, height) = (LEFT + BAR + 150.0, TOP + ROW * shown.len() as f64 + 16.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"20\" font-size=\"14\">Time per block (light) and limit (dark); whole network {:.2} ms, limit {:.2} \
         ms</text>\n<text x=\"12\" y=\"40\" fill=\"#555\">{}, {}; {} MAC/s; blocks below half \
         a per cent left out</text>\n",
        bench.min_ms,
        bench.limit_ms,
        bench.level,
        super::threads(bench.threads),
        bench.rates()
    );
    for (i, block) in shown.iter().enumerate() {
        let y = TOP + ROW * i as f64;
        let (time, limit) = (BAR * block.min_ms / longest, BAR * block.limit_ms / longest);
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{y:.0}\" width=\"{time:.1}\" height=\"16\" fill=\"#9ecae1\"/>\
             <rect x=\"{LEFT}\" y=\"{:.0}\" width=\"{limit:.1}\" height=\"8\" fill=\"#08519c\"/>\
             <text x=\"{:.0}\" y=\"{:.0}\">{:.3} ms</text>",
            LEFT - 8.0,
            y + 13.0,
            escape(&label(block)),
            y + 4.0,
            LEFT + time.max(limit) + 6.0,
            y + 13.0,
            block.min_ms
        );
    }
    svg.push_str("</svg>\n");
    svg
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
        let block = |name: &str, min_ms| BlockTime {
            name: name.into(),
            median_ms: 2.0,
            min_ms,
            limit_ms: min_ms / 2.0,
            binary_macs: 1,
            real_macs: 0,
            bytes: 1000,
            arithmetic: None,
        };
        let bench = Bench {
            median_ms: 3.0,
            min_ms: 2.5,
            limit_ms: 1.25,
            peak_binary_gmacs: 1.0,
            peak_real_gmacs: 1.0,
            peak_bf16_gmacs: None,
            peak_int8_gmacs: Some(4.0),
            threads: 1,
            level: "portable".into(),
            repeat: 1,
            blocks: vec![block("a<b & c", 1.0), block("too small", 0.001), block(&"x".repeat(80), 1.5)],
        };
        let svg = plot(&bench);
        assert_eq!(svg.matches("#9ecae1").count(), 2, "{svg}");
        assert!(svg.contains("a&lt;b &amp; c") && !svg.contains("too small") && svg.ends_with("</svg>\n"));
        // The longest bar fills the width, its limit half of it.
        assert!(svg.contains("width=\"420.0\" height=\"16\"") && svg.contains("width=\"210.0\" height=\"8\""), "{svg}");
        assert!(svg.contains("1 G binary and 1.0 G real and 4.0 G int8 MAC/s"), "{svg}");
        let table = crate::bench::table(&bench);
        assert_eq!(table.lines().count(), 7, "{table}");
        assert!(table.contains("50 %") && table.contains("2.00 times as long"), "{table}");
    }
}
