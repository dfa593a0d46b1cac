//! The loop the Rust workers share; `serve.py` is the same for the Python ones, `engines.Worker` the other end.

use std::io::{self, BufRead as _, Write as _};
use std::time::Instant;

/// Prints a line of JSON, then for every line `N` on the standard input the times of `N` inferences, in milliseconds.
pub fn serve(version: &str, mut infer: impl FnMut()) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{{\"version\": \"{version}\"}}")?;
    out.flush()?;
    for line in io::stdin().lock().lines() {
        let count: usize = line?.trim().parse().map_err(io::Error::other)?;
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let start = Instant::now();
            infer();
            times.push(format!("{}", start.elapsed().as_secs_f64() * 1e3));
        }
        writeln!(out, "[{}]", times.join(", "))?;
        out.flush()?;
    }
    Ok(())
}

/// The values of a `.npy` file of little-endian f32, version 1: what numpy's `save` writes.
pub fn read_npy(path: &str) -> io::Result<Vec<f32>> {
    let bytes = std::fs::read(path)?;
    let length = bytes.get(8..10).ok_or_else(|| io::Error::other("not a .npy file"))?;
    let start = 10 + usize::from(u16::from_le_bytes([length[0], length[1]]));
    let values = bytes.get(start..).ok_or_else(|| io::Error::other("a .npy file cut short"))?;
    Ok(values.chunks_exact(4).map(|v| f32::from_le_bytes([v[0], v[1], v[2], v[3]])).collect())
}

/// Writes values as they lie in memory of a little-endian machine.
pub fn write_answer(path: &str, values: &[f32]) -> io::Result<()> {
    std::fs::write(path, values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())
}
