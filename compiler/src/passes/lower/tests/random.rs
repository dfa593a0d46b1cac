//! Random graphs: whatever the operators' order and the values' users, both levels compute the same.

use super::*;

const SHAPE: [usize; 4] = [2, 4, 5, 6];

/// A graph of a few dozen operators on values of one shape.
fn random_graph(seed: u64) -> Maker {
    let mut m = Maker::new();
    m.state = seed;
    let mut values = vec![m.input(&SHAPE)];
    for _ in 0..16 {
        let pick = |m: &mut Maker| {
            // Recent values more often, so that chains grow; old ones too, so that values have several users.
            let age = (m.random().abs() * m.random().abs() * values.len() as f32) as usize;
            values[values.len() - 1 - age]
        };
        let (x, w) = (pick(&mut m), pick(&mut m));
        let y = match (m.random().abs() * 14.0) as usize {
            0 => m.norm(x),
            1 => m.prelu(x),
            2 => m.unary(x, Unary::Clip(-1.0, 1.0)),
            3 | 4 => {
                let sum = m.binary(Binary::Add, x, w);
                m.norm(sum)
            }
            5 => {
                let x = m.unary(x, Unary::Tanh);
                m.binary(Binary::Mul, x, w)
            }
            6 => {
                let s = m.sign(x);
                let y = m.binary_conv(s, SHAPE[3], window(3, 1, 1), 2);
                m.norm(y)
            }
            7 | 8 => {
                let t = m.norm(x);
                let s = m.sign(t);
                let y = m.binary_conv(s, SHAPE[3], Window { pad_value: 1.0, ..window(3, 1, 1) }, 1);
                let y = m.scale(y);
                let y = m.prelu(y);
                m.binary(Binary::Add, w, y)
            }
            9 => {
                let s = m.sign(x);
                let s = m.max_pool(s, window(3, 1, 1));
                let y = m.binary_conv(s, SHAPE[3], window(1, 1, 0), 1);
                m.norm(y)
            }
            10 => {
                let g = m.mean(w);
                let g = m.conv(g, 3, window(1, 1, 0), 1);
                let g = m.bias(g);
                let g = m.unary(g, Unary::Relu);
                let g = m.conv(g, SHAPE[3], window(1, 1, 0), 1);
                let g = m.unary(g, Unary::Sigmoid);
                m.binary(Binary::Mul, x, g)
            }
            11 => {
                let both = m.node(Op::Concat { axis: 3 }, &[x, w], &[2, 4, 5, 12]);
                let t = m.norm(both);
                let s = m.sign(t);
                let y = m.binary_conv(s, SHAPE[3], window(3, 1, 1), 1);
                m.norm(y)
            }
            12 => {
                let y = m.max_pool(x, window(3, 1, 1));
                m.norm(y)
            }
            _ => {
                let y = m.conv(x, SHAPE[3], window(3, 1, 1), 1);
                m.norm(y)
            }
        };
        values.push(y);
    }
    let last = values[values.len() - 1];
    let middle = values[values.len() / 2];
    m.output(last).output(middle);
    m
}

#[test]
fn both_levels_agree_on_random_graphs() {
    let mut binary = 0;
    for seed in 1..=150_u64 {
        let network = random_graph(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)).check();
        binary += binary_blocks(&network).len();
    }
    assert!(binary > 300, "{binary}");
}
