//! A sampler in words.

use crate::check::spec::{Filter, Method, Objective, Sampler, Score};

/// `confidence: all masks predicted, the surest kept, in 64 steps; temperature 0.8`
pub fn sampler_words(sampler: &Sampler, objective: &Objective) -> String {
    let Sampler { method, filter } = sampler;
    let steps = |steps: &Option<u64>| match steps {
        Some(1) => ", in 1 step".into(),
        Some(n) => format!(", in {n} steps"),
        None => ", in as many steps as tokens".to_string(),
    };
    let own = match objective {
        Objective::BlockDiffusion(blocks) => Some(blocks.block),
        _ => None,
    };
    let blocks = |block: &Option<u64>| match own.or(*block) {
        Some(n) => format!(", block by block of {n}"),
        None => String::new(),
    };
    let what = match method {
        Method::LeftToRight => "one token after the other".to_string(),
        Method::Ancestral { steps: n, block } => {
            format!("a mask stays with chance (1 - alpha(s))/(1 - alpha(t)){}{}", steps(n), blocks(block))
        }
        Method::FirstHitting { block } => {
            format!("one position after the other, uniformly chosen, a network call for each{}", blocks(block))
        }
        Method::Remask { score, steps: n, block } => {
            let kept = match score {
                Score::Confidence => "those with the likeliest token kept",
                Score::Margin => "those with the largest lead of the first over the second kept",
                Score::Entropy => "those with the least entropy kept",
                Score::Random => "some kept at random",
            };
            format!("all masks predicted, {kept}{}{}", steps(n), blocks(block))
        }
        Method::Posterior { steps: n } => format!("every token from q(z_s | z_t, x_theta){}", steps(n)),
    };
    format!("{}: {what}{}", method.name(), filter_words(*filter))
}

fn filter_words(filter: Filter) -> String {
    if filter.temperature == 0.0 {
        return "; always the likeliest token".into();
    }
    let mut words = String::new();
    if filter.temperature != 1.0 {
        words.push_str(&format!("; temperature {}", filter.temperature));
    }
    if let Some(k) = filter.top_k {
        words.push_str(&format!("; of the {k} likeliest tokens"));
    }
    if let Some(p) = filter.top_p {
        words.push_str(&format!("; of the likeliest tokens that hold {p}"));
    }
    words
}
