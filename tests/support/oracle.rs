//! What tests against Python share: tensors by path on their way there and back, weights to start from.

use dlmc::base::philox::{Purpose, Stream};
use dlmc::base::source::Memory;
use dlmc::cli::front::{self, Compiled};
use dlmc::graph::Array;
use dlmc::program::ParamInstance;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Weights are multiples of this: they and ten times them are exact in fp32.
pub const GRID: f64 = 1.0 / (1 << 20) as f64;
/// Matrices start as dlmc starts them; gains spread about 1, so that a gain left out is seen.
pub const MATRIX_STD: f64 = 0.02;
pub const GAIN_STD: f64 = 0.1;

/// A tensor in f64 by path, whatever it was computed in.
pub type Tensors = BTreeMap<String, Array>;

/// `DLMC_PYTHON`, or the project's own.
pub fn python() -> Option<PathBuf> {
    if let Some(python) = std::env::var_os("DLMC_PYTHON") {
        return Some(python.into());
    }
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    own.exists().then_some(own)
}

/// A spec that uses `lib/LIBRARY.dlm`.
pub fn compile(library: &str, spec: String) -> Compiled {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("specs/lib/{library}.dlm"));
    let sources = Memory(BTreeMap::from([
        (PathBuf::from("case.dlm"), spec),
        (PathBuf::from(format!("lib/{library}.dlm")), std::fs::read_to_string(path).unwrap()),
    ]));
    let outcome = front::compile(Path::new("case.dlm"), &sources, None, &[], None);
    let words = dlmc::cli::render::human(&outcome.diagnostics, &outcome.sources, false);
    outcome.compiled.unwrap_or_else(|| panic!("{words}"))
}

/// Initial weights of the case: not dlmc's own initialisation, which makes all gains 1.
pub fn draw(seed: u32, index: u32, param: &ParamInstance) -> Array {
    let stream = Stream::new(seed, Purpose::Init);
    let (centre, std) = if param.decays() { (0.0, MATRIX_STD) } else { (1.0, GAIN_STD) };
    let data: Vec<f64> = (0..param.n_elements())
        .map(|i| {
            let x = centre + std * stream.normals([index, i as u32, 0, 0])[0];
            (x / GRID).round() * GRID
        })
        .collect();
    Array::new(param.shape.iter().map(|n| *n as usize).collect::<Vec<_>>(), data)
}

pub fn norm(x: &Array) -> f64 {
    x.data.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// ||a - b|| / ||b||
pub fn distance(a: &Array, b: &Array) -> f64 {
    assert_eq!(a.shape, b.shape);
    norm(&a.zip(b, |a, b| a - b)) / norm(b)
}

pub fn f64s(data: &[f64]) -> Vec<u8> {
    data.iter().flat_map(|x| x.to_le_bytes()).collect()
}

pub fn i64s(data: &[u32]) -> Vec<u8> {
    data.iter().flat_map(|id| i64::from(*id).to_le_bytes()).collect()
}

pub fn write_tensors(path: &Path, tensors: &[(&str, Dtype, &Vec<usize>, Vec<u8>)]) {
    let views: Vec<_> = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, (*shape).clone(), bytes).unwrap()))
        .collect();
    safetensors::serialize_to_file(views, None, path).unwrap();
}

pub fn read_tensors(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.iter()
        .map(|(name, view)| {
            let data: Vec<f64> = match view.dtype() {
                Dtype::F32 => {
                    view.data().chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect()
                }
                Dtype::F64 => view.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
                Dtype::I64 => {
                    view.data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64).collect()
                }
                other => panic!("{name} is {other}"),
            };
            (name.to_string(), Array::new(view.shape(), data))
        })
        .collect()
}

#[cfg(feature = "torch")]
pub fn array(tensor: &tch::Tensor) -> Array {
    let data = Vec::<f64>::try_from(tensor.to_kind(tch::Kind::Double).contiguous().view([-1])).unwrap();
    Array::new(tensor.size().iter().map(|n| *n as usize).collect::<Vec<_>>(), data)
}
