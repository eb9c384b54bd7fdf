//! The texts while they are drawn: what stands where, what is settled, which draws belong to whom, and the two
//! things every method does with the network: ask it, and settle positions by it.
#![allow(clippy::indexing_slicing)] // rows of one length, indexed by positions of the template

use super::draw::{Distribution, Unsound};
use super::groups::Group;
use super::noise::Level;
use super::{DecodeError, Decoded, Network, Question, Request};
use crate::base::philox::{Purpose, Stream};
use crate::check::spec::{Filter, Objective, Vocab};

/// What a draw is for; permutations use channel 0.
pub(super) const TOKEN: u32 = 1;
pub(super) const REVEAL: u32 = 2;
pub(super) const START: u32 = 3;

/// A text as it stands, for those who watch.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    pub index: u32,
    /// As long as the template. Positions that are not settled hold what the method has there: the mask, or noise.
    pub tokens: &'a [u32],
    pub settled: &'a [bool],
    pub n_calls: u64,
}

/// Position 0 is the context: the end of the document before.
pub(super) struct Text {
    pub index: u32,
    pub tokens: Vec<u32>,
    pub settled: Vec<bool>,
    /// Of the distribution that the token was drawn from last.
    pub entropy: Vec<f64>,
    n_calls: u64,
}

impl Text {
    pub fn open(&self, positions: &[usize]) -> Vec<usize> {
        positions.iter().copied().filter(|p| !self.settled[*p]).collect()
    }
}

pub(super) struct Session<'a, N: Network> {
    network: &'a mut N,
    pub vocab: Vocab,
    pub filter: Filter,
    pub stream: Stream,
    watch: &'a mut dyn FnMut(&Draft<'_>),
    pub texts: Vec<Text>,
    /// Of the template and the context.
    pub len: usize,
    /// Positions of the template that are to be drawn, 1 and up.
    pub holes: Vec<usize>,
    level: Level,
    /// Rounds of draws so far: no two share one.
    round: u32,
}

/// What one text is asked for.
pub(super) struct Ask {
    pub slot: usize,
    pub at: Vec<usize>,
}

impl<'a, N: Network> Session<'a, N> {
    pub fn new(
        network: &'a mut N,
        vocab: Vocab,
        filter: Filter,
        request: &Request,
        watch: &'a mut dyn FnMut(&Draft<'_>),
    ) -> Session<'a, N> {
        let mask = vocab.mask_id();
        let given = || std::iter::once(Some(vocab.eod as u32)).chain(request.template.iter().copied());
        let len = request.template.len() + 1;
        let text = |index| Text {
            index,
            tokens: given().map(|token| token.unwrap_or(mask)).collect(),
            settled: given().map(|token| token.is_some()).collect(),
            entropy: vec![0.0; len],
            n_calls: 0,
        };
        let holes = given().enumerate().filter(|(_, token)| token.is_none()).map(|(i, _)| i).collect();
        let texts = request.texts.clone().map(text).collect();
        let stream = Stream::new(request.seed, Purpose::Sample);
        Session { network, vocab, filter, stream, watch, texts, len, holes, level: Level::None, round: 0 }
    }

    /// From now on the network is told the level at which as many are masked, if the objective has levels.
    pub fn tell_levels_by(&mut self, objective: &Objective) {
        self.level = Level::of(objective);
    }

    /// The number of a new round of draws.
    pub fn next_round(&mut self) -> u32 {
        self.round += 1;
        self.round
    }

    /// Uniform in [0, 1), of a text's position in a round.
    pub fn uniform(&self, round: u32, text: u32, position: usize, channel: u32) -> f64 {
        self.stream.uniform([round, text, position as u32, channel])
    }

    /// The logits of each text's positions, where the first `group.n_final` of `group.end` tokens are final. A text
    /// that is asked for nothing costs no call.
    pub fn ask(&mut self, group: &Group, asks: &[Ask]) -> Result<Vec<Vec<Vec<f64>>>, DecodeError<N::Error>> {
        let level = |text: &Text, level: &Level| match level {
            Level::None => None,
            Level::Told(t) => Some(*t),
            Level::ByCount(rates) => {
                let masked = text.settled.iter().filter(|settled| !**settled).count();
                // The first position is context and never masked, as in training.
                Some(rates.level(masked as f64 / (text.settled.len() - 1).max(1) as f64))
            }
        };
        // A block that reaches beyond the text is read to its end, as in training, with masks.
        let mask = self.vocab.mask_id();
        let rows: Vec<Vec<u32>> = asks
            .iter()
            .map(|ask| {
                let tokens = self.texts[ask.slot].tokens.iter().copied();
                tokens.chain(std::iter::repeat(mask)).take(group.end).collect()
            })
            .collect();
        let questions: Vec<Question<'_>> = asks
            .iter()
            .zip(&rows)
            .map(|(ask, tokens)| Question {
                slot: ask.slot,
                tokens,
                n_final: group.n_final,
                t: level(&self.texts[ask.slot], &self.level),
                at: &ask.at,
            })
            .collect();
        if questions.is_empty() {
            return Ok(vec![]);
        }
        let answers = self.network.logits(&questions).map_err(DecodeError::Network)?;
        let n_asked = asks.iter().map(|ask| ask.at.len()).sum();
        let n_answers = answers.iter().map(Vec::len).sum();
        if answers.len() != asks.len() || n_answers != n_asked {
            return Err(DecodeError::Answers { asked: n_asked, got: n_answers });
        }
        asks.iter().for_each(|ask| self.texts[ask.slot].n_calls += 1);
        Ok(answers)
    }

    /// As [`Session::ask`], at a noise level.
    pub fn ask_at(&mut self, t: f64, group: &Group, asks: &[Ask]) -> Result<Vec<Vec<Vec<f64>>>, DecodeError<N::Error>> {
        self.level = Level::Told(t);
        self.ask(group, asks)
    }

    /// Draws all asked positions, each on its own, from one prediction, and settles them.
    pub fn settle(&mut self, group: &Group, asks: &[Ask]) -> Result<(), DecodeError<N::Error>> {
        let answers = self.ask(group, asks)?;
        let round = self.next_round();
        for (ask, rows) in asks.iter().zip(answers) {
            for (position, logits) in ask.at.iter().zip(rows) {
                let from = self.distribution(ask.slot, *position, &logits)?;
                let token = from.draw(self.uniform(round, self.texts[ask.slot].index, *position, TOKEN));
                self.put(ask.slot, *position, token, from.entropy());
            }
            self.show(ask.slot);
        }
        Ok(())
    }

    pub fn distribution(
        &self,
        slot: usize,
        position: usize,
        logits: &[f64],
    ) -> Result<Distribution, DecodeError<N::Error>> {
        Distribution::new(logits, &self.filter).map_err(|what| self.unsound(slot, position, what))
    }

    pub fn unsound(&self, slot: usize, position: usize, what: Unsound) -> DecodeError<N::Error> {
        DecodeError::Unsound { text: self.texts[slot].index, position, what }
    }

    /// Settles a position.
    pub fn put(&mut self, slot: usize, position: usize, token: u32, entropy: f64) {
        let text = &mut self.texts[slot];
        text.tokens[position] = token;
        text.entropy[position] = entropy;
        text.settled[position] = true;
    }

    /// Lets the watcher see a text.
    pub fn show(&mut self, slot: usize) {
        let text = &self.texts[slot];
        let draft =
            Draft { index: text.index, tokens: &text.tokens[1..], settled: &text.settled[1..], n_calls: text.n_calls };
        (self.watch)(&draft);
    }

    pub fn finish(self) -> Vec<Decoded> {
        let n_drawn = self.holes.len() as u64;
        let decoded = |text: Text| Decoded {
            entropy: text.entropy.iter().sum::<f64>() / n_drawn.max(1) as f64,
            tokens: text.tokens.into_iter().skip(1).collect(),
            n_drawn,
            n_calls: text.n_calls,
        };
        self.texts.into_iter().map(decoded).collect()
    }
}
