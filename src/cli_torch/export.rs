//! `dlmc export`: what another trainer needs to repeat an arm: initial weights, every step's rows
//! with their targets and weights, the validation rows, the learning rates.

use super::set_up;
use crate::cli::args::ExportArgs;
use crate::cli::{RUN_FAILED, USAGE, fail, graph, print};
use crate::data::Batches;
use crate::eval::valid_rows;
use crate::objective::{Corrupted, Corruptor, pattern, shape};
use crate::optimize::Passes;
use crate::store::{DType, TensorData, write_tensors};
use serde_json::json;
use std::process::ExitCode;

pub fn run(args: &ExportArgs) -> ExitCode {
    match export(args) {
        Ok(code) | Err(code) => code,
    }
}

fn export(args: &ExportArgs) -> Result<ExitCode, ExitCode> {
    let compiled = graph::compiled(&args.spec)?;
    if args.to.exists() {
        return Err(fail(&format!("`{}` exists already", args.to.display()), USAGE));
    }
    let setup = set_up(&compiled, args.arm.as_deref(), args.point.as_deref(), tch::Device::Cpu, &Passes::default())?;
    let arm = &setup.arm;
    let steps = args.steps.unwrap_or(arm.budget.steps).min(arm.budget.steps);
    let (seq, batch) = (arm.data.seq, arm.train.batch_seqs);
    let shape = shape(&arm.objective, seq);
    let mut all = Corrupted { seq: shape.time as usize, ..Corrupted::default() };
    let mut batches = Batches::new(&setup.data, &arm.data, batch, arm.budget.steps, arm.train.seeds.order);
    let corruptor = Corruptor::new(&arm.objective, &arm.vocab, seq as usize);
    for step in 0..steps {
        let clean = batches.batch(step);
        let rows = corruptor.corrupt(&clean, 0, batch, step, arm.train.seeds.noise);
        if rows.seq != all.seq {
            let message = format!("step {step} has its rows cut to {} tokens, which is no part of one array", rows.seq);
            return Err(fail(
                &format!("{message}\n  = help: export an objective without `variable_length`"),
                RUN_FAILED,
            ));
        }
        all.extend(rows);
    }
    let valid = valid_rows(arm, &setup.data);
    let optimizer = arm.train.optimizer;
    let lr: Vec<f64> = (0..arm.budget.steps).map(|s| arm.train.lr_schedule.rate(s, optimizer.lr)).collect();
    let params: Vec<_> = setup
        .training
        .program()
        .params
        .iter()
        .map(|p| json!({ "path": p.path, "shape": p.shape, "decays": p.decays() }))
        .collect();
    let model_args: serde_json::Map<String, serde_json::Value> = arm
        .flat
        .iter()
        .filter_map(|f| Some((f.path.strip_prefix("model.")?.to_string(), f.value.clone().into())))
        .collect();
    let meta = json!({
        "experiment": compiled.spec.name(),
        "arm": arm.name,
        "objective": arm.objective.name(),
        "exact": arm.objective.is_exact(),
        "pattern": pattern(&arm.objective).name(),
        "seq": seq,
        "batch": batch,
        "vocab": arm.vocab.size,
        "live": arm.vocab.n_predictable(),
        "steps": steps,
        "precision": arm.train.precision.name(),
        "model": { "name": arm.model.name, "args": model_args },
        "optimizer": {
            "lr": optimizer.lr, "beta1": optimizer.beta1, "beta2": optimizer.beta2,
            "eps": optimizer.eps, "weight_decay": optimizer.weight_decay,
        },
        "clip": arm.train.clip,
        "ema": arm.train.ema,
        "weight_noise": arm.train.weight_noise,
        "lr": lr,
        "eval_at": arm.eval.at_steps,
        "params": params,
    });
    let write = || -> Result<(), Box<dyn std::error::Error>> {
        std::fs::create_dir_all(&args.to)?;
        write_tensors(&args.to.join("init.safetensors"), &setup.weights.export()?)?;
        let shape = [steps, batch * shape.rows, shape.time];
        let mut train = rows(&all, &shape);
        write_tensors(&args.to.join("train.safetensors"), &std::mem::take(&mut train))?;
        let mut tensors = rows(&valid.rows, &[valid.rows.rows as u64, valid.rows.seq as u64]);
        let documents: Vec<i64> = valid.documents.iter().map(|d| i64::from(*d)).collect();
        tensors.push(whole("document", &[documents.len() as u64], documents.iter().copied()));
        tensors.push(real("document_targets", &[valid.targets.len() as u64], &valid.targets));
        write_tensors(&args.to.join("valid.safetensors"), &tensors)?;
        // Written last: a folder with it is complete.
        std::fs::write(args.to.join("meta.json"), serde_json::to_string_pretty(&meta)?)?;
        Ok(())
    };
    write().map_err(|error| fail(&format!("{}: {error}", args.to.display()), RUN_FAILED))?;
    print(&format!("{}: {} steps and {} validation rows\n", args.to.display(), steps, valid.rows.rows));
    Ok(ExitCode::SUCCESS)
}

/// `shape` ends with the positions; what a row has once lacks that dimension.
fn rows(of: &Corrupted, shape: &[u64]) -> Vec<TensorData> {
    let mut tensors = vec![
        whole("tokens", shape, of.tokens.iter().map(|t| i64::from(*t))),
        whole("targets", shape, of.targets.iter().map(|t| i64::from(*t))),
        real("weights", shape, &of.weights),
    ];
    for (name, of_rows) in [("t", &of.t), ("alpha", &of.alpha), ("uniform", &of.uniform)] {
        if let (Some((_, rows)), false) = (shape.split_last(), of_rows.is_empty()) {
            tensors.push(real(name, rows, of_rows));
        }
    }
    if !of.positions.is_empty() {
        let positions = of.positions.iter().map(|i| i64::from(*i));
        tensors.push(whole("positions", &[of.positions.len() as u64], positions));
    }
    tensors
}

fn whole(name: &str, shape: &[u64], values: impl Iterator<Item = i64>) -> TensorData {
    let bytes = values.flat_map(i64::to_le_bytes).collect();
    TensorData { name: name.into(), dtype: DType::I64, shape: shape.to_vec(), bytes }
}

fn real(name: &str, shape: &[u64], values: &[f64]) -> TensorData {
    let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    TensorData { name: name.into(), dtype: DType::F64, shape: shape.to_vec(), bytes }
}
