//! Where the time of the measured steps went: by part of a step, by operation, and what share matrix products have.

use crate::lower::Part;
use crate::lower::timings::{Spent, Timings};
use serde_json::{Value, json};
use std::fmt::Write;

/// Milliseconds of a step, and its share of the step.
struct Line {
    ms: f64,
    share: f64,
    /// Of one step.
    calls: f64,
    /// Of matrix products; none where there are no products.
    gflops_per_s: Option<f64>,
}

pub struct Profile {
    timings: Timings,
    steps: f64,
    /// Of all steps, by the clock around them.
    seconds: f64,
}

/// What `linear` of any form takes, and what attention takes. An operation counts whole if it has matrix products, so
/// the softmax inside attention is attention's.
#[derive(Clone, Copy, PartialEq)]
enum Products {
    Linear,
    Attention,
    None,
}

impl Products {
    fn of(name: &str, spent: Spent) -> Products {
        match spent.flops > 0.0 {
            true if name.starts_with("attend") => Products::Attention,
            true => Products::Linear,
            false => Products::None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Products::Linear => "linear",
            Products::Attention => "attention",
            Products::None => "other",
        }
    }
}

impl Profile {
    pub fn new(timings: Timings, steps: u64, seconds: f64) -> Profile {
        Profile { timings, steps: steps as f64, seconds }
    }

    fn line(&self, spent: Spent) -> Line {
        Line {
            ms: 1e3 * spent.seconds / self.steps,
            share: spent.seconds / self.seconds,
            calls: spent.calls as f64 / self.steps,
            gflops_per_s: (spent.flops > 0.0).then(|| spent.flops / spent.seconds / 1e9),
        }
    }

    fn sum(&self, of: impl Fn(Part, &str, Spent) -> bool) -> Spent {
        let wanted = self.timings.iter().filter(|(part, name, spent)| of(*part, name, *spent));
        wanted.map(|(_, _, spent)| spent).fold(Spent::default(), Spent::plus)
    }

    /// What lies between the boundaries.
    fn rest(&self) -> Spent {
        let timed = self.sum(|_, _, _| true);
        Spent { seconds: self.seconds - timed.seconds, ..Spent::default() }
    }

    /// Every part of a step, and the rest.
    fn parts(&self) -> Vec<(&'static str, Line)> {
        let part = |part: Part| (part.name(), self.line(self.sum(|of, _, _| of == part)));
        let rest = ("rest", self.line(self.rest()));
        Part::ALL.into_iter().map(part).chain([rest]).collect()
    }

    fn products(&self) -> Vec<(&'static str, Line)> {
        let of = |products: Products| {
            let in_program = |part| matches!(part, Part::Forward | Part::Backward);
            let spent = self.sum(|part, name, spent| in_program(part) && Products::of(name, spent) == products);
            (products.name(), self.line(spent))
        };
        [Products::Linear, Products::Attention, Products::None].into_iter().map(of).collect()
    }

    /// The dearest first.
    fn operations(&self) -> Vec<(Part, &'static str, Line)> {
        let mut all: Vec<_> = self.timings.iter().collect();
        all.sort_by(|a, b| b.2.seconds.total_cmp(&a.2.seconds));
        all.into_iter().map(|(part, name, spent)| (part, name, self.line(spent))).collect()
    }

    pub fn json(&self) -> Value {
        let list = |lines: Vec<(&'static str, Line)>| -> Value {
            let fields = lines.into_iter().map(|(name, line)| (name.to_string(), line.json()));
            Value::Object(fields.collect())
        };
        let operations = self.operations().into_iter().map(|(part, name, line)| {
            let mut value = line.json();
            if let Value::Object(fields) = &mut value {
                fields.insert("part".into(), json!(part.name()));
                fields.insert("operation".into(), json!(name));
            }
            value
        });
        let operations: Vec<Value> = operations.collect();
        json!({ "parts": list(self.parts()), "matrix_products": list(self.products()), "operations": operations })
    }

    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut put = |indent: &str, name: &str, line: &Line| {
            let rate = line.gflops_per_s.map(|rate| format!("  {rate:>7.1} GFLOP/s")).unwrap_or_default();
            let calls = if line.calls > 0.0 { format!("{:>5.0} calls", line.calls) } else { String::new() };
            let (ms, share) = (line.ms, 100.0 * line.share);
            // Writing into a string cannot fail.
            let _ = writeln!(out, "{indent}{name:<22}{calls:>11}  {ms:>9.3} ms a step  {share:>5.1}%{rate}");
        };
        let operations = self.operations();
        for (part, line) in self.parts() {
            put("", part, &line);
            for (_, name, line) in operations.iter().filter(|(of, _, _)| of.name() == part) {
                put("  ", name, line);
            }
        }
        for (name, line) in self.products() {
            let name = if name == "other" { "no matrix product".into() } else { format!("matrix: {name}") };
            put("", &name, &line);
        }
        out
    }
}

impl Line {
    fn json(&self) -> Value {
        json!({
            "ms_per_step": self.ms,
            "share": self.share,
            "calls_per_step": self.calls,
            "gflops_per_s": self.gflops_per_s,
        })
    }
}
