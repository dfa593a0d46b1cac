//! Many pictures in one file.

use std::path::Path;

use xnorc::ir::Tensor;

use super::{Desk, fixture};

fn read(path: &Path) -> Tensor {
    xnorc::npy::read(&std::fs::read(path).unwrap()).unwrap()
}

/// A stack is what its pictures are one by one, in the batch the model was compiled for, with a remainder.
#[test]
fn run_and_verify_take_stacks() {
    let desk = Desk::new();
    desk.take("dynamic_batch_ts17.onnx");
    let model = "dynamic_batch_ts17.onnx";
    let one = read(&fixture("dynamic_batch_ts17.in.npy"));
    let picture = &one.shape[1..];
    let len: usize = picture.iter().product();
    let count = 5;
    let values = (0..count * len).map(|i| ((i * 7919 + i * i) % 1009) as f32 / 500.0 - 1.0).collect::<Vec<_>>();
    let stack = |shape: &[usize]| xnorc::npy::write(&Tensor::f32([shape, picture].concat(), values.clone()));
    desk.put("stack.npy", &stack(&[count]));
    let mut rows = Vec::new();
    for index in 0..count {
        let values = values[index * len..][..len].to_vec();
        desk.put("x.npy", &xnorc::npy::write(&Tensor::f32([&[1], picture].concat(), values)));
        assert_eq!(desk.run(&["run", model, "--input", "x.npy", "--output", "y.npy"]).code, Some(0));
        rows.extend(read(&desk.path("y.npy")).to_f32());
    }
    for batch in ["batch=1", "batch=2"] {
        let run =
            desk.run(&["run", model, "--input", "stack.npy", "--output", "all.npy", "--dim", batch, "--json"]).json();
        assert_eq!(run["pictures"], count);
        let all = read(&desk.path("all.npy"));
        assert_eq!((all.shape[0], all.to_f32()), (count, rows.clone()), "{batch}");
    }
    let verify = |more: &[&str]| desk.run(&[&["verify", model, "--input", "stack.npy", "--json"], more].concat());
    let verified = verify(&["--expect", "all.npy", "--dim", "batch=2"]).json();
    assert_eq!(
        (&verified["ok"], &verified["samples"], &verified["expected"]["exact"]),
        (&true.into(), &3.into(), &true.into())
    );
    // A row too few.
    let all = read(&desk.path("all.npy"));
    let fewer =
        Tensor::f32([&[count - 1], &all.shape[1..]].concat(), rows[..rows.len() / count * (count - 1)].to_vec());
    desk.put("fewer.npy", &xnorc::npy::write(&fewer));
    let refused = verify(&["--expect", "fewer.npy"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("--input gives 5 samples"), "{}", refused.stderr);
}
