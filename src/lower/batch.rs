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
    let (rows, places) = read_rows(&batch.weights);
    inputs.push((Input::Rows, Tensor::f_from_slice(&rows)?.f_to_device(device)?));
    inputs.push((Input::Places, Tensor::f_from_slice(&places)?.f_view(shape)?.f_to_device(device)?));
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

/// `Input::Rows` and `Input::Places` of a batch with these weights. Never empty: of a batch in which the loss reads
/// nothing the first position is a row of weight 0.
pub fn read_rows(weights: &[f64]) -> (Vec<i64>, Vec<i64>) {
    let mut rows: Vec<i64> = vec![];
    let mut places = vec![0; weights.len()];
    let is_empty = weights.iter().all(|w| *w == 0.0);
    for (i, (weight, place)) in weights.iter().zip(&mut places).enumerate() {
        if *weight != 0.0 || (is_empty && i == 0) {
            rows.push(i as i64);
            *place = rows.len() as i64;
        }
    }
    (rows, places)
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
