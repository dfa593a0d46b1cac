//! What is written is read back; what cannot be read is told.

use crate::ir::Graph;

fn read(text: &str) -> Graph {
    text.parse().unwrap_or_else(|why| panic!("{why}\n{text}"))
}

#[test]
fn every_spelling_is_read_back() {
    let text = r#"graph "all of it"
exact zeros
%x: f32[1,4,6,6] = input from "x"[1,4,6,6]
%"a b\n%": f32[1,4,6,6] = Affine(%x) {axis 1, maps[4] 2x+1 (3x+-1)/sqrt(2)+0.25 -1x 1e-30x} as "bn" of "BatchNormalization + scale" from "y"[1,6,6,4] by 0,3,1,2 ; because
%c.0/d:1: f32[1,8,6,6] = Conv(%"a b\n%", f32[8,4,3,3] random(7), f32[8] fill(0.5)) {kernel 3x3, strides 1x1, dilations 1x1, pads 1,1,1,1}
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
