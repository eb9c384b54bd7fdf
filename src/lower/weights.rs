//! All parameters of a model in one flat tensor.
//!
//! Decayed parameters come first, so weight decay is one range; each parameter starts at a multiple
//! of [`ALIGN`] elements, and the gaps stay zero. Values, hashes and exports know nothing of the
//! layout: they go by path.

use super::error::LowerError;
use super::{Fault, Kinds};
use crate::base::hash::CanonicalHasher;
use crate::base::philox::{Purpose, Stream};
use crate::check::spec::Precision;
use crate::graph::Init;
use crate::program::ParamInstance;
use crate::program::memory::ALIGN;
use crate::store::{DType, TensorData};
use std::ops::Range;
use tch::{Device, Kind, Tensor};

/// Elements that one thread draws at a time.
const DRAW_CHUNK: usize = 1 << 16;

/// Where each parameter lies in a flat tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    params: Vec<ParamInstance>,
    /// In the order of `params`.
    offsets: Vec<i64>,
    n_elements: i64,
    n_decayed: i64,
}

impl Layout {
    pub fn new(params: &[ParamInstance]) -> Layout {
        let mut offsets = vec![0i64; params.len()];
        let (mut end, mut n_decayed) = (0u64, 0);
        let mut order: Vec<(&ParamInstance, &mut i64)> = params.iter().zip(&mut offsets).collect();
        order.sort_by_key(|(param, _)| param.place);
        for decays in [true, false] {
            for (param, offset) in order.iter_mut().filter(|(p, _)| p.decays() == decays) {
                **offset = end as i64;
                end += param.n_elements().next_multiple_of(ALIGN);
            }
            if decays {
                n_decayed = end as i64;
            }
        }
        Layout { params: params.to_vec(), offsets, n_elements: end as i64, n_decayed }
    }

    pub fn params(&self) -> &[ParamInstance] {
        &self.params
    }

    /// Elements of the flat tensor, gaps included.
    pub fn n_elements(&self) -> i64 {
        self.n_elements
    }

    /// The elements that weight decay applies to.
    pub fn decayed(&self) -> Range<i64> {
        0..self.n_decayed
    }

    pub fn not_decayed(&self) -> Range<i64> {
        self.n_decayed..self.n_elements
    }

    /// One view for each parameter, in order.
    pub fn views(&self, flat: &Tensor) -> Result<Vec<Tensor>, Fault> {
        let view = |(param, offset): (&ParamInstance, &i64)| {
            let shape: Vec<i64> = param.shape.iter().map(|n| *n as i64).collect();
            Ok(flat.f_narrow(0, *offset, param.n_elements() as i64)?.f_view(&shape[..])?)
        };
        self.params.iter().zip(&self.offsets).map(view).collect()
    }
}

/// The master weights: fp32, or f64 in fp64.
#[derive(Debug)]
pub struct Weights {
    pub(super) layout: Layout,
    pub(super) flat: Tensor,
    kinds: Kinds,
}

impl Weights {
    /// Initial values, drawn by (seed, path, element): a parameter starts the same in every arm, on
    /// every device and in every precision (up to rounding).
    pub fn init(
        params: &[ParamInstance],
        seed: u32,
        precision: Precision,
        device: Device,
    ) -> Result<Weights, LowerError> {
        let kinds = Kinds::from(precision);
        let layout = Layout::new(params);
        let weights = Weights { flat: Tensor::f_zeros([layout.n_elements], (kinds.wide, device))?, layout, kinds };
        let stream = Stream::new(seed, Purpose::Init);
        for (param, mut view) in params.iter().zip(weights.views()?) {
            match param.init {
                Init::Zeros => {}
                Init::Ones => tch::no_grad(|| view.f_fill_(1.0)).map(drop)?,
                Init::Normal { .. } | Init::Uniform { .. } => {
                    let draw = |counter| match param.init {
                        Init::Normal { std } => stream.normals(counter).map(|z| std * z),
                        Init::Uniform { bound } => stream.uniforms(counter).map(|u| bound * (2.0 * u - 1.0)),
                        Init::Zeros | Init::Ones => [0.0; 2],
                    };
                    let values = draws(&draw, &param.path, param.n_elements() as usize);
                    let drawn = host(&values, kinds)?;
                    tch::no_grad(|| view.f_view([-1])?.f_copy_(&drawn))?;
                }
            }
        }
        Ok(weights)
    }

    pub fn params(&self) -> &[ParamInstance] {
        &self.layout.params
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The master itself, by parameter.
    pub fn views(&self) -> Result<Vec<Tensor>, LowerError> {
        Ok(self.layout.views(&self.flat)?)
    }

    /// What an `Executable` computes with: one cast of the flat master and views of it. In fp32 and
    /// fp64 the views are the master's own, and a step changes them.
    pub fn compute(&self) -> Result<Vec<Tensor>, LowerError> {
        Ok(self.layout.views(&self.flat.f_to_kind(self.kinds.compute)?)?)
    }

    /// As [`Weights::compute`], with Gaussian noise of this standard deviation on every matrix (what weight decay
    /// is of). It is drawn by (seed, path, step, element), so anew for each step and alike on every device. The
    /// master stays as it is: the gradient at the noisy weights is what moves it.
    pub fn compute_noisy(&self, std: f64, seed: u32, step: u64) -> Result<Vec<Tensor>, LowerError> {
        let noisy = self.flat.f_detach_copy()?;
        let stream = Stream::new(seed, Purpose::WeightNoise);
        // Two normals for each counter: 2^33 elements of a parameter before a draw comes again.
        let draw = |[high, low, pair, _]: [u32; 4]| stream.normals([high, low, pair, step as u32]).map(|z| std * z);
        for (param, view) in self.layout.params.iter().zip(self.layout.views(&noisy)?) {
            if param.decays() {
                let values = draws(&draw, &param.path, param.n_elements() as usize);
                let drawn = host(&values, self.kinds)?.f_to_device(noisy.device())?;
                tch::no_grad(|| view.f_view([-1])?.f_add_(&drawn)).map(drop)?;
            }
        }
        Ok(self.layout.views(&noisy.f_to_kind(self.kinds.compute)?)?)
    }

    /// Over paths, shapes and bytes in the order of paths.
    pub fn hash(&self) -> Result<String, LowerError> {
        hash_tensors(&self.export()?)
    }

    /// By path.
    pub fn export(&self) -> Result<Vec<TensorData>, LowerError> {
        export(&self.layout, &self.flat)
    }

    /// Takes over values that [`Weights::export`] gave: exactly this model's parameters, each once.
    pub fn import(&mut self, tensors: &[TensorData]) -> Result<(), LowerError> {
        import(&self.layout, &self.flat, tensors)
    }

    /// Sets one parameter, row-major.
    pub fn set(&mut self, path: &str, values: &[f64]) -> Result<(), LowerError> {
        let position = self.layout.params.iter().position(|p| p.path == path);
        let mut views = self.views()?;
        let Some(view) = position.and_then(|i| views.get_mut(i)) else {
            return Err(LowerError::Weights(format!("there is no parameter `{path}`")));
        };
        if view.numel() != values.len() {
            return Err(LowerError::Weights(format!("`{path}` has {} elements, not {}", view.numel(), values.len())));
        }
        let given = Tensor::f_from_slice(values)?.f_view(&view.size()[..])?;
        Ok(tch::no_grad(|| view.f_copy_(&given))?)
    }

    /// The same parameters with the values of `flat` (an average of the weights).
    pub(super) fn with_flat(&self, flat: Tensor) -> Weights {
        Weights { layout: self.layout.clone(), flat, kinds: self.kinds }
    }
}

/// Numbers as a tensor of the kind that weights are kept in.
fn host(values: &[f64], kinds: Kinds) -> Result<Tensor, Fault> {
    Ok(match kinds.wide {
        Kind::Double => Tensor::f_from_slice(values)?,
        _ => Tensor::f_from_slice(&values.iter().map(|x| *x as f32).collect::<Vec<f32>>())?,
    })
}

/// `n` draws. Element i is half `i % 2` of the draw at counter (hash of path, i / 2).
fn draws(draw: &(impl Fn([u32; 4]) -> [f64; 2] + Sync), path: &str, n: usize) -> Vec<f64> {
    let hash = blake3::hash(path.as_bytes());
    let word = |at: usize| hash.as_bytes().iter().skip(at).take(4).rev().fold(0u32, |w, b| (w << 8) | u32::from(*b));
    let (high, low) = (word(0), word(4));
    let mut values = vec![0.0; n];
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    let chunk = DRAW_CHUNK.max(n.div_ceil(n_threads)).next_multiple_of(2);
    std::thread::scope(|scope| {
        for (i, part) in values.chunks_mut(chunk).enumerate() {
            scope.spawn(move || {
                for (k, pair) in part.chunks_mut(2).enumerate() {
                    let at = ((i * chunk) / 2 + k) as u64;
                    let drawn = draw([high, low, at as u32, (at >> 32) as u32]);
                    pair.iter_mut().zip(drawn).for_each(|(value, drawn)| *value = drawn);
                }
            });
        }
    });
    values
}

/// The parts of a flat tensor as plain data, by path.
pub(super) fn export(layout: &Layout, flat: &Tensor) -> Result<Vec<TensorData>, LowerError> {
    let host = flat.f_to_device(Device::Cpu)?;
    let mut all = vec![];
    for (param, view) in layout.params.iter().zip(layout.views(&host)?) {
        let n = view.numel();
        let flat = view.f_contiguous()?.f_view([-1])?;
        let (dtype, bytes) = match flat.f_kind()? {
            Kind::Double => {
                let mut values = vec![0f64; n];
                flat.f_copy_data(&mut values, n)?;
                (DType::F64, values.iter().flat_map(|x| x.to_le_bytes()).collect())
            }
            _ => {
                let mut values = vec![0f32; n];
                flat.f_copy_data(&mut values, n)?;
                (DType::F32, values.iter().flat_map(|x| x.to_le_bytes()).collect())
            }
        };
        all.push(TensorData { name: param.path.clone(), dtype, shape: param.shape.clone(), bytes });
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// The inverse of [`export`], in place.
pub(super) fn import(layout: &Layout, flat: &Tensor, tensors: &[TensorData]) -> Result<(), LowerError> {
    let refused = |what: String| Err(LowerError::Weights(what));
    if let Some(stranger) = tensors.iter().find(|t| !layout.params.iter().any(|p| p.path == t.name)) {
        return refused(format!("the model has no parameter `{}`", stranger.name));
    }
    if tensors.len() > layout.params.len() {
        return refused("a parameter is there twice".into());
    }
    let kind = flat.f_kind()?;
    for (param, mut view) in layout.params.iter().zip(layout.views(flat)?) {
        let Some(tensor) = tensors.iter().find(|t| t.name == param.path) else {
            return refused(format!("`{}` is missing", param.path));
        };
        let (given, dtype) = match tensor.dtype {
            DType::F32 => (Kind::Float, DType::F32),
            DType::F64 => (Kind::Double, DType::F64),
            DType::BF16 | DType::I64 => return refused(format!("`{}` is {:?}", param.path, tensor.dtype)),
        };
        if given != kind {
            return refused(format!("`{}` is {dtype:?}, this run keeps its weights in {kind:?}", param.path));
        }
        if tensor.shape != param.shape || tensor.bytes.len() as u64 != param.n_elements() * dtype.n_bytes() as u64 {
            return refused(format!("`{}` has shape {:?}, not {:?}", param.path, tensor.shape, param.shape));
        }
        let host = Tensor::f_from_data_size(&tensor.bytes, &view.size(), kind)?;
        tch::no_grad(|| view.f_copy_(&host))?;
    }
    Ok(())
}

/// Over paths, shapes and bytes, in the order given.
pub fn hash_tensors(tensors: &[TensorData]) -> Result<String, LowerError> {
    let mut hasher = CanonicalHasher::new("weights");
    for tensor in tensors {
        hasher.put_str(&tensor.name).put_u64s(&tensor.shape).put_u64(tensor.dtype.n_bytes() as u64);
        hasher.put_bytes(&tensor.bytes);
    }
    Ok(hasher.finish())
}
