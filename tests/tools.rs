//! `dlmc fmt`, `explain`, `diff`, `snapshot` and the drawing of a graph, as a user meets them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod shop;

use common::spec_files;
use serde_json::Value;
use shop::{OK, SOUND, SPEC_ERRORS, Shop, USAGE, expect, text};
use std::io::Write;

use std::process::{Command, Stdio};

/// [`SOUND`] with a sweep of two points.
fn swept() -> String {
    SOUND.replace("    arms:", "    sweep: { data.unique: [2K, 4K] tokens }\n    arms:")
}

fn json(output: &std::process::Output, code: i32) -> Value {
    serde_json::from_str(expect(output, code).0).unwrap()
}

// fmt

#[test]
fn fmt_writes_checks_and_reads_standard_input() {
    let shop = Shop::new(&[("a.dlm", SOUND)]);
    let (out, err) = (shop.run(&["fmt", "--check", "a.dlm"]), "1 file is laid out otherwise");
    let shown = expect(&out, SPEC_ERRORS);
    assert!(shown.0.starts_with("--- a.dlm\n+++ a.dlm, laid out\n@@") && shown.1.starts_with(err), "{shown:?}");
    assert_eq!(std::fs::read_to_string(shop.folder.path().join("a.dlm")).unwrap(), SOUND);
    assert_eq!(expect(&shop.run(&["fmt", "a.dlm"]), OK).0, "a.dlm: laid out\n");
    let laid_out = std::fs::read_to_string(shop.folder.path().join("a.dlm")).unwrap();
    assert!(laid_out.contains("    source:    files("), "{laid_out}");
    assert_eq!(expect(&shop.run(&["fmt", "a.dlm"]), OK), ("", ""));
    assert_eq!(expect(&shop.run(&["fmt", "--check", "a.dlm"]), OK), ("", ""));
    expect(&shop.run(&["check", "a.dlm"]), OK);

    let mut child = Command::new(env!("CARGO_BIN_EXE_dlmc"))
        .args(["fmt", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(SOUND.as_bytes()).unwrap();
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), laid_out);
    assert_eq!(shop.files(), ["a.dlm"]);
}

#[test]
fn fmt_leaves_what_it_cannot_read() {
    let bad = "data d {\n    seq 16\n}\n";
    let shop = Shop::new(&[("bad.dlm", bad), ("a.dlm", SOUND)]);
    let output = shop.run(&["fmt", "bad.dlm", "nowhere.dlm", "a.dlm"]);
    let (out, err) = expect(&output, SPEC_ERRORS);
    // The others are laid out all the same.
    assert_eq!(out, "a.dlm: laid out\n");
    assert!(err.contains("error[E0106]") && err.contains("bad.dlm:2") && err.contains("error[E0101]"), "{err}");
    assert_eq!(std::fs::read_to_string(shop.folder.path().join("bad.dlm")).unwrap(), bad);
}

// explain

#[test]
fn a_path_is_explained_with_its_origin_and_what_follows() {
    let shop = Shop::new(&[("a.dlm", SOUND)]);
    let explain = |args: &[&str]| {
        let output = shop.run(&[&["explain", "a.dlm"], args].concat());
        expect(&output, OK).0.to_string()
    };
    insta::assert_snapshot!(explain(&["budget"]));
    insta::assert_snapshot!("explain_objective", explain(&["objective.mdm"]));
    assert!(explain(&["objective.ar"]).starts_with("next_token   a.dlm:3:11   (ar)\n  loss "));
    assert_eq!(explain(&["model.layers"]), "model.layers = 2\n  set      a.dlm:9:28\n");
    assert!(explain(&["train.clip"]).contains("by default"));
    // What `--set` replaced is named.
    let set = explain(&["batch", "--set", "train.batch=4 seqs"]);
    assert!(
        set.contains("train.batch = 4 seqs\n  set      --set train.batch=4 seqs\n  over     8 seqs, a.dlm:"),
        "{set}"
    );
    assert!(set.contains("decides  budget.tokens_per_step = 64"), "{set}");
    // A parameter of the model, of one layer or of all.
    let param = explain(&["layer.1.attention.q"]);
    assert_eq!(param, explain(&["layer.*.attention.q"]));
    assert!(param.starts_with("layer.*.attention.q = [16, 16] x 2, 512 parameters\n"), "{param}");
    // Arms that differ are told apart; without a path all paths are listed.
    let both = explain(&["objective"]);
    assert!(both.contains("objective = next_token   (ar)") && both.contains("(mdm)"), "{both}");
    assert!(!explain(&["objective", "--arm", "ar"]).contains("masked"));
    assert!(explain(&[]).lines().any(|l| l.split_whitespace().collect::<Vec<_>>() == ["data.seq", "16"]));
    assert_eq!(shop.files(), ["a.dlm"]);
}

#[test]
fn points_of_a_sweep_are_explained() {
    let shop = Shop::new(&[("a.dlm", &swept())]);
    let output = shop.run(&["explain", "a.dlm", "budget.steps"]);
    let (out, _) = expect(&output, OK);
    assert!(out.contains("budget.steps = 62   (ar at unique=2K, mdm at unique=2K)"), "{out}");
    let output = shop.run(&["explain", "a.dlm", "data.unique", "--point", "unique=4K"]);
    let (out, _) = expect(&output, OK);
    assert!(out.starts_with("data.unique = 4000 tokens\n  set      sweep unique, a.dlm:"), "{out}");
    assert!(out.contains("  over     4K tokens, a.dlm:"), "{out}");
}

#[test]
fn what_is_not_there_has_a_suggestion() {
    let shop = Shop::new(&[("a.dlm", SOUND)]);
    for (path, meant) in
        [("budget.step", "budget.steps"), ("traim.clip", "train.clip"), ("objective.mdn", "objective.mdm")]
    {
        let output = shop.run(&["explain", "a.dlm", path]);
        let (_, err) = expect(&output, USAGE);
        assert!(err.contains(&format!("did you mean `{meant}`?")), "{err}");
    }
    assert!(expect(&shop.run(&["explain", "E0499"]), USAGE).1.contains("did you mean `E04"));
    expect(&shop.run(&["explain", "nowhere.dlm", "data"]), SPEC_ERRORS);
    expect(&shop.run(&["explain", "a.dlm", "data", "--arm", "none"]), USAGE);
}

#[test]
fn explanations_are_documents_too() {
    let shop = Shop::new(&[("a.dlm", SOUND)]);
    let document = json(
        &shop.run(&["explain", "a.dlm", "warmup", "--json", "--set", "train.lr_schedule=constant(warmup: 10%)"]),
        OK,
    );
    let value = &document["paths"][0]["values"][0];
    assert_eq!((&document["version"], &document["paths"][0]["path"]), (&1.into(), &"train.lr_schedule.warmup".into()));
    assert_eq!((&value["value"], &value["written"]), (&"13 steps".into(), &"10%".into()));
    assert_eq!(value["derivation"]["from"][0], "budget.steps");
    let document = json(&shop.run(&["explain", "a.dlm", "objective.mdm", "--json"]), OK);
    assert!(document["objectives"][0]["facts"].as_array().unwrap().len() > 3);
    let document = json(&shop.run(&["explain", "E0302", "--json"]), OK);
    assert!(document["wrong"][0].as_str().unwrap().contains('{'));
}

// diff

#[test]
fn specs_and_arms_are_compared_resolved() {
    let other =
        SOUND.replace("epochs: 4", "epochs: 8").replace("dim: 16", "dim: 32").replace("ffn: 32", "ffn: 16 + 16");
    let shop = Shop::new(&[("a.dlm", SOUND), ("b.dlm", &other), ("c.dlm", &SOUND.replace("ffn: 32", "ffn: 16 + 16"))]);
    // The same values, written otherwise and elsewhere.
    assert_eq!(expect(&shop.run(&["diff", "a.dlm", "c.dlm"]), OK).0, "a.dlm and c.dlm: the same, resolved\n");
    let output = shop.run(&["diff", "a.dlm", "b.dlm"]);
    insta::assert_snapshot!(expect(&output, 1).0);
    let output = shop.run(&["diff", "a.dlm:ar", "a.dlm:mdm"]);
    insta::assert_snapshot!("diff_arms", expect(&output, 1).0);
    // One arm against a spec: the arm of its name.
    let output = shop.run(&["diff", "a.dlm:ar", "b.dlm"]);
    assert!(expect(&output, 1).0.contains("data.epochs"));
    let document = json(&shop.run(&["diff", "a.dlm", "b.dlm", "--json"]), 1);
    assert_eq!((&document["same"], &document["variants"][0]["variant"]), (&false.into(), &"ar".into()));
    let fields = document["variants"][0]["fields"].as_array().unwrap();
    let epochs = fields.iter().find(|f| f["path"] == "data.epochs").unwrap();
    assert_eq!((&epochs["left"]["value"], &epochs["right"]["value"]), (&"4".into(), &"8".into()));
    assert_eq!(json(&shop.run(&["diff", "a.dlm", "c.dlm", "--json"]), OK)["same"], true);
}

#[test]
fn points_are_compared() {
    let shop = Shop::new(&[("a.dlm", SOUND), ("s.dlm", &swept())]);
    let output = shop.run(&["diff", "s.dlm:ar@unique=2K", "s.dlm:ar@unique=4K"]);
    let (out, _) = expect(&output, 1);
    assert!(out.contains("data.unique") && out.contains("2000 tokens -> 4000 tokens"), "{out}");
    let output = shop.run(&["diff", "a.dlm", "s.dlm"]);
    let (out, _) = expect(&output, 1);
    assert!(out.contains("- ar is there alone") && out.contains("+ mdm at unique=4K is there alone"), "{out}");
    let output = shop.run(&["diff", "a.dlm:ar", "s.dlm"]);
    assert!(expect(&output, USAGE).1.contains("name one as s.dlm:ARM@POINT"));
}

#[test]
fn what_cannot_be_compared_is_no_difference() {
    let shop = Shop::new(&[("a.dlm", SOUND), ("bad.dlm", &SOUND.replace("heads: 2", "heads: 3"))]);
    for (right, word) in
        [("bad.dlm", "E0402"), ("nowhere.dlm", "E0101"), ("a.dlm:none", "no arm"), (".", "spec.lock.ron")]
    {
        let output = shop.run(&["diff", "a.dlm", right]);
        let (out, err) = expect(&output, USAGE);
        assert!(out.is_empty() && err.contains(word), "{right}: {err}");
    }
}

#[test]
fn locks_and_run_folders_are_compared() {
    use dlmc::cli::front::compile;
    let shop = Shop::new(&[("a.dlm", SOUND)]);
    let file = shop.folder.path().join("a.dlm");
    let lock = |name: &str, set: &[(&str, &str)], data: &str| {
        let set: Vec<dlmc::resolve::Override> =
            set.iter().map(|(p, v)| dlmc::resolve::Override { path: (*p).into(), value: (*v).into() }).collect();
        let compiled = compile(&file, &dlmc::base::source::Disk, None, &set, None).compiled.unwrap();
        let mut lock = dlmc::store::Lock::of_arm("e", &compiled.spec.variants()[1], name);
        lock.data_hash = data.into();
        lock.source.files = compiled.files.clone();
        lock.source.set = set.into_iter().map(|o| (o.path, o.value)).collect();
        let folder = shop.folder.path().join("runs/e").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        lock.write(&folder.join("spec.lock.ron")).unwrap();
    };
    lock("mdm-1", &[], "aa");
    lock("mdm-2", &[("model.dim", "32")], "bb");
    let output = shop.run(&["diff", "runs/e/mdm-1", "runs/e/mdm-2/spec.lock.ron"]);
    let (out, _) = expect(&output, 1);
    for word in ["model.dim  16 -> 32", "parameters: ", "layer.*.attention.q", "data hash  aa -> bb"] {
        assert!(out.contains(word), "{word} in\n{out}");
    }
    // A run against the spec as it is now.
    let output = shop.run(&["diff", "runs/e/mdm-1", "a.dlm"]);
    assert!(expect(&output, OK).0.ends_with("the same, resolved\n"));
}

// snapshot

#[test]
fn a_snapshot_pins_values_and_graphs() {
    let shop = Shop::new(&[("a.dlm", &swept()), ("lib.dlm", "schedule keep(t) = 1 - t\n")]);
    let output = shop.run(&["snapshot", "a.dlm", "lib.dlm"]);
    let (out, _) = expect(&output, OK);
    assert_eq!(out, "a.flat: written\na.graph: written\nlib.dlm: a library, nothing to pin\n");
    assert_eq!(shop.files(), ["a.dlm", "a.flat", "a.graph", "lib.dlm"]);
    let read = |name: &str| std::fs::read_to_string(shop.folder.path().join(name)).unwrap();
    insta::assert_snapshot!(read("a.flat"));
    // Two patterns of attention, so two graphs; each is there once.
    assert_eq!(read("a.graph").matches("output logits").count(), 2);
    assert_eq!(expect(&shop.run(&["snapshot", "--check", "a.dlm"]), OK), ("", ""));
    assert_eq!(expect(&shop.run(&["snapshot", "a.dlm"]), OK), ("", ""));

    // Wherever it is run from, the same is pinned.
    let from_above = Command::new(env!("CARGO_BIN_EXE_dlmc"))
        .args(["snapshot", "--check"])
        .arg(shop.folder.path().join("a.dlm"))
        .current_dir("/")
        .output()
        .unwrap();
    assert_eq!(expect(&from_above, OK), ("", ""));

    // A comment changes nothing; a value does, and the difference shows it.
    let path = shop.folder.path().join("a.dlm");
    std::fs::write(&path, format!("// a comment\n{}", swept())).unwrap();
    expect(&shop.run(&["snapshot", "--check", "a.dlm"]), OK);
    std::fs::write(&path, swept().replace("ffn: 32", "ffn: 48")).unwrap();
    let output = shop.run(&["snapshot", "--check", "a.dlm"]);
    let (out, err) = expect(&output, SPEC_ERRORS);
    for line in [
        "--- a.flat",
        "-model.ffn = 32  # a.dlm\n+model.ffn = 48  # a.dlm\n",
        "--- a.graph",
        "+param layer.*.swiglu.down [16, 48]",
    ] {
        assert!(out.contains(line), "{line} in\n{out}");
    }
    assert!(err.contains("`dlmc snapshot` pins what there is now"), "{err}");
    let document = json(&shop.run(&["snapshot", "--check", "--json", "a.dlm"]), SPEC_ERRORS);
    assert_eq!(
        (&document["snapshots"][0]["state"], &document["snapshots"][0]["file"]),
        (&"changed".into(), &"a.flat".into())
    );
    assert_eq!(expect(&shop.run(&["snapshot", "a.dlm"]), OK).0, "a.flat: changed\na.graph: changed\n");

    let bad = swept().replace("heads: 2", "heads: 3");
    std::fs::write(&path, bad).unwrap();
    assert!(expect(&shop.run(&["snapshot", "a.dlm"]), SPEC_ERRORS).1.contains("E0402"));
    std::fs::remove_file(shop.folder.path().join("a.flat")).unwrap();
    std::fs::write(&path, swept()).unwrap();
    assert!(expect(&shop.run(&["snapshot", "--check", "a.dlm"]), SPEC_ERRORS).0.contains("is not there"));
}

/// Our own specs are pinned: a changed default is a difference that is reviewed.
#[test]
fn our_own_specs_are_pinned() {
    let files = spec_files(&["specs"]);
    let output = Command::new(env!("CARGO_BIN_EXE_dlmc")).args(["snapshot", "--check"]).args(&files).output().unwrap();
    let (out, _) = expect(&output, OK);
    let libraries = files.iter().filter(|f| f.components().any(|c| c.as_os_str() == "lib"));
    assert_eq!(out.lines().count(), libraries.count(), "{out}");
    for file in files.iter().filter(|f| f.with_extension("flat").exists()) {
        for kind in ["flat", "graph"] {
            let pinned = std::fs::read_to_string(file.with_extension(kind)).unwrap();
            let here = std::env::current_dir().unwrap();
            assert!(!pinned.contains(here.to_str().unwrap()), "{}", file.display());
        }
    }
}

// graph --format svg

#[test]
fn a_graph_is_drawn() {
    let shop = Shop::new(&[("a.dlm", SOUND)]);
    for (stage, arm) in [("checked", "ar"), ("training", "mdm")] {
        let output = shop.run(&["graph", "a.dlm", "--format", "svg", "--stage", stage, "--arm", arm]);
        let (out, err) = expect(&output, OK);
        assert_eq!(err, "");
        assert!(out.starts_with("<svg ") && out.ends_with("</svg>\n"));
        for word in ["layer x 2", "attention", "layer.*.attention.q", "[B, T, 16]", "prefers-color-scheme", "2,"] {
            assert!(out.contains(word), "{word}");
        }
        // Nothing is fetched, and the same comes out each time.
        assert!(!out.contains("href") && !out.contains("url(") && !out.contains("<script"));
        let again = shop.run(&["graph", "a.dlm", "--format", "svg", "--stage", stage, "--arm", arm]);
        assert_eq!(out, text(&again.stdout));
    }
    assert_eq!(shop.files(), ["a.dlm"]);
}

#[test]
fn the_drawing_of_a_small_model() {
    let small = SOUND.replace("layers: 2, dim: 16, heads: 2, ffn: 32", "layers: 2, dim: 4, heads: 1, ffn: 4");
    let shop = Shop::new(&[("a.dlm", &small)]);
    let output = shop.run(&["graph", "a.dlm", "--format", "svg"]);
    let drawn = expect(&output, OK).0;
    // The style sheet is no layout.
    let (_, drawing) = drawn.split_once("</style>").unwrap();
    insta::assert_snapshot!(drawing);
}

#[test]
fn the_drawing_of_the_readme_is_what_is_drawn() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_dlmc")).args(["graph", "specs/quickstart.dlm", "--format", "svg"]).output();
    let drawn = output.unwrap();
    // Without the corpus of the checkout's own libtorch nothing is drawn.
    if drawn.status.success() {
        let pinned = std::fs::read_to_string("specs/quickstart.model.svg").unwrap();
        let how = "dlmc graph specs/quickstart.dlm --format svg > specs/quickstart.model.svg";
        assert!(text(&drawn.stdout) == pinned, "specs/quickstart.model.svg is old: {how}");
    }
}

/// A promise of all these commands.
#[test]
fn they_start_in_milliseconds() {
    let shop = Shop::new(&[("a.dlm", SOUND)]);
    expect(&shop.run(&["snapshot", "a.dlm"]), OK);
    let commands: [&[&str]; 5] = [
        &["fmt", "--check", "a.dlm"],
        &["explain", "a.dlm", "budget"],
        &["diff", "a.dlm", "a.dlm"],
        &["snapshot", "--check", "a.dlm"],
        &["graph", "a.dlm", "--format", "svg"],
    ];
    for args in commands {
        let mut times: Vec<std::time::Duration> = (0..21)
            .map(|_| {
                let started = std::time::Instant::now();
                shop.run(args);
                started.elapsed()
            })
            .collect();
        times.sort();
        // 10 ms in a release build on a machine at rest.
        let limit = if cfg!(debug_assertions) { 250 } else { 50 };
        assert!(times[10].as_millis() < limit, "{args:?}: median of 21: {:?}", times[10]);
    }
}
