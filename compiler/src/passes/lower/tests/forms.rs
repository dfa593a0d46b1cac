//! Everything that is no binary layer.

use super::*;

#[test]
fn fully_connected_on_any_rank() {
    for shape in [&[6][..], &[5, 6], &[2, 3, 6], &[2, 3, 2, 6], &[2, 2, 3, 2, 6]] {
        let mut m = Maker::new();
        let x = m.input(shape);
        let y = m.matmul(x, 7);
        let y = m.bias(y);
        let y = m.unary(y, Unary::Tanh);
        let t = m.sign(y);
        let z = m.binary_matmul(t, 3);
        let z = m.scale(z);
        let network = m.output(z).check();
        assert_eq!(words(&network), ["conv shift act sign", "binary scale store"], "{network}");
    }
}

#[test]
fn rows_are_one_image() {
    let mut m = Maker::new();
    let x = m.input(&[4, 6]);
    let y = m.matmul(x, 7);
    let network = m.output(y).check();
    let Some(Source::RealConv { geometry, .. }) = network.blocks[0].source() else { panic!("{network}") };
    assert_eq!((geometry.n, geometry.input), (1, [1, 4, 6]));
}

#[test]
fn shapes_and_copies() {
    let mut m = Maker::new();
    let x = m.input(&[2, 3, 4, 5]);
    let t = m.node(Op::Transpose(vec![0, 2, 3, 1]), &[x], &[2, 4, 5, 3]);
    let s = m.node(Op::Slice { starts: vec![0, 3, 0, 1], steps: vec![1, -1, 2, 1] }, &[t], &[2, 4, 3, 2]);
    let p = m.node(Op::Pad { before: vec![0, 1, 0, 2], after: vec![0, 0, 1, 0], value: 0.5 }, &[s], &[2, 5, 4, 4]);
    let r = m.reshape(p, &[2, 5, 16]);
    let c = m.constant(&[2, 5, 3]);
    let c = m.node(Op::Concat { axis: 2 }, &[r, c], &[2, 5, 19]);
    let indices = m.graph.add_constant("indices", Tensor::i64([2, 3], vec![0, 2, 4, -1, -2, 0]));
    let g = m.node(Op::Gather { axis: 1 }, &[c, indices], &[2, 2, 3, 19]);
    let doubled = m.graph.add_constant("doubled", Tensor::i64([9], vec![0, 0, 1, 1, 2, 2, 4, 3, 2]));
    let d = m.node(Op::Gather { axis: 3 }, &[x, doubled], &[2, 3, 4, 9]);
    let one = m.input(&[1, 3, 1]);
    let e = m.node(Op::Expand, &[one], &[2, 3, 4]);
    m.output(g).output(d).output(e).output(r).check();
}

#[test]
fn functions_of_two_tensors() {
    let all = [
        Binary::Add,
        Binary::Sub,
        Binary::Mul,
        Binary::Div,
        Binary::Min,
        Binary::Max,
        Binary::Less,
        Binary::GreaterOrEqual,
    ];
    for function in all {
        let mut m = Maker::new();
        let x = m.input(&[2, 3, 4, 5]);
        let w = m.input(&[2, 3, 4, 5]);
        let row = m.input(&[4, 1]);
        let channels = m.constant(&[5]);
        let image = m.constant(&[1, 3, 4, 5]);
        let column = m.constant(&[1, 3, 1, 1]);
        let one = m.graph.add_constant("one", Tensor::f32([], vec![0.75]));
        let vector = m.input(&[2, 1, 1, 5]);
        for other in [w, row, channels, image, column, one, vector] {
            for inputs in [[x, other], [other, x]] {
                let relu = m.unary(inputs[0], Unary::LeakyRelu(0.5));
                let dtype =
                    if matches!(function, Binary::Less | Binary::GreaterOrEqual) { DType::Bool } else { DType::F32 };
                let y = m.typed(Op::Binary(function), &[relu, inputs[1]], &[2, 3, 4, 5], dtype);
                let y = if dtype == DType::Bool { m.same(Op::Cast(DType::F32), &[y]) } else { y };
                m.output(y);
            }
        }
        if function == Binary::Mul {
            let square = m.binary(function, x, x);
            m.output(square);
        }
        m.check();
    }
}

#[test]
fn factorised_scale() {
    let mut m = Maker::new();
    let x = m.input(&[1, 4, 6, 10]);
    let s = m.sign(x);
    let y = m.binary_conv(s, 10, window(3, 1, 1), 1);
    let (rows, columns) = (m.constant(&[1, 4, 1, 1]), m.constant(&[1, 1, 6, 1]));
    let y = m.scale(y);
    let y = m.binary(Binary::Mul, y, rows);
    let y = m.binary(Binary::Mul, y, columns);
    let y = m.prelu(y);
    let y = m.binary(Binary::Add, y, x);
    let network = m.output(y).check();
    // Parameters as small as in the file, and no block that would compute them.
    let sizes = |step: &Step| if let Step::ScalePixels(p) = step { Some(p.extents) } else { None };
    let factors: Vec<[usize; 3]> = binary_blocks(&network)[0].steps().filter_map(sizes).collect();
    assert_eq!(factors, [[4, 1, 1], [1, 6, 1]]);
    assert_eq!(network.blocks.len(), 2, "{network}");
    assert!(words(&network).contains(&"binary scale scales scales act add store".to_owned()), "{network}");
}

#[test]
fn reductions_and_choices() {
    let mut m = Maker::new();
    let x = m.input(&[2, 3, 4, 5]);
    let kinds = [Reduction::Mean, Reduction::Sum, Reduction::Max, Reduction::L1];
    for kind in kinds {
        let y = m.node(Op::Reduce { kind, axes: vec![3], keepdims: false }, &[x], &[2, 3, 4]);
        m.output(y);
    }
    for log in [false, true] {
        let y = m.same(Op::Softmax { axis: 1, log }, &[x]);
        m.output(y);
    }
    let best = m.typed(Op::ArgMax { axis: 3, keepdims: false, last: false }, &[x], &[2, 3, 4], DType::I64);
    let zero = m.graph.add_constant("zero", Tensor::f32([1], vec![0.0]));
    let positive = m.typed(Op::Binary(Binary::Greater), &[x, zero], &[2, 3, 4, 5], DType::Bool);
    let negative = m.typed(Op::Unary(Unary::Not), &[positive], &[2, 3, 4, 5], DType::Bool);
    let channels = m.constant(&[5]);
    let y = m.node(Op::Where, &[negative, channels, x], &[2, 3, 4, 5]);
    m.output(best).output(y).check();
}

#[test]
fn products_of_live_tensors_and_foreign_axes() {
    let mut m = Maker::new();
    let q = m.input(&[2, 4, 3, 5]);
    let k = m.input(&[2, 4, 5, 6]);
    let y = m.node(Op::MatMul, &[q, k], &[2, 4, 3, 6]);
    let shared = m.input(&[6, 2]);
    let z = m.node(Op::MatMul, &[y, shared], &[2, 4, 3, 2]);
    let maps = (0..4).map(|_| Affine::linear(m.random(), m.random())).collect();
    let z = m.same(Op::Affine { axis: 1, maps: Arc::new(maps) }, &[z]);
    m.output(z).check();
}

#[test]
fn pools_and_real_convolutions() {
    let mut m = Maker::new();
    let x = m.input(&[2, 9, 8, 6]);
    let y = m.conv(x, 6, Window { dilations: [2, 1], pads: [2, 1, 1, 0], ..window(3, 1, 0) }, 6);
    let y = m.unary(y, Unary::HardSwish);
    let y = m.conv(y, 4, Window { pad_value: 1.0, ..window(3, 2, 1) }, 2);
    let maximum = m.max_pool(y, window(3, 1, 1));
    let average = Op::AveragePool {
        window: Window { pads: [1, 1, 2, 2], ..window(3, 2, 1) },
        count_include_pad: true,
        ceil_extra: [1, 1],
        layout: Layout::ChannelsLast,
    };
    let shape = m.conv_shape(y, &Window { pads: [1, 1, 2, 2], ..window(3, 2, 1) }, 4);
    let average = m.node(average, &[y], &shape);
    let excluding = Op::AveragePool {
        window: window(3, 2, 1),
        count_include_pad: false,
        ceil_extra: [0, 0],
        layout: Layout::ChannelsLast,
    };
    let shape = m.conv_shape(y, &window(3, 2, 1), 4);
    let excluding = m.node(excluding, &[y], &shape);
    m.output(maximum).output(average).output(excluding).check();
}

#[test]
fn outputs_that_are_inputs_constants_or_twice() {
    let mut m = Maker::new();
    let x = m.input(&[2, 3]);
    let c = m.constant(&[4]);
    let y = m.unary(x, Unary::Relu);
    let r = m.reshape(x, &[3, 2]);
    let network = m.output(x).output(c).output(y).output(y).output(r).check();
    let mut names: Vec<&str> = network.outputs.iter().map(|&o| network.tensor(o).name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 5);
}

#[test]
fn bits_are_found_behind_dead_ends() {
    let mut m = Maker::new();
    let x = m.input(&[1, 4, 4, 8]);
    let dead = m.unary(x, Unary::Exp);
    m.unary(dead, Unary::Log);
    let y = m.unary(x, Unary::Relu);
    let network = m.output(y).check();
    assert_eq!(words(&network), ["map act store"]);
}

#[test]
fn a_real_layer_behind_a_flattened_sign_reads_numbers() {
    let mut m = Maker::new();
    let x = m.input(&[2, 2, 2, 8]);
    let s = m.sign(x);
    let flat = m.reshape(s, &[2, 32]);
    let y = m.matmul(flat, 3);
    let network = m.output(y).check();
    assert!(!network.tensors.iter().any(|t| matches!(t.storage, Storage::Bits(_))), "{network}");
}

/// What is not taken is not seen, be it infinite or NaN; a PReLU may have a slope for each element.
#[test]
fn a_choice_is_a_select() {
    let mut m = Maker::new();
    let x = m.input(&[2, 3, 4, 5]);
    let other = m.input(&[3, 1, 5]);
    let positive = m.typed(Op::Binary(Binary::Greater), &[x, other], &[2, 3, 4, 5], DType::Bool);
    let difference = m.binary(Binary::Sub, x, other);
    // NaN where the condition is false.
    let log = m.unary(difference, Unary::Log);
    let half = m.graph.add_constant("half", Tensor::f32([], vec![0.5]));
    let y = m.same(Op::Where, &[positive, log, half]);
    let masked = m.graph.add_constant("masked", Tensor::f32([1, 1], vec![f32::NEG_INFINITY]));
    let z = m.typed(Op::Where, &[positive, x, masked], &[2, 3, 4, 5], DType::F32);
    let z = m.unary(z, Unary::Exp);
    let slope = m.input(&[3, 4, 5]);
    let p = m.same(Op::PRelu, &[x, slope]);
    let network = m.output(y).output(z).output(p).check();
    let wholes = network.blocks.iter().filter(|block| matches!(&block.body, Body::Whole(w) if w.op == Op::Where));
    assert_eq!(wholes.count(), 2, "{network}");
}

#[test]
fn everything_without_a_form_is_named_at_once() {
    let mut m = Maker::new();
    let x = m.input(&[2, 3]);
    let indices = m.typed(Op::ArgMax { axis: 1, keepdims: false, last: false }, &[x], &[2], DType::I64);
    let gathered = m.node(Op::Gather { axis: 1 }, &[x, indices], &[2, 2]);
    let y = m.typed(Op::Cast(DType::Bool), &[x], &[2, 3], DType::Bool);
    m.output(gathered).output(y);
    let errors = run(&m.graph).unwrap_err();
    let text = errors.to_string();
    assert_eq!(errors.0.len(), 2, "{text}");
    assert!(text.contains("X014 at node \"n1\" (Gather)") && text.contains("(Cast)"), "{text}");
}

#[test]
fn nothing_is_empty() {
    let mut m = Maker::new();
    let x = m.input(&[1, 0, 4, 8]);
    let s = m.sign(x);
    let y = m.node(Op::Reshape, &[s], &[0, 32]);
    let y = m.binary_matmul(y, 3);
    let errors = run(&m.output(y).graph).unwrap_err();
    assert!(errors.to_string().contains("without elements"), "{errors}");
}
