//! The emitted program as a child process, or the interpreter in its place.

use std::io::{self, BufReader, BufWriter, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::interpreter::Interpreter;
use super::{Built, problem};
use xnorc::Output;
use xnorc::diagnostics::Diagnostics;

/// A part of the program's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// The input with this index.
    Input(usize),
    /// The output with this index.
    Output(usize),
    /// The f32 part of the scratch memory.
    Real,
    /// The 64-bit part of the scratch memory.
    Bits,
}

impl Space {
    fn numbers(self) -> [u64; 2] {
        match self {
            Space::Input(i) => [0, i as u64],
            Space::Output(i) => [1, i as u64],
            Space::Real => [2, 0],
            Space::Bits => [3, 0],
        }
    }
}

/// Times of single inferences, measured inside the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    sorted: Vec<Duration>,
}

impl Timing {
    /// Of times in any order.
    pub fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self { sorted: times }
    }

    /// The shortest.
    pub fn min(&self) -> Duration {
        self.sorted.first().copied().unwrap_or_default()
    }

    /// The middle one; of an even number the mean of the two in the middle.
    pub fn median(&self) -> Duration {
        match self.sorted.len() {
            0 => Duration::ZERO,
            n if n % 2 == 1 => self.sorted[n / 2],
            n => (self.sorted[n / 2 - 1] + self.sorted[n / 2]) / 2,
        }
    }
}

/// A running program. Dropping it ends the process.
#[derive(Debug)]
pub struct Program(Engine);

#[derive(Debug)]
enum Engine {
    Process(Process),
    Interpreter(Box<Interpreter>),
}

#[derive(Debug)]
struct Process {
    child: Child,
    to: BufWriter<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Program {
    /// Starts what [`build`](super::build) made.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn start(built: &Built) -> Result<Self, Diagnostics> {
        let mut child = Command::new(&built.program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| problem(format!("the built program cannot be started: {e}")))?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(to), Some(from)) => Ok(Self(Engine::Process(Process {
                child,
                to: BufWriter::with_capacity(1 << 16, to),
                from: BufReader::with_capacity(1 << 16, from),
            }))),
            _ => Err(problem("the built program has no standard input and output")),
        }
    }

    /// The interpreter in the place of a program: it needs no rustc, and takes about a thousand times as long.
    pub fn interpreted(output: &Output) -> Self {
        Self(Engine::Interpreter(Box::new(Interpreter::new(output))))
    }

    /// What only a process can do.
    fn process(&mut self) -> Result<&mut Process, Diagnostics> {
        match &mut self.0 {
            Engine::Process(process) => Ok(process),
            Engine::Interpreter(_) => Err(problem("the interpreter has no blocks or peaks to be measured")),
        }
    }

    /// Asks for a level (`portable`, `popcnt`, `avx2`, `avx512bw`, `avx512`, `neon`), or for the highest with `None`; gives the one in use,
    /// which is lower when the processor cannot run the one asked for.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn level(&mut self, name: Option<&str>) -> Result<String, Diagnostics> {
        let Engine::Process(process) = &mut self.0 else { return Ok("interpreter".to_owned()) };
        let name = name.unwrap_or_default();
        let mut command = vec![b'L'];
        command.extend((name.len() as u64).to_le_bytes());
        command.extend(name.as_bytes());
        let len = process.ask(&command, 8)?;
        let len = u64::from_le_bytes(len.try_into().unwrap_or_default());
        let name = process.ask(&[], usize::try_from(len).unwrap_or(0).min(64))?;
        Ok(String::from_utf8_lossy(&name).into_owned())
    }

    /// Sets how many threads one inference takes from now on; 1 at first. A `grain` other than the pool's own, in
    /// nanoseconds, says which work is worth dividing: 0 divides whatever can be.
    ///
    /// # Errors
    /// When the program has ended, as it does when there are not so many threads.
    pub fn threads(&mut self, threads: usize, grain: Option<usize>) -> Result<(), Diagnostics> {
        let Engine::Process(process) = &mut self.0 else { return Ok(()) };
        let mut command = vec![b'J'];
        command.extend((threads as u64).to_le_bytes());
        command.extend(grain.map_or(u64::MAX, |grain| grain as u64).to_le_bytes());
        process.ask(&command, 1).map(drop)
    }

    /// Writes f32s.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn write_f32(&mut self, space: Space, offset: usize, values: &[f32]) -> Result<(), Diagnostics> {
        match &mut self.0 {
            Engine::Interpreter(it) => it.floats(space, offset, values.len())?.copy_from_slice(values),
            Engine::Process(process) => {
                let mut command = header(b'W', space.numbers(), offset, values.len());
                command.extend(values.iter().flat_map(|v| v.to_le_bytes()));
                process.ask(&command, 0)?;
            }
        }
        Ok(())
    }

    /// Writes words of sign bits into the scratch memory.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn write_bits(&mut self, offset: usize, words: &[u64]) -> Result<(), Diagnostics> {
        match &mut self.0 {
            Engine::Interpreter(it) => it.words(offset, words.len())?.copy_from_slice(words),
            Engine::Process(process) => {
                let mut command = header(b'W', Space::Bits.numbers(), offset, words.len());
                command.extend(words.iter().flat_map(|w| w.to_le_bytes()));
                process.ask(&command, 0)?;
            }
        }
        Ok(())
    }

    /// Reads f32s.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn read_f32(&mut self, space: Space, offset: usize, count: usize) -> Result<Vec<f32>, Diagnostics> {
        let process = match &mut self.0 {
            Engine::Interpreter(it) => return it.floats(space, offset, count).map(|values| values.to_vec()),
            Engine::Process(process) => process,
        };
        let bytes = process.ask(&header(b'R', space.numbers(), offset, count), 4 * count)?;
        Ok(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
    }

    /// Reads words of sign bits from the scratch memory.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn read_bits(&mut self, offset: usize, count: usize) -> Result<Vec<u64>, Diagnostics> {
        let process = match &mut self.0 {
            Engine::Interpreter(it) => return it.words(offset, count).map(|words| words.to_vec()),
            Engine::Process(process) => process,
        };
        let bytes = process.ask(&header(b'R', Space::Bits.numbers(), offset, count), 8 * count)?;
        Ok(bytes.as_chunks().0.iter().map(|b| u64::from_le_bytes(*b)).collect())
    }

    /// Reads an output that holds integers.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn read_i64(&mut self, output: usize, count: usize) -> Result<Vec<i64>, Diagnostics> {
        let process = match &mut self.0 {
            Engine::Interpreter(it) => return it.integers(output).map(<[i64]>::to_vec),
            Engine::Process(process) => process,
        };
        let bytes = process.ask(&header(b'R', [4, output as u64], 0, count), 8 * count)?;
        Ok(bytes.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect())
    }

    /// Runs the whole network.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn infer(&mut self) -> Result<(), Diagnostics> {
        match &mut self.0 {
            Engine::Interpreter(it) => it.infer().map(drop),
            Engine::Process(process) => process.ask(b"I", 1).map(drop),
        }
    }

    /// Runs one block.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn block(&mut self, index: usize) -> Result<(), Diagnostics> {
        match &mut self.0 {
            Engine::Interpreter(it) => it.block(index),
            Engine::Process(process) => {
                let mut command = vec![b'B'];
                command.extend((index as u64).to_le_bytes());
                process.ask(&command, 1).map(drop)
            }
        }
    }

    /// Measures `count` inferences after `warm` that are not measured.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn time(&mut self, warm: usize, count: usize) -> Result<Timing, Diagnostics> {
        let process = match &mut self.0 {
            // Nothing of it gets warm.
            Engine::Interpreter(it) => {
                return (0..count).map(|_| it.infer()).collect::<Result<_, _>>().map(Timing::new);
            }
            Engine::Process(process) => process,
        };
        let mut command = vec![b'T'];
        command.extend((warm as u64).to_le_bytes());
        command.extend((count as u64).to_le_bytes());
        let bytes = process.ask(&command, 8 * count)?;
        Ok(Timing::new(bytes.as_chunks().0.iter().map(|b| Duration::from_nanos(u64::from_le_bytes(*b))).collect()))
    }
}

impl Program {
    /// Measures each of the network's `blocks` blocks inside `count` whole inferences after `warm` that are not measured.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn time_blocks(&mut self, blocks: usize, warm: usize, count: usize) -> Result<Vec<Timing>, Diagnostics> {
        let mut command = vec![b'P'];
        command.extend((warm as u64).to_le_bytes());
        command.extend((count as u64).to_le_bytes());
        let bytes = self.process()?.ask(&command, 8 * blocks * count)?;
        let times: Vec<Duration> =
            bytes.as_chunks().0.iter().map(|b| Duration::from_nanos(u64::from_le_bytes(*b))).collect();
        Ok(times.chunks(count.max(1)).map(|times| Timing::new(times.to_vec())).collect())
    }

    /// Measures what this machine can do at the level in use, on the threads in use.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn peaks(&mut self) -> Result<Peaks, Diagnostics> {
        let bytes = self.process()?.ask(b"K", 48)?;
        let number = |i: usize| bytes.as_chunks().0.get(i).map_or(0.0, |b| f64::from_le_bytes(*b));
        let [words, real, bf16, int8, rows, plane] = [0, 1, 2, 3, 4, 5].map(number);
        Ok(Peaks { words, rows, plane: plane as usize, real, bf16, int8 })
    }
}

/// The highest rates of a machine, in multiply-accumulates per second.
#[derive(Clone, Copy, Debug)]
pub struct Peaks {
    /// Binary, by exclusive or, population count and addition.
    pub words: f64,
    /// Binary, by additions of rows of weights, half of the input's bits being set.
    pub rows: f64,
    /// Output channels that such an addition is for.
    pub plane: usize,
    /// In f32.
    pub real: f64,
    /// In bf16.
    pub bf16: f64,
    /// In 8-bit integers.
    pub int8: f64,
}

impl Peaks {
    /// The higher rate of two measurements, each.
    pub fn max(self, other: Self) -> Self {
        Self {
            words: self.words.max(other.words),
            rows: self.rows.max(other.rows),
            plane: self.plane,
            real: self.real.max(other.real),
            bf16: self.bf16.max(other.bf16),
            int8: self.int8.max(other.int8),
        }
    }

    /// The least seconds of a binary layer, by any way of counting, whichever it uses. Words are compared under every tap, padded ones
    /// included; rows of weights are added for whole planes of output channels, and for that share of the taps which lies inside the
    /// picture; planes of pixels are all full.
    pub fn binary_seconds(&self, layer: &Counted) -> f64 {
        let Counted { macs, outputs, signs, inside } = *layer;
        let macs = macs as f64;
        let planes = outputs.next_multiple_of(self.plane.max(1)) as f64;
        let rows = macs * inside * planes / outputs.max(1) as f64 / self.rows;
        (macs / self.words).min(rows).min(macs / self.pixel_lanes(signs).unwrap_or(self.words))
    }

    /// The highest rate with pixels as lanes, where outputs have so many signs each, of processors that count so: each addition of planes
    /// is for as many pixels as one of rows is for output channels. Four outputs share 15 of 16 additions of as many planes as an output
    /// has signs; the sums of a sixteenth of them each are then added up, 22 times (see the runtime's `pixel_planes.rs`).
    pub fn pixel_lanes(&self, signs: usize) -> Option<f64> {
        let part = f64::from((signs / 16 + 1).next_power_of_two().ilog2());
        let additions = signs as f64 * 15.0 / 16.0 + 22.0 * part + 14.0;
        // A row stands for two products, as half of them are left out.
        (self.plane >= VECTOR).then_some(self.rows * 2.0 * signs as f64 / additions)
    }
}

/// A binary layer, by what its limit depends on.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// Binary multiply-accumulates.
    pub macs: u64,
    /// Output channels, of a group.
    pub outputs: usize,
    /// Products of an output.
    pub signs: usize,
    /// Share of the taps that lie inside the picture.
    pub inside: f64,
}

/// Bits of the shortest planes of processors that count with pixels as lanes.
const VECTOR: usize = 128;

impl Process {
    /// Sends a command, and reads `answer` bytes.
    fn ask(&mut self, command: &[u8], answer: usize) -> Result<Vec<u8>, Diagnostics> {
        let exchange = |process: &mut Self| -> io::Result<Vec<u8>> {
            process.to.write_all(command)?;
            process.to.flush()?;
            let mut bytes = vec![0; answer];
            process.from.read_exact(&mut bytes)?;
            Ok(bytes)
        };
        exchange(self).map_err(|e| {
            // Its end of a pipe is closed, so it has ended or is about to.
            let status = self.child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
            problem(format!("the built program ended ({status}): {e}"))
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be in the middle of a computation that nobody waits for any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn header(command: u8, space: [u64; 2], offset: usize, count: usize) -> Vec<u8> {
    let mut bytes = vec![command];
    for number in [space[0], space[1], offset as u64, count as u64] {
        bytes.extend(number.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_minimum() {
        let timing = |times: &[u64]| Timing::new(times.iter().map(|&t| Duration::from_nanos(t)).collect());
        assert_eq!(timing(&[5, 1, 3]).median(), Duration::from_nanos(3));
        assert_eq!(timing(&[5, 1, 3, 9]).median(), Duration::from_nanos(4));
        assert_eq!(timing(&[5, 1, 3]).min(), Duration::from_nanos(1));
        assert_eq!(timing(&[]).median(), Duration::ZERO);
    }

    #[test]
    fn the_limit_is_that_of_the_fastest_way_to_count() {
        let peaks = Peaks { words: 100.0, rows: 200.0, plane: 256, real: 1.0, bf16: 1.0, int8: 1.0 };
        let layer = |outputs, inside| Counted { macs: 1000, outputs, signs: 16, inside };
        // A full plane; a quarter of one; all but the taps of the border.
        let of_words = Peaks { plane: 64, ..peaks };
        assert_eq!(of_words.binary_seconds(&layer(64, 1.0)), 5.0);
        assert_eq!(of_words.binary_seconds(&layer(32, 1.0)), 10.0);
        assert_eq!(of_words.binary_seconds(&layer(256, 0.5)), 2.5);
        // 15/16 of 256 signs, and sums of five bits: 364 additions for four outputs of 256 products, where rows take 512 of them.
        let many = Counted { macs: 1000, outputs: 256, signs: 256, inside: 1.0 };
        assert_eq!(peaks.pixel_lanes(256), Some(200.0 * 512.0 / 364.0));
        assert_eq!(peaks.binary_seconds(&many), 1000.0 / (200.0 * 512.0 / 364.0));
        assert_eq!(of_words.pixel_lanes(256), None);
    }
}
