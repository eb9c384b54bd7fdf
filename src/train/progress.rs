//! A bar on a terminal, plain lines elsewhere.

use crate::store::metrics::{Eval, Step};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Plain lines come this far apart.
const QUIET: Duration = Duration::from_secs(10);

pub struct Progress {
    name: String,
    steps: u64,
    from_step: u64,
    bar: Option<ProgressBar>,
    started: Instant,
    last_line: Instant,
    /// A running mean, since single steps are noisy.
    tokens_per_s: Option<f64>,
}

impl Progress {
    pub fn new(name: &str, from_step: u64, steps: u64) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{prefix:>8} {bar:30} {pos}/{len}  {msg}  {eta} left");
            let bar = ProgressBar::new(steps).with_position(from_step).with_prefix(name.to_string());
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        let now = Instant::now();
        Progress { name: name.into(), steps, from_step, bar, started: now, last_line: now, tokens_per_s: None }
    }

    pub fn step(&mut self, record: &Step) {
        /// Weight of the newest step in the running mean.
        const NEWEST: f64 = 0.05;
        let mean = self.tokens_per_s.map_or(record.tokens_per_s, |m| m + NEWEST * (record.tokens_per_s - m));
        self.tokens_per_s = Some(mean);
        let message = format!("loss {:.3}  {:.0} tokens/s", record.loss, mean);
        match &self.bar {
            Some(bar) => {
                bar.set_message(message);
                bar.set_position(record.step);
            }
            None if self.last_line.elapsed() >= QUIET => {
                self.last_line = Instant::now();
                let done = (record.step - self.from_step) as f64;
                let left = self.started.elapsed().as_secs_f64() / done * (self.steps - record.step) as f64;
                eprintln!("{:>8}  step {}/{}  {message}  {left:.0} s left", self.name, record.step, self.steps);
            }
            None => {}
        }
    }

    pub fn eval(&mut self, record: &Eval) {
        let error = if record.se.is_finite() { format!(" ± {:.4}", record.se) } else { String::new() };
        let others: String = record.measures.iter().map(|m| format!("  {} {:.4}", m.metric, m.value)).collect();
        let line = format!(
            "{:>8}  epoch {:6.2}  valid {:.4}{error}{others}  (step {})",
            self.name, record.epoch, record.loss, record.step
        );
        self.line(&line);
    }

    pub fn line(&mut self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
        self.last_line = Instant::now();
    }

    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
