use super::run;
use crate::exact::Affine;
use crate::ir::{Binary, Binary::*, DType, Graph, Op, Unary, ValueId, Zero};
use crate::passes::testing::{Build, ops, preserved};

/// One input `[2, 9]`, one chain; the operators left, and the one sign's rule.
fn after(chain: impl Fn(&mut Build, ValueId) -> ValueId) -> (Vec<String>, Option<Zero>) {
    let mut b = Build::default();
    let x = b.input(&[2, 9]);
    let y = chain(&mut b, x);
    let graph = preserved(&b.finish(&[y]), run);
    let zero = graph.nodes.iter().find_map(|n| match n.op {
        Op::Sign(zero) => Some(zero),
        _ => None,
    });
    assert_eq!(graph.nodes.last().unwrap().reason, None);
    (ops(&graph), zero)
}

fn becomes_sign(zero: Zero, chain: impl Fn(&mut Build, ValueId) -> ValueId) {
    assert_eq!(after(chain), (vec!["Sign".to_owned()], Some(zero)));
}

fn sign(b: &mut Build, x: ValueId) -> ValueId {
    b.like(Op::Sign(Zero::Zero), &[x])
}

#[test]
fn straight_through_estimators_in_every_order() {
    for order in 0..7 {
        becomes_sign(Zero::Zero, |b, x| {
            let s = sign(b, x);
            let clip = b.unary(Unary::Clip(-1.25, 1.25), x);
            match order {
                0 => {
                    let d = b.binary(Sub, s, clip);
                    b.binary(Add, d, clip)
                }
                1 => {
                    let d = b.binary(Sub, s, clip);
                    b.binary(Add, clip, d)
                }
                2 => {
                    let d = b.binary(Sub, clip, s);
                    b.binary(Sub, clip, d)
                }
                3 => {
                    let d = b.binary(Sub, clip, clip);
                    b.binary(Add, s, d)
                }
                4 => {
                    let d = b.binary(Add, s, clip);
                    b.binary(Sub, d, clip)
                }
                5 => {
                    let n = b.unary(Unary::Neg, clip);
                    let d = b.binary(Add, n, s);
                    b.binary(Add, d, clip)
                }
                _ => {
                    let one = b.scalar(1.0);
                    let zero = b.scalar(0.0);
                    let d = b.binary(Sub, s, clip);
                    let d = b.binary(Mul, d, one);
                    let d = b.binary(Sub, d, zero);
                    b.binary(Add, clip, d)
                }
            }
        });
    }
}

/// The polygon of Bi-Real Net: masks, squares, and a common sum that must cancel before it is taken apart.
#[test]
fn polynomial_estimator_vanishes() {
    becomes_sign(Zero::Zero, |b, x| {
        let s = sign(b, x);
        let [minus_one, zero, one, two] = [-1.0, 0.0, 1.0, 2.0].map(|c| b.scalar(c));
        let mask = |b: &mut Build, c| {
            let m = b.binary(Less, x, c);
            b.like(Op::Cast(DType::F32), &[m])
        };
        let (m1, m2, m3) = (mask(b, minus_one), mask(b, zero), mask(b, one));
        let square = b.binary(Mul, x, x);
        let double = b.binary(Mul, x, two);
        let rise = b.binary(Add, square, double);
        let rest = b.binary(Sub, one, m1);
        let (a, r) = (b.binary(Mul, m1, minus_one), b.binary(Mul, rise, rest));
        let out1 = b.binary(Add, a, r);
        let fall = b.unary(Unary::Neg, square);
        let fall = b.binary(Add, fall, double);
        let rest2 = b.binary(Sub, one, m2);
        let (a, r) = (b.binary(Mul, out1, m2), b.binary(Mul, fall, rest2));
        let out2 = b.binary(Add, a, r);
        let rest3 = b.binary(Sub, one, m3);
        let (a, r) = (b.binary(Mul, out2, m3), b.binary(Mul, rest3, one));
        let out3 = b.binary(Add, a, r);
        let d = b.binary(Sub, s, out3);
        b.binary(Add, d, out3)
    });
}

#[test]
fn what_only_looks_like_an_estimator_stays() {
    // (a - b) + c
    let (found, _) = after(|b, x| {
        let s = sign(b, x);
        let clip = b.unary(Unary::Clip(-1.0, 1.0), x);
        let other = b.unary(Unary::Clip(-1.5, 1.0), x);
        let d = b.binary(Sub, s, clip);
        b.binary(Add, d, other)
    });
    assert_eq!(found, ["Sign", "Clip", "Sub", "Clip", "Add"]);
    // (a - b) + b for an a that is no sign: rounding may show.
    let (found, _) = after(|b, x| {
        let a = b.unary(Unary::Tanh, x);
        let d = b.binary(Sub, a, x);
        b.binary(Add, d, x)
    });
    assert_eq!(found, ["Tanh", "Sub", "Add"]);
    // (b - a) + b
    let (found, _) = after(|b, x| {
        let s = sign(b, x);
        let d = b.binary(Sub, x, s);
        b.binary(Add, d, x)
    });
    assert_eq!(found, ["Sign", "Sub", "Add"]);
}

#[test]
fn signs_of_signs() {
    for (c, zero) in [(0.1, Zero::Plus), (-0.1, Zero::Minus)] {
        becomes_sign(zero, |b, x| {
            let s = sign(b, x);
            let c = b.scalar(c);
            let sum = b.binary(Add, c, s);
            sign(b, sum)
        });
    }
    becomes_sign(Zero::Plus, |b, x| {
        let s = b.like(Op::Sign(Zero::Plus), &[x]);
        sign(b, s)
    });
    becomes_sign(Zero::Minus, |b, x| {
        let s = sign(b, x);
        b.like(Op::Sign(Zero::Minus), &[s])
    });
    // An offset of 1 or more is no tie-break.
    for c in [1.0, 1.5, -1.0] {
        let (found, _) = after(|b, x| {
            let s = sign(b, x);
            let c = b.scalar(c);
            let sum = b.binary(Add, s, c);
            sign(b, sum)
        });
        assert_eq!(found, ["Sign", "Add", "Sign"], "{c}");
    }
}

#[test]
fn where_a_sign_is_zero() {
    for (value, of_x, expected) in [(1.0, false, Zero::Plus), (-1.0, false, Zero::Minus), (1.0, true, Zero::Plus)] {
        becomes_sign(expected, |b, x| {
            let s = sign(b, x);
            let zero = b.scalar(0.0);
            let value = b.scalar(value);
            let eq = b.binary(Equal, if of_x { x } else { s }, zero);
            b.node(Op::Where, &[eq, value, s], &[2, 9])
        });
    }
    let (found, _) = after(|b, x| {
        let s = sign(b, x);
        let [zero, half] = [0.0, 0.5].map(|c| b.scalar(c));
        let eq = b.binary(Equal, s, zero);
        b.node(Op::Where, &[eq, half, s], &[2, 9])
    });
    assert_eq!(found, ["Sign", "Equal", "Where"]);
}

#[test]
fn comparisons_choose_between_two_levels() {
    let rules = [
        (Greater, false, Zero::Minus),
        (GreaterOrEqual, false, Zero::Plus),
        (Less, true, Zero::Plus),
        (LessOrEqual, true, Zero::Minus),
    ];
    for (relation, inverted, zero) in rules {
        for swapped in [false, true] {
            becomes_sign(zero, |b, x| {
                let [c, plus, minus] = [0.0, 1.0, -1.0].map(|c| b.scalar(c));
                let mirrored = match relation {
                    Greater => Less,
                    GreaterOrEqual => LessOrEqual,
                    Less => Greater,
                    _ => GreaterOrEqual,
                };
                let m = if swapped { b.binary(mirrored, c, x) } else { b.binary(relation, x, c) };
                let (yes, no) = if inverted { (minus, plus) } else { (plus, minus) };
                b.node(Op::Where, &[m, yes, no], &[2, 9])
            });
        }
    }
    // 2 * Cast(x >= 0) - 1, through an integer, and with the arithmetic the other way round.
    becomes_sign(Zero::Plus, |b, x| {
        let [zero, two, one] = [0.0, 2.0, 1.0].map(|c| b.scalar(c));
        let m = b.binary(GreaterOrEqual, x, zero);
        let i = b.like(Op::Cast(DType::I64), &[m]);
        let f = b.like(Op::Cast(DType::F32), &[i]);
        let d = b.binary(Mul, two, f);
        b.binary(Sub, d, one)
    });
    becomes_sign(Zero::Minus, |b, x| {
        let [zero, half, two] = [0.0, 0.5, 2.0].map(|c| b.scalar(c));
        let m = b.binary(LessOrEqual, x, zero);
        let f = b.like(Op::Cast(DType::F32), &[m]);
        let d = b.binary(Sub, half, f);
        b.binary(Mul, d, two)
    });
    // Not(x > 0) ? -1 : 1
    becomes_sign(Zero::Minus, |b, x| {
        let [zero, plus, minus] = [0.0, 1.0, -1.0].map(|c| b.scalar(c));
        let m = b.binary(Greater, x, zero);
        let m = b.unary(Unary::Not, m);
        b.node(Op::Where, &[m, minus, plus], &[2, 9])
    });
}

#[test]
fn thresholds_other_than_zero_are_subtracted() {
    let (found, zero) = after(|b, x| {
        let c = b.constant(&[9], &[0.5, 0.25, 0.0, -1.0, 0.5, 0.5, 2.0, -2.0, 0.75]);
        let [plus, minus] = [1.0, -1.0].map(|c| b.scalar(c));
        let m = b.binary(Greater, x, c);
        b.node(Op::Where, &[m, plus, minus], &[2, 9])
    });
    assert_eq!((found, zero), (vec!["Sub".to_owned(), "Sign".to_owned()], Some(Zero::Minus)));
    // Falling: 1 up to and including c.
    let (found, zero) = after(|b, x| {
        let c = b.scalar(0.5);
        let [plus, minus] = [1.0, -1.0].map(|c| b.scalar(c));
        let m = b.binary(LessOrEqual, x, c);
        b.node(Op::Where, &[m, plus, minus], &[2, 9])
    });
    assert_eq!((found, zero), (vec!["Sub".to_owned(), "Sign".to_owned()], Some(Zero::Plus)));
}

#[test]
fn levels_that_are_no_sign_stay() {
    let (found, _) = after(|b, x| {
        let [zero, plus, minus] = [0.0, 1.0, -0.5].map(|c| b.scalar(c));
        let m = b.binary(Greater, x, zero);
        b.node(Op::Where, &[m, plus, minus], &[2, 9])
    });
    assert_eq!(found, ["Greater", "Where"]);
}

#[test]
fn a_binary_code_of_a_layer_is_a_sign_behind_an_affine_map() {
    let mut b = Build::default();
    let x = b.input(&[2, 9]);
    let zero = b.scalar(0.0);
    let m = b.binary(GreaterOrEqual, x, zero);
    let f = b.like(Op::Cast(DType::F32), &[m]);
    let w = b.random_constant(&[9, 3]);
    let y = b.node(Op::MatMul, &[f, w], &[2, 3]);
    let graph = preserved(&b.finish(&[y]), run);
    assert_eq!(ops(&graph), ["Sign", "Affine", "MatMul"]);
}

#[test]
fn functions_that_keep_the_sign_are_dropped() {
    let keeps: [fn(&mut Build, ValueId) -> ValueId; 9] = [
        |b, x| b.unary(Unary::Clip(-1.5, 0.5), x),
        |b, x| b.unary(Unary::Tanh, x),
        |b, x| {
            let c = b.scalar(1e-8);
            b.binary(Div, x, c)
        },
        |b, x| {
            let c = b.constant(&[9], &[0.5; 9]);
            b.binary(Mul, c, x)
        },
        |b, x| {
            let c = b.scalar(1.0);
            b.binary(Min, x, c)
        },
        |b, x| {
            let c = b.scalar(-1.0);
            b.binary(Max, c, x)
        },
        |b, x| {
            let c = b.scalar(1.0);
            let m = b.binary(Greater, x, c);
            b.node(Op::Where, &[m, c, x], &[2, 9])
        },
        |b, x| {
            let c = b.scalar(-1.0);
            let m = b.binary(GreaterOrEqual, x, c);
            b.node(Op::Where, &[m, x, c], &[2, 9])
        },
        |b, x| {
            let slope = b.scalar(0.25);
            b.like(Op::PRelu, &[x, slope])
        },
    ];
    for chain in keeps {
        becomes_sign(Zero::Zero, |b, x| {
            let y = chain(b, x);
            sign(b, y)
        });
    }
    let changes: [fn(&mut Build, ValueId) -> ValueId; 7] = [
        |b, x| b.unary(Unary::Clip(0.0, 1.0), x),
        |b, x| b.unary(Unary::Clip(0.25, 1.0), x),
        |b, x| b.unary(Unary::Sigmoid, x),
        |b, x| {
            let c = b.scalar(-2.0);
            b.binary(Mul, x, c)
        },
        |b, x| {
            let c = b.scalar(0.0);
            b.binary(Min, x, c)
        },
        |b, x| {
            let c = b.scalar(2.0);
            b.binary(Div, c, x)
        },
        |b, x| {
            let slope = b.scalar(-0.25);
            b.like(Op::PRelu, &[x, slope])
        },
    ];
    for chain in changes {
        let (found, _) = after(|b, x| {
            let two = b.scalar(0.125);
            let x = b.binary(Add, x, two);
            let y = chain(b, x);
            sign(b, y)
        });
        assert_eq!(found.len(), 3, "{found:?}");
    }
}

#[test]
fn a_value_that_is_also_an_output_stays() {
    let mut b = Build::default();
    let x = b.input(&[2, 9]);
    let s = sign(&mut b, x);
    let clip = b.unary(Unary::Clip(-1.0, 1.0), x);
    let d = b.binary(Sub, s, clip);
    let y = b.binary(Add, d, clip);
    let graph = preserved(&b.finish(&[s, d, y]), run);
    assert_eq!(ops(&graph), ["Sign", "Clip", "Sub", "Add"]);
}

/// ONNX's Sign of the input, and the input.
type Spelling = fn(&mut Build, ValueId, ValueId) -> ValueId;

#[test]
fn signs_of_signs_in_every_spelling() {
    fn select(b: &mut Build, mask: ValueId, yes: ValueId, no: ValueId) -> ValueId {
        let shape = b.graph.shape(mask).to_vec();
        b.node(Op::Where, &[mask, yes, no], &shape)
    }
    /// `Where(s == 0, at_zero, s)` of the sign of a value.
    fn settled(b: &mut Build, x: ValueId, at_zero: f32) -> ValueId {
        let (zero, value) = (b.scalar(0.0), b.scalar(at_zero));
        let s = sign(b, x);
        let m = b.binary(Equal, s, zero);
        select(b, m, value, s)
    }
    fn truth(b: &mut Build, relation: Binary, x: ValueId, c: f32) -> ValueId {
        let c = b.scalar(c);
        let m = b.binary(relation, x, c);
        b.like(Op::Cast(DType::F32), &[m])
    }
    let spellings: [(Zero, Spelling); 11] = [
        (Zero::Plus, |b, x, _| {
            let once = settled(b, x, 1.0);
            settled(b, once, 1.0)
        }),
        (Zero::Minus, |b, x, _| {
            let once = settled(b, x, -1.0);
            let twice = settled(b, once, 1.0);
            sign(b, twice)
        }),
        (Zero::Plus, |b, x, s| {
            let m = truth(b, Equal, x, 0.0);
            b.binary(Add, s, m)
        }),
        (Zero::Minus, |b, _, s| {
            let m = truth(b, Equal, s, 0.0);
            b.binary(Sub, s, m)
        }),
        (Zero::Plus, |b, _, s| {
            let (one, minus) = (b.scalar(1.0), b.scalar(-1.0));
            let m = b.binary(Equal, s, minus);
            select(b, m, minus, one)
        }),
        (Zero::Minus, |b, _, s| {
            // (s == 1) * 2 - 1
            let (two, one) = (b.scalar(2.0), b.scalar(1.0));
            let m = truth(b, Equal, s, 1.0);
            let m = b.binary(Mul, m, two);
            b.binary(Sub, m, one)
        }),
        (Zero::Zero, |b, x, _| {
            // (x > 0) - (x < 0)
            let (plus, minus) = (truth(b, Greater, x, 0.0), truth(b, Less, x, 0.0));
            b.binary(Sub, plus, minus)
        }),
        (Zero::Plus, |b, _, s| {
            let c = b.scalar(0.1);
            let y = b.binary(Add, s, c);
            sign(b, y)
        }),
        (Zero::Plus, |b, _, s| {
            // max(2 s + 1, -1) / 1 is 3 at +1; its sign is what counts.
            let (two, one, minus) = (b.scalar(2.0), b.scalar(1.0), b.scalar(-1.0));
            let y = b.binary(Mul, s, two);
            let y = b.binary(Add, y, one);
            let y = b.binary(Max, y, minus);
            let y = b.binary(Div, y, one);
            sign(b, y)
        }),
        (Zero::Minus, |b, _, s| {
            // Half of it, twice, and floored.
            let half = b.scalar(0.5);
            let y = b.binary(Mul, s, half);
            let y = b.unary(Unary::Ceil, y);
            let y = b.binary(Sub, y, half);
            sign(b, y)
        }),
        (Zero::Plus, |b, _, s| {
            let m = truth(b, GreaterOrEqual, s, 0.0);
            let half = b.scalar(0.5);
            let y = b.binary(Sub, m, half);
            sign(b, y)
        }),
    ];
    for (i, (zero, spelling)) in spellings.into_iter().enumerate() {
        let mut b = Build::default();
        let x = b.input(&[2, 9]);
        let s = sign(&mut b, x);
        let y = spelling(&mut b, x, s);
        let graph = preserved(&b.finish(&[y]), run);
        assert_eq!(graph.nodes.iter().map(|n| &n.op).collect::<Vec<_>>(), [&Op::Sign(zero)], "{i}\n{graph}");
    }
}

#[test]
fn a_sign_that_loses_its_minus_one_is_a_code() {
    let mut b = Build::default();
    let x = b.input(&[2, 9]);
    let (zero, minus) = (b.scalar(0.0), b.scalar(-1.0));
    let s = sign(&mut b, x);
    let m = b.binary(Equal, s, minus);
    let y = b.node(Op::Where, &[m, zero, s], &[2, 9]);
    let w = b.random_constant(&[9, 3]);
    let y = b.node(Op::MatMul, &[y, w], &[2, 3]);
    let graph = preserved(&b.finish(&[y]), run);
    assert_eq!(ops(&graph), ["Sign", "Affine", "MatMul"]);
    assert_eq!(graph.nodes[0].op, Op::Sign(Zero::Minus));
}

#[test]
fn levels_are_those_of_real_arithmetic() {
    // 0.1 * 0.7 and 0.7 / 3 are no f32s, and the second no f64.
    let code = |f: Binary, c: f32| {
        let mut b = Build::default();
        let x = b.input(&[2, 9]);
        let [half, level, c] = [0.5, 0.7, c].map(|c| b.scalar(c));
        let m = b.binary(Greater, x, half);
        let y = b.like(Op::Cast(DType::F32), &[m]);
        let y = b.binary(Binary::Mul, y, level);
        let y = b.binary(f, y, c);
        let w = b.random_constant(&[9, 3]);
        let y = b.node(Op::MatMul, &[y, w], &[2, 3]);
        preserved(&b.finish(&[y]), run)
    };
    let map = |graph: &Graph| {
        graph.nodes.iter().find_map(|n| if let Op::Affine { maps, .. } = &n.op { Some(maps[0].clone()) } else { None })
    };
    let graph = code(Binary::Mul, 0.1);
    assert_eq!(ops(&graph), ["Sub", "Sign", "Affine", "MatMul"]);
    assert_eq!(map(&graph), Some(Affine::levels(0.0, f64::from(0.7_f32) * f64::from(0.1_f32))));
    assert_eq!(ops(&code(Binary::Div, 3.0)), ["Sub", "Sign", "Affine", "Div", "MatMul"]);
}

#[test]
fn not_every_positive_scale_keeps_signs() {
    for (f, c) in [
        (Binary::Div, f32::INFINITY),
        (Binary::Mul, 0.0),
        (Binary::Mul, 1e-40),
        (Binary::Div, 0.0),
        (Binary::Min, 0.0),
        (Binary::Max, 0.0),
    ] {
        let mut b = Build::default();
        let x = b.input(&[2, 9]);
        let c = b.scalar(c);
        let y = b.binary(f, x, c);
        let y = sign(&mut b, y);
        let mut graph = b.finish(&[y]);
        run(&mut graph);
        assert_eq!(ops(&graph).len(), 2, "{f:?}\n{graph}");
    }
    // A minimum with 0 keeps what one rule asks for, a maximum what the other does.
    for (zero, f, kept) in [
        (Zero::Plus, Binary::Min, true),
        (Zero::Minus, Binary::Max, true),
        (Zero::Plus, Binary::Max, false),
        (Zero::Minus, Binary::Min, false),
    ] {
        let mut b = Build::default();
        let x = b.input(&[2, 9]);
        let c = b.scalar(0.0);
        let y = b.binary(f, x, c);
        let y = b.like(Op::Sign(zero), &[y]);
        assert_eq!(ops(&preserved(&b.finish(&[y]), run)).len() == 1, kept, "{zero:?} {f:?}");
    }
}

#[test]
fn a_number_clipped_and_rounded_is_a_step() {
    // The input holds halves, whole numbers and what lies between.
    for (low, second_first) in [(0.0, false), (0.0, true), (-1.0, false), (1.0, true)] {
        for rounding in [Unary::Round, Unary::Floor, Unary::Ceil] {
            let mut b = Build::default();
            let x = b.input(&[2, 9]);
            let clip = Unary::Clip(low, low + 1.0);
            let [first, second] = if second_first { [rounding, clip] } else { [clip, rounding] };
            let y = b.unary(first, x);
            let y = b.unary(second, y);
            let [two, middle] = [2.0, 2.0 * low + 1.0].map(|c| b.scalar(c));
            let y = b.binary(Mul, y, two);
            let y = b.binary(Sub, y, middle);
            let graph = preserved(&b.finish(&[y]), run);
            let found = ops(&graph);
            assert!(found == ["Sub", "Sign"] || found == ["Sign"], "{found:?}");
        }
    }
    // Three levels are none.
    let mut b = Build::default();
    let x = b.input(&[2, 9]);
    let y = b.unary(Unary::Clip(-1.0, 1.0), x);
    let y = b.unary(Unary::Round, y);
    let w = b.random_constant(&[9, 3]);
    let y = b.node(Op::MatMul, &[y, w], &[2, 3]);
    assert_eq!(ops(&preserved(&b.finish(&[y]), run)), ["Clip", "Round", "MatMul"]);
}

#[test]
fn the_sign_of_a_padded_value_is_a_padded_sign() {
    for (zero, value, padded) in
        [(Zero::Zero, 0.0, 0.0), (Zero::Plus, 0.0, 1.0), (Zero::Minus, 0.0, -1.0), (Zero::Zero, -0.5, -1.0)]
    {
        let mut b = Build::default();
        let x = b.input(&[1, 2, 3, 3]);
        let op = Op::Pad { before: vec![0, 0, 1, 1], after: vec![0, 0, 1, 1], value };
        let y = b.node(op, &[x], &[1, 2, 5, 5]);
        let y = b.like(Op::Sign(zero), &[y]);
        let graph = preserved(&b.finish(&[y]), run);
        assert_eq!(ops(&graph), ["Sign", "Pad"]);
        assert!(matches!(graph.nodes[1].op, Op::Pad { value, .. } if value == padded), "{graph}");
    }
}
