//! The command line. Flags choose which and where; what an experiment is stands in its spec, and
//! `--set` is the one door into it, checked like the file and recorded in the lock.

use crate::analyze::Hardware;
use crate::optimize::{Pass, Passes};
use crate::resolve::Override;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

#[derive(Parser, Debug)]
#[command(name = "dlmc", version, about = "Compiles language-model pre-training experiments", max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Every error of a spec at once, with place, reason and fix
    Check(CheckArgs),
    /// One canonical layout of spec files
    Fmt(FmtArgs),
    /// The compiled graph of an arm
    Graph(GraphArgs),
    /// A resolved value, where it came from and what follows from it; or an error code's page
    Explain(ExplainArgs),
    /// What differs between two specs, arms, locks or runs, resolved
    Diff(DiffArgs),
    /// Pin a spec's resolved values and graphs beside it
    Snapshot(SnapshotArgs),
    /// What a spec would run: parameters, tokens, steps, FLOPs, what is matched
    Plan(PlanArgs),
    /// Tokenize a spec's corpora; look into them, or into a token store
    Data(DataArgs),
    /// Train every arm at every point, one process for each run, and write the report
    Run(RunArgs),
    /// Generate text from a run's last checkpoint
    Sample(SampleArgs),
    /// Tables, curves and the verdict of finished runs
    Report(ReportArgs),
    /// Fit a scaling law for repeated data to finished runs
    Fit(FitArgs),
    /// Measure training steps of one arm
    Bench(BenchArgs),
    /// Write a run's batches, masks and initial weights for another trainer
    Export(ExportArgs),
    /// One run, as `dlmc run` starts it: the job comes on standard input
    #[command(hide = true)]
    Worker,
}

/// Which spec, with which values set.
#[derive(Args, Debug, Clone)]
pub struct SpecArgs {
    /// The spec file
    pub file: PathBuf,
    /// Which experiment, where the file has several
    #[arg(long, value_name = "NAME")]
    pub experiment: Option<String>,
    /// Set a value, as `train.precision=fp32`; checked like the file
    #[arg(long, value_name = "PATH=VALUE", value_parser = parse_set)]
    pub set: Vec<Override>,
}

fn parse_set(text: &str) -> Result<Override, String> {
    match text.split_once('=') {
        Some((path, value)) if !path.trim().is_empty() && !value.trim().is_empty() => {
            Ok(Override { path: path.trim().to_string(), value: value.trim().to_string() })
        }
        _ => Err("write PATH=VALUE, for example train.batch='16 seqs'".into()),
    }
}

/// Passes of the optimizer to leave out.
#[derive(Args, Debug, Clone, Default)]
pub struct PassArgs {
    /// Leave out a pass of the optimizer, or `all`; results then differ by rounding alone
    #[arg(long = "no-opt", value_name = "PASS", value_parser = parse_pass)]
    off: Vec<OffPass>,
}

#[derive(Clone, Copy, Debug)]
enum OffPass {
    One(Pass),
    All,
}

impl PassArgs {
    pub fn passes(&self) -> Passes {
        self.off.iter().fold(Passes::default(), |passes, off| match off {
            OffPass::One(pass) => passes.without(&[*pass]),
            OffPass::All => Passes::none(),
        })
    }
}

fn parse_pass(text: &str) -> Result<OffPass, String> {
    match (text, Pass::parse(text)) {
        ("all", _) => Ok(OffPass::All),
        (_, Some(pass)) => Ok(OffPass::One(pass)),
        (_, None) => {
            let names: Vec<&str> = Pass::ALL.iter().map(|pass| pass.name()).collect();
            Err(format!("the passes are {} and `all`", names.join(", ")))
        }
    }
}

#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Spec files
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Only these points of the sweep: `axis=value,...`, any part of a point's name
    #[arg(long, value_name = "POINT")]
    pub point: Option<String>,
    /// One JSON document instead of text
    #[arg(long)]
    pub json: bool,
    /// Set a value, as `train.precision=fp32`; checked like the file
    #[arg(long, value_name = "PATH=VALUE", value_parser = parse_set)]
    pub set: Vec<Override>,
}

#[derive(Args, Debug)]
pub struct FmtArgs {
    /// Spec files; `-` reads standard input and writes standard output
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Write nothing; say which files are laid out otherwise and exit with 1
    #[arg(long)]
    pub check: bool,
}

#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// A spec file, or a code such as E0402
    #[arg(value_name = "FILE|CODE")]
    pub what: PathBuf,
    /// A resolved path (`train.lr_schedule.warmup`, `objective.mdm`); all are listed without one
    pub path: Option<String>,
    /// Which experiment, where the file has several
    #[arg(long, value_name = "NAME")]
    pub experiment: Option<String>,
    /// Set a value, as `train.precision=fp32`; checked like the file
    #[arg(long, value_name = "PATH=VALUE", value_parser = parse_set)]
    pub set: Vec<Override>,
    /// Only this arm
    #[arg(long)]
    pub arm: Option<String>,
    /// Only these points of the sweep: `axis=value,...`, any part of a point's name
    #[arg(long, value_name = "POINT")]
    pub point: Option<String>,
    #[arg(long)]
    pub json: bool,
}

impl ExplainArgs {
    pub fn spec(&self) -> SpecArgs {
        SpecArgs { file: self.what.clone(), experiment: self.experiment.clone(), set: self.set.clone() }
    }
}

#[derive(Args, Debug)]
pub struct DiffArgs {
    /// `FILE`, `FILE:ARM`, `FILE:ARM@POINT`, a lock, or the folder of a run
    pub left: String,
    /// The same
    pub right: String,
    /// Which experiment, where a file has several
    #[arg(long, value_name = "NAME")]
    pub experiment: Option<String>,
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct SnapshotArgs {
    /// Spec files; libraries have nothing to pin
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Write nothing; show what differs and exit with 1
    #[arg(long)]
    pub check: bool,
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct GraphArgs {
    #[command(flatten)]
    pub spec: SpecArgs,
    /// Which arm; the first by default
    #[arg(long)]
    pub arm: Option<String>,
    /// Which point of the sweep, by any part of its name; the first by default
    #[arg(long, value_name = "POINT")]
    pub point: Option<String>,
    #[arg(long, value_enum, default_value_t = Stage::Checked)]
    pub stage: Stage,
    #[command(flatten)]
    pub no_opt: PassArgs,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// The model as elaborated
    Built,
    /// With the types that were proved
    Checked,
    /// With loss and backward pass
    Training,
    /// The training graph after the optimizer's passes: what a run runs
    Optimized,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Ron,
    /// What `ron` has
    Json,
    Dot,
    /// A drawing, laid out to be read
    Svg,
    Text,
}

#[derive(Args, Debug)]
pub struct PlanArgs {
    #[command(flatten)]
    pub spec: SpecArgs,
    /// Only these points of the sweep: `axis=value,...`, any part of a point's name
    #[arg(long, value_name = "POINT")]
    pub point: Option<String>,
    /// Say how long it would take on these: `h100x8`, `h200`, `a100x4`, or a peak in FLOP/s such as 2e15
    #[arg(long, value_name = "DEVICES", value_parser = Hardware::parse)]
    pub on: Option<Hardware>,
    /// The share of the peak that is assumed to be used, of matrix products and attention
    #[arg(long, value_name = "SHARE", default_value = "45%", value_parser = parse_share, requires = "on")]
    pub mfu: f64,
    #[arg(long)]
    pub json: bool,
}

/// `45%` or `0.45`
fn parse_share(text: &str) -> Result<f64, String> {
    let (number, of) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    match number.trim().parse::<f64>() {
        Ok(share) if share > 0.0 && share <= of => Ok(share / of),
        _ => Err("write a share of the peak such as 45%, above 0 and at most 100%".into()),
    }
}

#[derive(Args, Debug)]
pub struct DataArgs {
    #[command(subcommand)]
    pub command: DataCommand,
}

#[derive(Subcommand, Debug)]
pub enum DataCommand {
    /// Read, tokenize and split every corpus of a spec; token stores go to DLMC_CACHE, or runs/.cache
    Prepare(CorporaArgs),
    /// The same with samples of the text; or what is in a token store
    Inspect(CorporaArgs),
}

#[derive(Args, Debug)]
pub struct CorporaArgs {
    #[command(flatten)]
    pub spec: SpecArgs,
    /// Only these points of the sweep: `axis=value,...`, any part of a point's name
    #[arg(long, value_name = "POINT")]
    pub point: Option<String>,
    /// One JSON document instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct RunArgs {
    #[command(flatten)]
    pub spec: SpecArgs,
    /// Only this arm
    #[arg(long)]
    pub arm: Option<String>,
    /// Only these points of the sweep: `axis=value,...`, any part of a point's name
    #[arg(long, value_name = "POINT")]
    pub point: Option<String>,
    /// Start from this state instead of the initial weights: a checkpoint, a run's folder (its last one), or an
    /// experiment (the run of the same arm and point); as `train.start` of the spec
    #[arg(long, value_name = "CHECKPOINT")]
    pub from: Option<PathBuf>,
    /// Runs at a time; they share the threads
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = at_least_one)]
    pub jobs: usize,
    /// Threads of each run, instead of an equal share
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub threads: Option<usize>,
    #[command(flatten)]
    pub no_opt: PassArgs,
    /// Let the others go on when a run fails; the default
    #[arg(long, conflicts_with = "fail_fast")]
    pub keep_going: bool,
    /// End all when a run fails, those at work with a checkpoint
    #[arg(long)]
    pub fail_fast: bool,
    /// Let interrupted runs go on although this changed since they began; they then need not end as they would have
    #[arg(long, value_enum, value_name = "CHANGE")]
    pub accept: Vec<Accepted>,
    /// Stop each run after this many steps in all (the schedule stays that of the spec)
    #[arg(long)]
    pub steps: Option<u64>,
    /// Stop after this long, with a checkpoint: 90s, 9m, 2h
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    pub time_limit: Option<f64>,
    /// cpu, cuda or cuda:N
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Where run folders go
    #[arg(long, default_value = "runs", value_name = "DIR")]
    pub out: PathBuf,
    /// Exit with 1 unless every claim held
    #[arg(long)]
    pub strict: bool,
}

/// What may have changed between the beginning of a run and its continuation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Accepted {
    /// Another dlmc or libtorch
    Code,
    /// Another number of threads
    Threads,
    /// Another device
    Device,
    All,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(n) if n >= 1 => Ok(n),
        _ => Err("a whole number of at least 1 is wanted".into()),
    }
}

fn parse_duration(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text.get(number.len()..).unwrap_or("") {
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err("write a time such as 90s, 9m or 2h".into()),
    };
    match number.parse::<f64>() {
        Ok(n) if n > 0.0 && n.is_finite() => Ok(n * factor),
        _ => Err("write a time such as 90s, 9m or 2h".into()),
    }
}

#[derive(Args, Debug)]
pub struct SampleArgs {
    /// A run folder, `runs/quickstart/ar-1234...`
    pub run: PathBuf,
    /// Tokens to generate after the prompt; 96 by default, or as many as the model has room for
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub tokens: Option<u64>,
    /// How many texts
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub count: u32,
    /// Text to continue
    #[arg(long, default_value = "", value_name = "TEXT", hide_default_value = true)]
    pub prompt: String,
    /// Text with holes to fill: `[[12]]` is a hole of 12 tokens, `\[[12]]` that text itself
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["tokens", "prompt"])]
    pub infill: Option<String>,
    /// How tokens are drawn, written as in a spec: 'confidence(steps: 64, block: 32)'; the arm's own by default
    #[arg(long, value_name = "SAMPLER")]
    pub sampler: Option<String>,
    /// In place of the temperature of the arm's sampler; 0 takes the likeliest token
    #[arg(long, value_name = "X", conflicts_with = "sampler")]
    pub temperature: Option<f64>,
    /// In place of the `top_k` of the arm's sampler
    #[arg(long, value_name = "K", conflicts_with = "sampler")]
    pub top_k: Option<u64>,
    /// In place of the `top_p` of the arm's sampler
    #[arg(long, value_name = "P", conflicts_with = "sampler")]
    pub top_p: Option<f64>,
    /// A finished next-token run with the same tokens, whose perplexity of the texts is reported
    #[arg(long, value_name = "RUN")]
    pub judge: Option<PathBuf>,
    #[arg(long, default_value_t = 1)]
    pub seed: u32,
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// One JSON document instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ReportArgs {
    /// A spec file, or the folder of an experiment's runs; several, and single runs, with `--csv` or `--page`
    #[arg(required = true, value_name = "FILE|DIR")]
    pub what: Vec<PathBuf>,
    /// Write all metrics of all runs named into one CSV file, and no report
    #[arg(long, value_name = "FILE", conflicts_with_all = ["strict", "json"])]
    pub csv: Option<PathBuf>,
    /// Write one page that lays the runs named over each other, and no report
    #[arg(long, value_name = "FILE", conflicts_with_all = ["strict", "json"])]
    pub page: Option<PathBuf>,
    /// Copy the runs without their checkpoints into this folder, small enough to keep beside a spec, and report there
    #[arg(long, value_name = "DIR", conflicts_with_all = ["csv", "page"])]
    pub archive: Option<PathBuf>,
    /// Where run folders are
    #[arg(long, default_value = "runs", value_name = "DIR")]
    pub out: PathBuf,
    /// Exit with 1 unless every claim held
    #[arg(long)]
    pub strict: bool,
    /// One JSON document instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct FitArgs {
    /// The folder of an experiment's runs, or a CSV file with the columns params, tokens, unique and loss
    /// (rows whose column in_fit_set is 0 are left out)
    #[arg(value_name = "RUNS|FILE.csv")]
    pub what: PathBuf,
    #[arg(long, value_enum)]
    pub law: LawName,
    /// Only this arm; each has a fit of its own
    #[arg(long)]
    pub arm: Option<String>,
    /// A parameter that is given and not fitted, as `alpha=0.35`; `c4` is all but R_D* and R_N* as published for C4
    #[arg(long, value_name = "NAME=VALUE|c4")]
    pub fix: Vec<String>,
    /// One JSON document instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum LawName {
    /// Muennighoff et al.: repeated data and excess parameters are worth less and less
    DataConstrained,
    /// Ni et al.: repeating helps up to a number of epochs and harms beyond
    Epochs,
}

#[derive(Args, Debug)]
pub struct BenchArgs {
    #[command(flatten)]
    pub spec: SpecArgs,
    /// Which arm; the first by default
    #[arg(long)]
    pub arm: Option<String>,
    /// Which point of the sweep, by any part of its name; the first by default
    #[arg(long, value_name = "POINT")]
    pub point: Option<String>,
    /// Steps that are measured
    #[arg(long, default_value_t = 30)]
    pub steps: u64,
    /// Steps before them
    #[arg(long, default_value_t = 5)]
    pub warmup: u64,
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// One JSON line
    #[arg(long)]
    pub json: bool,
    /// Where the time of a step goes: by part (forward, backward, optimizer, ...) and by operation
    #[arg(long)]
    pub profile: bool,
    #[command(flatten)]
    pub no_opt: PassArgs,
    /// Then evaluate the validation documents once, and say how long it took
    #[arg(long)]
    pub validate: bool,
}

#[derive(Args, Debug)]
pub struct ExportArgs {
    #[command(flatten)]
    pub spec: SpecArgs,
    /// Which arm; the first by default
    #[arg(long)]
    pub arm: Option<String>,
    /// Which point of the sweep, by any part of its name; the first by default
    #[arg(long, value_name = "POINT")]
    pub point: Option<String>,
    /// A new folder
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// Steps to export; all by default
    #[arg(long)]
    pub steps: Option<u64>,
}
