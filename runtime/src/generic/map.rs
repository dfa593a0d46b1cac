//! Blocks of steps alone: each element goes through the epilogue.

use super::tile::{At, Epilogue, band_of, lanes as lanes_of, load_tile};
use super::window::fits;
use crate::parts::steps;
use crate::simd::Simd;

/// Gives the epilogue the elements of a dense `[n][h][w][c]` tensor. Calls nothing when `x` is too short.
#[inline(always)]
pub fn map<S: Simd, E: Epilogue>(s: S, n: usize, h: usize, w: usize, c: usize, x: &[f32], epilogue: &mut E) {
    if fits(&[n, h, w, c]) && x.len() >= n * h * w * c {
        each(s, [n, h, w, c], epilogue, |pixel, at| load_tile(s, x, c, At { pixel, ..at }));
    }
}

/// [`map`] of a dense `[n][c][h][w]` tensor.
#[inline(always)]
pub fn planes<S: Simd, E: Epilogue>(s: S, n: usize, h: usize, w: usize, c: usize, x: &[f32], epilogue: &mut E) {
    if fits(&[n, h, w, c]) && x.len() >= n * h * w * c {
        each(s, [n, h, w, c], epilogue, |pixel, at| {
            let mut lanes = [0.0; 16];
            let first = (at.image * c + at.channel) * (h * w) + (pixel - at.image * (h * w));
            for (lane, i) in lanes.iter_mut().zip(0..lanes_of(c, at.channel)) {
                *lane = x.get(first + i * (h * w)).copied().unwrap_or_default();
            }
            s.from_array(lanes)
        });
    }
}

/// Gives the epilogue zeros for each place of an `[n][h][w][c]` tensor: for one that loads, and perhaps overwrites, the
/// tensor itself.
#[inline(always)]
pub fn pixels<S: Simd, E: Epilogue>(s: S, n: usize, h: usize, w: usize, c: usize, epilogue: &mut E) {
    if fits(&[n, h, w, c]) {
        each(s, [n, h, w, c], epilogue, |_, _| s.splat(0.0));
    }
}

#[inline(always)]
fn each<S: Simd, E: Epilogue>(s: S, [n, h, w, c]: [usize; 4], epilogue: &mut E, value: impl Fn(usize, At) -> S::F) {
    for channel in steps(c, 16) {
        for image in 0..n {
            for y in band_of(epilogue, image, h) {
                let mut at = At::start(epilogue, [h, w], image, y, channel);
                while at.x < w {
                    let v = value((image * h + y) * w + at.x, at);
                    epilogue.tile(s, v, at);
                    at.x += 1;
                    at.pixel += 1;
                }
                epilogue.end_row(s, at);
            }
        }
    }
}
