//! The blocks of binary networks.

use super::*;

/// A half-block of the Real-to-Binary network.
fn half_block(
    m: &mut Maker,
    x: ValueId,
    outputs: usize,
    stride: usize,
    shortcut: impl Fn(&mut Maker, ValueId) -> ValueId,
) -> ValueId {
    let t = m.norm(x);
    let mean = m.mean(t);
    let [n, c] = [m.shape(x)[0], m.shape(x)[3]];
    let v = m.reshape(mean, &[n, c]);
    let v = m.matmul(v, (c / 8).max(1));
    let v = m.bias(v);
    let v = m.unary(v, Unary::Relu);
    let v = m.matmul(v, outputs);
    let v = m.bias(v);
    let v = m.unary(v, Unary::Sigmoid);
    let gate = m.reshape(v, &[n, 1, 1, outputs]);
    let s = m.sign(t);
    let y = m.binary_conv(s, outputs, window(3, stride, 1), 1);
    let y = m.scale(y);
    let y = m.binary(Binary::Mul, y, gate);
    let y = m.prelu(y);
    let skip = shortcut(m, x);
    m.binary(Binary::Add, y, skip)
}

fn stem(m: &mut Maker, channels: usize) -> ValueId {
    let x = m.input(&[1, 19, 19, 3]);
    let x = m.conv(x, channels, window(7, 2, 3), 1);
    let x = m.max_pool(x, window(3, 2, 1));
    let x = m.norm(x);
    m.prelu(x)
}

#[test]
fn half_blocks_are_one_block_and_a_gate() {
    let mut m = Maker::new();
    let x = stem(&mut m, 33);
    let x = half_block(&mut m, x, 33, 1, |_, x| x);
    let x = half_block(&mut m, x, 33, 1, |_, x| x);
    let x = half_block(&mut m, x, 65, 2, |m, x| {
        let x = m.average_pool(x, Window { pads: [0, 0, 1, 1], ..window(2, 2, 0) });
        let x = m.conv(x, 65, window(1, 1, 0), 1);
        m.norm(x)
    });
    let x = m.norm(x);
    let x = m.prelu(x);
    let x = m.mean(x);
    let x = m.reshape(x, &[1, 65]);
    let x = m.matmul(x, 10);
    let x = m.bias(x);
    let network = m.output(x).check();
    assert_eq!(
        words(&network),
        [
            "conv max scale shift act store sign sum",
            "gate",
            "binary scale gate act add store sign sum",
            "gate",
            "binary scale gate act add sign sum average store",
            "gate",
            "conv scale shift store",
            "binary scale gate act add scale shift act sum",
            "map scale store",
            "conv shift store",
        ]
    );
    for block in binary_blocks(&network).iter().take(2) {
        let parts = ["BatchNormalization", "Sign", "Conv", "scale", "gate", "PRelu", "skip"];
        assert_eq!(said(&block.parts)[..7], parts);
    }
    // The shortcut's pool rides in the block that computes what it pools.
    assert_eq!(said(&binary_blocks(&network)[1].parts)[7..], ["AveragePool"]);
    // 5x5 with a stride of 2 and padding 1 reads one pixel beyond each side.
    assert_eq!(frames(&network), [[1; 4], [1; 4], [1; 4]]);
}

#[test]
fn the_skip_waits_for_a_shortcut_that_stands_first() {
    let mut m = Maker::new();
    let x = stem(&mut m, 8);
    let short = m.conv(x, 8, window(1, 1, 0), 1);
    let short = m.norm(short);
    let x = half_block(&mut m, x, 8, 1, |_, _| short);
    // The other order of operands.
    let s = m.sign(x);
    let y = m.binary_conv(s, 8, window(3, 1, 1), 1);
    let y = m.binary(Binary::Add, x, y);
    let network = m.output(y).check();
    for block in binary_blocks(&network) {
        assert!(has(block, |s| matches!(s, Step::Add(_))), "{network}");
    }
}

#[test]
fn gates_in_all_their_forms() {
    // From the convolution's own result, with 1x1 convolutions: the multiplication needs a pass of its own.
    let mut m = Maker::new();
    let x = stem(&mut m, 16);
    let s = m.sign(x);
    let y = m.binary_conv(s, 16, window(3, 1, 1), 1);
    let y = m.norm(y);
    let g = m.mean(y);
    let g = m.conv(g, 2, window(1, 1, 0), 1);
    let g = m.unary(g, Unary::Relu);
    let g = m.conv(g, 16, window(1, 1, 0), 1);
    let g = m.bias(g);
    let g = m.unary(g, Unary::HardSigmoid(0.2, 0.5));
    let y = m.binary(Binary::Mul, y, g);
    let y = m.binary(Binary::Add, y, x);
    let network = m.output(y).check();
    assert!(words(&network).contains(&"map gate add store".to_owned()), "{network}");
    assert_eq!(words(&network).iter().filter(|w| *w == "gate").count(), 1, "{network}");
    let map = network.blocks.iter().find(|b| matches!(b.source(), Some(Source::Map { .. }))).unwrap();
    assert!(map.reason.as_ref().unwrap().contains("gate"), "{map}");

    // A full-size AveragePool, without biases, on two images. Slopes per channel are more than a gate's function takes: then
    // its layers are ordinary ones.
    for (prelu, expected) in [
        (false, &["map sign sum", "gate", "binary gate store"][..]),
        (true, &["map sign sum", "map scale shift store", "conv act store", "conv act store", "binary gate store"]),
    ] {
        let mut m = Maker::new();
        let x = m.input(&[2, 5, 4, 12]);
        let t = m.norm(x);
        let g = m.average_pool(t, Window { kernel: [5, 4], ..window(1, 1, 0) });
        let g = m.reshape(g, &[2, 12]);
        let g = m.matmul(g, 3);
        let g = if prelu { m.prelu(g) } else { m.unary(g, Unary::Relu) };
        let g = m.matmul(g, 9);
        let g = m.unary(g, Unary::Sigmoid);
        let g = m.reshape(g, &[2, 1, 1, 9]);
        let s = m.sign(t);
        let y = m.binary_conv(s, 9, window(3, 1, 1), 1);
        let y = m.binary(Binary::Mul, g, y);
        m.graph.nodes.last_mut().unwrap().op = Op::Binary(Binary::Mul);
        let shape = m.shape(s)[..3].iter().copied().chain([9]).collect::<Vec<_>>();
        m.graph.values[y.0 as usize].shape = shape;
        let network = m.output(y).check();
        assert_eq!(words(&network), expected, "{network}");
    }

    // Only one layer: no gate block, but the same multiplication.
    let mut m = Maker::new();
    let x = m.input(&[2, 5, 4, 12]);
    let g = m.mean(x);
    let g = m.conv(g, 12, window(1, 1, 0), 1);
    let g = m.unary(g, Unary::Sigmoid);
    let s = m.sign(x);
    let y = m.binary_conv(s, 12, window(3, 1, 1), 1);
    let y = m.binary(Binary::Mul, y, g);
    let network = m.output(y).check();
    assert!(words(&network).contains(&"binary gate store".to_owned()), "{network}");
}

#[test]
fn nothing_but_bits_between_binary_layers() {
    for flat_first in [false, true] {
        let mut m = Maker::new();
        let x = m.input(&[1, 10, 10, 3]);
        let x = m.conv(x, 31, window(3, 1, 0), 1);
        let x = m.norm(x);
        let x = m.sign(x);
        let x = m.binary_conv(x, 37, window(3, 1, 1), 1);
        let x = m.norm(x);
        // Max-pool between BatchNormalization and sign.
        let x = m.max_pool(x, window(2, 2, 0));
        let x = m.sign(x);
        let x = m.binary_conv(x, 40, window(3, 1, 0), 1);
        let x = m.norm(x);
        let mut x = m.sign(x);
        if flat_first {
            x = m.node(Op::Transpose(vec![0, 3, 1, 2]), &[x], &[1, 40, 2, 2]);
        }
        let x = m.reshape(x, &[1, 160]);
        let x = m.binary_matmul(x, 20);
        let x = m.norm(x);
        let x = m.sign(x);
        let x = m.binary_matmul(x, 10);
        let x = m.norm(x);
        let network = m.output(x).check();
        assert_eq!(
            words(&network),
            ["conv sign", "binary sign", "or", "binary sign", "binary sign", "binary scale shift store"],
            "{network}"
        );
        let dense = network.tensors.iter().filter(|t| matches!(t.storage, Storage::Dense(_))).count();
        assert_eq!(dense, 2, "{network}");
        assert_eq!(
            said(&binary_blocks(&network)[3].parts),
            ["BatchNormalization", "Sign", "MatMul", "BatchNormalization"]
        );
    }
}

#[test]
fn integers_through_a_prelu() {
    // Positive slopes keep the order: integers are compared. A negative one does not, and real steps remain.
    for (slope, expected) in [(0.25, "binary sign"), (-0.5, "binary scale shift act sign")] {
        let mut m = Maker::new();
        let x = m.input(&[1, 6, 6, 5]);
        let s = m.sign(x);
        let y = m.binary_conv(s, 7, window(3, 1, 1), 1);
        let y = m.norm(y);
        let slopes = m.graph.add_constant("slopes", Tensor::f32([7], vec![slope; 7]));
        let y = m.same(Op::PRelu, &[y, slopes]);
        let y = m.bias(y);
        let s = m.sign(y);
        let y = m.binary_conv(s, 4, window(1, 1, 0), 1);
        let network = m.output(y).check();
        assert!(words(&network).contains(&expected.to_owned()), "{network}");
    }
}

#[test]
fn xnor_chain_and_bireal() {
    let mut m = Maker::new();
    let x = stem(&mut m, 20);
    let t = m.norm(x);
    let s = m.sign(t);
    let y = m.binary_conv(s, 24, window(3, 1, 1), 1);
    let y = m.scale(y);
    let y = m.unary(y, Unary::Relu);
    let y = m.max_pool(y, window(2, 1, 0));
    let y = m.norm(y);
    let s = m.sign(y);
    let z = m.binary_conv(s, 24, window(3, 1, 1), 2);
    let z = m.norm(z);
    let z = m.binary(Binary::Add, z, y);
    let network = m.output(z).check();
    assert!(words(&network).contains(&"binary scale act max sign scale shift store".to_owned()), "{network}");
    assert!(words(&network).contains(&"binary scale shift add store".to_owned()), "{network}");
}

/// The network of the paper at its full size: no tensor of the stem's size is ever in memory, nor the stream where it only
/// shrinks, and the scratch memory is hardly more than what any order of the blocks needs.
#[test]
fn resnet18_in_little_memory() {
    let mut m = Maker::new();
    let x = m.input(&[1, 3, 224, 224]);
    let x = m.node(Op::Transpose(vec![0, 2, 3, 1]), &[x], &[1, 224, 224, 3]);
    let x = m.conv(x, 64, window(7, 2, 3), 1);
    let x = m.max_pool(x, window(3, 2, 1));
    let x = m.norm(x);
    let mut x = m.prelu(x);
    for (stage, channels) in [64, 128, 256, 512].into_iter().enumerate() {
        for block in 0..4 {
            let shrinks = stage > 0 && block == 0;
            x = half_block(&mut m, x, channels, 1 + usize::from(shrinks), |m, x| {
                if !shrinks {
                    return x;
                }
                let x = m.average_pool(x, window(2, 2, 0));
                let x = m.conv(x, channels, window(1, 1, 0), 1);
                m.norm(x)
            });
        }
    }
    let x = m.norm(x);
    let x = m.prelu(x);
    let x = m.mean(x);
    let x = m.reshape(x, &[1, 512]);
    let x = m.matmul(x, 1000);
    let x = m.bias(x);
    let mut network = run(&m.output(x).graph).unwrap();
    let mut schedule = crate::schedule::Schedule::of(&network, 1, None);
    crate::plan::order::run(&mut network, &mut schedule);
    let blocks = words(&network);
    assert_eq!(blocks[0], "conv max scale shift act store sign sum");
    assert!(!blocks.iter().any(|block| block.starts_with("copy") || block.starts_with("average")), "{blocks:?}");
    let bytes = crate::plan::run(&network, &schedule).scratch_bytes();
    let crate::plan::order::Orders { bound, best } = crate::plan::order::orders(&network, &schedule);
    assert!(best.is_some() && bytes * 10 <= bound * 11, "{bytes} bytes, at least {bound} in any order");
    assert!(bytes < 1_100_000, "{bytes}");
}

/// A pool that is not the only reader of what is before it, and one behind another pool: no second pool joins a block.
#[test]
fn pools_join_a_convolution_once() {
    let mut m = Maker::new();
    let x = m.input(&[2, 9, 9, 5]);
    let y = m.conv(x, 18, window(3, 1, 1), 1);
    let p = m.max_pool(y, window(3, 2, 1));
    let q = m.max_pool(p, window(2, 2, 0));
    let alone = m.max_pool(x, window(2, 2, 0));
    let network = m.output(y).output(q).output(alone).check();
    assert_eq!(words(&network), ["conv store max store", "max store", "max store"]);
}

#[test]
fn one_sign_for_several_readers() {
    let mut m = Maker::new();
    let x = m.input(&[2, 7, 7, 36]);
    let s = m.sign(x);
    let a = m.binary_conv(s, 8, window(3, 1, 1), 1);
    let b = m.binary_conv(s, 8, window(5, 1, 2), 1);
    let c = m.binary_conv(s, 8, window(1, 1, 0), 1);
    let plus = m.binary_conv(s, 8, Window { pad_value: 1.0, ..window(3, 1, 1) }, 1);
    let minus = m.binary_conv(s, 8, Window { pad_value: -1.0, ..window(3, 1, 1) }, 1);
    let grouped = m.binary_conv(s, 8, Window { dilations: [2, 2], ..window(3, 1, 2) }, 4);
    let mut sum = a;
    for y in [b, c, plus, minus, grouped] {
        sum = m.binary(Binary::Add, sum, y);
    }
    let network = m.output(sum).check();
    let mut all = frames(&network);
    all.sort_unstable();
    assert_eq!(all, [[1; 4], [2; 4], [2; 4]], "{network}");
    assert_eq!(words(&network)[0], "map sign sign sign");
}

#[test]
fn signs_needed_as_numbers() {
    let mut m = Maker::new();
    let x = m.input(&[1, 6, 6, 10]);
    let t = m.norm(x);
    let s = m.sign(t);
    let real = m.conv(s, 4, window(3, 1, 1), 1);
    let a = m.binary_conv(s, 4, window(3, 1, 1), 1);
    let joined = m.node(Op::Concat { axis: 3 }, &[s, s], &[1, 6, 6, 20]);
    let b = m.binary_conv(joined, 4, window(3, 2, 1), 1);
    let network = m.output(real).output(a).output(b).output(s).check();
    assert!(words(&network).contains(&"join".to_owned()), "{network}");
}

#[test]
fn two_roots_keep_the_first_in_f32() {
    let mut m = Maker::new();
    let x = stem(&mut m, 9);
    let t = m.norm(x);
    let t = m.norm(t);
    let s = m.sign(t);
    let y = m.binary_conv(s, 4, window(3, 1, 1), 1);
    let network = m.output(y).check();
    assert!(words(&network).contains(&"conv max scale shift act scale shift sign".to_owned()), "{network}");
}

#[test]
fn mutual_skips_do_not_deadlock() {
    // Each branch adds what the other has before its own addition.
    let mut m = Maker::new();
    let x = m.input(&[1, 4, 4, 8]);
    let s = m.sign(x);
    let a = m.binary_conv(s, 8, window(3, 1, 1), 1);
    let b = m.binary_conv(s, 8, window(1, 1, 0), 1);
    let a2 = m.binary(Binary::Add, a, b);
    let b2 = m.binary(Binary::Add, b, a);
    let y = m.binary(Binary::Mul, a2, b2);
    m.output(y).check();
}

#[test]
fn text_is_deterministic() {
    let make = || {
        let mut m = Maker::new();
        let x = stem(&mut m, 33);
        let x = half_block(&mut m, x, 33, 1, |_, x| x);
        m.output(x).check().to_string()
    };
    let text = make();
    assert_eq!(text, make());
    assert!(
        text.contains("binary_conv(") && text.contains("# BatchNormalization Sign Conv scale gate PRelu skip"),
        "{text}"
    );
}
