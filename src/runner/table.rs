//! The runs at work, live: a line for each and one for all on a terminal, plain lines elsewhere.

use super::job::Event;
use super::pool::{Outcome, Task, View};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Plain lines of one run come this far apart.
const QUIET: Duration = Duration::from_secs(10);
/// The line of all is drawn anew this often.
const REDRAW: Duration = Duration::from_millis(500);
/// Weight of the newest report in the running mean of a run's speed.
const NEWEST: f64 = 0.1;

struct Row {
    title: String,
    total_tokens: u64,
    tokens_per_step: u64,
    from_step: u64,
    step: u64,
    steps: u64,
    tokens_per_s: Option<f64>,
    started: Instant,
    last_line: Instant,
    bar: Option<ProgressBar>,
    outcome: Option<Outcome>,
}

pub struct Table {
    rows: Vec<Row>,
    width: usize,
    live: Option<(MultiProgress, ProgressBar)>,
    drawn: Instant,
}

impl Table {
    pub fn new(tasks: &[Task]) -> Table {
        Table::on(tasks, std::io::stderr().is_terminal())
    }

    fn on(tasks: &[Task], is_terminal: bool) -> Table {
        let now = Instant::now();
        let row = |task: &Task| Row {
            title: task.title.clone(),
            total_tokens: task.total_tokens,
            tokens_per_step: task.tokens_per_step,
            from_step: 0,
            step: 0,
            steps: 0,
            tokens_per_s: None,
            started: now,
            last_line: now,
            bar: None,
            outcome: None,
        };
        let rows: Vec<Row> = tasks.iter().map(row).collect();
        let width = rows.iter().map(|row| row.title.chars().count()).max().unwrap_or(0).max(8);
        let live = is_terminal.then(|| {
            let all = MultiProgress::new();
            let total = all.add(ProgressBar::new(0));
            total.set_style(style("{msg}"));
            (all, total)
        });
        Table { rows, width, live, drawn: now }
    }

    fn line(&self, task: usize, text: &str) {
        let title = self.rows.get(task).map_or("", |row| row.title.as_str());
        let line = format!("{title:>width$}  {text}", width = self.width);
        match &self.live {
            // What cannot be drawn is no reason to stop training.
            Some((all, _)) => drop(all.println(line)),
            None => eprintln!("{line}"),
        }
    }

    /// `12 runs: 5 finished, 1 failed, 2 at work, 4 waiting, 14 min left`
    fn summary(&self) -> String {
        let count = |is: fn(&Row) -> bool| self.rows.iter().filter(|row| is(row)).count();
        let parts = [
            (count(|row| row.outcome == Some(Outcome::Finished)), "finished"),
            (count(|row| matches!(row.outcome, Some(Outcome::Failed(_)))), "failed"),
            (count(|row| matches!(row.outcome, Some(Outcome::Stopped(_)))), "stopped"),
            (count(|row| row.outcome.is_none() && row.steps > 0), "at work"),
            (count(|row| row.outcome.is_none() && row.steps == 0), "waiting"),
        ];
        let mut parts: Vec<String> =
            parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        if let Some(seconds) = self.seconds_left() {
            parts.push(format!("{} left", duration(seconds)));
        }
        let s = if self.rows.len() == 1 { "" } else { "s" };
        format!("{} run{s}: {}", self.rows.len(), parts.join(", "))
    }

    /// All tokens that are to be trained on, at the speed of all runs at work.
    fn seconds_left(&self) -> Option<f64> {
        let open = || self.rows.iter().filter(|row| row.outcome.is_none());
        let speed: f64 = open().filter_map(|row| row.tokens_per_s).sum();
        let left: f64 = open().map(|row| row.tokens_left() as f64).sum();
        (speed > 0.0).then(|| left / speed)
    }
}

impl Row {
    fn tokens_left(&self) -> u64 {
        self.total_tokens.saturating_sub(self.step * self.tokens_per_step)
    }
}

impl View for Table {
    fn event(&mut self, task: usize, event: &Event) {
        let Some(row) = self.rows.get_mut(task) else { return };
        match event {
            Event::Starts { from_step, steps } => {
                let now = Instant::now();
                (row.from_step, row.step, row.steps) = (*from_step, *from_step, *steps);
                (row.started, row.last_line) = (now, now);
                if let Some((all, total)) = &self.live {
                    let bar = all.insert_before(total, ProgressBar::new(*steps));
                    bar.set_position(*from_step);
                    bar.set_prefix(format!("{:>width$}", row.title, width = self.width));
                    bar.set_style(style("{prefix}  {bar:24} {pos:>6}/{len}  {msg}"));
                    row.bar = Some(bar);
                }
                if *from_step > 0 {
                    self.line(task, &format!("continues from step {from_step}"));
                }
            }
            Event::Step { step, loss, tokens_per_s } => {
                let mean = row.tokens_per_s.map_or(*tokens_per_s, |mean| mean + NEWEST * (tokens_per_s - mean));
                row.tokens_per_s = Some(mean);
                row.step = *step;
                let left = duration(row.tokens_left() as f64 / mean.max(f64::MIN_POSITIVE));
                let message = format!("loss {:.3}  {mean:.0} tokens/s  {left} left", loss.unwrap_or(f64::NAN));
                match &row.bar {
                    Some(bar) => {
                        bar.set_position(*step);
                        bar.set_message(message);
                    }
                    None if row.last_line.elapsed() >= QUIET => {
                        row.last_line = Instant::now();
                        let text = format!("step {step}/{}  {message}", row.steps);
                        self.line(task, &text);
                    }
                    None => {}
                }
            }
            Event::Eval { step, epoch, loss, se, others } => {
                row.last_line = Instant::now();
                let error = se.map_or(String::new(), |se| format!(" ± {se:.4}"));
                let loss = loss.unwrap_or(f64::NAN);
                let value =
                    |(name, value): &(String, Option<f64>)| format!("  {name} {:.4}", value.unwrap_or(f64::NAN));
                let others: String = others.iter().map(value).collect();
                self.line(task, &format!("epoch {epoch:6.2}  valid {loss:.4}{error}{others}  (step {step})"));
            }
            Event::Note { text } => self.line(task, text),
            Event::Ends { step, .. } => row.step = *step,
            Event::Fails { .. } => {}
        }
    }

    fn ended(&mut self, task: usize, outcome: &Outcome) {
        let Some(row) = self.rows.get_mut(task) else { return };
        if let Some(bar) = row.bar.take() {
            bar.finish_and_clear();
        }
        row.outcome = Some(outcome.clone());
        let (done, seconds) = (row.step - row.from_step.min(row.step), row.started.elapsed().as_secs_f64());
        match outcome {
            Outcome::Finished if done > 0 => {
                self.line(task, &format!("finished: {done} steps in {}", duration(seconds)));
            }
            Outcome::Finished | Outcome::NotStarted => {}
            Outcome::Stopped(reason) => {
                self.line(task, &format!("{}; `dlmc run` again goes on from here", reason.words()));
            }
            Outcome::Failed(message) => self.line(task, &format!("failed: {message}")),
        }
        if self.live.is_none() && self.rows.len() > 1 {
            eprintln!("{:>width$}  {}", "", self.summary(), width = self.width);
        }
    }

    fn tick(&mut self) {
        if let Some((_, total)) = &self.live
            && self.drawn.elapsed() >= REDRAW
        {
            total.set_message(self.summary());
            self.drawn = Instant::now();
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if let Some((_, total)) = &self.live {
            total.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// `40 s`, `14 min`, `3.2 h`
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6_000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3_600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_short() {
        assert_eq!([0.4, 99.0, 840.0, 11_520.0].map(duration), ["0 s", "99 s", "14 min", "3.2 h"]);
    }

    #[test]
    fn all_runs_are_counted() {
        let task = |title: &str| Task {
            title: title.into(),
            job: super::super::tests::job("ar"),
            total_tokens: 1_000,
            tokens_per_step: 10,
        };
        let mut table = Table::on(&[task("a"), task("b"), task("c"), task("d")], false);
        assert_eq!(table.summary(), "4 runs: 4 waiting");
        for task in [0, 1] {
            table.event(task, &Event::Starts { from_step: 40, steps: 100 });
            table.event(task, &Event::Step { step: 50, loss: Some(1.0), tokens_per_s: 100.0 });
        }
        assert_eq!(table.summary(), "4 runs: 2 at work, 2 waiting, 15 s left");
        table.ended(0, &Outcome::Finished);
        table.ended(1, &Outcome::Failed("no".into()));
        table.ended(2, &Outcome::Stopped(crate::store::metrics::EndReason::TimeLimit));
        assert_eq!(table.summary(), "4 runs: 1 finished, 1 failed, 1 stopped, 1 waiting");
    }
}
