//! How text is drawn from a trained model. The methods: `src/decode`.

use std::fmt;

/// A method, and how a token is drawn from a distribution wherever the method draws one.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampler {
    pub method: Method,
    pub filter: Filter,
}

/// Which positions are decided when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Next token: one after the other, with a cache of keys and values.
    LeftToRight,
    /// Masks: t from 1 to 0 in equal steps; a masked token stays so with chance (1-alpha_s)/(1-alpha_t).
    Ancestral { steps: Option<u64>, block: Option<u64> },
    /// Masks: one position after the other, uniformly chosen; exact, a network call for each token.
    FirstHitting { block: Option<u64> },
    /// Masks: all predicted, the best by `score` kept, equally many in each step.
    Remask { score: Score, steps: Option<u64>, block: Option<u64> },
    /// Uniform and hybrid noise: from the posterior q(z_s | z_t, x_theta), t from 1 to 0 in equal steps.
    Posterior { steps: Option<u64> },
}

/// What a position's prediction is ranked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Score {
    /// The probability of the token drawn.
    Confidence,
    /// The largest probability minus the second.
    Margin,
    /// Minus the entropy.
    Entropy,
    /// Nothing: positions at random.
    Random,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Method::LeftToRight => "left_to_right",
            Method::Ancestral { .. } => "ancestral",
            Method::FirstHitting { .. } => "first_hitting",
            Method::Remask { score: Score::Confidence, .. } => "confidence",
            Method::Remask { score: Score::Margin, .. } => "margin",
            Method::Remask { score: Score::Entropy, .. } => "entropy",
            Method::Remask { score: Score::Random, .. } => "random",
            Method::Posterior { .. } => "posterior",
        }
    }
}

/// From logits to the distribution that is drawn from: divided by the temperature, then cut to the `top_k`
/// likeliest, then to the smallest set that holds `top_p`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Filter {
    /// 0 takes the likeliest.
    pub temperature: f64,
    pub top_k: Option<u64>,
    pub top_p: Option<f64>,
}

impl Filter {
    /// The model's own distribution.
    pub const NONE: Filter = Filter { temperature: 1.0, top_k: None, top_p: None };
}

impl fmt::Display for Sampler {
    /// As it is written in a spec; what is as by default is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (steps, block) = match self.method {
            Method::LeftToRight => (None, None),
            Method::Ancestral { steps, block } | Method::Remask { steps, block, .. } => (steps, block),
            Method::FirstHitting { block } => (None, block),
            Method::Posterior { steps } => (steps, None),
        };
        let Filter { temperature, top_k, top_p } = self.filter;
        let counts = [("steps", steps), ("block", block), ("top_k", top_k)];
        let [steps, block, top_k] = counts.map(|(name, n)| n.map(|n| format!("{name}: {n}")));
        let temperature = (temperature != Filter::NONE.temperature).then(|| format!("temperature: {temperature}"));
        let top_p = top_p.map(|p| format!("top_p: {p}"));
        let all: Vec<String> = [steps, block, temperature, top_k, top_p].into_iter().flatten().collect();
        let name = self.method.name();
        if all.is_empty() { f.write_str(name) } else { write!(f, "{name}({})", all.join(", ")) }
    }
}
