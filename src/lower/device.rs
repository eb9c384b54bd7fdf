//! Where tensors live: names of devices, threads, memory.

use super::error::LowerError;
use super::kernels;
use tch::{Cuda, Device};

/// `cpu`, `cuda` (the first GPU) or `cuda:1`.
pub fn parse(text: &str) -> Result<Device, LowerError> {
    let refused = |what: String| Err(LowerError::Device(what));
    let index = match text.split_once(':') {
        None if text == "cpu" => return Ok(Device::Cpu),
        None if text == "cuda" => 0,
        Some(("cuda", index)) => match index.parse::<usize>() {
            Ok(index) => index,
            Err(_) => return refused(format!("`{index}` is not the number of a GPU: write `cuda:0`")),
        },
        _ => return refused(format!("there is no device `{text}`: write `cpu`, `cuda` or `cuda:1`")),
    };
    let n = Cuda::device_count().max(0) as usize;
    if n == 0 || !Cuda::is_available() {
        return refused(format!("`{text}`: libtorch sees no GPU here (no driver, or a libtorch without CUDA)"));
    }
    if index >= n {
        return refused(format!("`{text}`: this machine has {n} GPUs, counted from 0"));
    }
    Ok(Device::Cuda(index))
}

/// As [`parse`] reads it.
pub fn name(device: Device) -> String {
    match device {
        Device::Cpu => "cpu".into(),
        Device::Cuda(index) => format!("cuda:{index}"),
        Device::Mps => "mps".into(),
        Device::Vulkan => "vulkan".into(),
    }
}

/// The most memory this run has held so far: of the process on a CPU, of tensors on a GPU. `None`
/// where it cannot be known.
pub fn peak_memory_bytes(device: Device) -> Option<u64> {
    match device {
        Device::Cpu => {
            let status = std::fs::read_to_string("/proc/self/status").ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
        }
        Device::Cuda(index) => kernels::cuda_peak_bytes(index).ok(),
        Device::Mps | Device::Vulkan => None,
    }
}

/// Waits until everything given to the device is done.
pub fn synchronize(device: Device) {
    if let Device::Cuda(index) = device {
        Cuda::synchronize(index as i64);
    }
}

/// Threads inside one operation.
pub fn n_threads() -> usize {
    tch::get_num_threads().max(1) as usize
}

pub fn set_n_threads(n: usize) {
    tch::set_num_threads(i32::try_from(n.max(1)).unwrap_or(i32::MAX));
}

/// The version of the libtorch that this was built against, which is the one it loads.
pub fn libtorch_version() -> String {
    kernels::torch_version()
}
