//! Host data to tensors and back.

use super::{LowerError, Outputs};
use crate::graph::ops::Input;
use crate::objective::Corrupted;
use tch::{Device, Kind, Tensor};

/// A corrupted batch as a program's inputs.
pub fn inputs(batch: &Corrupted, device: Device) -> Result<Vec<(Input, Tensor)>, LowerError> {
    let shape = [batch.rows as i64, batch.seq as i64];
    let ids = |ids: &[u32]| -> Result<Tensor, LowerError> {
        let wide: Vec<i64> = ids.iter().map(|id| i64::from(*id)).collect();
        Ok(Tensor::f_from_slice(&wide)?.f_view(shape)?.f_to_device(device)?)
    };
    let weights = Tensor::f_from_slice(&batch.weights)?.f_view(shape)?;
    let mut inputs = vec![
        (Input::Tokens, ids(&batch.tokens)?),
        (Input::Targets, ids(&batch.targets)?),
        (Input::Weights, weights.f_to_device(device)?),
    ];
    let read = batch.weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0);
    inputs.extend(rows(&read.map(|(at, _)| at as i64).collect::<Vec<_>>(), shape, device)?);
    if batch.t.len() == batch.rows {
        inputs.push((Input::NoiseLevel, Tensor::f_from_slice(&batch.t)?.f_to_device(device)?));
    }
    for (input, of_rows) in [(Input::Alpha, &batch.alpha), (Input::Uniform, &batch.uniform)] {
        if of_rows.len() == batch.rows {
            inputs.push((input, Tensor::f_from_slice(of_rows)?.f_to_device(device)?));
        }
    }
    if batch.positions.len() == batch.seq {
        let positions: Vec<i64> = batch.positions.iter().map(|i| i64::from(*i)).collect();
        inputs.push((Input::Positions, Tensor::f_from_slice(&positions)?.f_to_device(device)?));
    }
    let draw = [batch.draw.seed, batch.draw.step, batch.draw.row].map(i64::from);
    // Read on the host.
    inputs.push((Input::Draw, Tensor::f_from_slice(&draw)?));
    Ok(inputs)
}

/// `Input::Rows` and `Input::Places` where these positions of a `[B, T]` batch are read. Never empty: where nothing is
/// read the first position is a row.
pub fn rows(read: &[i64], shape: [i64; 2], device: Device) -> Result<[(Input, Tensor); 2], LowerError> {
    let read = if read.is_empty() { &[0] } else { read };
    let mut places = vec![0i64; shape.iter().product::<i64>().max(0) as usize];
    for (row, at) in (1..).zip(read) {
        if let Some(place) = usize::try_from(*at).ok().and_then(|at| places.get_mut(at)) {
            *place = row;
        }
    }
    let rows = Tensor::f_from_slice(read)?.f_to_device(device)?;
    Ok([(Input::Rows, rows), (Input::Places, Tensor::f_from_slice(&places)?.f_view(shape)?.f_to_device(device)?)])
}

impl Outputs {
    /// A named output as host numbers, row-major.
    pub fn floats(&self, name: &'static str) -> Result<Vec<f64>, LowerError> {
        let tensor = self.named.get(name).ok_or(LowerError::MissingInput(name))?;
        let host = tensor.f_to_kind(Kind::Double)?.f_to_device(Device::Cpu)?.f_contiguous()?.f_view([-1])?;
        Ok(Vec::<f64>::try_from(&host)?)
    }

    /// A named output of one element.
    pub fn scalar(&self, name: &'static str) -> Result<f64, LowerError> {
        self.floats(name)?.first().copied().ok_or(LowerError::MissingInput(name))
    }
}
