//! What a network says of the pictures of each class.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{COLOURS, FONT, svg};
use crate::problem::Result;
use crate::train::Evaluation;

/// Pixels of a class in either direction, and most of them; numbers are written where there is room.
const CELL: u32 = 44;
const ALL: u32 = 1100;
const READABLE: u32 = 26;

/// A row for the pictures of each class, a column for what they are taken for: the darker, the larger the share of the row; on the
/// diagonal, in another colour, what is right. In the cells pictures in per cent of the row, where they are as much as one.
///
/// # Errors
/// None that is known.
pub fn confusion(result: &Evaluation, classes: &[String]) -> Result<String> {
    let count = result.confusion.len().max(1) as u32;
    let cell = (ALL / count).clamp(1, CELL);
    let names: Vec<String> = classes.iter().map(|name| name.chars().take(16).collect()).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0) as u32;
    // Names are written where their lines fit.
    let margin = if cell >= 12 { 20 + 8 * longest } else { 20 };
    let (left, top) = (margin as i32, 34 + margin as i32);
    let size = (margin + cell * count + 20, 34 + margin + cell * count + 20);
    let centred = Pos::new(HPos::Center, VPos::Center);
    svg(size, |area| {
        let title = format!("Of the pictures of a row what they are taken for; {:.2} % right", 100.0 * result.top1);
        area.draw_text(&title, &(FONT, 15).into_font().color(&BLACK), (12, 10))?;
        let at = |i: usize| (i as u32 * cell) as i32;
        let middle = (cell / 2) as i32;
        for (i, name) in names.iter().enumerate().filter(|_| cell >= 12) {
            let style = (FONT, 13).into_font().color(&BLACK);
            area.draw_text(name, &style.pos(Pos::new(HPos::Right, VPos::Center)), (left - 6, top + at(i) + middle))?;
            let style = (FONT, 13).into_font().transform(FontTransform::Rotate270).color(&BLACK);
            area.draw_text(name, &style.pos(Pos::new(HPos::Left, VPos::Center)), (left + at(i) + middle, top - 6))?;
        }
        for (own, row) in result.confusion.iter().enumerate() {
            let all: usize = row.iter().sum();
            for (said, pictures) in row.iter().enumerate().filter(|(_, pictures)| **pictures > 0) {
                let share = *pictures as f64 / all.max(1) as f64;
                let corner = (left + at(said), top + at(own));
                let colour = COLOURS[usize::from(said != own)];
                let end = (corner.0 + cell as i32 - 1, corner.1 + cell as i32 - 1);
                // Mistakes are rarer: half of a row is as dark as all of it.
                let shade = if said == own { share } else { (2.0 * share).min(1.0) };
                area.draw(&Rectangle::new([corner, end], colour.mix(shade).filled()))?;
                let per_cent = (100.0 * share).round();
                if cell >= READABLE && per_cent >= 1.0 {
                    let ink = if shade > 0.5 { &WHITE } else { &BLACK };
                    let style = (FONT, 13).into_font().color(ink).pos(centred);
                    area.draw_text(&format!("{per_cent}"), &style, (corner.0 + middle, corner.1 + middle))?;
                }
            }
        }
        let outline = [(left - 1, top - 1), (left + at(count as usize), top + at(count as usize))];
        area.draw(&Rectangle::new(outline, BLACK.stroke_width(1)))?;
        Ok(())
    })
}
