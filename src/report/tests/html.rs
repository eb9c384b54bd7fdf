//! A page as text: every element that opens closes, nothing comes from outside, every run is on it.

use std::collections::BTreeSet;

/// Elements without an end.
const VOID: [&str; 4] = ["meta", "link", "input", "br"];

/// Panics unless the page is well formed and fetches nothing.
pub fn check(html: &str) {
    well_formed(html);
    self_contained(html);
    let ids = attributes(html, "id");
    let unique: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "an id stands twice");
    for target in attributes(html, "aria-labelledby").iter().flat_map(|ids| ids.split(' ')) {
        assert!(unique.contains(&target.to_owned()), "no element has the id `{target}`");
    }
    for link in attributes(html, "href").iter().filter_map(|link| link.strip_prefix('#')) {
        assert!(unique.contains(&link.to_owned()), "a link leads to `{link}`, which is not there");
    }
}

fn self_contained(html: &str) {
    for word in ["http://", "https://", "//cdn", "@import", "url(", " src=", "fetch(", "XMLHttpRequest"] {
        assert!(!html.contains(word), "the page holds `{word}`");
    }
    for link in attributes(html, "href") {
        assert!(link.starts_with('#') || link.starts_with("data:"), "a link leads out of the page: {link}");
    }
}

fn attributes(html: &str, name: &str) -> Vec<String> {
    let start = format!(" {name}=\"");
    html.split(&start).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

/// Tags nest. Scripts and styles hold text alone.
fn well_formed(html: &str) {
    let mut open: Vec<String> = vec![];
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = tag_end(rest);
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        if tag.starts_with('!') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "`</{name}>` closes something else");
            continue;
        }
        let name: String = tag.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
        assert!(!name.is_empty(), "a `<` that opens nothing: {}", &rest[..rest.len().min(40)]);
        if name == "script" || name == "style" {
            let close = format!("</{name}>");
            rest = &rest[rest.find(&close).unwrap() + close.len()..];
        } else if !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
}

/// Where a tag ends: the first `>` outside quotes.
fn tag_end(tag: &str) -> usize {
    let mut quoted = false;
    for (i, c) in tag.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '>' if !quoted => return i,
            _ => {}
        }
    }
    panic!("a tag without an end");
}
