//! Random graphs, half channels first and half channels last as exporters mix them: every pass keeps what they compute.

use std::sync::Arc;

use crate::exact::Affine;
use crate::ir::{Binary, Graph, Layout, Op, Reduction, Unary, ValueId, Window, Zero};
use crate::passes::PASSES;
use crate::passes::testing::{Build, preserved_on};

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// One node on some value made so far.
fn grow(b: &mut Build, r: &mut Random, values: &[ValueId]) -> Option<ValueId> {
    let x = values[values.len() - 1 - r.below(values.len().min(4))];
    let shape = b.graph.shape(x).to_vec();
    let rank = shape.len();
    Some(match r.below(16) {
        0 => b.unary(r.pick(&[Unary::Relu, Unary::Neg, Unary::Clip(-1.0, 0.5), Unary::Tanh]), x),
        1 => b.like(Op::Sign(r.pick(&[Zero::Plus, Zero::Minus])), &[x]),
        2 => {
            let axis = r.below(rank);
            let maps = (0..shape[axis]).map(|i| Affine::linear(r.pick(&[0.5, -1.0, 1.0]), i as f32 / 4.0)).collect();
            b.like(Op::Affine { axis, maps: Arc::new(maps) }, &[x])
        }
        3 => {
            // A constant for some of the axes.
            let c: Vec<usize> = shape[r.below(rank)..].iter().map(|&n| if r.below(2) == 0 { 1 } else { n }).collect();
            let c = b.random_constant(&c);
            let f = r.pick(&[Binary::Add, Binary::Sub, Binary::Mul, Binary::Div, Binary::Max]);
            if r.below(3) == 0 && f != Binary::Div { b.binary(f, c, x) } else { b.binary(f, x, c) }
        }
        4 => {
            let others: Vec<ValueId> = values.iter().copied().filter(|&v| b.graph.shape(v) == shape).collect();
            let y = r.pick(&others);
            b.binary(r.pick(&[Binary::Add, Binary::Sub, Binary::Mul]), x, y)
        }
        5 => {
            let others: Vec<ValueId> = values.iter().copied().filter(|&v| b.graph.shape(v) == shape).collect();
            let (axis, y) = (r.below(rank), r.pick(&others));
            let mut joined = shape;
            joined[axis] *= 2;
            if joined.iter().product::<usize>() > 400 {
                return None;
            }
            b.node(Op::Concat { axis }, &[x, y], &joined)
        }
        6 => {
            let perms: [&[usize]; 4] = [&[0, 2, 3, 1], &[0, 3, 1, 2], &[0, 2, 1, 3], &[0, 1, 3, 2]];
            let perm = match rank {
                4 => r.pick(&perms).to_vec(),
                3 => r.pick(&[[0, 2, 1], [0, 1, 2]]).to_vec(),
                5 => vec![0, 2, 1, 3, 4],
                _ => return None,
            };
            b.transpose(x, &perm)
        }
        7 if rank == 4 => {
            let wrapped = r.below(2) == 0;
            let x = if wrapped { b.transpose(x, &[0, 3, 1, 2]) } else { x };
            let channels = b.graph.shape(x)[1];
            let binary = r.below(2) == 0;
            let (outputs, k) = (r.pick(&[1, 3, 4]), r.pick(&[1, 1, 3]));
            let w = if binary {
                let n = outputs * channels * k * k;
                let signs: Vec<f32> = (0..n).map(|_| r.pick(&[0.5, -0.5])).collect();
                b.constant(&[outputs, channels, k, k], &signs)
            } else {
                b.random_constant(&[outputs, channels, k, k])
            };
            let y = b.conv(x, w, k / 2);
            if wrapped { b.transpose(y, &[0, 2, 3, 1]) } else { y }
        }
        8 if rank == 4 && shape[2] > 1 && shape[3] > 1 => {
            let window = Window { kernel: [2, 2], strides: [1, 1], dilations: [1, 1], pads: [0; 4], pad_value: 0.0 };
            let smaller = [shape[0], shape[1], shape[2] - 1, shape[3] - 1];
            b.node(Op::MaxPool { window, layout: Layout::ChannelsFirst }, &[x], &smaller)
        }
        9 => {
            let (axis, keepdims) = (r.below(rank - 1) + 1, r.below(2) == 0);
            let mut reduced = shape;
            if keepdims {
                reduced[axis] = 1;
            } else if rank > 2 {
                reduced.remove(axis);
            } else {
                return None;
            }
            b.node(Op::Reduce { kind: Reduction::Mean, axes: vec![axis], keepdims }, &[x], &reduced)
        }
        10 => {
            // Split, merge, insert or drop an axis.
            let mut other = shape.clone();
            let axis = r.below(rank);
            match r.below(4) {
                0 if rank < 5 && shape[axis].is_multiple_of(2) => {
                    other[axis] /= 2;
                    other.insert(axis, 2);
                }
                1 if axis + 1 < rank && rank > 2 => {
                    other[axis] *= other.remove(axis + 1);
                }
                2 if rank < 5 => other.insert(axis, 1),
                _ if shape[axis] == 1 && rank > 2 => {
                    other.remove(axis);
                }
                _ => return None,
            }
            b.node(Op::Reshape, &[x], &other)
        }
        11 => {
            let axis = r.below(rank);
            if shape[axis] < 2 {
                return None;
            }
            let mut starts = vec![0; rank];
            let mut smaller = shape;
            starts[axis] = 1;
            smaller[axis] -= 1;
            b.node(Op::Slice { starts, steps: vec![1; rank] }, &[x], &smaller)
        }
        12 => {
            let axis = r.below(rank);
            let (mut before, mut larger) = (vec![0; rank], shape);
            before[axis] = 1;
            larger[axis] += 1;
            let value = r.pick(&[0.0, 1.0, -1.0]);
            b.node(Op::Pad { before, after: vec![0; rank], value }, &[x], &larger)
        }
        13 if rank == 2 => {
            let w = b.random_constant(&[shape[1], 4]);
            b.node(Op::MatMul, &[x, w], &[shape[0], 4])
        }
        13 => {
            let flat = [shape[0], shape[1..].iter().product()];
            b.node(Op::Reshape, &[x], &flat)
        }
        14 => {
            let mut c = vec![1; rank];
            let axis = r.below(rank);
            c[axis] = shape[axis];
            let slope = b.random_constant(&c);
            b.like(Op::PRelu, &[x, slope])
        }
        15 if rank == 2 && (shape[1] == 4 || shape[1] == 3) => {
            let image = r.pick(&[[shape[0], shape[1], 1, 1], [shape[0], 1, 1, shape[1]]]);
            b.node(Op::Reshape, &[x], &image)
        }
        _ => return None,
    })
}

fn graph(seed: u64) -> Graph {
    let mut r = Random(seed);
    let mut b = Build::default();
    let batch = r.pick(&[1, 1, 2]);
    let mut values = vec![b.input(&[batch, 4, 3, 2]), b.input(&[batch, 3, 2, 4])];
    for _ in 0..r.below(14) + 4 {
        if let Some(v) = grow(&mut b, &mut r, &values) {
            values.push(v);
        }
    }
    let outputs: Vec<ValueId> = values[2..].iter().rev().copied().step_by(3).take(3).collect();
    let mut graph = b.finish(&outputs);
    graph.sweep();
    graph
}

#[test]
fn every_pass_preserves_random_graphs() {
    for seed in 0..3000 {
        let mut graph = graph(seed);
        for (name, pass, _) in PASSES {
            // Shown when it fails.
            println!("seed {seed}: {name} on\n{graph}");
            graph = preserved_on(0.0625, &graph, *pass);
            if seed % 10 == 0 {
                let written = format!("{graph:#}");
                assert_eq!(format!("{:#}", written.parse::<Graph>().unwrap()), written, "it is read back");
            }
        }
    }
}

/// A chain as long as the largest files have nodes: nothing recurses along it or looks at all of it for each node.
#[test]
fn long_chains_take_linear_time() {
    let mut b = Build::default();
    let mut x = b.input(&[1, 4, 2, 2]);
    let w = b.constant(&[4, 4, 1, 1], &[0.5; 16]);
    for _ in 0..3000 {
        let s = b.like(Op::Sign(Zero::Zero), &[x]);
        let clip = b.unary(Unary::Clip(-1.0, 1.0), x);
        let d = b.binary(Binary::Sub, s, clip);
        let s = b.binary(Binary::Add, d, clip);
        let y = b.conv(s, w, 0);
        let c = b.random_constant(&[4, 1, 1]);
        let y = b.binary(Binary::Mul, y, c);
        let y = b.binary(Binary::Add, y, c);
        let t = b.transpose(y, &[0, 2, 3, 1]);
        let t = b.unary(Unary::Tanh, t);
        let t = b.transpose(t, &[0, 3, 1, 2]);
        x = b.binary(Binary::Add, t, x);
    }
    // And one that would make ever longer numbers.
    for _ in 0..3000 {
        let c = b.scalar(1.0 + f32::EPSILON);
        x = b.binary(Binary::Mul, x, c);
    }
    let mut graph = b.finish(&[x]);
    for (name, pass, _) in PASSES {
        let start = std::time::Instant::now();
        pass(&mut graph);
        println!("{name} in {:?}, {} nodes left", start.elapsed(), graph.nodes.len());
    }
    let binary = graph.nodes.iter().filter(|n| matches!(n.op, Op::BinaryConv { .. })).count();
    assert_eq!(binary, 3000);
    // Sign, BinaryConv, Affine, Tanh, Add; a Transpose at either end; what is left of the long product.
    let rest = graph.nodes.len() - 5 * 3000 - 2;
    assert!(rest < 100, "{rest}");
}
