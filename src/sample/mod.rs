//! Text from a trained arm: left to right for next token, first-hitting order for masked diffusion
//! (unmask one uniformly chosen position at a time: exact with as many network calls as tokens;
//! with fewer calls several positions are drawn independently, which is an approximation).
//!
//! Probabilities and draws are f64, from the counter-based generator: fp32 Gumbel noise cuts the
//! tail and acts as a lower temperature (arXiv 2409.02908).

use crate::base::philox::{Purpose, Stream};
use crate::check::spec::{Objective, Vocab};
use crate::graph::ops::Input;
use crate::lower::{Executable, LowerError};
use crate::objective::MaskRate;
use tch::{Device, Kind, Tensor};

/// One text to be generated.
#[derive(Clone, Debug)]
pub struct Request {
    /// Token ids to continue.
    pub prompt: Vec<u32>,
    pub n_tokens: u64,
    /// Divides the logits; 0 takes the most likely token.
    pub temperature: f64,
    /// Network calls of masked diffusion.
    pub steps: u64,
    pub seed: u32,
    /// Which of several texts: each has its own draws.
    pub index: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// The generated ids, without the prompt.
    pub tokens: Vec<u32>,
    pub n_calls: u64,
    /// Mean entropy of the distributions that tokens were drawn from, in nats.
    pub entropy: f64,
}

/// A model that can be asked for logits.
pub struct Sampler<'a> {
    pub model: &'a Executable,
    pub weights: &'a [Tensor],
    pub vocab: Vocab,
    pub device: Device,
}

impl Sampler<'_> {
    /// A document starts after an end of document, so that token is the context of the first.
    pub fn generate(&self, objective: &Objective, request: &Request) -> Result<Sampled, LowerError> {
        match objective {
            Objective::NextToken(_) => self.left_to_right(request),
            Objective::MaskedDiffusion(masked) => self.unmask(request, &MaskRate::new(masked)),
            _ => self.left_to_right(request),
        }
    }

    fn left_to_right(&self, request: &Request) -> Result<Sampled, LowerError> {
        let stream = Stream::new(request.seed, Purpose::Sample);
        let mut tokens = vec![self.vocab.eod as u32];
        tokens.extend(&request.prompt);
        let from = tokens.len();
        let mut entropy = 0.0;
        for i in 0..request.n_tokens {
            let logits = self.logits(&tokens, None)?;
            let last = logits.last().map_or(&[][..], Vec::as_slice);
            let u = stream.uniform([i as u32, request.index, 0, 0]);
            let (token, h) = self.draw(last, request.temperature, u);
            entropy += h;
            tokens.push(token);
        }
        let tokens = tokens.split_off(from);
        Ok(Sampled { entropy: entropy / tokens.len().max(1) as f64, n_calls: request.n_tokens, tokens })
    }

    fn unmask(&self, request: &Request, rate: &MaskRate) -> Result<Sampled, LowerError> {
        let stream = Stream::new(request.seed, Purpose::Sample);
        let mask = self.vocab.mask.unwrap_or(self.vocab.eod) as u32;
        let mut tokens = vec![self.vocab.eod as u32];
        tokens.extend(&request.prompt);
        let from = tokens.len();
        tokens.resize(from + request.n_tokens as usize, mask);
        // The order of unmasking: uniform, so the set of a step is uniform among the masked.
        let order = stream.permutation(request.n_tokens as u32, request.index);
        let steps = request.steps.clamp(1, request.n_tokens.max(1));
        let (mut done, mut entropy) = (0usize, 0.0);
        for step in 0..steps {
            let until = (request.n_tokens * (step + 1) / steps) as usize;
            // The first position is context, as in training.
            let share = (request.n_tokens as usize - done) as f64 / (tokens.len() - 1).max(1) as f64;
            let logits = self.logits(&tokens, Some(rate.level(share)))?;
            for position in order.get(done..until).unwrap_or_default() {
                let at = from + *position as usize;
                let u = stream.uniform([*position, request.index, 1, 0]);
                let row = logits.get(at).map_or(&[][..], Vec::as_slice);
                let (token, h) = self.draw(row, request.temperature, u);
                entropy += h;
                if let Some(slot) = tokens.get_mut(at) {
                    *slot = token;
                }
            }
            done = until;
        }
        let tokens = tokens.split_off(from);
        Ok(Sampled { entropy: entropy / tokens.len().max(1) as f64, n_calls: steps, tokens })
    }

    /// Logits `[T][V]` of one sequence, at a noise level where the objective has one.
    fn logits(&self, tokens: &[u32], t: Option<f64>) -> Result<Vec<Vec<f64>>, LowerError> {
        let ids: Vec<i64> = tokens.iter().map(|t| i64::from(*t)).collect();
        let n = ids.len() as i64;
        let mut inputs = vec![
            (Input::Tokens, Tensor::from_slice(&ids).view([1, n]).to_device(self.device)),
            (Input::Positions, Tensor::arange(n, (Kind::Int64, self.device))),
        ];
        inputs.extend(t.map(|t| (Input::NoiseLevel, Tensor::from_slice(&[t]).to_device(self.device))));
        let logits = self.model.run(self.weights, &inputs)?.floats("logits")?;
        Ok(logits.chunks(self.vocab.size as usize).map(<[f64]>::to_vec).collect())
    }

    /// A token by inverse distribution function, and the entropy of the distribution. Mask and
    /// padding ids are never drawn.
    fn draw(&self, logits: &[f64], temperature: f64, u: f64) -> (u32, f64) {
        let live = logits.get(..self.vocab.n_predictable() as usize).unwrap_or(logits);
        let (best, max) = live.iter().enumerate().fold(
            (0, f64::NEG_INFINITY),
            |(i, m), (j, x)| {
                if *x > m { (j, *x) } else { (i, m) }
            },
        );
        if temperature <= 0.0 {
            return (best as u32, 0.0);
        }
        let odds: Vec<f64> = live.iter().map(|x| ((x - max) / temperature).exp()).collect();
        let total: f64 = odds.iter().sum();
        let entropy = odds.iter().map(|w| w / total).filter(|p| *p > 0.0).map(|p| -p * p.ln()).sum();
        let mut left = u * total;
        for (i, w) in odds.iter().enumerate() {
            left -= w;
            if left < 0.0 {
                return (i as u32, entropy);
            }
        }
        (best as u32, entropy)
    }
}
