//! The built `dlmc`, as a user or a script meets it: exit codes, forms of output, nothing written.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod shop;

use std::process::Command;

use serde_json::Value;
use shop::{OK, SOUND, SPEC_ERRORS, Shop, USAGE, expect, fixture, text};

#[test]
fn a_sound_spec_is_named_and_exits_0() {
    let shop = Shop::new(&[("a.dlm", SOUND), ("lib.dlm", "schedule keep(t) = 1 - t\n")]);
    let output = shop.run(&["check", "a.dlm", "lib.dlm"]);
    let (out, err) = expect(&output, OK);
    assert_eq!(out, "a.dlm: experiment `e`, 2 arms, sound\nlib.dlm: a library of 1 definition, sound\n");
    assert_eq!(err, "");
}

#[test]
fn a_bad_spec_says_everything_exits_1_and_writes_nothing() {
    let bad = SOUND.replace("heads: 2", "heads: 3").replace("8 seqs", "8 tokens").replace("lr: 1e-3", "lr: -1");
    let shop = Shop::new(&[("bad.dlm", &bad)]);
    for command in ["check", "plan", "graph"] {
        let output = shop.run(&[command, "bad.dlm"]);
        let (out, err) = expect(&output, SPEC_ERRORS);
        assert_eq!(out, "", "{command}");
        // The heads are a mistake of the model's graph; they show although the rest is wrong too.
        for code in ["E0302", "E0303", "E0402"] {
            assert!(err.contains(&format!("error[{code}]")), "{err}");
        }
        assert!(err.ends_with("3 errors\n"), "{err}");
        assert!(err.contains("--> bad.dlm:"), "{err}");
    }
    assert_eq!(shop.files(), ["bad.dlm"]);
}

#[test]
fn usage_errors_exit_2() {
    let shop = Shop::new(&[("a.dlm", SOUND)]);
    for args in [
        &["check"][..],
        &["nonsense"],
        &["graph", "a.dlm", "--format", "gif"],
        &["graph", "a.dlm", "--arm", "none"],
        &["plan", "a.dlm", "--set", "train.clip"],
        &[],
    ] {
        let output = shop.run(args);
        let (_, err) = expect(&output, USAGE);
        assert!(!err.is_empty());
    }
    let output = shop.run(&["graph", "a.dlm", "--arm", "none"]);
    assert!(expect(&output, USAGE).1.contains("there are ar, mdm"));
    let output = shop.run(&["--version"]);
    assert!(expect(&output, OK).0.starts_with("dlmc "));
}

#[test]
fn missing_files_exit_1() {
    let shop = Shop::new(&[]);
    let output = shop.run(&["check", "nowhere.dlm"]);
    assert!(expect(&output, SPEC_ERRORS).1.contains("error[E0101]: cannot read `nowhere.dlm`"));
}

#[test]
fn check_json_is_one_document() {
    let bad = SOUND.replace("heads: 2", "heads: 3");
    let shop = Shop::new(&[("a.dlm", SOUND), ("bad.dlm", &bad)]);
    let output = shop.run(&["check", "--json", "bad.dlm"]);
    let document: Value = serde_json::from_str(expect(&output, SPEC_ERRORS).0).unwrap();
    assert_eq!((document["version"].as_u64(), document["checked"].as_str()), (Some(1), Some("bad.dlm")));
    let first = &document["diagnostics"][0];
    assert_eq!((first["code"].as_str(), first["file"].as_str()), (Some("E0402"), Some("bad.dlm")));
    assert_eq!((first["line"].as_u64(), first["column"].as_u64()), (Some(9), Some(47)));
    assert!(first["help"][0].as_str().unwrap().contains("heads fit a width of 16"));
    assert_eq!(text(&output.stderr), "");
    // Several files are still one document.
    let output = shop.run(&["check", "--json", "a.dlm", "bad.dlm"]);
    let document: Value = serde_json::from_str(expect(&output, SPEC_ERRORS).0).unwrap();
    assert_eq!(document.as_array().unwrap().len(), 2);
    assert_eq!(document[0]["diagnostics"].as_array().unwrap().len(), 0);
}

#[test]
fn check_looks_at_every_experiment() {
    let second = &SOUND[SOUND.find("experiment").unwrap()..].replace("experiment e", "experiment f");
    let shop = Shop::new(&[("two.dlm", &format!("{SOUND}{second}"))]);
    let output = shop.run(&["check", "two.dlm"]);
    let (out, _) = expect(&output, OK);
    assert_eq!(out, "two.dlm: experiment `e`, 2 arms, sound\ntwo.dlm: experiment `f`, 2 arms, sound\n");
    let bad = second.replace("heads: 2", "heads: 3");
    let shop = Shop::new(&[("two.dlm", &format!("{SOUND}{bad}"))]);
    let output = shop.run(&["check", "two.dlm"]);
    let (_, err) = expect(&output, SPEC_ERRORS);
    assert!(err.contains("E0402") && err.ends_with("1 error\n"), "{err}");
    // The others ask which one.
    let output = shop.run(&["plan", "two.dlm"]);
    assert!(expect(&output, SPEC_ERRORS).1.contains("choose with --experiment: e, f"));
    expect(&shop.run(&["plan", "two.dlm", "--experiment", "e"]), OK);
}

#[test]
fn plan_says_what_would_run() {
    let shop = Shop::new(&[("a.dlm", SOUND)]);
    let output = shop.run(&["plan", "a.dlm"]);
    let (out, _) = expect(&output, OK);
    for word in ["2 arms", "parameters", "tokens a step", "steps", "FLOPs", "ar", "mdm"] {
        assert!(out.contains(word), "{word} in\n{out}");
    }
    let output = shop.run(&["plan", "a.dlm", "--json", "--set", "train.batch=4 seqs"]);
    let document: Value = serde_json::from_str(expect(&output, OK).0).unwrap();
    assert_eq!(document["arms"].as_array().unwrap().len(), 2);
    let arm = &document["arms"][0];
    assert_eq!((arm["tokens_per_step"].as_u64(), arm["steps"].as_u64()), (Some(64), Some(250)));
    let field = arm["fields"].as_array().unwrap().iter().find(|f| f["path"] == "train.batch").unwrap();
    assert_eq!((&field["value"], &field["origin"]), (&"4 seqs".into(), &"--set train.batch=4 seqs".into()));
    assert_eq!(shop.files(), ["a.dlm"]);
}

/// Time at an assumed share of the peak, what is kept on disk, and what the spec assumes.
#[test]
fn plan_says_how_long_it_would_take() {
    let text = SOUND.replace("adamw(lr: 1e-3)", "adamw(lr: assumed(1e-3, \"the usual\"))");
    assert_ne!(text, SOUND);
    let shop = Shop::new(&[("a.dlm", &text)]);
    let output = shop.run(&["plan", "a.dlm", "--on", "1e9"]);
    let (out, _) = expect(&output, OK);
    for words in [
        "on 1e9 FLOP/s, evaluation",
        "45% of it assumed",
        "2 checkpoints are kept",
        "train.optimizer.lr = 0.001: the usual",
    ] {
        assert!(out.contains(words), "{words} in\n{out}");
    }
    let hours = |args: &[&str]| {
        let output = shop.run(&[&["plan", "a.dlm", "--json"], args].concat());
        let document: Value = serde_json::from_str(expect(&output, OK).0).unwrap();
        let arm = &document["arms"][0];
        let hours = arm["hours_training"].as_f64().unwrap();
        assert_eq!(arm["checkpoint_bytes"].as_u64().unwrap(), 2 * arm["state_bytes"].as_u64().unwrap());
        assert_eq!(document["assumed"][0]["reason"], "the usual");
        (hours, arm["flops_counted"].as_f64().unwrap(), document["on"]["total_device_hours"].as_f64().unwrap())
    };
    let (one, flops, devices) = hours(&["--on", "h100", "--mfu", "0.5"]);
    assert!((one * 3600.0 - flops / (989e12 * 0.5)).abs() < 1e-12 * flops, "{one}");
    let (eight, _, of_eight) = hours(&["--on", "h100x8", "--mfu", "50%"]);
    assert!((one / eight - 8.0).abs() < 1e-9 && (devices / of_eight - 1.0).abs() < 1e-9);
    for (args, words) in
        [(["--on", "v100"], "no accelerator: a100, h100, h200"), (["--on", "0"], "is none"), (["--mfu", "30%"], "--on")]
    {
        let output = shop.run(&[&["plan", "a.dlm"], args.as_slice()].concat());
        let (_, err) = expect(&output, USAGE);
        assert!(err.contains(words), "{err}");
    }
    let output = shop.run(&["plan", "a.dlm", "--on", "h100", "--mfu", "120%"]);
    assert!(expect(&output, USAGE).1.contains("above 0 and at most 100%"));
}

#[test]
fn overrides_are_checked_like_the_file() {
    let shop = Shop::new(&[("a.dlm", SOUND)]);
    let output = shop.run(&["check", "a.dlm", "--set", "train.batch=4 tokens", "--set", "nonsense=1"]);
    let (_, err) = expect(&output, SPEC_ERRORS);
    assert!(err.contains("--set train.batch=4 tokens:1:13") && err.contains("E0212"), "{err}");
}

#[test]
fn graph_prints_every_stage_in_every_form() {
    let shop = Shop::new(&[("a.dlm", SOUND)]);
    for stage in ["built", "checked", "training"] {
        for (form, start) in
            [("ron", "("), ("json", "{\"version\":"), ("dot", "digraph"), ("svg", "<svg "), ("text", "param embed")]
        {
            for arm in ["ar", "mdm"] {
                let args = ["graph", "a.dlm", "--stage", stage, "--format", form, "--arm", arm];
                let output = shop.run(&args);
                let (out, err) = expect(&output, OK);
                assert!(out.starts_with(start) && out.ends_with('\n'), "{args:?}: {out}");
                assert_eq!(err, "");
            }
        }
    }
    // A closed pipe ends it quietly.
    let pipe = format!("{} graph a.dlm --stage training --format ron | head -1", env!("CARGO_BIN_EXE_dlmc"));
    let output =
        Command::new("sh").args(["-c", &pipe]).current_dir(shop.folder.path()).env("LIBTORCH", fixture()).output();
    assert_eq!(text(&output.unwrap().stderr), "");
}

/// Copied away from whatever stands beside the built one.
#[test]
fn commands_that_train_say_what_is_missing() {
    let shop = Shop::new(&[("a.dlm", SOUND)]);
    let alone = shop.folder.path().join("dlmc");
    std::fs::copy(env!("CARGO_BIN_EXE_dlmc"), &alone).unwrap();
    let output = shop.run_as(&alone, &["run", "a.dlm"]);
    let (out, err) = expect(&output, USAGE);
    assert_eq!(out, "");
    assert!(err.contains("needs libtorch") && err.contains("dlmc-torch") && err.contains("make build"), "{err}");
    assert_eq!(shop.files(), ["a.dlm", "dlmc"]);
}

/// `dlmc` starts in milliseconds because it links no libtorch, with the feature `torch` too.
#[test]
fn the_dynamic_section_names_no_libtorch() {
    use object::read::elf::{Dyn, FileHeader, SectionHeader};
    let bytes = std::fs::read(env!("CARGO_BIN_EXE_dlmc")).unwrap();
    let Ok(header) = object::elf::FileHeader64::<object::Endianness>::parse(&*bytes) else {
        return; // Not Linux.
    };
    let endian = header.endian().unwrap();
    let sections = header.sections(endian, &*bytes).unwrap();
    let mut needed = vec![];
    for section in sections.iter() {
        if let Some((entries, strings)) = section.dynamic(endian, &*bytes).unwrap() {
            let strings = sections.strings(endian, &*bytes, strings).unwrap();
            for entry in entries {
                if entry.tag32(endian) == Some(object::elf::DT_NEEDED) {
                    let name = strings.get(entry.val32(endian).unwrap()).unwrap();
                    needed.push(String::from_utf8_lossy(name).to_string());
                }
            }
        }
    }
    assert!(needed.iter().any(|name| name.starts_with("libc.")), "{needed:?}");
    let torch = ["torch", "c10", "cuda", "cudnn", "stdc++", "python"];
    assert!(!needed.iter().any(|name| torch.iter().any(|t| name.contains(t))), "{needed:?}");
}

#[test]
fn checking_takes_milliseconds() {
    let shop = Shop::new(&[("a.dlm", SOUND)]);
    let mut times: Vec<std::time::Duration> = (0..21)
        .map(|_| {
            let started = std::time::Instant::now();
            expect(&shop.run(&["check", "a.dlm"]), OK);
            started.elapsed()
        })
        .collect();
    times.sort();
    // The promise is 10 ms for a release build on a machine at rest.
    let limit = if cfg!(debug_assertions) { 250 } else { 50 };
    assert!(times[10].as_millis() < limit, "median of 21: {:?}", times[10]);
}

#[test]
fn corpora_are_tokenized_once_and_looked_into() {
    let rows: String =
        (0..300).map(|i| format!("{{\"text\": \"document {} of the corpus, as it is\"}}\n", i % 290)).collect();
    let spec = SOUND.replace("files(\"{torch}/*.py\")", "jsonl(\"rows.jsonl\", text: \"text\")");
    let shop = Shop::new(&[("a.dlm", &spec), ("rows.jsonl", &rows)]);
    let prepare = || text(&shop.run(&["data", "prepare", "a.dlm"]).stdout).to_string();
    let said = prepare();
    assert!(said.contains("290 documents, ") && said.contains(", 10 duplicates removed"), "{said}");
    assert_eq!(prepare(), said);
    let json: Value = serde_json::from_slice(&shop.run(&["data", "inspect", "a.dlm", "--json"]).stdout).unwrap();
    let corpus = &json["corpora"][0];
    assert_eq!((corpus["train_tokens"].as_u64(), corpus["documents"].as_u64()), (Some(4000), Some(290)));
    let store = corpus["stores"][0].as_str().unwrap();
    let looked = shop.run(&["data", "inspect", store]);
    let (out, _) = expect(&looked, OK);
    assert!(out.contains("300, 0 empty, 10 again there"), "{out}");
    let looked = shop.run(&["data", "inspect", "a.dlm"]);
    let samples = text(&looked.stdout);
    assert!(samples.contains("first chunk \"document "), "{samples}");
    // Damage is said of a store, and mended in the cache.
    let path = shop.folder.path().join(store);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let refused = shop.run(&["data", "inspect", store]);
    let (_, err) = expect(&refused, 3);
    assert!(err.contains("its content is not what was written"), "{err}");
    assert_eq!(prepare(), said);
    expect(&shop.run(&["data", "inspect", store]), OK);
    // A malformed row ends with its line.
    std::fs::write(shop.folder.path().join("rows.jsonl"), rows + "nonsense\n").unwrap();
    let refused = shop.run(&["data", "prepare", "a.dlm"]);
    let (_, err) = expect(&refused, SPEC_ERRORS);
    assert!(err.contains("error[E0505]") && err.contains("rows.jsonl:301: "), "{err}");
}
