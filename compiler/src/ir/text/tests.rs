//! What is written is read back; what cannot be read is told.

use crate::ir::Graph;
use crate::ir::network::Network;

fn read(text: &str) -> Graph {
    text.parse().unwrap_or_else(|why| panic!("{why}\n{text}"))
}

#[test]
fn every_spelling_is_read_back() {
    let text = r#"graph "all of it"
exact zeros
%x: f32[1,4,6,6] = input from "x"[1,4,6,6]
%"a b\n%": f32[1,4,6,6] = Affine(%x) {axis 1, maps[4] 2x+1 (3x+-1)/sqrt(2)+0.25 -1x 1e-30x} as "bn" of "BatchNormalization + scale" from "y"[1,6,6,4] by 0,3,1,2 ; because
%c.0/d:1: f32[1,8,6,6] = Conv(%"a b\n%", f32[8,4,3,3] random(7), f32[8] fill(0.5) called "b\n") {kernel 3x3, strides 1x1, dilations 1x1, pads 1,1,1,1}
%s: f32[1,8,6,6] = Sign(%c.0/d:1) {zero minus}
%t: f32[1,6,6,8] = Transpose(%s) {perm 0,2,3,1}
%b: f32[1,6,6,2] = BinaryConv(%t) {kernel 1x1, strides 1x1, pads 0,0,0,0, weights bits[16] +-+-++--+-+-++--, zeros 2, deviation 0.25}
%m: f32[1,3,3,2] = AveragePool(%b) {kernel 2x2, strides 2x2, pads 0,0,0,0, counting pads, ceil 1,0, channels last}
%k: f32[1,3,3,2] = Clip(%m) {min -inf, max 6.0}
%r: f32[1,1,1,2] = ReduceMean(%k) {axes 1,2, keepdims}
%w: f32[1,3,3,2] = Where(bool[1,1,1,2] {true,false}, %k, %r)
%p: f32[1,3,3,2] = PRelu(%w, f32[1,1,1,2] {0.25,-0.5})
%q: f32[1,3,3,2] = Mul(%p, 2.0)
%i: i64[1,3,3] = ArgMax(%q) {axis 3, last}
%l: f32[1,3,3,2] = LogSoftmax(%q) {axis 3}
return %l, %i, 3.0
note: something to know
"#;
    let graph = read(text);
    let written = format!("{graph:#}");
    let expected = text.replace(", dilations 1x1", "");
    assert_eq!(written, expected);
    assert_eq!(format!("{:#}", read(&written)), written);
}

#[test]
fn what_cannot_be_read_is_told_with_its_line() {
    for (line, why) in [
        ("%y: f32[1] = Nonsense(%x)", "\"Nonsense\" is no operator"),
        ("%y: f32[1] = Relu(%z)", "\"z\" is not computed before"),
        ("%x: f32[1] = Relu(%x)", "another value of that name"),
        ("%y: f64[1] = Relu(%x)", "\"f64\" is no type"),
        ("%y: f32[one] = Relu(%x)", "\"one\" is no number"),
        ("%y: f32[1] = Relu(%x", "an operand is expected"),
        ("%y: f32[1] = Add(%x, f32[64] #1f2e3d4c)", "spells no elements"),
        ("%y: f32[1] = Add(%x, i64[64] fill(1))", "its elements are not here"),
        ("%y: f32[1] = Add(%x, f32[2] {1.0})", "1 elements of [2]"),
        ("%y: f32[1] = Softmax(%x)", "\"axis\" is missing"),
        ("%y: f32[1] = Sign(%x) {zero perhaps}", "no rule for zero"),
        ("%y: f32[1] = Affine(%x) {axis 0, maps[1] 2y}", "is no affine map"),
        ("%y: f32[1] = Relu(%x) and more", "\"and more\" is not understood"),
        ("%y: f32[1] = Add(%x, f32[99999999999] fill(1))", "so large a constant"),
        ("%\"y: f32[1] = Relu(%x)", "a quote is not closed"),
    ] {
        let text = format!("graph \"g\"\n%x: f32[1] = input\n{line}\nreturn %x\n");
        let told = text.parse::<Graph>().expect_err(line);
        assert!(told.starts_with("line 3: ") && told.contains(why), "{line}: {told}");
    }
}

#[test]
fn every_block_is_read_back() {
    let text = r#"network "all of it"
  input %0
  output %1
  %0 "x" f32[1x2x4x4] from "x"[1,2,4,4]
  %1 "y" i64[1x3]
  %2 "s" bits[1x4x4x2] in 2 groups frame 1,0,1,2 of 1 from "y"[1,2,4,4] by 0,2,3,1 between 0.0,-1e-7
  "a": binary_conv(%2, weights bits[16] +-+-++--+-+-++--, zeros 2) 1x4x4x2 -> 4x4x2 3x1/2,1 dilated 1,2 pad 1,0 in 2 groups of -1 -> scale [0.5; 2], shift [0.5, -inf], prelu [random(3); 9], sign [>= 1.0, never] -> average_pool 1x4x4x2 -> 2x2x2 2x2/2,2 counting 0,1 -> Clip(-1.0, 6.0), Relu, scale [1.0, 2.0] of 1x1x2, shift [3.0; 4] of 4x1x1, gate %0, add %0, mul %0, store %0, sum %0, sign %2 [always; 3]   # BatchNormalization Sign Conv (because (of) it)
  "b": conv(%0 in planes, [1.0, 2.0, 3.0, 4.0, 5.0]) 1x4x4x2 -> 4x4x2 1x1 in bf16 by %0   # Conv
  "c": conv(%0, [1.0; 1]) 1x4x4x2 -> 4x4x2 1x1 in int8 by %0: * 12.5 + 3, weights [1,-2,3]   # 
  "d": max_pool(%0) 1x4x4x2 -> 2x2x2 2x2/2,2   # MaxPool
  "e": average_pool(%0) 1x4x4x2 -> 2x2x2 2x2/2,2 counting 1,1   # AveragePool
  "f": map(%0) -> sign %2 [<= 1.0, 0.5 to 2.0]   # pack
  "g": planes(%0)   # Neg
  "h": %1 = gate(%0): dense 2->1 [0.5, 1.0] + [0.0; 1], LeakyRelu(0.25), dense 1->3 [1.0, 2.0, 3.0] + [0.0; 3], Sigmoid   # gate
  "i": %1 = copy(fill -1.0; %0+11 by -1,0 to 3 by 4,1, 2x3; %0+0 by 1 to 0 by 1, 4)   # Concat
  "j": %1 = copy(fill 0.5)   # Constant
  "k": %1 = reshape(%0)   # Reshape
  "n": %1 = convert(%0)   # Cast
  "o": %1 = lookup(%0, 1x3x2, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])   # Gather
  "l": %2 = bit_max_pool(%2) 1x4x4x2 -> 2x2x2 2x2/2,2   # MaxPool
  "p": %2 = bit_join(%2, %2)   # Concat
  "q": %2 = bit_product(%2, %2)   # Mul
  "m": %1 = ArgMax(%0) {axis 1, last}   # ArgMax
  note: something to know
"#;
    let read = |text: &str| text.parse::<Network>().unwrap_or_else(|why| panic!("{why}\n{text}"));
    assert_eq!(format!("{:#}", read(text)), text);
    for (line, why) in [
        ("\"a\": nonsense(%0)   # ", "\"nonsense\" is no source"),
        ("\"a\": map(%0) -> max_pool 1x1x1x1 -> 1x1x1 1x1 -> max_pool 1x1x1x1 -> 1x1x1 1x1   # ", "a second pool"),
        ("\"a\": map(%0) -> sign %2 [perhaps]   # ", "is no threshold"),
        ("\"a\": map(%0) -> Nonsense   # ", "is no function"),
        ("%7 \"x\" f32[1]", "numbered in order"),
        ("\"a\": map(%0)", "is expected"),
    ] {
        let told = format!("network \"n\"\n{line}\n").parse::<Network>().expect_err(line);
        assert!(told.starts_with("line 2: ") && told.contains(why), "{line}: {told}");
    }
}
