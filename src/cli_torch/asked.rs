//! What the evaluations of variants read besides their data: named corpora and tasks, each once. What is in them is
//! part of a run's identity, as its data is.

use crate::base::Diagnostic;
use crate::check::spec::{Arm, FlatField, TextSet};
use crate::cli::data::refuse;
use crate::cli::env;
use crate::data::{HeldOutSpec, Prepared, held_out, tasks};
use crate::eval::Asked;
use std::process::ExitCode;
use std::sync::Arc;

/// Variants with the hashes of what they are asked; `corpora` are their data.
pub fn read(arms: Vec<Arm>, corpora: &[Arc<Prepared>]) -> Result<Vec<Arm>, ExitCode> {
    let mut distinct: Vec<(Arm, Arc<Prepared>, Asked)> = vec![];
    let mut all = vec![];
    for (arm, data) in arms.into_iter().zip(corpora) {
        let same = |(other, read, _): &&(Arm, Arc<Prepared>, Asked)| {
            let seeds = |arm: &Arm| (arm.train.seeds.eval, arm.train.seeds.split);
            let what = |arm: &Arm| (arm.eval.sets.clone(), arm.eval.tasks.clone());
            what(other) == what(&arm) && seeds(other) == seeds(&arm) && Arc::ptr_eq(read, data)
        };
        let asked = match distinct.iter().find(same) {
            Some((.., asked)) => asked.clone(),
            None => {
                let asked = of_arm(&arm, data).map_err(|diagnostic| refuse(&diagnostic))?;
                say(&asked, data.seq);
                distinct.push((arm.clone(), data.clone(), asked.clone()));
                asked
            }
        };
        all.push(with_hashes(arm, &asked));
    }
    Ok(all)
}

/// What the evaluations of one variant read.
pub fn of_arm(arm: &Arm, data: &Prepared) -> Result<Asked, Box<Diagnostic>> {
    let env = env::corpus();
    let mut asked = Asked::default();
    for set in &arm.eval.sets {
        let TextSet::Corpus(corpus) = set else { continue };
        let spec = HeldOutSpec {
            source: corpus.source.clone(),
            tokens: corpus.tokens,
            max_per_document: corpus.max_per_document,
        };
        let rows = held_out(&spec, &arm.data, data, &arm.train.seeds, &env);
        let rows = rows.map_err(|error| Box::new(error.diagnose(&arm.data)))?;
        asked.corpora.insert(corpus.name.clone(), Arc::new(rows));
    }
    let load = |task| tasks::load(task, arm, &data.codec, &env).map_err(|error| Box::new(error.refuse(task)));
    asked.tasks = arm.eval.tasks.iter().map(load).collect::<Result<Vec<_>, _>>()?.into();
    Ok(asked)
}

/// The hashes of what an arm is asked, among its fields.
pub fn with_hashes(mut arm: Arm, asked: &Asked) -> Arm {
    let field = |path: String, hash: &str| FlatField::new(path, hash, "derived");
    let corpora = asked.corpora.iter().map(|(name, rows)| field(format!("eval.corpora.{name}.hash"), &rows.hash));
    let tasks = asked.tasks.iter().map(|task| field(format!("eval.tasks.{}.hash", task.name), &task.hash));
    arm.flat.extend(corpora.chain(tasks));
    arm.flat.sort_by(|a, b| a.path.cmp(&b.path));
    arm
}

fn say(asked: &Asked, seq: usize) {
    for task in asked.tasks.iter() {
        let cut = task.n_cut(seq);
        let cut = if cut > 0 { format!(", {cut} options with their context cut to fit") } else { String::new() };
        eprintln!("{:>8}  {} items{cut}", task.name, task.items.len());
    }
}
