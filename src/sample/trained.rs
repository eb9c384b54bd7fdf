//! A run's last weights, ready to draw text from.

use super::Model;
use super::judge::{Judged, judge};
use crate::check::spec::{Arm, Sampler};
use crate::decode::{self, DecodeError, Decoded, Draft, Request};
use crate::graph::{ValidGraph, with_pattern};
use crate::lower::{Executable, LowerError, Weights};
use crate::objective::sampling_pattern;
use crate::optimize::{self, Passes};
use crate::program::flatten;
use crate::store::TensorData;
use std::ops::Range;
use tch::{Device, Tensor};

/// Logits that a network call may hold, over all texts drawn together: half a GiB in fp32.
const MAX_LOGITS: u64 = 1 << 27;
/// Texts drawn together at most: beyond these a call is no faster per text.
const MAX_TOGETHER: u64 = 64;

/// An arm's model with the attention that text is drawn with, and weights.
pub struct Trained {
    pub arm: Arm,
    executable: Executable,
    params: Vec<Tensor>,
    device: Device,
}

impl Trained {
    /// `model` is the arm's, as it trains; `tensors` are weights by path: those that evaluation uses.
    pub fn new(arm: &Arm, model: &ValidGraph, tensors: &[TensorData], device: Device) -> Result<Trained, LowerError> {
        let drawn = with_pattern(model, sampling_pattern(&arm.objective));
        let program = flatten(&optimize::asked(&drawn, &Passes::default())?);
        let mut weights = Weights::init(&program.params, arm.train.seeds.init, arm.train.precision, device)?;
        weights.import(tensors)?;
        let executable = Executable::new(program, arm.train.precision, device);
        Ok(Trained { arm: arm.clone(), params: weights.compute()?, executable, device })
    }

    /// Texts that are best drawn together, of so many tokens.
    pub fn n_together(&self, n_tokens: usize) -> u32 {
        let each = (n_tokens as u64 + 1) * self.arm.vocab.size;
        (MAX_LOGITS / each.max(1)).clamp(1, MAX_TOGETHER) as u32
    }

    /// Draws texts, all together.
    pub fn draw(
        &self,
        sampler: &Sampler,
        request: &Request,
        watch: &mut dyn FnMut(&Draft<'_>),
    ) -> Result<Vec<Decoded>, DecodeError<LowerError>> {
        let mut model = self.model(request.texts.len());
        decode::decode(&mut model, &self.arm.objective, &self.arm.vocab, sampler, request, watch)
    }

    /// As many together as is best, the others after them. A text is the same in any company but for rounding.
    pub fn draw_all(&self, sampler: &Sampler, request: &Request) -> Result<Vec<Decoded>, DecodeError<LowerError>> {
        let mut all = vec![];
        for texts in parts(&request.texts, self.n_together(request.template.len())) {
            all.extend(self.draw(sampler, &Request { texts, ..request.clone() }, &mut |_| {})?);
        }
        Ok(all)
    }

    /// What this model, which predicts the next token, makes of those tokens of a text.
    pub fn judge(&self, tokens: &[u32], of: &[usize]) -> Result<Judged, LowerError> {
        judge(&self.executable, &self.params, &self.arm.vocab, self.device, tokens, of)
    }

    pub fn model(&self, n_texts: usize) -> Model<'_> {
        Model::new(&self.executable, &self.params, &self.arm.objective, self.arm.vocab, self.device, n_texts)
    }
}

/// A range in parts of at most `n`.
pub fn parts(range: &Range<u32>, n: u32) -> Vec<Range<u32>> {
    let n = n.max(1);
    range.clone().step_by(n as usize).map(|first| first..first.saturating_add(n).min(range.end)).collect()
}
