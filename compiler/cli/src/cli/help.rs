//! What stands below the options on each page of help: commands to copy, and what comes of them.

pub(super) const ALL: &str = "\
Examples:
  xnorc inspect net.onnx                        at a glance: how binary, how small, how fast, what is in the way
  xnorc verify net.onnx                         is it right? against tract, on random pictures
  xnorc evaluate net.onnx --images test/        how often is it right? on your pictures
  xnorc bench net.onnx                          how fast is it? block by block, beside the machine's limit
  xnorc compile net.onnx --out net              a crate that depends on nothing

`xnorc COMMAND --help` has more of each.

Exit codes: 0 fine, 1 the model cannot be compiled or something is wrong, 2 usage.
Problems go to the standard error, one line each, with a stable code (X001...).";

pub(super) const COMPILE: &str = "\
Examples:
  xnorc compile net.onnx --out net              a crate that depends on nothing: the runtime is inside
  xnorc compile net.onnx --out net --target aarch64-unknown-linux-gnu
                                                ... with the instruction sets of that target only
  xnorc compile net.onnx --out net --runtime ../xnorc/runtime
                                                a crate that depends on the runtime there
  xnorc compile net.onnx --out net --c          for C and C++ too: include/net.h, and in README.md how to link it
  xnorc compile net.onnx --out net --web        for the web: web/net.js, and in README.md two lines that build the WebAssembly
  cd net && cargo test --release                runs the example recorded in it

The folder has Cargo.toml, README.md, src/ with the network as source and its weights, and tests/ with an example, unless
that would take the interpreter too long. Compiled again, it is replaced as a whole; what else you put there stays.";

pub(super) const INSPECT: &str = "\
Examples:
  xnorc inspect net.onnx                        one screen: how binary, how small, how fast, what is in the way
  xnorc inspect net.onnx --all                  every block, with the reason for each that is not binary
  xnorc inspect net.onnx --schedule             the loops of each block, and why they are so
  xnorc inspect net.onnx --threads 64           how far more threads can help
  xnorc inspect net.onnx --target thumbv7em-none-eabihf --memory memory.x
                                                flash, RAM and instructions of a microcontroller; does it fit?
  xnorc inspect net.onnx --json | jq .totals    the same as --all, as data

The time is an estimate, from the operations and the rates usual for the instructions of this machine; it can be off by a
factor of two. `xnorc bench` measures. Nothing is built here, and rustc is not needed, but for the code of --target.";

pub(super) const VERIFY: &str = "\
Examples:
  xnorc verify net.onnx                         on 4 random pictures
  xnorc verify net.onnx --input x.npy           on your own; a stack of them is as many samples
  xnorc verify net.onnx --input x.npy --expect y.npy
                                                and against what another engine made of them
  xnorc verify net.onnx --input x.npz --expect y.npz
                                                several inputs and outputs, by their names
  xnorc verify net.onnx --real int8 --calibrate x.npy
                                                what real-valued layers in 8 bits cost in accuracy
  xnorc verify net.onnx --real fixed --calibrate x.npy
                                                what fixed point costs: errors and signs that flip, end to end
  xnorc verify net.onnx --multiply-add loose    what two roundings of multiply-add cost, on instructions that have them
  xnorc verify net.onnx --engine interpreter    without rustc

An independent engine (tract) judges the program, and the expected outputs too: values agree to rounding, and a sign may
differ only where its value is nearer to the threshold than two engines round. Exit code 1 where something is wrong.";

pub(super) const RUN: &str = "\
Examples:
  xnorc run net.onnx --input x.npy --output y.npy
  xnorc run net.onnx --input pictures.npy --output scores.npy
                                                a stack: as many answers as there are pictures
  xnorc run net.onnx --input x.npy --repeat 100 --threads 4
                                                the time of an inference on four threads
  xnorc run net.onnx --input x.npy --output y.npy --engine interpreter
                                                without rustc

Arrays are numpy.save's, in f16, f32, f64, integers or bool, in C order; axes of extent 1 may be missing. A model compiled
for N pictures at a time (--dim batch=N) takes a stack of any number: the last inference is filled up.";

pub(super) const EVALUATE: &str = "\
Examples:
  xnorc evaluate net.onnx --images test/ --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225
                                                test/cat/*.png, test/dog/*.jpg...: ImageNet's usual preparation
  xnorc evaluate net.onnx --images x.npy --labels y.npy --save scores.npy --confusion confusion.csv
                                                a stack, [N, channels, height, width] or [N, height, width, channels]
  xnorc evaluate net.onnx --images mnist.npz:x_test --labels mnist.npz:y_test
  xnorc evaluate net.onnx --images flat/ --labels labels.csv
                                                a line is the name of a file, a comma, and its class
  xnorc evaluate net.onnx --images x.npy --labels y.npy --beside onnxruntime.npy
                                                another engine's scores for the same pictures

Bytes (PNG, JPEG, arrays of u8) are divided by 255, unless --scale says otherwise. Pictures have the size that the model
takes, already: how they are resized and cropped is a matter of training. Transparency is dropped; where the model takes
one channel, colours become their luminance.";

pub(super) const BENCH: &str = "\
Examples:
  xnorc bench net.onnx                          a row per block: median, minimum, limit, how much of it is reached
  xnorc bench net.onnx --plot net.svg           the same as a picture
  xnorc bench net.onnx --level avx2 --threads 4 with lesser instructions, on four threads

The limit knows nothing of memory: a block without multiplications has none. On a busy machine the minimum tells more than
the median.";

pub(super) const COMPLETIONS: &str = "\
Examples:
  xnorc completions bash > ~/.local/share/bash-completion/completions/xnorc
  xnorc completions zsh > ~/.zfunc/_xnorc        with ~/.zfunc in $fpath
  xnorc completions fish > ~/.config/fish/completions/xnorc.fish";
