//! The device by its name in the configuration.

use burn::tensor::Device;

use crate::problem::{Problems, Result};

/// `cpu`; `cuda`, `cuda:1`, `vulkan` where the program is built with that feature.
///
/// # Errors
/// Names of nothing, or of what this program is not built for.
pub fn device(name: &str) -> Result<Device> {
    let (kind, index) = name.split_once(':').unwrap_or((name, "0"));
    let index: usize =
        index.parse().map_err(|_| Problems::one("device", format_args!("`{name}`: behind the colon is a number")))?;
    match kind {
        "cpu" => Ok(Device::flex()),
        "cuda" => cuda(index),
        "vulkan" => vulkan(index),
        _ => Err(Problems::one("device", format_args!("`{name}` is none of cpu, cuda, cuda:1, vulkan"))),
    }
}

#[cfg(feature = "cuda")]
fn cuda(index: usize) -> Result<Device> {
    Ok(Device::cuda(index))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: usize) -> Result<Device> {
    Err(Problems::one("device", "this program is built without CUDA: build it with `--features cuda`"))
}

#[cfg(feature = "vulkan")]
fn vulkan(index: usize) -> Result<Device> {
    Ok(Device::vulkan(burn::tensor::DeviceKind::DiscreteGpu(index)))
}

#[cfg(not(feature = "vulkan"))]
fn vulkan(_: usize) -> Result<Device> {
    Err(Problems::one("device", "this program is built without Vulkan: build it with `--features vulkan`"))
}
