//! `dlmc data prepare` and `dlmc data inspect`: what a spec's corpora give, and what is in a token store.

use super::args::{CorporaArgs, DataArgs, DataCommand, SpecArgs};
use super::{RUN_FAILED, SPEC_ERRORS, USAGE, env, fail, graph, print};
use crate::base::Diagnostic;
use crate::base::number::grouped;
use crate::check::spec::{Arm, FlatField};
use crate::data::store::{self, Store};
use crate::data::{Prepared, prepare};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

/// What token stores are called.
const STORE: &str = "tokens";
/// Tokens of a text that is shown.
const SHOWN: usize = 24;

pub fn run(args: &DataArgs) -> ExitCode {
    let done = match &args.command {
        DataCommand::Prepare(args) => corpora(&args.spec, args.point.as_deref(), args.json, false),
        DataCommand::Inspect(args) if args.spec.file.extension().is_some_and(|e| e == STORE) => inspect_store(args),
        DataCommand::Inspect(args) => corpora(&args.spec, args.point.as_deref(), args.json, true),
    };
    done.err().unwrap_or(ExitCode::SUCCESS)
}

/// Reads and splits an arm's corpus. What is wrong with it is a diagnostic of the spec.
pub fn prepared(arm: &Arm) -> Result<Prepared, ExitCode> {
    let data = prepare(&arm.data, &arm.vocab, &arm.train.seeds, &env::corpus());
    data.map_err(|error| refuse(&error.diagnose(&arm.data)))
}

/// Says what is wrong with the texts of a spec, where there is no spec to point at.
pub fn refuse(diagnostic: &Diagnostic) -> ExitCode {
    eprintln!("error[{}]: {}", diagnostic.code, diagnostic.message);
    for label in diagnostic.primary.iter().chain(&diagnostic.related).filter(|l| !l.text.is_empty()) {
        eprintln!("  = note: {}", label.text);
    }
    diagnostic.notes.iter().for_each(|note| eprintln!("  = note: {note}"));
    diagnostic.help.iter().for_each(|help| eprintln!("  = help: {help}"));
    ExitCode::from(SPEC_ERRORS)
}

/// Whether two variants read the same tokens.
pub fn same_data(a: &Arm, b: &Arm) -> bool {
    let (x, y) = (&a.train.seeds, &b.train.seeds);
    a.data == b.data && a.vocab == b.vocab && (x.split, x.subset) == (y.split, y.subset)
}

/// Every corpus of the chosen variants, each once.
fn corpora(spec: &SpecArgs, point: Option<&str>, json: bool, samples: bool) -> Result<(), ExitCode> {
    let compiled = graph::compiled(spec)?;
    let chosen = graph::select(&compiled, None, point)?;
    let mut seen: Vec<&Arm> = vec![];
    let mut all = vec![];
    for arm in chosen.iter().filter_map(|i| compiled.spec.variants().get(*i)) {
        if seen.iter().any(|other| same_data(other, arm)) {
            continue;
        }
        seen.push(arm);
        let data = prepared(arm)?;
        match json {
            true => all.push(to_json(arm, &data)),
            false => print(&text(arm, &data, samples)),
        }
    }
    if json {
        let document = json!({ "version": 1, "experiment": compiled.spec.name(), "corpora": all });
        print(&format!("{document}\n"));
    }
    Ok(())
}

fn title(arm: &Arm) -> String {
    if arm.point.is_only() { arm.data.name.clone() } else { format!("{} at {}", arm.data.name, arm.point) }
}

/// `12 documents`, `1 document`
fn counted(n: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(n), if n == 1 { "" } else { "s" })
}

fn text(arm: &Arm, data: &Prepared, samples: bool) -> String {
    let stats = &data.stats;
    let mut out = format!("{}\n", title(arm));
    let mut line = |name: &str, text: String| out.push_str(&format!("  {name:<11} {text}\n"));
    let or_none = |n: u64, text: &str| if n > 0 { format!(", {} {text}", grouped(n)) } else { String::new() };
    line("source", arm.data.source.kind.to_string());
    line(
        "",
        format!(
            "{}, {}{}{}",
            counted(stats.documents, "document"),
            counted(stats.corpus_tokens, "token"),
            or_none(stats.empty_files, "empty left out"),
            or_none(stats.duplicates, "duplicates removed"),
        ),
    );
    if let Some(source) = &arm.data.valid_source {
        line("validation", format!("{}{}", source.kind, or_none(stats.valid_duplicates, "duplicates removed")));
    }
    line(
        "tokenizer",
        format!(
            "{}, {} ids, end of document {}",
            arm.data.tokenizer.form(),
            grouped(data.codec.n_ids()),
            data.vocab.eod
        ),
    );
    let cut = or_none(stats.train_documents_cut, "of them cut");
    line(
        "train",
        format!(
            "{} of {}{cut}; {} to be had",
            counted(data.train.len() as u64, "token"),
            counted(data.train.n_documents() as u64, "document"),
            grouped(stats.train_tokens_available)
        ),
    );
    line(
        "valid",
        format!(
            "{} of {}{}",
            counted(data.valid.rows.len() as u64, "token"),
            counted(u64::from(data.valid.n_documents), "document"),
            or_none(stats.too_short_for_validation, "passed over, shorter than a chunk")
        ),
    );
    data.stores.iter().for_each(|store| line("store", store.clone()));
    if let Some(reason) = &data.not_stored {
        line("store", format!("none, ids are in memory: {reason}"));
    }
    for field in data.lock_fields().iter().filter(|field| field.path.starts_with("data.hash.")) {
        line(if field.path.ends_with("source") { "hashes" } else { "" }, hash_line(field));
    }
    if samples {
        let shown = |ids: &[u32]| {
            let ids = ids.get(..SHOWN.min(ids.len())).unwrap_or(&[]);
            format!("{:?}", data.codec.decode(ids, |id| special(arm, data, id)))
        };
        line("first chunk", shown(&data.train_chunk(0)));
        if data.valid.n_rows() > 0 {
            line("first row", shown(data.valid.row(0)));
        }
    }
    out
}

fn hash_line(field: &FlatField) -> String {
    let name = field.path.strip_prefix("data.hash.").unwrap_or(&field.path);
    format!("{} {name}", field.value)
}

fn special(arm: &Arm, data: &Prepared, id: u32) -> String {
    match u64::from(id) {
        id if id == data.vocab.eod => "<end of document>".into(),
        id if Some(id) == arm.vocab.mask => "<mask>".into(),
        id => format!("<{id}>"),
    }
}

fn to_json(arm: &Arm, data: &Prepared) -> Value {
    let stats = &data.stats;
    let fields = data.lock_fields();
    let hashes = fields.iter().filter_map(|f| Some((f.path.strip_prefix("data.hash.")?, f.value.as_str())));
    json!({
        "data": arm.data.name,
        "point": arm.point.name(),
        "source": arm.data.source.kind.to_string(),
        "valid_source": arm.data.valid_source.as_ref().map(|source| source.kind.to_string()),
        "tokenizer": arm.data.tokenizer.form(),
        "n_ids": data.codec.n_ids(),
        "end_of_document": data.vocab.eod,
        "documents": stats.documents,
        "empty": stats.empty_files,
        "duplicates_removed": stats.duplicates,
        "valid_duplicates_removed": stats.valid_duplicates,
        "tokens": stats.corpus_tokens,
        "train_tokens": data.train.len(),
        "train_documents": data.train.n_documents(),
        "train_documents_cut": stats.train_documents_cut,
        "train_tokens_available": stats.train_tokens_available,
        "valid_tokens": data.valid.rows.len(),
        "valid_documents": data.valid.n_documents,
        "too_short_for_validation": stats.too_short_for_validation,
        "stores": data.stores,
        "not_stored": data.not_stored,
        "hashes": hashes.collect::<std::collections::BTreeMap<_, _>>(),
    })
}

fn inspect_store(args: &CorporaArgs) -> Result<(), ExitCode> {
    let path: &Path = &args.spec.file;
    if !args.spec.set.is_empty() || args.spec.experiment.is_some() || args.point.is_some() {
        return Err(fail(
            "a token store has no experiment: `--set`, `--experiment` and `--point` are for specs",
            USAGE,
        ));
    }
    let store = store::open(path).map_err(|problem| {
        let message = format!("{} cannot be used: {problem}", path.display());
        fail(&format!("{message}\n  = help: take it away; `dlmc data prepare` makes it anew"), RUN_FAILED)
    })?;
    let facts = StoreFacts::of(&store);
    let text = match args.json {
        true => format!("{}\n", facts.json(&store)),
        false => facts.text(path, &store),
    };
    print(&text);
    Ok(())
}

struct StoreFacts {
    documents: u64,
    empty: u64,
    duplicates: u64,
    shortest: u64,
    median: u64,
    longest: u64,
}

impl StoreFacts {
    fn of(store: &Store) -> StoreFacts {
        let starts = std::iter::once(0).chain(store.ends.iter().copied());
        let mut lengths: Vec<u64> = store.ends.iter().zip(starts).map(|(end, start)| end - start).collect();
        lengths.sort_unstable();
        let n_all = lengths.len();
        lengths.retain(|length| *length > 0);
        let empty = n_all - lengths.len();
        let mut hashes = store.hashes.clone();
        hashes.sort_unstable();
        hashes.dedup();
        // All empty documents are one text.
        let distinct = hashes.len() - usize::from(empty > 0).min(hashes.len());
        let at = |index: usize| lengths.get(index).copied().unwrap_or(0);
        StoreFacts {
            documents: lengths.len() as u64,
            empty: empty as u64,
            duplicates: (lengths.len() - distinct) as u64,
            shortest: at(0),
            median: at(lengths.len() / 2),
            longest: lengths.last().copied().unwrap_or(0),
        }
    }

    fn text(&self, path: &Path, store: &Store) -> String {
        let mut out = format!("{}\n", path.display());
        let mut line = |name: &str, text: String| out.push_str(&format!("  {name:<11} {text}\n"));
        line("version", store::STORE_VERSION.to_string());
        line("tokens", format!("{} of {} bytes each", grouped(store.tokens.len()), store.width.bytes()));
        line(
            "documents",
            format!("{}, {} empty, {} again there", grouped(self.documents), self.empty, grouped(self.duplicates)),
        );
        let lengths = [self.shortest, self.median, self.longest].map(grouped);
        line("lengths", format!("{} to {} tokens, half of them at most {}", lengths[0], lengths[2], lengths[1]));
        line("hash", format!("{}, checked", store.hash));
        out
    }

    fn json(&self, store: &Store) -> Value {
        json!({
            "version": 1,
            "store_version": store::STORE_VERSION,
            "tokens": store.tokens.len(),
            "bytes_per_id": store.width.bytes(),
            "documents": self.documents,
            "empty": self.empty,
            "duplicates": self.duplicates,
            "shortest": self.shortest,
            "median": self.median,
            "longest": self.longest,
            "hash": store.hash,
        })
    }
}
