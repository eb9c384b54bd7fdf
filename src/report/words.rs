//! How numbers and verdicts are worded, the same in the terminal and on the page.

pub use crate::base::number::grouped as count;
use crate::claims::{BestAgainstBest, Crossover, Interval, Onset, Verdict};

/// A loss with its standard error, to two significant digits of the latter: `2.00 ± 0.06`.
pub fn with_error(loss: f64, se: f64) -> String {
    if !se.is_finite() {
        // One document has no spread.
        return fixed(loss, 4);
    }
    let decimals = decimals_of_error(se);
    format!("{} ± {}", fixed(loss, decimals), fixed(se, decimals))
}

/// Two digits of an error, but no fewer than two and no more than four decimals.
fn decimals_of_error(se: f64) -> usize {
    if !(se.is_finite() && se > 0.0) {
        return 2;
    }
    (1.0 - se.log10().floor()).clamp(2.0, 4.0) as usize
}

pub fn fixed(x: f64, decimals: usize) -> String {
    if x.is_finite() { format!("{x:.decimals$}") } else { "not finite".into() }
}

/// Three significant digits with an exponent where the number is large: `6.81e20`, `0.512`, `37.1`.
pub fn short(x: f64) -> String {
    let size = x.abs();
    match x {
        _ if !x.is_finite() => "not finite".into(),
        0.0 => "0".into(),
        _ if !(1e-3..1e6).contains(&size) => format!("{x:.2e}"),
        _ if size >= 1e3 => count_signed(x),
        _ => format!("{x:.*}", (2.0 - size.log10().floor()).clamp(0.0, 5.0) as usize),
    }
}

/// A whole number, or one with an exponent where it has many digits: `976`, `1.80e9`.
pub fn short_count(x: f64) -> String {
    if x.abs() < 1e6 { count_signed(x) } else { short(x) }
}

/// The shortest text that reads back the same.
pub fn exact(x: f64) -> String {
    crate::base::Number::Real(x).to_string()
}

fn count_signed(x: f64) -> String {
    format!("{}{}", if x < 0.0 { "-" } else { "" }, count(x.abs().round() as u64))
}

/// `2 h 05 min`, `3 min 20 s`, `12.5 s`
pub fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..=99 => format!("{seconds:.1} s"),
        100..=5_999 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

pub fn bytes(n: u64) -> String {
    let n = n as f64;
    match n {
        _ if n >= 1024f64.powi(3) => format!("{:.1} GiB", n / 1024f64.powi(3)),
        _ if n >= 1024f64.powi(2) => format!("{:.0} MiB", n / 1024f64.powi(2)),
        _ => format!("{:.0} KiB", n / 1024.0),
    }
}

/// `epoch 18 [16, 20]`, with decimals where the interval is narrow.
pub fn epoch_interval(at: f64, low: f64, high: f64, first: f64, last: f64) -> String {
    let width = high - low;
    let decimals = if width < 0.2 {
        2
    } else if width < 4.0 {
        1
    } else {
        0
    };
    let low = if low.is_finite() { format!("{low:.decimals$}") } else { format!("before {}", epoch(first)) };
    let high = if high.is_finite() { format!("{high:.decimals$}") } else { format!("after {}", epoch(last)) };
    format!("epoch {at:.decimals$} [{low}, {high}]")
}

/// `[0.15, 0.29]`
pub fn interval(interval: Interval, decimals: usize) -> String {
    format!("[{}, {}]", fixed(interval.low, decimals), fixed(interval.high, decimals))
}

/// An epoch to one decimal: an evaluation due at an epoch's end happens at the first step past it, and
/// a budget ends a little before its last epoch does.
pub fn epoch(x: f64) -> String {
    let text = format!("{x:.1}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Up to two decimals, without trailing zeros.
pub fn plain(x: f64) -> String {
    let text = format!("{x:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What a race came to, after the claim's own text; `method` says how intervals were made.
pub fn finding(result: &Crossover, method: bool) -> String {
    let first = result.differences.first().map_or(0.0, |d| d.epoch);
    let last = result.differences.last().map_or(0.0, |d| d.epoch);
    let wanted = if result.under { "below" } else { "above" };
    let (found, separator) = match &result.verdict {
        Verdict::Held { epoch, low, high, .. } => (epoch_interval(*epoch, *low, *high, first, last), ", "),
        Verdict::InsideDecay { epoch, low, high, .. } => {
            let where_ = epoch_interval(*epoch, *low, *high, first, last);
            (format!("{where_}, but settled only inside the learning-rate decay"), "; ")
        }
        Verdict::Censored { last_epoch } => {
            let until = if result.differences.iter().any(|d| d.in_decay) { ", the last before the decay" } else { "" };
            (format!("no crossing up to epoch {}{until}", epoch(*last_epoch)), "; ")
        }
        Verdict::NeverBehind { from_epoch } => {
            let found = format!(
                "`{}` is {wanted} `{}` from epoch {} on and never was on the other side, so nothing was crossed",
                result.of,
                result.than,
                epoch(*from_epoch)
            );
            (found, "; ")
        }
        Verdict::Undecided { why } => return why.clone(),
    };
    if method { format!("{found}{separator}{}", super::evidence::resamplings(result.n_replicates)) } else { found }
}

/// `epoch 9 [8, 11], the best is at epoch 5`, or that the metric never stays worse than at its best.
pub fn onset(found: &Onset) -> String {
    let first = found.declines.first().map_or(0.0, |d| d.place.epoch);
    let best = epoch(found.best.epoch);
    match found.from {
        Some(from) => {
            let Interval { low, high } = found.interval;
            let where_ = epoch_interval(from.epoch, low, high, first, found.last.epoch);
            format!("{where_}, the best is at epoch {best}")
        }
        None => {
            let until = if found.declines.iter().any(|d| d.in_decay) { ", the last before the decay" } else { "" };
            format!("none up to epoch {}{until}; the best is at epoch {best}", epoch(found.last.epoch))
        }
    }
}

/// `ar is ahead by at most 0.22 [0.15, 0.29]`
pub fn best_against_best(best: &BestAgainstBest) -> String {
    let (ahead, gap, clear) = best.ahead();
    let range = interval(best.gap_interval(), 2);
    let gap = fixed(gap, 2);
    let so_far = if best.complete { "" } else { " so far, with a run that is not complete" };
    if clear {
        format!("{} is ahead by {}{gap} {range}{so_far}", ahead.arm, best.gap_words())
    } else {
        format!("{} and {} cannot be told apart: {gap} {range}{so_far}", best.of.arm, best.than.arm)
    }
}
