//! Distributions, a small panel per layer.

use plotters::prelude::*;

use super::{COLOURS, FONT, svg};
use crate::probe::Histogram;
use crate::problem::Result;

const COLUMNS: usize = 4;
const PANEL: (u32, u32) = (240, 170);
const TOP: u32 = 34;

/// Histograms under a title; dashed lines at ±1, where they are within the panel.
///
/// # Errors
/// None that is known.
pub fn histograms(title: &str, layers: &[Histogram]) -> Result<String> {
    let columns = layers.len().clamp(1, COLUMNS);
    let rows = layers.len().div_ceil(COLUMNS).max(1);
    svg((PANEL.0 * columns as u32, TOP + PANEL.1 * rows as u32), |area| {
        area.draw_text(title, &(FONT, 15).into_font().color(&BLACK), (10, 10))?;
        let (_, below) = area.split_vertically(TOP);
        for (panel, layer) in below.split_evenly((rows, columns)).iter().zip(layers) {
            let most = layer.bins.iter().copied().max().unwrap_or(0).max(1) as f64;
            let limit = f64::from(layer.limit);
            let mut chart = ChartBuilder::on(panel)
                .margin(8)
                .caption(&layer.name, (FONT, 12))
                .x_label_area_size(22)
                .build_cartesian_2d(-limit..limit, 0.0..1.05 * most)?;
            chart
                .configure_mesh()
                .disable_mesh()
                .disable_y_axis()
                .x_labels(5)
                .x_label_formatter(&|x| if limit < 0.1 { format!("{x:.3}") } else { format!("{x:.2}") })
                .label_style((FONT, 11))
                .draw()?;
            let width = 2.0 * limit / layer.bins.len() as f64;
            let bar = |(i, &count): (usize, &u64)| {
                let left = -limit + width * i as f64;
                Rectangle::new([(left, 0.0), (left + width, count as f64)], COLOURS[4].filled())
            };
            chart.draw_series(layer.bins.iter().enumerate().filter(|(_, count)| **count > 0).map(bar))?;
            if limit > 1.0 {
                for x in [-1.0, 1.0] {
                    let ends = [(x, 0.0), (x, 1.05 * most)];
                    chart.draw_series(DashedLineSeries::new(ends, 4, 3, COLOURS[6].stroke_width(1)))?;
                }
            }
            let share = 100.0 * layer.within as f64 / layer.count().max(1) as f64;
            let text = format!("{share:.1} % within ±1");
            panel.draw_text(&text, &(FONT, 11).into_font().color(&COLOURS[6]), (10, 26))?;
        }
        Ok(())
    })
}
