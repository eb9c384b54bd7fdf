//! `dlmc sample`: which run, which template, which sampler; then texts, and what they cost and are worth.

mod document;
mod load;
mod show;

use super::open_device;
use crate::base::{Diagnostics, SourceMap};
use crate::check::objective::sampler::read_alone;
use crate::check::spec::{Arm, Filter, Sampler};
use crate::cli::args::SampleArgs;
use crate::cli::template::{Piece, pieces, template};
use crate::cli::{RUN_FAILED, USAGE, env, fail, print, render};
use crate::decode::{DecodeError, Request};
use crate::lower::LowerError;
use crate::sample::trained::parts;
use document::{Document, Drawn};
pub use load::newest_weights;
use load::{Run, load};
use show::Screen;
use std::process::ExitCode;
use std::time::Instant;

/// Tokens of a text where nothing is said and the model has room.
const N_TOKENS: u64 = 96;

/// How an id that is no text is shown.
pub fn special(arm: &Arm, id: u32) -> String {
    match u64::from(id) {
        id if id == arm.vocab.eod => "<end of document>".into(),
        id if Some(id) == arm.vocab.mask => "<mask>".into(),
        id => format!("<{id}>"),
    }
}

pub fn run(args: &SampleArgs) -> ExitCode {
    match sample(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}

fn sample(args: &SampleArgs) -> Result<(), ExitCode> {
    let device = open_device(&args.device)?;
    let run = load(&args.run, device)?;
    let judge = args.judge.as_deref().map(|path| load::judge(path, &run, device)).transpose()?;
    let arm = &run.trained.arm;
    let sampler = sampler(args, arm)?;
    let template = asked_template(args, &run)?;
    if let Some(judge) = &judge {
        let room = judge.trained.arm.data.seq;
        if template.len() as u64 > room {
            let message = format!("texts of {} tokens do not fit the judge's {room} positions", template.len());
            return Err(fail(&message, USAGE));
        }
    }
    let request = Request { template, texts: 0..args.count, seed: args.seed };
    let holes: Vec<usize> = (0..request.template.len()).filter(|i| request.template.get(*i) == Some(&None)).collect();
    let mut screen = Screen::new(&run, &sampler, args.json);
    // Text that is watched comes one by one.
    let together = if screen.is_watched() { 1 } else { run.trained.n_together(request.template.len()) };
    let mut texts = vec![];
    let mut seconds = 0.0;
    for part in parts(&request.texts, together) {
        let request = Request { texts: part, ..request.clone() };
        screen.start(&request);
        let started = Instant::now();
        let drawn = run.trained.draw(&sampler, &request, &mut |draft| screen.watch(draft));
        seconds += started.elapsed().as_secs_f64();
        screen.pause();
        for (index, decoded) in request.texts.clone().zip(drawn.map_err(failed)?) {
            let judged = judge.as_ref().map(|judge| judge.trained.judge(&decoded.tokens, &holes)).transpose();
            let judged = judged.map_err(|error| fail(&error.to_string(), RUN_FAILED))?;
            let text = run.codec.decode(&decoded.tokens, |id| special(arm, id));
            screen.finish(&text);
            texts.push(Drawn::new(index, text, decoded, &holes, judged));
        }
    }
    let judged_by = judge.as_ref().map(|judge| judge.name.as_str());
    let document = Document::new(&run, &sampler, args.seed, &holes, texts, seconds, judged_by);
    if args.json {
        print(&document.json())
    } else {
        eprint!("{}", document.text())
    }
    Ok(())
}

/// What cannot be asked for is wrong usage; the rest is a failed run.
fn failed(error: DecodeError<LowerError>) -> ExitCode {
    match &error {
        DecodeError::Refused(_) => fail(&error.to_string(), USAGE),
        DecodeError::Unsound { .. } | DecodeError::Answers { .. } | DecodeError::Network(_) => {
            fail(&error.to_string(), RUN_FAILED)
        }
    }
}

/// The arm's sampler, or the one that is given; changed or not, it is checked as in a spec.
fn sampler(args: &SampleArgs, arm: &Arm) -> Result<Sampler, ExitCode> {
    let (flag, text) = match &args.sampler {
        Some(text) => ("--sampler", text.clone()),
        None if args.temperature.or(args.top_p).is_none() && args.top_k.is_none() => return Ok(arm.sampler.clone()),
        None => {
            let own = arm.sampler.filter;
            let filter = Filter {
                temperature: args.temperature.unwrap_or(own.temperature),
                top_k: args.top_k.or(own.top_k),
                top_p: args.top_p.or(own.top_p),
            };
            ("the sampler", Sampler { filter, ..arm.sampler.clone() }.to_string())
        }
    };
    let (mut map, mut out) = (SourceMap::default(), Diagnostics::default());
    let sampler = read_alone(&text, flag, &arm.objective, &mut map, &mut out);
    if !out.is_empty() {
        eprint!("{}", render::human(&out, &map, env::color()));
    }
    sampler.ok_or(ExitCode::from(USAGE))
}

fn asked_template(args: &SampleArgs, run: &Run) -> Result<Vec<Option<u32>>, ExitCode> {
    let arm = &run.trained.arm;
    // The context before the first token takes a position.
    let room = arm.data.seq.saturating_sub(1);
    let unreadable = |flag: &str, error: crate::data::DataError| {
        fail(&format!("{flag}: {}", error.diagnose(&arm.data).message), USAGE)
    };
    let (flag, pieces) = match &args.infill {
        Some(text) => ("--infill", pieces(text).map_err(|message| fail(&format!("--infill: {message}"), USAGE))?),
        None => {
            let prompt = run.codec.encode(&args.prompt).map_err(|error| unreadable("--prompt", error))?;
            let left = room.saturating_sub(prompt.len() as u64);
            let n_tokens = args.tokens.unwrap_or(N_TOKENS.min(left).max(1));
            ("--prompt", vec![Piece::Text(args.prompt.clone()), Piece::Hole(n_tokens)])
        }
    };
    match template(&pieces, &run.codec, room).map_err(|error| unreadable(flag, error))? {
        Ok(template) => Ok(template),
        Err(n) => Err(fail(&format!("{n} tokens do not fit the model's {room} positions after the first"), USAGE)),
    }
}
