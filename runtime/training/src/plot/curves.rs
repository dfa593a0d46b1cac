//! How training went: loss, accuracy and learning rate over the epochs of all steps, one after the other.

use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

use super::{Area, COLOURS, Drawn, FONT, svg};
use crate::problem::Result;
use crate::train::Epoch;

/// A line of a panel: its name and its value in an epoch.
type Line = (&'static str, fn(&Epoch) -> f64);

/// The curves of steps with their names, as far as they are trained; one above the other: losses, shares of right
/// answers, learning rate.
///
/// # Errors
/// None that is known.
pub fn curves(steps: &[(String, Vec<Epoch>)]) -> Result<String> {
    let epochs: usize = steps.iter().map(|(_, epochs)| epochs.len()).sum();
    svg((900, 780), |area| {
        let panels = area.split_evenly((3, 1));
        let losses: [Line; 2] =
            [("training: all losses", |e| e.loss), ("validation: cross-entropy", |e| e.validation_loss)];
        let right: [Line; 2] =
            [("training", |e| 100.0 * e.accuracy), ("validation", |e| 100.0 * e.validation_accuracy)];
        let rate: [Line; 1] = [("learning rate", |e| e.rate)];
        let x = 0.5..epochs.max(1) as f64 + 0.5;
        let (low, high) = range(steps, &losses);
        let margin = 0.05 * (high - low).max(1e-9);
        panel(&panels[0], "Loss", steps, &losses, x.clone(), (low - margin).max(0.0)..high + margin)?;
        let (low, high) = range(steps, &right);
        let y = (low - 2.0).max(0.0)..(high + 2.0).min(100.5);
        panel(&panels[1], "Right answers, per cent", steps, &right, x.clone(), y)?;
        let (low, high) = range(steps, &rate);
        // A cosine ends at nothing: what lies below the panel is left out.
        let y = (low.max(1e-4 * high).max(1e-12) * 0.7..high.max(1e-12) * 1.5).log_scale();
        panel(&panels[2], "Learning rate of the last update of each epoch", steps, &rate, x, y)
    })
}

/// The smallest and the largest value of lines; any, where there is none.
fn range(steps: &[(String, Vec<Epoch>)], lines: &[Line]) -> (f64, f64) {
    let values = steps.iter().flat_map(|(_, epochs)| epochs).flat_map(|e| lines.iter().map(move |(_, of)| of(e)));
    let (low, high) = values
        .filter(|v| v.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

fn panel<Y>(
    area: &Area<'_>,
    title: &str,
    steps: &[(String, Vec<Epoch>)],
    lines: &[Line],
    x: std::ops::Range<f64>,
    y: impl AsRangedCoord<CoordDescType = Y, Value = f64>,
) -> Drawn
where
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .caption(title, (FONT, 15))
        .x_label_area_size(24)
        .y_label_area_size(64)
        .build_cartesian_2d(x.clone(), y)?;
    let number = |v: &f64| if v.abs() < 0.01 && *v != 0.0 { format!("{v:.0e}") } else { format!("{v:.4}") };
    let short = |v: &f64| {
        let text = number(v);
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    };
    chart
        .configure_mesh()
        .max_light_lines(0)
        .label_style((FONT, 12))
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&short)
        .draw()?;
    let range = chart.y_range();
    let style = (FONT, 12).into_font().color(&COLOURS[6]);
    let mut before = 0;
    for (name, epochs) in steps.iter().filter(|(_, epochs)| !epochs.is_empty()) {
        let start = before as f64 + 0.5;
        chart.draw_series(LineSeries::new([(start, range.start), (start, range.end)], COLOURS[6].mix(0.5)))?;
        let (left, top) = chart.backend_coord(&(start, range.end));
        area.draw_text(name, &style, (left - area.get_base_pixel().0 + 4, top - area.get_base_pixel().1 + 2))?;
        for (i, (_, of)) in lines.iter().enumerate() {
            let points = epochs.iter().enumerate().map(|(e, epoch)| ((before + e + 1) as f64, of(epoch)));
            let points: Vec<(f64, f64)> = points.filter(|(_, v)| range.contains(v)).collect();
            chart.draw_series(LineSeries::new(points.clone(), COLOURS[i].stroke_width(2)))?;
            chart.draw_series(points.into_iter().map(|at| Circle::new(at, 2, COLOURS[i].filled())))?;
        }
        before += epochs.len();
    }
    // The legend beside the title: no corner is sure to be free of lines.
    if lines.len() > 1 {
        let black = (FONT, 12).into_font().color(&BLACK);
        for (i, (name, _)) in lines.iter().enumerate() {
            let at = (560 + 150 * i as i32, 14);
            area.draw(&Circle::new((at.0, at.1 + 6), 4, COLOURS[i].filled()))?;
            area.draw_text(name, &black, (at.0 + 8, at.1))?;
        }
    }
    Ok(())
}
