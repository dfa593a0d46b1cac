//! The compiled network, as a program of a user's own would call it: INPUT.npy ANSWER.f32

mod serve;

use std::io;
use std::sync::Mutex;

struct State {
    input: network::Input,
    output: network::Output,
    scratch: network::Scratch,
}

// In static memory: these arrays are larger than a stack.
static STATE: Mutex<State> = Mutex::new(State {
    input: [0.0; INPUT_VALUES],
    output: [0.0; OUTPUT_VALUES],
    scratch: network::Scratch::new(),
});
const INPUT_VALUES: usize = size_of::<network::Input>() / 4;
const OUTPUT_VALUES: usize = size_of::<network::Output>() / 4;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let mut state = STATE.lock().map_err(|_| io::Error::other("poisoned"))?;
    let State { input, output, scratch } = &mut *state;
    input.copy_from_slice(&serve::read_npy(&arguments[1])?);
    network::infer(input, output, scratch);
    serve::write_answer(&arguments[2], output)?;
    serve::serve(network::runtime::level().name(), || {
        network::infer(std::hint::black_box(input), output, scratch);
        std::hint::black_box(&mut *output);
    })
}
