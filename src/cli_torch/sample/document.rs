//! What was drawn, in words and as one JSON document.

use super::load::Run;
use crate::check::spec::Sampler;
use crate::decode::Decoded;
use crate::decode::measure::unigram_entropy;
use crate::sample::Judged;
use serde_json::{Value, json};

/// Changes when a field changes its meaning or goes away.
const VERSION: u64 = 1;

pub struct Drawn {
    index: u32,
    text: String,
    decoded: Decoded,
    /// Of the drawn tokens.
    unigram_entropy: f64,
    judged: Option<Judged>,
}

impl Drawn {
    pub fn new(index: u32, text: String, decoded: Decoded, holes: &[usize], judged: Option<Judged>) -> Drawn {
        let drawn = holes.iter().filter_map(|hole| decoded.tokens.get(*hole).copied());
        Drawn { index, text, unigram_entropy: unigram_entropy(drawn), decoded, judged }
    }
}

pub struct Document<'a> {
    run: &'a Run,
    sampler: String,
    seed: u32,
    holes: &'a [usize],
    texts: Vec<Drawn>,
    seconds: f64,
    /// The judge's run.
    judge: Option<&'a str>,
}

impl<'a> Document<'a> {
    pub fn new(
        run: &'a Run,
        sampler: &Sampler,
        seed: u32,
        holes: &'a [usize],
        texts: Vec<Drawn>,
        seconds: f64,
        judge: Option<&'a str>,
    ) -> Document<'a> {
        Document { run, sampler: sampler.to_string(), seed, holes, texts, seconds, judge }
    }

    fn mean(&self, of: impl Fn(&Drawn) -> f64) -> f64 {
        self.texts.iter().map(of).sum::<f64>() / self.texts.len().max(1) as f64
    }

    fn n_drawn(&self) -> u64 {
        self.texts.iter().map(|text| text.decoded.n_drawn).sum()
    }

    fn n_calls(&self) -> u64 {
        self.texts.iter().map(|text| text.decoded.n_calls).sum()
    }

    fn judged(&self) -> Option<Judged> {
        self.judge?;
        Some(self.texts.iter().filter_map(|text| text.judged).fold(Judged::default(), Judged::plus))
    }

    pub fn json(&self) -> String {
        let arm = &self.run.trained.arm;
        let of_judge =
            |judged: Judged| json!({ "nats_per_token": judged.nats_per_token(), "perplexity": judged.perplexity() });
        let texts: Vec<Value> = self
            .texts
            .iter()
            .map(|text| {
                json!({
                    "index": text.index,
                    "text": text.text,
                    "tokens": text.decoded.tokens,
                    "calls": text.decoded.n_calls,
                    "entropy": text.decoded.entropy,
                    "unigram_entropy": text.unigram_entropy,
                    "judge": text.judged.map(of_judge),
                })
            })
            .collect();
        let judge = self.judged().map(|judged| {
            let mut value = of_judge(judged);
            if let Value::Object(fields) = &mut value {
                fields.insert("run".into(), json!(self.judge));
            }
            value
        });
        let document = json!({
            "version": VERSION,
            "run": self.run.name,
            "arm": arm.name,
            "point": arm.point.name(),
            "objective": arm.objective.name(),
            "step": self.run.step,
            "sampler": self.sampler,
            "seed": self.seed,
            // Places of the drawn tokens in `tokens`.
            "drawn": self.holes,
            "texts": texts,
            "calls": self.n_calls(),
            "seconds": self.seconds,
            "tokens_per_second": self.n_drawn() as f64 / self.seconds.max(f64::MIN_POSITIVE),
            "entropy": self.mean(|text| text.decoded.entropy),
            "unigram_entropy": self.mean(|text| text.unigram_entropy),
            "judge": judge,
        });
        format!("{document}\n")
    }

    /// The lines on standard error.
    pub fn text(&self) -> String {
        let n = self.n_drawn();
        let s = |n: usize| if n == 1 { "" } else { "s" };
        let mut out = format!(
            "--- {} text{} of {} token{} by {}, step {}: {} network calls, {:.0} tokens/s\n",
            self.texts.len(),
            s(self.texts.len()),
            self.holes.len(),
            s(self.holes.len()),
            self.sampler,
            self.run.step,
            self.n_calls(),
            n as f64 / self.seconds.max(f64::MIN_POSITIVE),
        );
        let (drawn, unigram) = (self.mean(|text| text.decoded.entropy), self.mean(|text| text.unigram_entropy));
        out.push_str(&format!("    entropy {drawn:.3} nats a token as drawn, {unigram:.3} of the tokens of a text\n"));
        if let (Some(judged), Some(judge)) = (self.judged(), self.judge) {
            let (perplexity, nats) = (judged.perplexity(), judged.nats_per_token());
            out.push_str(&format!(
                "    generative perplexity {perplexity:.2} ({nats:.3} nats a token) under {judge}\n"
            ));
        }
        out
    }
}
