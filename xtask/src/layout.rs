//! `layout`: the workspace's dependencies are those that `docs/design.md` allows.
//!
//! The table is the fenced block marked `edges`, one rule a line: `a, b -> c, d`, or
//! `a -> any`. It allows nothing in advance: an edge that no manifest has is refused. Besides, the
//! crates of the data path must not reach libtorch by any way, and no crate a library that opens
//! connections, but through the one that fetches.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::metadata::Metadata;
use crate::outcome::Outcome;
use crate::sources::read;

const DESIGN: &str = "docs/design.md";

/// The whole data path: it builds and tests without libtorch.
const WITHOUT_LIBTORCH: [&str; 15] = [
    "checkpoint",
    "columns",
    "config-file",
    "corpus",
    "documents",
    "durable",
    "edgar",
    "fetch",
    "loader",
    "masking",
    "philox",
    "sample",
    "shards",
    "tokenizer",
    "wikipedia",
];
const LIBTORCH: [&str; 2] = ["tch", "torch-sys"];

/// Libraries that connect to other hosts. Set-up downloads by itself, and MPI has the job's own.
const NETWORK: [&str; 7] = [
    "attohttpc",
    "curl",
    "native-tls",
    "reqwest",
    "rustls",
    "tungstenite",
    "ureq",
];

/// What `hyper` needs to connect; without it, it only answers, as `tenk-embed serve` does.
const HYPER_CLIENT: (&str, &str) = ("hyper", "client");

/// The one dependency that may lead to them. Promise 7 lets `tenk-corpus fetch` connect, and nothing
/// else: the crate `fetch` does it through `ureq`, and what depends on it gets it along. Any other way
/// is a finding, for these crates too.
const FETCHES: (&str, &str) = ("fetch", "ureq");

pub(crate) fn check(root: &Path) -> Result<Outcome> {
    let rules = Rules::parse(&read(&root.join(DESIGN))?)?;
    let metadata = Metadata::of(root)?;
    let edges = metadata.internal_edges();
    let mut findings = rules.unknown_names(&metadata.members());
    for (from, to) in &edges {
        if !rules.allow(from, to) {
            findings.push(format!(
                "{from} depends on {to}, which the table in {DESIGN} does not allow"
            ));
        }
    }
    findings.extend(rules.unused(&edges, &metadata.members()));
    for crate_name in WITHOUT_LIBTORCH {
        let links = |id: &str| LIBTORCH.contains(&metadata.name_of(id));
        if let Some(path) = metadata.path_to(crate_name, links) {
            findings.push(format!("{crate_name} must build without libtorch, but: {path}"));
        }
    }
    for member in metadata.members() {
        if let Some(path) = metadata.path_to(&member, |id| metadata.connects(id)) {
            findings.push(format!("{member} must not connect to other hosts, but: {path}"));
        }
    }
    Ok(Outcome {
        looked_at: format!("{} dependencies between crates, all in the table", edges.len()),
        findings,
    })
}

/// Who may depend on whom.
#[derive(Debug)]
struct Rules {
    /// `None` stands for "any".
    allowed: BTreeMap<String, Option<BTreeSet<String>>>,
}

impl Rules {
    fn parse(design: &str) -> Result<Self> {
        let mut blocks = design.split("```edges\n").skip(1);
        let (Some(block), None) = (blocks.next(), blocks.next()) else {
            bail!("{DESIGN} needs exactly one fenced block marked ```edges");
        };
        let mut allowed: BTreeMap<String, Option<BTreeSet<String>>> = BTreeMap::new();
        for line in block.lines().take_while(|line| !line.starts_with("```")) {
            if line.trim().is_empty() {
                continue;
            }
            let (from, to) = line
                .split_once("->")
                .with_context(|| format!("{DESIGN}: `{line}` is not `a, b -> c, d`"))?;
            for from in names(from) {
                let entry = allowed.entry(from).or_insert_with(|| Some(BTreeSet::new()));
                match entry {
                    _ if to.trim() == "any" => *entry = None,
                    Some(targets) => targets.extend(names(to)),
                    None => {}
                }
            }
        }
        Ok(Self { allowed })
    }

    fn allow(&self, from: &str, to: &str) -> bool {
        match self.allowed.get(from) {
            Some(Some(targets)) => targets.contains(to),
            Some(None) => true,
            None => false,
        }
    }

    /// Edges that are allowed and that no manifest has: an issue that needs one adds it. Names that are no
    /// crate are found by themselves.
    fn unused(&self, edges: &BTreeSet<(String, String)>, members: &BTreeSet<String>) -> Vec<String> {
        let explicit = self
            .allowed
            .iter()
            .filter_map(|(from, to)| Some((from, to.as_ref()?)));
        explicit
            .flat_map(|(from, targets)| targets.iter().map(move |to| (from, to)))
            .filter(|(from, to)| members.contains(*from) && members.contains(*to))
            .filter(|(from, to)| !edges.contains(&((*from).clone(), (*to).clone())))
            .map(|(from, to)| {
                format!("the table in {DESIGN} allows {from} -> {to}, which no manifest has: take it off")
            })
            .collect()
    }

    /// A misspelled name in the table would allow nothing, silently.
    fn unknown_names(&self, members: &BTreeSet<String>) -> Vec<String> {
        let targets = self.allowed.values().flatten().flatten();
        let named: BTreeSet<&String> = self.allowed.keys().chain(targets).collect();
        named
            .into_iter()
            .filter(|name| !members.contains(*name))
            .map(|name| format!("the table in {DESIGN} names `{name}`, which is no crate here"))
            .collect()
    }
}

fn names(list: &str) -> impl Iterator<Item = String> {
    list.split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
}

impl Metadata {
    fn name_of<'a>(&'a self, id: &'a str) -> &'a str {
        let package = self.packages.iter().find(|package| package.id == id);
        package.map_or(id, |package| &package.name)
    }

    fn members(&self) -> BTreeSet<String> {
        self.workspace_members
            .iter()
            .map(|id| self.name_of(id).to_owned())
            .collect()
    }

    /// Normal dependencies of members on members.
    fn internal_edges(&self) -> BTreeSet<(String, String)> {
        let is_member = |id: &String| self.workspace_members.contains(id);
        self.resolve
            .nodes
            .iter()
            .filter(|node| is_member(&node.id))
            .flat_map(|node| node.deps.iter().map(move |dependency| (node, dependency)))
            .filter(|(_, dependency)| is_member(&dependency.pkg) && dependency.is_normal())
            .map(|(node, dependency)| {
                (
                    self.name_of(&node.id).to_owned(),
                    self.name_of(&dependency.pkg).to_owned(),
                )
            })
            .collect()
    }

    /// Whether a library connects to other hosts, with the features that it is built with here.
    fn connects(&self, id: &str) -> bool {
        let name = self.name_of(id);
        let has = |feature: &str| {
            let node = self.resolve.nodes.iter().find(|node| node.id == id);
            node.is_some_and(|node| node.features.iter().any(|found| found == feature))
        };
        NETWORK.contains(&name) || (name == HYPER_CLIENT.0 && has(HYPER_CLIENT.1))
    }

    /// How `member` reaches what `is_target` says, its own tests included; `None` if it does not.
    fn path_to(&self, member: &str, is_target: impl Fn(&str) -> bool) -> Option<String> {
        let start = self
            .workspace_members
            .iter()
            .find(|id| self.name_of(id) == member)?;
        let mut seen = BTreeSet::from([start.as_str()]);
        let mut open = vec![vec![start.as_str()]];
        while let Some(path) = open.pop() {
            let last = *path.last()?;
            if is_target(last) {
                let names: Vec<&str> = path.iter().map(|id| self.name_of(id)).collect();
                return Some(names.join(" -> "));
            }
            let Some(node) = self.resolve.nodes.iter().find(|node| node.id == last) else {
                continue;
            };
            for dependency in &node.deps {
                let fetches = (self.name_of(last), self.name_of(&dependency.pkg)) == FETCHES;
                let counts = !fetches && (path.len() == 1 || !dependency.is_only_for_tests());
                if counts && seen.insert(&dependency.pkg) {
                    open.push([path.as_slice(), &[dependency.pkg.as_str()]].concat());
                }
            }
        }
        None
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes into a throwaway tree")]
mod tests {
    use std::fs;

    use super::*;

    const TABLE: &str = "# Design\n```edges\nmodel -> torch-native, tch\nloader -> masking\nmasking -> any\ntests -> any\n```\n";

    /// A workspace whose crates are `(name, lines under [dependencies])`.
    fn tree(table: &str, crates: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let put = |path: String, text: String| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("docs/design.md".to_owned(), table.to_owned());
        let workspace = "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n";
        put("Cargo.toml".to_owned(), workspace.to_owned());
        for (name, dependencies) in crates {
            let package = format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n");
            put(
                format!("crates/{name}/Cargo.toml"),
                format!("{package}{dependencies}"),
            );
            put(format!("crates/{name}/src/lib.rs"), String::new());
        }
        let mut lock = std::process::Command::new(env!("CARGO"));
        let status = lock
            .args(["generate-lockfile", "--offline", "--quiet"])
            .current_dir(root.path())
            .status();
        assert!(status.unwrap().success());
        root
    }

    const MEMBERS: [(&str, &str); 5] = [
        ("tests", ""),
        ("tch", ""),
        ("torch-native", ""),
        ("masking", ""),
        (
            "model",
            "[dependencies]\ntch = { path = \"../tch\" }\ntorch-native = { path = \"../torch-native\" }\n",
        ),
    ];

    fn findings(loader: &str) -> Vec<String> {
        let mut crates = MEMBERS.to_vec();
        crates.push(("loader", loader));
        check(tree(TABLE, &crates).path()).unwrap().findings
    }

    #[test]
    fn edges_of_the_table_pass() {
        let loader = "[dependencies]\nmasking = { path = \"../masking\" }\n";
        assert_eq!(findings(loader), [] as [&str; 0]);
    }

    #[test]
    fn an_edge_that_the_table_lacks_is_found() {
        let loader = "[dependencies]\nmasking = { path = \"../masking\" }\n\
                      torch-native = { path = \"../torch-native\" }\n";
        let expected = "loader depends on torch-native, which the table in docs/design.md does not allow";
        assert_eq!(findings(loader), [expected]);
    }

    #[test]
    fn an_edge_of_the_table_that_no_manifest_has_is_found() {
        let expected =
            "the table in docs/design.md allows loader -> masking, which no manifest has: take it off";
        assert_eq!(findings(""), [expected]);
        let only_for_tests = "[dev-dependencies]\nmasking = { path = \"../masking\" }\n";
        assert_eq!(findings(only_for_tests), [expected]);
    }

    #[test]
    fn a_crate_of_the_data_path_that_reaches_libtorch_is_found_even_through_its_tests() {
        let loader = "[dependencies]\nmasking = { path = \"../masking\" }\n\
                      [dev-dependencies]\nmodel = { path = \"../model\" }\n";
        let expected = "loader must build without libtorch, but: loader -> model -> tch";
        assert_eq!(findings(loader), [expected]);
    }

    #[test]
    fn a_library_that_opens_connections_is_found() {
        let mut crates = MEMBERS.to_vec();
        crates.push(("ureq", ""));
        crates[0].1 = "[dependencies]\nureq = { path = \"../ureq\" }\n";
        crates.push(("loader", ""));
        let expected = "tests must not connect to other hosts, but: tests -> ureq";
        let found = check(tree(TABLE, &crates).path()).unwrap().findings;
        assert!(found.contains(&expected.to_owned()), "{found:?}");
    }

    #[test]
    fn a_server_may_answer_and_not_connect() {
        let hyper = "[features]\nclient = []\nserver = []\n";
        let connections = |features: &str| -> Vec<String> {
            let server =
                format!("[dependencies]\nhyper = {{ path = \"../hyper\", features = [\"{features}\"] }}\n");
            let mut crates = MEMBERS.to_vec();
            crates.extend([("hyper", hyper), ("loader", "")]);
            crates[0].1 = &server;
            let found = check(tree(TABLE, &crates).path()).unwrap().findings;
            found
                .into_iter()
                .filter(|finding| finding.contains("connect"))
                .collect()
        };
        assert_eq!(connections("server"), [] as [&str; 0]);
        assert!(
            connections("client")
                .contains(&"tests must not connect to other hosts, but: tests -> hyper".to_owned())
        );
    }

    #[test]
    fn only_the_crate_that_fetches_and_what_depends_on_it_may_reach_a_client() {
        let client = "[dependencies]\nureq = { path = \"../ureq\" }\n";
        let through_fetch = "[dependencies]\nfetch = { path = \"../fetch\" }\n";
        let mut crates = MEMBERS.to_vec();
        crates.extend([("ureq", ""), ("fetch", client), ("loader", "")]);
        crates[0].1 = through_fetch;
        let connections = |crates: &[(&str, &str)]| -> Vec<String> {
            let found = check(tree(TABLE, crates).path()).unwrap().findings;
            found
                .into_iter()
                .filter(|finding| finding.contains("connect"))
                .collect()
        };
        // The stand-in for the client is a crate of this workspace, so it is found itself.
        let itself = "ureq must not connect to other hosts, but: ureq";
        assert_eq!(connections(&crates), [itself]);

        let both_ways = format!("{through_fetch}ureq = {{ path = \"../ureq\" }}\n");
        crates[0].1 = &both_ways;
        let own_way = "tests must not connect to other hosts, but: tests -> ureq";
        assert_eq!(connections(&crates), [own_way, itself]);
    }

    #[test]
    fn nothing_but_fetch_opens_connections_and_no_data_crate_needs_libtorch() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        assert_eq!(check(root).unwrap().findings, [] as [&str; 0]);
    }

    #[test]
    fn a_misspelled_name_in_the_table_is_found() {
        let table = TABLE.replace("loader", "loder");
        let root = tree(&table, &MEMBERS);
        let expected = "the table in docs/design.md names `loder`, which is no crate here";
        assert_eq!(check(root.path()).unwrap().findings, [expected]);
    }

    #[test]
    fn a_design_without_a_table_or_with_a_bad_line_is_an_error() {
        Rules::parse("# Design\n").unwrap_err();
        Rules::parse("```edges\nmodel torch-native\n```\n").unwrap_err();
    }
}
