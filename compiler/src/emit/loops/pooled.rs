//! A pool inside a block: the window slides over the rows while they are computed, so that only as many rows as it is high are
//! ever in memory.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{ToTokens, quote};

use super::down::Counted;
use super::pixel_lanes;
use super::steps::Steps;
use super::text::{bound, looped, offset, scaled};
use super::windows::{fold, rows_of_taps};
use super::{Dimension, Source, over};
use crate::emit::text::{n, note};
use crate::ir::network::{Pool, Tiled};
use crate::schedule::{Axis, Nest, windows_apart};

/// How the values in front of the pool are made.
#[derive(Clone, Copy)]
pub(super) enum Made<'a> {
    /// By the source's own loops.
    Plainly,
    /// By counting down the lanes.
    Down(&'a Counted),
    /// With pixels as lanes.
    PixelLanes(&'a pixel_lanes::Counted),
}

/// The loops over blocks, rows of the pool, rows under its window, and pixels. `stream`: what the rows before the pool are stored
/// over, if they have no memory for themselves.
#[allow(clippy::too_many_arguments)] // the parts of a nest
pub(super) fn body(
    nest: &Nest,
    tiled: &Tiled,
    source: &Source,
    made: Made<'_>,
    steps: &Steps,
    pool: &Pool,
    behind: &Steps,
    stream: Option<&Ident>,
) -> TokenStream {
    let g = &pool.geometry;
    let (grid, rows) = (nest.pooled.expect("a pool inside"), Axis::of(g, 0, false));
    let ring = n(nest.window.expect("a window").rows);
    let pixel = &steps.pixel;
    let keep = match stream {
        Some(stream) => quote!(#pixel #stream.store(s, x, v);),
        None => quote!(#pixel s.store(&mut kept[x], v);),
    };
    let (together, quarters) = (nest.together > 1, nest.by_quarters(tiled));
    // Blocks that are computed together have a window each.
    let windows = nest.window.expect("a window").together;
    let of = (windows > 1).then(|| {
        let count = n(windows);
        if windows == nest.grid.blocks() { quote!([block]) } else { quote!([block % #count]) }
    });
    let (source_block, source_row) = (&source.block, &source.row);
    let (steps_block, steps_row, steps_end) = (&steps.block, &steps.row, &steps.row_end);
    let block = &behind.block;

    // Rows that no window takes are computed all the same where something is made of them.
    let all = tiled.steps.iter().any(|step| step.write().is_some());
    let height = n(rows.input);
    let y = scaled(rows.stride, &quote!(y));
    let reach = (rows.kernel - 1) * rows.dilation + 1;
    let end = offset(y, reach as isize - rows.pad as isize);
    let last = n(rows.output - 1);
    let end = if all && !windows_apart(g) {
        quote!(if y == #last { #height } else { (#end).min(#height) })
    } else {
        quote!((#end).min(#height))
    };
    let divided = super::is_divided(nest.division, Dimension::Rows);
    let first = if divided {
        let start = scaled(rows.stride, &quote!(self.area.rows.start));
        let pad = n(rows.pad);
        if rows.pad == 0 { start } else { quote!((#start).saturating_sub(#pad)) }
    } else {
        quote!(0)
    };
    let value = fold(
        g,
        &pool.kind.into(),
        |row| match stream {
            Some(stream) => quote!(let line = #stream.line(#row, block);),
            None => quote!(let line = &self.window #of[(#row) % #ring];),
        },
        |column| match stream {
            Some(_) => quote!(line.load(s, #column)),
            None => quote!(s.load(&line[#column])),
        },
    );
    let width = n(grid.columns);
    let (row, pixel, row_end) = (&behind.row, &behind.pixel, &behind.row_end);
    let taps = rows_of_taps(&rows);
    let each = quote!(#value #pixel);
    let pixels = match grid.columns {
        1 => {
            let only = bound("x", quote!(0), &each);
            quote!(#only #each)
        }
        _ => looped("x", quote!(0..#width), &each),
    };
    let under = note("The rows under the window that are not there yet.");
    let kept = stream.is_none().then(|| quote!(let kept = &mut self.window #of[y % #ring];));
    if let Made::PixelLanes(counted) = made {
        // With their type, as their methods are called.
        let number = |value| Literal::usize_suffixed(value).into_token_stream();
        let rows = match divided {
            true => [quote!(self.area.rows.start), quote!(self.area.rows.end)],
            false => [number(0), number(grid.rows)],
        };
        let pooled = pixel_lanes::Pooled {
            rows,
            first,
            end,
            kept: quote!(#kept #steps_row),
            keep,
            block: quote!(#steps_block #block),
            row: quote!(#taps #row #pixels #row_end),
        };
        return pixel_lanes::pooled(nest, counted, steps_end, &pooled);
    }
    let down = if let Made::Down(counted) = made { Some(counted) } else { None };
    let before = match (down, &source.computed) {
        (Some(counted), _) => {
            let count = &counted.row;
            let blocks = super::down_blocks(nest, counted, steps, &quote!(#kept #steps_row), &keep, quarters);
            quote!(#count #blocks)
        }
        (None, None) => {
            let row = super::row(nest, source, &keep, steps.signs);
            quote!(#kept #source_row #steps_row #row #steps_end)
        }
        (None, Some(_)) => {
            let steps = Steps {
                block: steps.block.clone(),
                row: quote!(#kept #steps_row),
                row_end: steps_end.clone(),
                ..Steps::default()
            };
            super::computed(nest, source, &steps, &keep, quarters)
        }
    };
    let pooled = quote!(#row #pixels #row_end);
    let in_rows = down.is_some() || together || quarters;
    let pooled = if in_rows { quote!(#block #pooled) } else { pooled };
    let together_blocks = n(nest.together);
    let pooled = match (down, quarters) {
        (Some(_), true) => super::all_by_quarters(nest, &pooled),
        (Some(_), false) => over(nest, Dimension::Blocks, nest.grid.blocks(), pooled),
        (None, true) => super::by_quarters(&quote!(block..block + #together_blocks), &pooled),
        (None, false) if together => quote!(for block in block..block + #together_blocks { #pooled }),
        (None, false) => pooled,
    };
    let rows = over(
        nest,
        Dimension::Rows,
        grid.rows,
        quote! {
            #under
            let end = #end;
            for y in next..end {
                #before
            }
            next = next.max(end);
            #taps
            #pooled
        },
    );
    let blocks = if in_rows { quote!(#source_block) } else { quote!(#source_block #steps_block #block) };
    let blocks = if together { TokenStream::new() } else { blocks };
    if let Some(counted) = down {
        let memory = &counted.memory;
        return quote!(#memory let mut next = #first; #rows);
    }
    let buffer = super::row_buffer(nest, source);
    let body = super::over_groups(
        nest,
        quote! {
            #blocks
            let mut next = #first;
            #rows
        },
    );
    quote!(#buffer #body)
}
