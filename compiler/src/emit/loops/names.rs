//! What kernels are called, and what their documentation says.

use crate::ir::network::{BitPadding, Geometry};

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
