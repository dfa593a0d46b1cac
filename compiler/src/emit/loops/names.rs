//! What kernels are called, and what their documentation says.

use crate::ir::network::{Arithmetic, BitPadding, Geometry, Network, PoolKind, Pooled, Source, Tiled};
use crate::schedule::is_depthwise;

/// Base of the type's name, and one sentence on what it computes.
pub(super) fn named(network: &Network, tiled: &Tiled) -> (String, String) {
    let sized = |base: &str, [h, w, c]: [usize; 3]| format!("{base}At{h}x{w}x{c}");
    let pool = |base: &str, title: &str, g: &Geometry| {
        let ([h, w, c], [oh, ow, _]) = (g.input, g.output);
        let title = format!("{title} over {}x{} windows, {h}x{w}x{c} -> {oh}x{ow}x{c}", g.kernel[0], g.kernel[1]);
        (sized(&format!("{base}{}", kernel_name(g)), g.input), title)
    };
    let (base, mut title) = match &tiled.source {
        Source::BinaryConv { geometry: g, padding, .. } => {
            let base = sized(&format!("BinaryConv{}", kernel_name(g)), g.input);
            (format!("{base}To{}", g.output[2]), binary_title(g, *padding))
        }
        Source::RealConv { geometry: g, products, .. } => {
            let (word, title) = match products.arithmetic() {
                Arithmetic::F32 if is_depthwise(g) => ("DepthwiseConv", "Real-valued".to_owned()),
                // Fixed point has loops of its own.
                Arithmetic::F32 | Arithmetic::Fixed => ("Conv", "Real-valued".to_owned()),
                Arithmetic::Bf16 => ("Bf16Conv", format!("In {}:", Arithmetic::Bf16.name())),
                Arithmetic::Int8 => ("Int8Conv", format!("In {}:", Arithmetic::Int8.name())),
            };
            let base = sized(&format!("{word}{}", kernel_name(g)), g.input);
            (format!("{base}To{}", g.output[2]), format!("{title} {}", geometry_title(g)))
        }
        Source::MaxPool { geometry, .. } => pool("MaxPool", "Maximum", geometry),
        Source::AveragePool { geometry, .. } => pool("AveragePool", "Mean", geometry),
        Source::Planes { .. } | Source::Map { .. } => {
            let [_, h, w, c] = tiled.source.extents(network);
            let (base, on) = match &tiled.source {
                Source::Planes { .. } => ("Planes", " on planes"),
                _ => ("Map", ""),
            };
            (sized(base, [h, w, c]), format!("Element-wise{on}, {h}x{w}x{c}"))
        }
    };
    if let Some(Pooled { pool, .. }) = &tiled.pooled {
        let g = &pool.geometry;
        let kind = if pool.kind == PoolKind::Max { "maximum" } else { "mean" };
        title += &format!("; then the {kind} over {}x{} windows", g.kernel[0], g.kernel[1]);
    }
    (base, title)
}

pub(super) fn kernel_name(g: &Geometry) -> String {
    let mut name = format!("{}x{}", g.kernel[0], g.kernel[1]);
    if g.strides != [1, 1] {
        name += &format!("Stride{}", g.strides[1]);
    }
    name
}

pub(super) fn geometry_title(g: &Geometry) -> String {
    let ([h, w, c], [oh, ow, oc]) = (g.input, g.output);
    let mut title = if g.kernel == [1, 1] && h == 1 && oh == 1 && g.n == 1 && w == 1 {
        format!("fully connected layer, {c} -> {oc}")
    } else {
        format!("{}x{} convolution, {h}x{w}x{c} -> {oh}x{ow}x{oc}", g.kernel[0], g.kernel[1])
    };
    if g.strides != [1, 1] {
        title += &format!(", stride {}x{}", g.strides[0], g.strides[1]);
    }
    if g.dilations != [1, 1] {
        title += &format!(", dilation {}x{}", g.dilations[0], g.dilations[1]);
    }
    if g.groups > 1 {
        title += &format!(", {} groups", g.groups);
    }
    title
}

pub(super) fn binary_title(g: &Geometry, padding: BitPadding) -> String {
    let padded = g.pads != [0, 0] || g.kernel != [1, 1];
    let padding = match padding {
        _ if !padded => "",
        BitPadding::Zero => ", zero padding",
        BitPadding::Plus => ", padding +1",
        BitPadding::Minus => ", padding -1",
    };
    format!("Binary {}{padding}", geometry_title(g))
}
