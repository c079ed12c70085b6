//! The recipes of `src/command/README.md`, as they stand there.
//!
//! Knows headings and blocks. Never knows what they say.

const README: &str = include_str!("../../src/command/README.md");

/// The part with the recipes.
fn part() -> &'static str {
    let (_, part) = README
        .split_once("\n## Recipes\n")
        .expect("there are recipes");
    part.split("\n## ").next().unwrap()
}

/// The headings of all recipes.
#[allow(dead_code, reason = "not every test that has this module lists them")]
pub fn names() -> Vec<&'static str> {
    let lines = part().lines();
    lines.filter_map(|line| line.strip_prefix("### ")).collect()
}

/// The blocks below a heading.
#[track_caller]
pub fn blocks(name: &str) -> Vec<&'static str> {
    let mut recipes = part().split("\n### ");
    let heading = format!("{name}\n");
    let recipe = recipes.find_map(|recipe| recipe.strip_prefix(heading.as_str()));
    let recipe = recipe.unwrap_or_else(|| panic!("src/command/README.md has no recipe {name:?}"));
    // Text and blocks take turns, and a block's first line says what it is.
    let blocks = recipe.split("```").skip(1).step_by(2);
    blocks
        .map(|block| block.split_once('\n').unwrap().1)
        .collect()
}
