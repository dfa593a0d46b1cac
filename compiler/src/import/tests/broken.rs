//! Bytes that are no model: an answer, whatever they are, and never a panic.

use super::fixture::{Fixture, int, ints, tensor, text, value};
use crate::import::{Options, load};
use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::DataType;

/// A little of everything that import reads.
fn model() -> Vec<u8> {
    let weights: Vec<f32> = (0..4 * 2 * 3 * 3).map(|i| (i as f32 * 0.7).sin()).collect();
    let shape = TensorProto {
        raw_data: [1_i64, -1].iter().flat_map(|x| x.to_le_bytes()).collect(),
        ..tensor("", DataType::Int64, &[2])
    };
    Fixture::new(13)
        .input("x", &[1, 2, 6, 6])
        .floats("w", &[4, 2, 3, 3], &weights)
        .floats("p", &[4], &[0.5, 1.0, 1.5, 2.0])
        .floats("scale", &[], &[1.0])
        .floats("fc", &[16, 3], &[0.25; 48])
        .ints("repeats", &[1, 2])
        .ints("starts", &[0])
        .ints("ends", &[16])
        .ints("axes", &[1])
        .ints("pads", &[0, 0, 1, 1, 0, 0, 1, 1])
        .node("Pad", &["x", "pads", "scale"], &["padded"])
        .node("Sign", &["padded"], &["bits"])
        .node("Sign", &["w"], &["signs"])
        .node_with("Conv", &["bits", "signs"], &["conv"], [ints("strides", &[2, 2]), ints("kernel_shape", &[3, 3])])
        .node("BatchNormalization", &["conv", "p", "p", "p", "p"], &["norm"])
        .node("qonnx.custom_op.general::BipolarQuant", &["norm", "scale"], &["quant"])
        .node_with(
            "AveragePool",
            &["quant"],
            &["pool"],
            [ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2]), int("ceil_mode", 1), text("auto_pad", "NOTSET")],
        )
        .node_with("Constant", &[], &["shape"], [value("value", shape)])
        .node("Reshape", &["pool", "shape"], &["flat"])
        .node("Shape", &["flat"], &["extents"])
        .node("ConstantOfShape", &["extents"], &["zeros"])
        .node("Add", &["flat", "zeros"], &["sum"])
        .node("Tile", &["sum", "repeats"], &["wide"])
        .node("Slice", &["wide", "starts", "ends", "axes"], &["part"])
        .node_with("Gemm", &["part", "fc"], &["logits"], [int("transB", 0)])
        .node_with("Softmax", &["logits"], &["y"], [int("axis", -1)])
        .output("y")
        .bytes()
}

#[test]
fn the_model_itself_is_fine() {
    let imported = load(&model(), &Options::default()).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(imported.graph.shape(imported.graph.outputs[0]), [1, 3]);
}

#[test]
fn truncated_anywhere() {
    let bytes = model();
    for len in 0..bytes.len() {
        // A file that lacks only its last outputs or nodes may still be one.
        let _ = load(&bytes[..len], &Options::default());
    }
}

#[test]
fn any_bit_flipped() {
    let bytes = model();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut broken = bytes.clone();
            broken[at] ^= 1 << bit;
            let _ = load(&broken, &Options::default());
        }
    }
}

#[test]
fn random_bytes_in_the_middle() {
    let bytes = model();
    let mut state = 7_u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize
    };
    for _ in 0..20_000 {
        let mut broken = bytes.clone();
        for _ in 0..1 + random() % 4 {
            let at = random() % broken.len();
            broken[at] = [0, 1, 0x7f, 0x80, 0xff, random() as u8][random() % 6];
        }
        let _ = load(&broken, &Options::default());
    }
}
