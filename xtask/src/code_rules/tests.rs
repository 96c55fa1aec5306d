//! Each rule with an example that breaks it, in a throwaway workspace.

#![expect(clippy::disallowed_methods, reason = "writes into a throwaway tree")]

use std::fs;

use super::*;

/// A workspace with one package `p` whose sources are `(path under src, text)`.
fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let mut put = vec![
        ("Cargo.toml".to_owned(), "[workspace]\nmembers = [\"crates/*\"]\n"),
        ("crates/p/Cargo.toml".to_owned(), "[package]\nname = \"p\"\n"),
    ];
    put.extend(
        files
            .iter()
            .map(|(path, text)| (format!("crates/p/src/{path}"), *text)),
    );
    for (path, text) in put {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn found(files: &[(&str, &str)]) -> Vec<String> {
    code_findings(tree(files).path()).unwrap()
}

const CLEAN: [&str; 0] = [];

#[test]
fn imports_in_one_direction_pass() {
    let files = [
        ("lib.rs", "mod a;\nmod b;\npub use a::A;\npub use b::B;\n"),
        ("a.rs", "pub struct A;\n"),
        ("b.rs", "use crate::A;\npub struct B(A);\n"),
    ];
    assert_eq!(found(&files), CLEAN);
}

#[test]
fn a_cycle_is_found_with_the_line_of_each_import() {
    let files = [
        ("lib.rs", "mod a;\nmod b;\nmod c;\n"),
        ("a.rs", "\nuse crate::b::B;\npub struct A(B);\n"),
        ("b.rs", "pub struct B;\nfn f() { super::c::g() }\n"),
        ("c.rs", "use {\n  super::a::A,\n};\npub fn g() {}\n"),
    ];
    let expected = "p: 3 files import each other in a circle:
    crates/p/src/a.rs, line 2: `crate::b::B` stands in crates/p/src/b.rs
    crates/p/src/b.rs, line 2: `super::c::g` stands in crates/p/src/c.rs
    crates/p/src/c.rs, line 2: `super::a::A` stands in crates/p/src/a.rs";
    assert_eq!(found(&files), [expected]);
}

#[test]
fn a_name_that_is_passed_on_leads_to_the_file_that_defines_it() {
    // `crate::a::B` stands in a/b.rs, which imports c.rs; through a.rs alone there would be no way back.
    let files = [
        ("lib.rs", "mod a;\nmod c;\n"),
        ("a.rs", "mod b;\npub(crate) use b::*;\n"),
        ("a/b.rs", "use crate::c::C;\npub struct B(C);\n"),
        ("c.rs", "use crate::a::B;\npub struct C;\n"),
    ];
    let found = found(&files);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("`crate::a::B` stands in crates/p/src/a/b.rs"),
        "{found:?}"
    );

    // And a facade is no hub: who takes C from it does not import A's file.
    let files = [
        ("lib.rs", "mod a;\nmod c;\npub use a::A;\npub use c::C;\n"),
        ("a.rs", "use crate::C;\npub struct A(C);\n"),
        ("c.rs", "pub struct C;\n"),
    ];
    assert_eq!(super::tests::found(&files), CLEAN);
}

#[test]
fn paths_in_macros_through_modules_and_in_bodies_count() {
    for way_back in [
        "fn f() { println!(\"{}\", crate::a::N) }",
        "use crate::a;\nfn f() -> u8 { a::N }",
        "fn f() { use super::a::N; }",
        "impl super::a::T for B {}",
        "use super::*;\nfn f() -> u8 { a::N }",
    ] {
        let b = format!("pub struct B;\n{way_back}\n");
        let files = [
            ("lib.rs", "mod a;\nmod b;\n"),
            ("a.rs", "use crate::b::B;\npub const N: u8 = 1;\npub trait T {}\n"),
            ("b.rs", &b),
        ];
        let found = found(&files);
        assert!(
            found.len() == 1 && found[0].contains("in a circle"),
            "{way_back}: {found:?}"
        );
    }
}

#[test]
fn a_parent_that_calls_its_module_and_lends_to_it_is_a_cycle() {
    let files = [
        ("lib.rs", "mod a;\n"),
        ("a.rs", "mod b;\npub struct Lent;\nfn f() { b::g() }\n"),
        ("a/b.rs", "use super::Lent;\npub fn g() {}\n"),
    ];
    let found = found(&files);
    assert!(found.len() == 1 && found[0].contains("2 files"), "{found:?}");
}

#[test]
fn tests_words_in_comments_and_other_crates_make_no_cycle() {
    let files = [
        ("lib.rs", "mod a;\nmod b;\n"),
        (
            "a.rs",
            "use crate::b::B;\npub(in crate::a) struct A(B);\n#[cfg(test)]\nmod tests { use crate::b::B; }\n",
        ),
        (
            "b.rs",
            "//! See [`crate::a::A`].\nuse a::A as _;\npub struct B;\n#[cfg(test)]\nuse crate::a::A;\n#[cfg(test)]\n\
             mod tests;\n#[cfg(all(test, unix))]\nfn f() { crate::a::f() }\n",
        ),
    ];
    assert_eq!(found(&files), CLEAN);
}

#[test]
fn a_program_imports_its_library_and_not_the_other_way() {
    let files = [
        ("lib.rs", "pub mod a;\n"),
        ("a.rs", "pub fn f() {}\n"),
        ("main.rs", "mod c;\nfn main() { p::a::f(); c::g() }\n"),
        ("c.rs", "pub fn g() { p::a::f() }\n"),
    ];
    let root = tree(&files);
    let member = &members(root.path()).unwrap()[0];
    let tree = Tree::read(root.path(), member).unwrap();
    let graph = FileGraph::of(&tree);
    assert_eq!(cycles(&graph, tree.files.len()).len(), 0);
    // main.rs, c.rs, a.rs
    assert_eq!(cycles::levels(&graph, tree.files.len()), 3);
}

#[test]
fn a_tuple_of_three_values_in_a_parameter_list_is_refused() {
    let text = "\
pub fn f(pair: (u8, u8), by: impl Fn(u8, u8, u8)) {}
pub fn g(
    place: &(u8, u8, u8),
) {}
struct S;
impl S {
    fn h(&self, rows: &[((u8, u8), (u8, u8))]) {}
}
trait T { fn i(of: (u8, u8, u8)); }
fn m(behind: (&(u8, u8), u8), call: impl Fn((u8, u8, u8)), bare: &fn((u8, u8, u8))) {}
impl From<(u8, u8, u8)> for S { fn from(of: (u8, u8, u8)) -> Self { S } }
fn j() { let k = |(a, b, c): (u8, u8, u8)| a + b + c; }
#[cfg(test)]
mod tests { fn l(x: (u8, u8, u8)) {} }
";
    let expected = [
        "crates/p/src/lib.rs, line 3: `g` takes a tuple of 3 values: a struct names them",
        "crates/p/src/lib.rs, line 7: `h` takes a tuple of 4 values: a struct names them",
        "crates/p/src/lib.rs, line 9: `i` takes a tuple of 3 values: a struct names them",
        "crates/p/src/lib.rs, line 10: `m` takes a tuple of 3 values: a struct names them",
    ];
    assert_eq!(found(&[("lib.rs", text)]), expected);
}

#[test]
fn a_function_over_60_lines_is_refused() {
    let of = |lines: usize, before: &str| {
        format!(
            "/// Doc.\n{before}fn long() {{\n{}}}\n",
            "    f();\n".repeat(lines - 2)
        )
    };
    assert_eq!(found(&[("lib.rs", &of(60, ""))]), CLEAN);
    let expected = "crates/p/src/lib.rs, line 3: `long` has 61 lines, more than 60: name its steps";
    assert_eq!(found(&[("lib.rs", &of(61, "#[inline]\n"))]), [expected]);
    assert_eq!(found(&[("lib.rs", &of(61, "#[test]\n"))]), CLEAN);
}

#[test]
fn a_module_that_is_only_named_tests_keeps_the_rules_and_a_test_may_stand_anywhere() {
    let text = "\
mod tests { fn f(x: (u8, u8, u8)) {} }
mod inside {
    #[cfg(test)]
    fn g(x: (u8, u8, u8)) {}
}
fn h() {
    #[cfg(test)]
    fn i(x: (u8, u8, u8)) {}
}
";
    let expected = "crates/p/src/lib.rs, line 1: `f` takes a tuple of 3 values: a struct names them";
    assert_eq!(found(&[("lib.rs", text)]), [expected]);
    let root = tree(&[("lib.rs", text)]);
    let member = &members(root.path()).unwrap()[0];
    assert_eq!(Tree::read(root.path(), member).unwrap().files[0].lines, 9 - 4);
}

#[test]
fn the_code_of_this_repository_keeps_the_rules() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    assert_eq!(findings(root).unwrap(), CLEAN);
}

#[test]
fn a_room_with_more_than_15_entries_at_its_top_or_that_is_gone_is_refused() {
    let root = tree(&[("lib.rs", "")]);
    let rooms = ["crates/p/src"];
    let source = root.path().join(rooms[0]);
    for file in 1..15 {
        fs::write(source.join(format!("{file}.rs")), "").unwrap();
    }
    assert_eq!(crowded_rooms(root.path(), &rooms).unwrap(), CLEAN);
    fs::write(source.join("15.rs"), "").unwrap();
    let found = crowded_rooms(root.path(), &rooms).unwrap();
    assert!(
        found.len() == 1 && found[0].contains("crates/p/src has 16 entries"),
        "{found:?}"
    );
    let found = crowded_rooms(root.path(), &["crates/q/src"]).unwrap();
    assert!(
        found.len() == 1 && found[0].contains("names crates/q/src, which is no folder"),
        "{found:?}"
    );
}
