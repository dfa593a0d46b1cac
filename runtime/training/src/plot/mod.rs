//! Pictures of what happened, as SVG.

mod ablation;
mod confusion;
mod curves;
mod histograms;
mod maps;
#[cfg(test)]
mod tests;

pub use ablation::ablation;
pub use confusion::confusion;
pub use curves::curves;
pub use histograms::histograms;
pub use maps::attention;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::problem::{Problems, Result};

/// Colours that people who see few colours tell apart (Okabe and Ito 2008).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(90, 90, 90),
];

const FONT: &str = "sans-serif";

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;

/// A picture of so many pixels, white behind what is drawn.
fn svg(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String> {
    let mut text = String::new();
    let drawn = {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        area.fill(&WHITE).map_err(Into::into).and_then(|()| draw(&area)).and_then(|()| Ok(area.present()?))
    };
    drawn.map_err(|e| Problems::one("a plot", format_args!("cannot be drawn: {e}")))?;
    Ok(text)
}
