//! The whole of what a user of the compiler writes: one call per model.

fn main() {
    xnorc::compile("../fashion/fashion.onnx");
    xnorc::compile("../photographs/cifar10.onnx");
}
