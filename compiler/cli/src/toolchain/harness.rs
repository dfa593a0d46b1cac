// The harness of `xnorc run` and `xnorc verify`: a loop over commands from the standard input.
// Every command is one byte and little-endian numbers; `toolchain/program.rs` is the other end.
// INPUT and OUTPUT are replaced by the values of the network's own types.

use std::io::{self, Read, Write};
use std::sync::Mutex;
use std::time::Instant;

use network::{probe, runtime};
use runtime::{Alone, Kernel, Le, NarrowDot, NarrowKernel, Pool, Rows, SetBits, Simd, Table, Team, add_rows};

struct State {
    input: network::Input,
    output: network::Output,
    scratch: network::Scratch,
}

// In static memory: these arrays are larger than a stack.
static STATE: Mutex<State> = Mutex::new(State { input: INPUT, output: OUTPUT, scratch: network::Scratch::new() });

fn main() -> io::Result<()> {
    let mut from = io::BufReader::with_capacity(1 << 16, io::stdin().lock());
    let mut to = io::BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut state = STATE.lock().unwrap();
    let State { input, output, scratch } = &mut *state;
    // None: one thread, without a pool.
    let mut pool: Option<Pool> = None;
    loop {
        let team: &dyn Team = match &pool {
            Some(pool) => pool,
            None => &Alone,
        };
        let mut command = [0];
        if from.read(&mut command)? == 0 {
            return Ok(());
        }
        match command[0] {
            b'L' => {
                let mut name = vec![0; number(&mut from)?];
                from.read_exact(&mut name)?;
                // No name: the highest, whatever was chosen before.
                let wanted = String::from_utf8_lossy(&name).into_owned();
                let level = runtime::force_level(runtime::Level::from_name(&wanted)).name();
                put(&mut to, level.len())?;
                to.write_all(level.as_bytes())?;
            }
            b'J' => {
                let (threads, grain) = (number(&mut from)?, number(&mut from)?);
                pool = None;
                if threads > 1 {
                    let made = Pool::new(threads)?;
                    pool = Some(if grain == usize::MAX { made } else { made.with_grain(grain) });
                }
                to.write_all(b"+")?;
            }
            b'W' => {
                let [space, index, offset, count] = header(&mut from)?;
                let range = offset..offset + count;
                match space {
                    0 => match probe::input(input, index) {
                        [] => {
                            for at in range {
                                let mut value = [0.0];
                                read_f32(&mut from, &mut value)?;
                                probe::set_input_integer(input, index, at, value[0]);
                            }
                        }
                        floats => read_f32(&mut from, &mut floats[range])?,
                    },
                    1 => read_f32(&mut from, &mut probe::output_f32_mut(output, index)[range])?,
                    2 => read_f32(&mut from, &mut probe::real(scratch)[range])?,
                    _ => {
                        for word in &mut probe::bits(scratch)[range] {
                            let mut bytes = [0; 8];
                            from.read_exact(&mut bytes)?;
                            *word = u64::from_le_bytes(bytes);
                        }
                    }
                }
            }
            b'R' => {
                let [space, index, offset, count] = header(&mut from)?;
                let range = offset..offset + count;
                match space {
                    0 => match probe::input_ref(input, index) {
                        [] => {
                            for at in range {
                                write_f32(&mut to, &[probe::input_integer(input, index, at)])?;
                            }
                        }
                        floats => write_f32(&mut to, &floats[range])?,
                    },
                    1 => write_f32(&mut to, &probe::output_f32(output, index)[range])?,
                    2 => write_f32(&mut to, &probe::real(scratch)[range])?,
                    3 => {
                        for word in &probe::bits(scratch)[range] {
                            to.write_all(&word.to_le_bytes())?;
                        }
                    }
                    _ => {
                        for at in range {
                            to.write_all(&probe::output_integer(output, index, at).to_le_bytes())?;
                        }
                    }
                }
            }
            b'I' => {
                infer(&pool, input, output, scratch);
                to.write_all(b"+")?;
            }
            b'B' => {
                probe::BLOCKS[number(&mut from)?](team, input, output, scratch);
                to.write_all(b"+")?;
            }
            b'T' => {
                let (warm, count) = (number(&mut from)?, number(&mut from)?);
                for _ in 0..warm {
                    infer(&pool, std::hint::black_box(input), output, scratch);
                }
                let mut times = vec![0; count];
                for time in &mut times {
                    let start = Instant::now();
                    infer(&pool, std::hint::black_box(input), output, scratch);
                    std::hint::black_box(&mut *output);
                    *time = start.elapsed().as_nanos() as u64;
                }
                for time in times {
                    to.write_all(&time.to_le_bytes())?;
                }
            }
            b'P' => {
                // Block by block inside whole inferences, so that each finds the caches as it does in earnest.
                let (warm, count) = (number(&mut from)?, number(&mut from)?);
                let mut times = vec![0; probe::BLOCKS.len() * count];
                for run in 0..warm + count {
                    for (i, block) in probe::BLOCKS.iter().enumerate() {
                        let start = Instant::now();
                        block(team, std::hint::black_box(input), output, scratch);
                        std::hint::black_box(&mut *scratch);
                        if run >= warm {
                            times[i * count + run - warm] = start.elapsed().as_nanos() as u64;
                        }
                    }
                }
                for time in times {
                    to.write_all(&time.to_le_bytes())?;
                }
            }
            b'K' => {
                let plane = runtime::dispatch(PlaneBits);
                let rows_macs = ROUNDS * ROWS_CHANNELS * plane;
                for peak in [
                    peak(team, BINARY_MACS, &|| drop(std::hint::black_box(runtime::dispatch(PeakBinary)))),
                    peak(team, REAL_MACS, &|| drop(std::hint::black_box(runtime::dispatch(PeakReal)))),
                    peak(team, 2 * REAL_MACS, &|| drop(std::hint::black_box(runtime::dispatch_bf16(PeakNarrow)))),
                    peak(team, 4 * REAL_MACS, &|| drop(std::hint::black_box(runtime::dispatch_int8(PeakNarrow)))),
                    peak(team, rows_macs, &|| drop(std::hint::black_box(runtime::dispatch(PeakRows)))),
                    plane as f64,
                ] {
                    to.write_all(&peak.to_le_bytes())?;
                }
            }
            _ => return Ok(()),
        }
        to.flush()?;
    }
}

const ROUNDS: usize = 1000;
const WORDS: usize = 24;
const BINARY_MACS: usize = ROUNDS * 6 * WORDS * 16 * 64;
const REAL_MACS: usize = ROUNDS * 60 * 16;
const ROWS_CHANNELS: usize = 256;

fn infer(pool: &Option<Pool>, input: &network::Input, output: &mut network::Output, scratch: &mut network::Scratch) {
    match pool {
        Some(pool) => network::infer_on(pool, input, output, scratch),
        None => network::infer(input, output, scratch),
    }
}

/// Multiply-accumulates per second of the fastest of many short runs, on all threads of the team at once.
fn peak(team: &dyn Team, macs: usize, run: &(dyn Fn() + Sync)) -> f64 {
    // Long enough that handing out the work does not count.
    let width = team.width();
    let turns = if width > 1 { 16 } else { 1 };
    let turns_of = || (0..turns).for_each(|_| run());
    let mut least = f64::INFINITY;
    for _ in 0..400 / turns {
        let start = Instant::now();
        on_all(team, width, &turns_of);
        least = least.min(start.elapsed().as_secs_f64());
    }
    (macs * turns * width) as f64 / least
}

/// Calls it so many times, all at once if the team has that many threads.
fn on_all(team: &dyn Team, times: usize, run: &(dyn Fn() + Sync)) {
    if times <= 1 {
        return run();
    }
    let half = times / 2;
    team.join(&mut || on_all(team, times - half, run), &mut || on_all(team, half, run));
}

/// What every binary convolution is made of, and nothing else: xor, population count and addition, operands in the
/// nearest cache, in runs as long as those of a 3x3 kernel over 512 channels.
struct PeakBinary;

impl Kernel for PeakBinary {
    type Output = [f32; 16];

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> [f32; 16] {
        // As many pixels at a time as the registers hold counters of; the same number in all.
        match S::TILES {
            28.. => peak_binary::<S, 6>(s, ROUNDS),
            2.. => peak_binary::<S, 2>(s, 3 * ROUNDS),
            _ => peak_binary::<S, 1>(s, 6 * ROUNDS),
        }
    }
}

#[inline(always)]
fn peak_binary<S: Simd, const P: usize>(s: S, rounds: usize) -> [f32; 16] {
    let x: [u64; 64] = std::hint::black_box([0x5555_3333_0f0f_00ff; 64]);
    let w: [[Le<u64>; 16]; WORDS] = std::hint::black_box([[Le::<u64>::new(0x1234_5678_9abc_def0); 16]; WORDS]);
    let mut acc = [s.acc_zero(); P];
    for _ in 0..rounds {
        for (j, w) in w.iter().enumerate() {
            for p in 0..P {
                acc[p] = s.xor_popcnt(acc[p], x[(8 * p + j) % 64], w);
            }
        }
        for acc in &mut acc {
            *acc = s.widen(*acc);
        }
    }
    let mut sum = s.splat(0.0);
    for acc in acc {
        sum = s.add(sum, s.dot(acc, s.splat(0.0)));
    }
    s.to_array(sum)
}

/// What the layers are made of that count down the lanes, and nothing else: rows of weights, in the nearest cache, added to the
/// planes of sums of a 3x3 kernel over 512 channels. Half of the input's bits are set.
struct PeakRows;

impl Kernel for PeakRows {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> usize {
        let mut set = SetBits::<ROWS_CHANNELS, { ROWS_CHANNELS / 8 }, 16>::NONE;
        set.list(&std::hint::black_box([0x5555_3333_0f0f_00ff; ROWS_CHANNELS / 64]));
        let weights: Rows<16, { ROWS_CHANNELS + 1 }> =
            std::hint::black_box(Table([[Le::<u32>::new(0x1234_5678); 16]; ROWS_CHANNELS + 1]));
        let mut sums = [s.no_plane(); 13];
        for _ in 0..ROUNDS {
            sums = add_rows(s, sums, &set, &weights, 0);
        }
        let mut all = 0;
        s.spread(&sums, |_, counts| all += counts.iter().map(|count| usize::from(*count)).sum::<usize>());
        all
    }
}

/// Output channels that such an addition is for.
struct PlaneBits;

impl Kernel for PlaneBits {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        S::PLANE
    }
}

/// Fused multiply-additions on registers.
struct PeakReal;

impl Kernel for PeakReal {
    type Output = [f32; 16];

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> [f32; 16] {
        // Enough chains to hide the latency, and no more than the registers hold; the same number of steps in all.
        match S::TILES {
            28.. => peak_real::<S, 12>(s, 5 * ROUNDS),
            2.. => peak_real::<S, 5>(s, 12 * ROUNDS),
            _ => peak_real::<S, 1>(s, 60 * ROUNDS),
        }
    }
}

#[inline(always)]
fn peak_real<S: Simd, const N: usize>(s: S, rounds: usize) -> [f32; 16] {
    let (a, b) = (s.splat(std::hint::black_box(0.999)), s.splat(std::hint::black_box(0.001)));
    let mut acc = [s.splat(1.0); N];
    for _ in 0..rounds {
        for acc in &mut acc {
            *acc = s.fma(*acc, a, b);
        }
    }
    let mut sum = s.splat(0.0);
    for acc in acc {
        sum = s.add(sum, acc);
    }
    s.to_array(sum)
}

/// Dot products of narrow numbers on registers: two (bf16) or four (8-bit integers) multiply-additions per channel each.
struct PeakNarrow;

impl NarrowKernel for PeakNarrow {
    type Output = [f32; 16];

    #[inline(always)]
    fn run<S: Simd, D: NarrowDot<S>>(self, s: S, d: D) -> [f32; 16] {
        // bf16: 1 and 2^-13, so that sums stay small.
        let x = d.splat(s, std::hint::black_box(0x3f80_3f80));
        let w = d.load(s, &std::hint::black_box([Le::<u32>::new(0x3900_3900); 16]));
        let mut acc = [d.start(s, &[]); 12];
        for _ in 0..5 * ROUNDS {
            for acc in &mut acc {
                *acc = d.dot(s, *acc, x, w);
            }
        }
        let mut sum = s.splat(0.0);
        for acc in acc {
            sum = s.add(sum, d.finish(s, acc));
        }
        s.to_array(sum)
    }
}

fn number(from: &mut impl Read) -> io::Result<usize> {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes) as usize)
}

fn put(to: &mut impl Write, value: usize) -> io::Result<()> {
    to.write_all(&(value as u64).to_le_bytes())
}

fn header(from: &mut impl Read) -> io::Result<[usize; 4]> {
    Ok([number(from)?, number(from)?, number(from)?, number(from)?])
}

fn read_f32(from: &mut impl Read, values: &mut [f32]) -> io::Result<()> {
    for value in values {
        let mut bytes = [0; 4];
        from.read_exact(&mut bytes)?;
        *value = f32::from_le_bytes(bytes);
    }
    Ok(())
}

fn write_f32(to: &mut impl Write, values: &[f32]) -> io::Result<()> {
    for value in values {
        to.write_all(&value.to_le_bytes())?;
    }
    Ok(())
}
