//! The device by its name in the configuration.

use burn::tensor::Device;
#[cfg(feature = "wgpu")]
use burn::tensor::DeviceKind;
#[cfg(any(feature = "cuda", feature = "wgpu"))]
use burn::tensor::DeviceType;

use crate::problem::{Problems, Result};

/// `cpu`; where the program is built with that feature, `cuda`, `vulkan` and `wgpu` (the best one there is), `cuda:1`,
/// `vulkan:1` and `wgpu:1` (by number; but for CUDA, those on a card of their own).
///
/// # Errors
/// Names of nothing, of what this program is not built for, or of what this machine does not have.
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
        "cuda" => cuda(name, number),
        "vulkan" => vulkan(name, number),
        "wgpu" => wgpu(name, number),
        _ => {
            let known = "cpu, cuda, cuda:1, vulkan, vulkan:1, wgpu, wgpu:1";
            Err(Problems::one("device", format_args!("`{name}` is none of {known}")))
        }
    }
}

#[cfg(feature = "cuda")]
fn cuda(name: &str, number: Option<usize>) -> Result<Device> {
    there(name, number, DeviceType::Cuda, Device::cuda(number.unwrap_or(0)))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: &str, _: Option<usize>) -> Result<Device> {
    not_built("CUDA", "cuda")
}

#[cfg(feature = "vulkan")]
fn vulkan(name: &str, number: Option<usize>) -> Result<Device> {
    there(name, number, DeviceType::Vulkan, Device::vulkan(card(number)))
}

#[cfg(not(feature = "vulkan"))]
fn vulkan(_: &str, _: Option<usize>) -> Result<Device> {
    not_built("Vulkan", "vulkan")
}

#[cfg(feature = "wgpu")]
fn wgpu(name: &str, number: Option<usize>) -> Result<Device> {
    there(name, number, DeviceType::Wgpu, Device::wgpu(card(number)))
}

#[cfg(not(feature = "wgpu"))]
fn wgpu(_: &str, _: Option<usize>) -> Result<Device> {
    not_built("wgpu", "wgpu")
}

#[cfg(not(all(feature = "cuda", feature = "vulkan")))]
fn not_built(what: &str, feature: &str) -> Result<Device> {
    Err(Problems::one(
        "device",
        format_args!("this program is built without {what}: build it with `--features {feature}`"),
    ))
}

/// The best card, whatever its kind, or one by its number.
#[cfg(feature = "wgpu")]
fn card(number: Option<usize>) -> DeviceKind {
    number.map_or(DeviceKind::DefaultDevice, DeviceKind::DiscreteGpu)
}

/// `device`, if this machine has it: burn would panic on the first use.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
fn there(name: &str, number: Option<usize>, kind: DeviceType, device: Device) -> Result<Device> {
    let found: Vec<Device> = Device::enumerate(kind).into_iter().collect();
    if found.contains(&device) || number.is_none() && !found.is_empty() {
        return Ok(device);
    }
    let mut what = format!("there is no `{name}` on this machine; found: ");
    match &found[..] {
        [] => what.push_str("none, is its driver installed?"),
        found => what.push_str(&found.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(", ")),
    }
    Err(Problems::one("device", what))
}

/// burn reads the state of an optimiser by way of its default device, the first kind of card the program is built for,
/// and panics where there is none.
///
/// # Errors
/// No such card, and no other default in burn's environment variable.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
pub(super) fn default_is_there() -> Result {
    #[cfg(feature = "cuda")]
    let kind = DeviceType::Cuda;
    #[cfg(not(feature = "cuda"))]
    let kind = DeviceType::Wgpu;
    if std::env::var_os("BURN_DEVICE").is_some() || Device::enumerate(kind).into_iter().next().is_some() {
        return Ok(());
    }
    let what = "this program is built for a graphics card, which this machine lacks, and cannot read the state of an \
                optimiser without: set the environment variable BURN_DEVICE=flex";
    Err(Problems::one("device", what))
}
