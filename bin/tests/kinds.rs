//! `supple kinds`, and the page made from it.

mod cli;

use cli::Scratch;

#[test]
fn the_page_is_what_the_program_prints() {
    let page = include_str!("../../docs/kinds.md");
    let printed = Scratch::new().succeed(&["kinds", "--markdown"]).stdout;
    assert!(
        printed == page,
        "docs/kinds.md is stale; write the output of `supple kinds --markdown` there:\n{printed}"
    );
}

#[test]
fn the_listing_has_every_kind_with_source_and_keys() {
    let listing = Scratch::new().succeed(&["kinds"]).stdout;
    for line in
        ["agent.*.optim", "agent.*.interventions", "keys: every_updates, gains", "arXiv 2407.01800"]
    {
        assert!(listing.contains(line), "{line}:\n{listing}");
    }
    let width = listing.lines().map(|line| line.chars().count()).max();
    assert!(width < Some(120), "{width:?}");
}
