//! What the evaluations of variants read besides their data: named corpora and tasks, each once. What is in them is
//! part of a run's identity, as its data is.

use crate::check::spec::{Arm, FlatField, TextSet};
use crate::cli::data::refuse;
use crate::cli::env;
use crate::data::{CorpusEnv, HeldOutSpec, Prepared, held_out, tasks};
use crate::eval::Asked;
use crate::graph::ValidGraph;
use std::process::ExitCode;
use std::sync::Arc;

/// Variants with the hashes of what they are asked, and what that is; `corpora` are their data.
pub fn read<'a>(
    chosen: Vec<(Arm, &'a ValidGraph)>,
    corpora: &[Arc<Prepared>],
) -> Result<(Vec<(Arm, &'a ValidGraph)>, Vec<Asked>), ExitCode> {
    let env = env::corpus();
    let mut distinct: Vec<(Arm, Arc<Prepared>, Asked)> = vec![];
    let (mut arms, mut all) = (vec![], vec![]);
    for ((mut arm, model), data) in chosen.into_iter().zip(corpora) {
        let same = |(other, read, _): &&(Arm, Arc<Prepared>, Asked)| {
            let seeds = |arm: &Arm| (arm.train.seeds.eval, arm.train.seeds.split);
            let what = |arm: &Arm| (arm.eval.sets.clone(), arm.eval.tasks.clone());
            what(other) == what(&arm) && seeds(other) == seeds(&arm) && Arc::ptr_eq(read, data)
        };
        let asked = match distinct.iter().find(same) {
            Some((.., asked)) => asked.clone(),
            None => {
                let asked = read_one(&arm, data, &env)?;
                distinct.push((arm.clone(), data.clone(), asked.clone()));
                asked
            }
        };
        let field = |path: String, hash: &str| FlatField::new(path, hash, "derived");
        let corpora = asked.corpora.iter().map(|(name, rows)| field(format!("eval.corpora.{name}.hash"), &rows.hash));
        let tasks = asked.tasks.iter().map(|task| field(format!("eval.tasks.{}.hash", task.name), &task.hash));
        arm.flat.extend(corpora.chain(tasks));
        arm.flat.sort_by(|a, b| a.path.cmp(&b.path));
        arms.push((arm, model));
        all.push(asked);
    }
    Ok((arms, all))
}

fn read_one(arm: &Arm, data: &Prepared, env: &CorpusEnv) -> Result<Asked, ExitCode> {
    let mut asked = Asked::default();
    for set in &arm.eval.sets {
        let TextSet::Corpus(corpus) = set else { continue };
        let spec = HeldOutSpec {
            source: corpus.source.clone(),
            tokens: corpus.tokens,
            max_per_document: corpus.max_per_document,
        };
        let rows = held_out(&spec, &arm.data, data, &arm.train.seeds, env);
        let rows = rows.map_err(|error| refuse(&error.diagnose(&arm.data)))?;
        asked.corpora.insert(corpus.name.clone(), Arc::new(rows));
    }
    let mut read = vec![];
    for task in &arm.eval.tasks {
        let set = tasks::load(task, arm, &data.codec, env).map_err(|error| refuse(&error.refuse(task)))?;
        let cut = set.n_cut(data.seq);
        let cut = if cut > 0 { format!(", {cut} options with their context cut to fit") } else { String::new() };
        eprintln!("{:>8}  {} items{cut}", task.name, set.items.len());
        read.push(set);
    }
    asked.tasks = read.into();
    Ok(asked)
}
