//! The pages in a real browser, where there is one: `CHROMIUM`, or `chromium` or `google-chrome` on the path. Without
//! one the test says so and passes.

use super::sweep::sweep_input;
use super::*;
use std::process::{Command, Stdio};

/// Moves the pointer over every drawing that is shown, switches what curves are drawn against, and writes down what came
/// of it where the test can read it.
const PROBE: &str = r#"<script>
  const result = { hovered: 0, silent: [], shown: {}, wide: document.documentElement.scrollWidth - document.documentElement.clientWidth };
  const visible = (element) => element.getBoundingClientRect().width > 0;
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
  for (const svg of document.querySelectorAll("svg[data-hover]")) {
    if (!visible(svg)) continue;
    const box = svg.getBoundingClientRect();
    const at = { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 };
    svg.dispatchEvent(new PointerEvent("pointermove", at));
    const pointer = document.getElementById("pointer");
    if (!pointer.hidden && pointer.textContent.length > 3) result.hovered += 1; else result.silent.push(svg.firstChild.id);
    svg.dispatchEvent(new PointerEvent("pointerleave", at));
  }
  for (const along of ["epochs", "tokens", "flops"]) {
    document.getElementById("along-" + along).checked = true;
    result.shown[along] = [...document.querySelectorAll(".view")].filter(visible).map((view) => view.className);
  }
  const probe = document.createElement("pre");
  probe.id = "probe";
  probe.textContent = JSON.stringify(result);
  document.body.append(probe);
</script>"#;

fn browser() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("CHROMIUM") {
        return Some(PathBuf::from(path));
    }
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    std::env::split_paths(&path).flat_map(|dir| names.map(|name| dir.join(name))).find(|file| file.is_file())
}

/// The document after its scripts have run, and what the browser said.
fn open(browser: &Path, page: &Path, width: u32) -> (String, String) {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "--enable-logging=stderr", "--v=0"])
        .arg(format!("--window-size={width},900"))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", page.canonicalize().unwrap().display()))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn check(browser: &Path, folder: &Path, figures: &[&str]) {
    let html = std::fs::read_to_string(folder.join("report.html")).unwrap();
    let probed = folder.join("probed.html");
    std::fs::write(&probed, html.replace("</body>", &format!("{PROBE}</body>"))).unwrap();
    for width in [1200, 500] {
        let (dom, said) = open(browser, &probed, width);
        let errors: Vec<&str> = said.lines().filter(|line| line.contains("CONSOLE")).collect();
        assert!(errors.is_empty(), "the console of {}: {errors:?}", folder.display());
        for figure in figures {
            assert!(dom.contains(&format!("<figure id=\"{figure}\">")), "no figure `{figure}` in the document");
        }
        let probe = dom.split("<pre id=\"probe\">").nth(1).and_then(|rest| rest.split("</pre>").next());
        let probe = probe.unwrap_or_else(|| panic!("the script did not end: {said}"));
        let probe: serde_json::Value = serde_json::from_str(&probe.replace("&gt;", ">").replace("&amp;", "&")).unwrap();
        assert_eq!(probe["silent"], serde_json::json!([]), "drawings without words for the pointer");
        assert!(probe["hovered"].as_u64().unwrap() >= figures.len() as u64);
        assert_eq!(probe["wide"], 0, "the page is wider than a window of {width}");
        for along in ["epochs", "tokens", "flops"] {
            let shown: Vec<&str> =
                probe["shown"][along].as_array().unwrap().iter().filter_map(|v| v.as_str()).collect();
            let wanted = format!("view by-{along}");
            assert!(shown.contains(&wanted.as_str()), "nothing against {along}");
            let others = shown.iter().filter(|class| class.contains("by-") && **class != wanted);
            assert_eq!(others.count(), 0, "against {along}: {shown:?}");
        }
    }
}

#[test]
fn a_browser_shows_the_pages_without_complaint() {
    let Some(browser) = browser() else {
        eprintln!("skipped: no Chromium on the path, and CHROMIUM is not set");
        return;
    };
    let (runs, _keep) = folder("browser");
    let single = input(&runs, &[AR, Arm { measured: true, ..MDM }], &[]);
    write(&runs.join("quickstart"), &single, &Findings::of(&single)).unwrap();
    check(&browser, &runs.join("quickstart"), &["race-1", "loss", "metrics", "loss-by-mask-rate", "conduct"]);
    let (runs, _keep) = folder("browser_sweep");
    let several = sweep_input(&runs);
    write_sweep(&runs.join("quickstart"), &several, &Sweep::of(&several)).unwrap();
    let figures = ["race-1", "loss-by-point", "loss-by-arm", "quiz-acc_norm", "gradient-norm", "loss-by-mask-rate"];
    check(&browser, &runs.join("quickstart"), &figures);
}
