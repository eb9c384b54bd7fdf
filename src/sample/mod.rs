//! Text from a trained arm: a lowered model as the network that `decode` asks, and as the judge of what was drawn. How
//! text is drawn is `decode`'s alone.

pub mod judge;
pub mod trained;

pub use judge::Judged;
pub use trained::Trained;

use crate::check::spec::{Objective, Vocab};
use crate::decode::{Network, Question};
use crate::graph::ops::Input;
use crate::lower::batch::rows;
use crate::lower::{Cache, Executable, LowerError, Outputs};
use crate::objective::{Pattern, has_noise_level, sampling_pattern};
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

/// A lowered model, with the attention that text is drawn with, that can be asked about some texts.
pub struct Model<'a> {
    executable: &'a Executable,
    params: &'a [Tensor],
    vocab: Vocab,
    device: Device,
    /// How far before a position the output stands that predicts it.
    shift: usize,
    reads_noise_level: bool,
    cached: bool,
    n_texts: usize,
    /// What is kept where all texts are asked at once, ...
    together: Cache,
    /// ... and where some are, of each.
    alone: BTreeMap<usize, Cache>,
}

impl<'a> Model<'a> {
    /// For texts that are drawn together. `params` are compute copies in the program's order.
    pub fn new(
        executable: &'a Executable,
        params: &'a [Tensor],
        objective: &Objective,
        vocab: Vocab,
        device: Device,
        n_texts: usize,
    ) -> Model<'a> {
        let shift = match objective {
            Objective::NextToken(_) => true,
            Objective::MaskedDiffusion(masked) => masked.shift,
            Objective::AnyOrder(_) | Objective::MaskedLm(_) | Objective::BlockDiffusion(_) => false,
            Objective::UniformDiffusion(_) | Objective::HybridDiffusion(_) => false,
        };
        let looks_back = matches!(sampling_pattern(objective), Pattern::Causal | Pattern::BlockCausal { .. });
        Model {
            executable,
            params,
            vocab,
            device,
            shift: usize::from(shift),
            reads_noise_level: has_noise_level(objective),
            cached: looks_back,
            n_texts,
            together: Cache::default(),
            alone: BTreeMap::new(),
        }
    }

    /// Reads every text from its start at every call: slower, and the same tokens but for rounding.
    pub fn without_cache(self) -> Model<'a> {
        Model { cached: false, ..self }
    }

    /// Questions about texts of one length, all of whose tokens from `first` on are read, and the positions asked for.
    fn inputs(&self, questions: &[Question<'_>], first: usize) -> Result<Vec<(Input, Tensor)>, LowerError> {
        let ids: Vec<i64> =
            questions.iter().flat_map(|q| q.tokens.iter().skip(first)).map(|id| i64::from(*id)).collect();
        let n_texts = questions.len() as i64;
        let length = questions.first().map_or(0, |q| q.tokens.len()).saturating_sub(first) as i64;
        let tokens = Tensor::f_from_slice(&ids)?.f_view([n_texts, length])?.f_to_device(self.device)?;
        let asked = self.asked(questions, first, length.max(0) as usize)?;
        let mut inputs = vec![(Input::Tokens, tokens)];
        inputs.extend(rows(&asked, [n_texts, length], self.device)?);
        if self.reads_noise_level {
            let levels: Vec<f64> = questions.iter().map(|q| q.t.unwrap_or(0.0)).collect();
            inputs.push((Input::NoiseLevel, Tensor::f_from_slice(&levels)?.f_to_device(self.device)?));
        }
        Ok(inputs)
    }

    /// The rows that predict what is asked for, among `length` positions from `first` on.
    fn asked(&self, questions: &[Question<'_>], first: usize, length: usize) -> Result<Vec<i64>, LowerError> {
        let mut places = vec![];
        for (text, question) in questions.iter().enumerate() {
            for at in question.at {
                let place = at.checked_sub(self.shift + first).filter(|place| *place < length);
                let outside = || LowerError::Cache(format!("position {at} is not among those that were read"));
                places.push((text * length + place.ok_or_else(outside)?) as i64);
            }
        }
        Ok(places)
    }

    /// The answers, in the order of the questions.
    fn rows(&self, outputs: &Outputs, questions: &[Question<'_>]) -> Result<Vec<Vec<Vec<f64>>>, LowerError> {
        let logits = outputs.named.get("logits").ok_or(LowerError::MissingInput("logits"))?;
        let live = self.vocab.n_predictable() as usize;
        // Narrowed on the device, so only what can be predicted is moved.
        let chosen = logits
            .f_narrow(1, 0, live as i64)?
            .f_to_kind(Kind::Double)?
            .f_to_device(Device::Cpu)?
            .f_contiguous()?
            .f_view([-1])?;
        let all = Vec::<f64>::try_from(&chosen)?;
        let mut rows = all.chunks(live.max(1)).map(<[f64]>::to_vec);
        Ok(questions.iter().map(|question| rows.by_ref().take(question.at.len()).collect()).collect())
    }

    fn whole(&self, questions: &[Question<'_>]) -> Result<Vec<Vec<Vec<f64>>>, LowerError> {
        let outputs = self.executable.run(self.params, &self.inputs(questions, 0)?)?;
        self.rows(&outputs, questions)
    }

    /// Reads what the cache does not hold, and keeps of it what is final.
    fn after(&self, questions: &[Question<'_>], cache: &mut Cache) -> Result<Vec<Vec<Vec<f64>>>, LowerError> {
        let first = cache.n_positions() as usize;
        let inputs = self.inputs(questions, first)?;
        let outputs = self.executable.run_after(self.params, &inputs, cache, true)?;
        cache.truncate(questions.iter().map(|q| q.n_final).min().unwrap_or(0) as u64)?;
        self.rows(&outputs, questions)
    }
}

impl Network for Model<'_> {
    type Error = LowerError;

    fn logits(&mut self, questions: &[Question<'_>]) -> Result<Vec<Vec<Vec<f64>>>, LowerError> {
        let same = |q: &Question<'_>| questions.first().is_some_and(|first| q.tokens.len() == first.tokens.len());
        let alike = questions.iter().all(same);
        if !self.cached {
            return if alike {
                self.whole(questions)
            } else {
                questions
                    .iter()
                    .map(|q| self.whole(std::slice::from_ref(q)).map(|mut a| a.pop().unwrap_or_default()))
                    .collect()
            };
        }
        if alike && questions.len() == self.n_texts {
            let mut cache = std::mem::take(&mut self.together);
            let answers = self.after(questions, &mut cache);
            self.together = cache;
            return answers;
        }
        // Some of the texts: each by a cache of its own, which catches up by itself.
        let mut answers = vec![];
        for question in questions {
            let mut cache = self.alone.remove(&question.slot).unwrap_or_default();
            let answer = self.after(std::slice::from_ref(question), &mut cache)?;
            self.alone.insert(question.slot, cache);
            answers.extend(answer);
        }
        Ok(answers)
    }
}
