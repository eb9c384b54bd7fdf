//! Generative perplexity: what a next-token model, trained on real text, makes of text that another model drew.

use crate::check::spec::Vocab;
use crate::graph::ops::Input;
use crate::lower::batch::rows;
use crate::lower::{Executable, LowerError};
use tch::{Device, Kind, Tensor};

/// Cross-entropy of some tokens.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Judged {
    /// In nats, over all of them.
    pub nats: f64,
    pub n_tokens: u64,
}

impl Judged {
    pub fn plus(self, other: Judged) -> Judged {
        Judged { nats: self.nats + other.nats, n_tokens: self.n_tokens + other.n_tokens }
    }

    pub fn nats_per_token(self) -> f64 {
        self.nats / self.n_tokens.max(1) as f64
    }

    pub fn perplexity(self) -> f64 {
        self.nats_per_token().exp()
    }
}

/// Of the tokens at the places `of` in a document that starts with `tokens`, each given all before it.
pub(super) fn judge(
    executable: &Executable,
    params: &[Tensor],
    vocab: &Vocab,
    device: Device,
    tokens: &[u32],
    of: &[usize],
) -> Result<Judged, LowerError> {
    if of.is_empty() {
        return Ok(Judged::default());
    }
    // Output i has read the end of document before and i tokens: it predicts token i.
    let read: Vec<i64> = std::iter::once(vocab.eod as i64).chain(tokens.iter().map(|id| i64::from(*id))).collect();
    let read = Tensor::f_from_slice(&read)?.f_narrow(0, 0, tokens.len() as i64)?.f_unsqueeze(0)?;
    let places: Vec<i64> = of.iter().map(|place| *place as i64).collect();
    let mut inputs = vec![(Input::Tokens, read.f_to_device(device)?)];
    inputs.extend(rows(&places, [1, tokens.len() as i64], device)?);
    let outputs = executable.run(params, &inputs)?;
    let logits = outputs.named.get("logits").ok_or(LowerError::MissingInput("logits"))?;
    let targets: Vec<i64> = of.iter().filter_map(|place| tokens.get(*place)).map(|id| i64::from(*id)).collect();
    let chosen = logits
        .f_narrow(1, 0, vocab.n_predictable() as i64)?
        .f_to_device(Device::Cpu)?
        .f_log_softmax(1, Kind::Double)?
        .f_gather(1, &Tensor::f_from_slice(&targets)?.f_unsqueeze(1)?, false)?;
    let nats = -f64::try_from(chosen.f_sum(Kind::Double)?)?;
    Ok(Judged { nats, n_tokens: targets.len() as u64 })
}
