//! Table 3 as a picture: a row per method, a mark with its spread per stage and shortcut.

use plotters::prelude::*;

use super::{COLOURS, FONT, svg};
use crate::ablation::Table;
use crate::config::Downsample;
use crate::problem::Result;

/// Accuracy of every row: mean, and the sample standard deviation as a bar either way; the real network as a line.
///
/// # Errors
/// None that is known.
pub fn ablation(table: &Table) -> Result<String> {
    let rows = table.rows.len();
    let mut series = Vec::new();
    for &downsample in &table.downsample {
        for stage in 0..2 {
            let points: Vec<(usize, f64, f64)> = table
                .rows
                .iter()
                .enumerate()
                .filter_map(|(i, &row)| {
                    let [cell, _] = table.cell(row, downsample, stage);
                    cell.map(|cell| (i, 100.0 * cell.mean, 100.0 * cell.deviation.unwrap_or(0.0)))
                })
                .collect();
            let name = match downsample {
                Downsample::Real => "real downsample",
                Downsample::Binary => "binary downsample",
            };
            series.push((format!("{name}, stage {}", stage + 1), points));
        }
    }
    let real = table.real()[0].map(|cell| (100.0 * cell.mean, 100.0 * cell.deviation.unwrap_or(0.0)));
    let ends = series.iter().flat_map(|(_, points)| points.iter().map(|&(_, mean, spread)| (mean, spread))).chain(real);
    let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (mean, spread)| {
        (low.min(mean - spread), high.max(mean + spread))
    });
    let (low, high) = if low <= high { (low.floor() - 0.5, high.ceil() + 0.5) } else { (0.0, 100.0) };
    let height = 110 + 64 * rows.max(1) as u32 + 22 * series.len() as u32;
    svg((820, height), |area| {
        // The first row is at the top.
        let y = |i: usize| (rows - 1 - i) as f64;
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .caption("Test accuracy in per cent, mean and sample standard deviation", (FONT, 16))
            .x_label_area_size(30)
            .y_label_area_size(150)
            .margin_bottom(12 + 22 * series.len() as i32 + 22)
            .build_cartesian_2d(low..high, -0.6..rows as f64 - 0.4)?;
        chart.configure_mesh().max_light_lines(0).disable_y_mesh().disable_y_axis().label_style((FONT, 13)).draw()?;
        let style = (FONT, 13).into_font().color(&BLACK);
        for (i, row) in table.rows.iter().enumerate() {
            let (_, at) = chart.backend_coord(&(low, y(i)));
            area.draw_text(row.title(), &style, (16, at - 8))?;
        }
        if let Some((mean, _)) = real {
            let ends = [(mean, -0.6), (mean, rows as f64 - 0.4)];
            chart.draw_series(DashedLineSeries::new(ends, 6, 4, BLACK.stroke_width(1)))?;
        }
        for (s, (_, points)) in series.iter().enumerate() {
            let colour = COLOURS[s % COLOURS.len()];
            let shift = 0.14 * ((series.len() - 1) as f64 / 2.0 - s as f64);
            chart.draw_series(points.iter().map(|&(i, mean, spread)| {
                let at = y(i) + shift;
                ErrorBar::new_horizontal(at, mean - spread, mean, mean + spread, colour.filled(), 8)
            }))?;
        }
        // The legend below: no corner is sure to be free of marks.
        let top = height as i32 - 22 * series.len() as i32 - 24;
        for (s, (name, _)) in series.iter().enumerate() {
            let at = (170, top + 22 * s as i32);
            area.draw(&Circle::new((at.0, at.1 + 7), 4, COLOURS[s % COLOURS.len()].filled()))?;
            area.draw_text(name, &style, (at.0 + 12, at.1))?;
        }
        let name = match table.real()[0].map(|cell| (100.0 * cell.mean, cell.deviation)) {
            Some((mean, Some(spread))) => format!("dashed: the real network, {mean:.2} ± {:.2}", 100.0 * spread),
            Some((mean, None)) => format!("dashed: the real network, {mean:.2}"),
            None => String::new(),
        };
        area.draw_text(&name, &style, (430, top))?;
        Ok(())
    })
}
