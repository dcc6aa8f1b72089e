//! What holds for every page, and how a test reads one.

use synod_report::Verdict;

/// Every verdict.
pub(crate) const VERDICTS: [Verdict; 6] = [
    Verdict::Pass,
    Verdict::Violation,
    Verdict::NotServed,
    Verdict::Unknown,
    Verdict::Void,
    Verdict::Interrupted,
];

/// Checks size, references and nesting of a page that has no script.
pub(crate) fn check_frame_without_script(page: &str) {
    assert!(page.len() <= SIZE_LIMIT, "{} bytes", page.len());
    assert!(page.contains("default-src 'none'; style-src 'unsafe-inline'; img-src data:"));
    assert!(!page.contains("<script"));
    check_references(page);
    check_nesting(page);
}

/// Checks size, policy, references and nesting.
pub(crate) fn check_frame(page: &str) {
    assert!(page.len() <= SIZE_LIMIT, "{} bytes", page.len());
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";
    assert!(page.contains(policy));
    assert_eq!(page.matches("<script").count(), 2, "only the data and the script");
    check_references(page);
    check_nesting(page);
}

/// Checks that every reference is a place in the page or a file beside it.
fn check_references(page: &str) {
    for attribute in [" src=\"", " href=\"", " xlink:href=\"", " action=\"", " srcset=\""] {
        for after in page.split(attribute).skip(1) {
            let target = after.split('"').next().unwrap();
            let inside =
                target.strip_prefix('#').is_some_and(|id| page.contains(&format!(" id=\"{id}\"")));
            let beside = target.bytes().all(|b| b.is_ascii_alphanumeric() || b"./-".contains(&b))
                && !target.starts_with('/');
            assert!(inside || beside || target == "data:,", "reference to {target}");
        }
    }
    assert!(!page.contains("@import"));
}

/// Checks that every element is closed where it should be.
pub(crate) fn check_nesting(page: &str) {
    const VOID: [&str; 3] = ["meta", "link", "br"];
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let tag = &rest[..rest.find('>').unwrap()];
        let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap();
        if tag.starts_with('!') || tag.ends_with('/') || VOID.contains(&name) {
            continue;
        }
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closing {name} in {open:?}");
            continue;
        }
        open.push(name);
        if ["script", "style"].contains(&name) {
            rest = &rest[rest.find(&format!("</{name}")).unwrap()..];
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

/// Returns the page as a reader without script has it.
pub(crate) fn without_script(page: &str) -> String {
    let mut readable = String::new();
    for (index, piece) in page.split("<script").enumerate() {
        let text = if index == 0 { piece } else { piece.split_once("</script>").unwrap().1 };
        readable.push_str(text);
    }
    readable
}

/// Returns the data embedded for the script.
pub(crate) fn embedded(page: &str) -> serde_json::Value {
    let start = page.find("id=\"run\">").unwrap() + "id=\"run\">".len();
    let end = start + page[start..].find("</script>").unwrap();
    serde_json::from_str(&page[start..end]).unwrap()
}

const SIZE_LIMIT: usize = 2_000_000;
