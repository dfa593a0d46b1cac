//! The device by its name in the configuration.

use burn::tensor::Device;

use crate::problem::{Problems, Result};

/// `cpu`; where the program is built with that feature, `cuda` and `vulkan` (the best one there is), `cuda:1` and
/// `vulkan:1` (by number; of Vulkan's, those on a card of their own).
///
/// # Errors
/// Names of nothing, or of what this program is not built for.
pub fn device(name: &str) -> Result<Device> {
    let (kind, number) = match name.split_once(':') {
        Some((kind, number)) => (kind, Some(number)),
        None => (name, None),
    };
    let number: Option<usize> = number
        .map(str::parse)
        .transpose()
        .map_err(|_| Problems::one("device", format_args!("`{name}`: behind the colon is a number")))?;
    match kind {
        "cpu" if number.is_none() => Ok(Device::flex()),
        "cuda" => cuda(number),
        "vulkan" => vulkan(number),
        _ => Err(Problems::one("device", format_args!("`{name}` is none of cpu, cuda, cuda:1, vulkan, vulkan:1"))),
    }
}

#[cfg(feature = "cuda")]
fn cuda(number: Option<usize>) -> Result<Device> {
    Ok(Device::cuda(number.unwrap_or(0)))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: Option<usize>) -> Result<Device> {
    Err(Problems::one("device", "this program is built without CUDA: build it with `--features cuda`"))
}

#[cfg(feature = "vulkan")]
fn vulkan(number: Option<usize>) -> Result<Device> {
    use burn::tensor::DeviceKind;
    Ok(Device::vulkan(number.map_or(DeviceKind::DefaultDevice, DeviceKind::DiscreteGpu)))
}

#[cfg(not(feature = "vulkan"))]
fn vulkan(_: Option<usize>) -> Result<Device> {
    Err(Problems::one("device", "this program is built without Vulkan: build it with `--features vulkan`"))
}
