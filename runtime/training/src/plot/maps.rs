//! Pictures with attention maps: a row per picture; the picture, then teacher and student side by side at each point.

use plotters::prelude::*;
use plotters::style::colors::colormaps::{ColorMap, ViridisRGB};

use super::{Area, Drawn, FONT, svg};
use crate::data::Raster;
use crate::probe::{Look, Map};
use crate::problem::Result;

/// Side of a tile, in pixels of the plot.
const TILE: u32 = 112;
const GAP: u32 = 8;
const TOP: u32 = 40;

/// The maps of `looks`, of networks with these names. At each point the maps of a picture have one scale: brighter is
/// more.
///
/// # Errors
/// None that is known.
pub fn attention(names: &[&str], looks: &[Look]) -> Result<String> {
    let points = looks.first().and_then(|look| look.maps.first()).map_or(0, Vec::len);
    let columns = 1 + (points * names.len()) as u32;
    let size = (GAP + columns * (TILE + GAP), TOP + looks.len() as u32 * (TILE + GAP));
    svg(size, |area| {
        let style = (FONT, 13).into_font().color(&BLACK);
        let left = |column: usize| (GAP + column as u32 * (TILE + GAP)) as i32;
        area.draw_text("picture", &style, (left(0), 16))?;
        for point in 0..points {
            for (n, name) in names.iter().enumerate() {
                let column = 1 + point * names.len() + n;
                area.draw_text(&format!("{name}, point {}", point + 1), &style, (left(column), 16))?;
            }
        }
        for (row, look) in looks.iter().enumerate() {
            let top = (TOP + row as u32 * (TILE + GAP)) as i32;
            picture(area, &look.picture, (left(0), top))?;
            for point in 0..points {
                let maps: Vec<&Map> = look.maps.iter().filter_map(|maps| maps.get(point)).collect();
                let most = maps.iter().flat_map(|map| &map.values).fold(f32::MIN_POSITIVE, |m, &v| m.max(v));
                for (n, map) in maps.into_iter().enumerate() {
                    let at = (left(1 + point * names.len() + n), top);
                    let colour = |i: usize| ViridisRGB.get_color((map.values[i] / most).clamp(0.0, 1.0));
                    tile(area, at, map.size, colour)?;
                }
            }
        }
        Ok(())
    })
}

fn picture(area: &Area<'_>, picture: &Raster, at: (i32, i32)) -> Drawn {
    // No finer than the plot shows.
    let small = picture.clone().scaled(picture.size.map(|n| n.min(TILE as usize / 2)));
    let pixel = |i: usize| match small.bytes[i * small.channels..(i + 1) * small.channels] {
        [r, g, b] => RGBColor(r, g, b),
        [grey, ..] => RGBColor(grey, grey, grey),
        [] => BLACK,
    };
    tile(area, at, small.size, pixel)
}

/// A grid of colours in a tile; neighbours of one colour are one rectangle.
fn tile(area: &Area<'_>, at: (i32, i32), [rows, columns]: [usize; 2], colour: impl Fn(usize) -> RGBColor) -> Drawn {
    let y = |row: usize| at.1 + (row * TILE as usize / rows.max(1)) as i32;
    let x = |column: usize| at.0 + (column * TILE as usize / columns.max(1)) as i32;
    for row in 0..rows {
        let mut start = 0;
        for column in 1..=columns {
            let own = colour(row * columns + start);
            if column == columns || colour(row * columns + column) != own {
                // One pixel over the neighbours to come: no viewer shows a seam.
                let corners = [(x(start), y(row)), (x(column) + 1, y(row + 1) + 1)];
                area.draw(&Rectangle::new(corners, own.filled()))?;
                start = column;
            }
        }
    }
    Ok(())
}
