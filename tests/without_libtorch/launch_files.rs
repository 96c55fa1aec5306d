//! What lies in `launch/` besides programs: files that other programs read, checked as these would.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tests::{peers_python, program, repository, run, run_ok};

const LIMIT: Duration = Duration::from_mins(1);
const TO_JSON: &str = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)";

fn text_of(name: &str) -> Result<String> {
    let path = repository().join(name);
    std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

/// Everything in which `value` departs from an `OpenAPI` schema, each with its place.
fn departures(schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    let is_of = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "integer" => value.is_i64(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        _ => false,
    };
    let is_number_or_text =
        schema["x-kubernetes-int-or-string"] == true && (value.is_i64() || value.is_string());
    let is_right = schema["type"].as_str().is_none_or(is_of) || is_number_or_text;
    if !is_right {
        found.push(format!("{place} is no {}: {value}", schema["type"]));
    }
    if schema["enum"]
        .as_array()
        .is_some_and(|allowed| !allowed.contains(value))
    {
        found.push(format!("{place} is none of {}: {value}", schema["enum"]));
    }
    for name in schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if value.get(name).is_none() {
            found.push(format!("{place} lacks {name}"));
        }
    }
    for (name, part) in value.as_object().into_iter().flatten() {
        let place = format!("{place}.{name}");
        let known = schema["properties"]
            .get(name)
            .or_else(|| schema.get("additionalProperties"));
        let is_open = schema.get("properties").is_none();
        match known {
            Some(schema) => departures(schema, part, &place, found),
            None if is_open => {}
            None => found.push(format!("{place} is no field")),
        }
    }
    for (index, part) in value.as_array().into_iter().flatten().enumerate() {
        departures(&schema["items"], part, &format!("{place}[{index}]"), found);
    }
}

fn mpijob() -> Result<(Value, Value)> {
    let mut command = Command::new(peers_python()?);
    command
        .args(["-c", TO_JSON])
        .arg(repository().join("launch/kubernetes/mpijob.yaml"));
    let job = serde_json::from_str(&run_ok(&mut command, LIMIT)?)?;
    let schema: Value = serde_json::from_str(&text_of("launch/kubernetes/mpijob.schema.json")?)?;
    Ok((schema["schema"].clone(), job))
}

#[test]
fn the_kubernetes_job_fits_the_schema_of_its_operator() -> Result<()> {
    let (schema, job) = mpijob()?;
    ensure!(
        job["apiVersion"] == "kubeflow.org/v2beta1" && job["kind"] == "MPIJob",
        "{job}"
    );
    let mut found = Vec::new();
    departures(&schema, &job, "job", &mut found);
    ensure!(found.is_empty(), "{}", found.join("\n"));
    let replicas = &job["spec"]["mpiReplicaSpecs"];
    let gpus =
        &replicas["Worker"]["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"];
    ensure!(
        *gpus == job["spec"]["slotsPerWorker"],
        "a rank has no GPU of its own"
    );
    Ok(())
}

#[test]
fn a_field_that_the_operator_does_not_know_is_found() -> Result<()> {
    let (schema, mut job) = mpijob()?;
    job["spec"]["slotsPerWorkers"] = 8.into();
    job["spec"]["mpiImplementation"] = "LAM".into();
    let worker = &mut job["spec"]["mpiReplicaSpecs"]["Worker"];
    worker["replicas"] = "eight".into();
    worker["template"]["spec"]["containers"][0]["comand"] = "x".into();
    let mut found = Vec::new();
    departures(&schema, &job, "job", &mut found);
    ensure!(found.len() == 4, "{}", found.join("\n"));
    Ok(())
}

#[test]
fn every_variable_for_aws_stands_below_its_reason() -> Result<()> {
    let text = text_of("launch/aws-p3dn.env")?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let mut variables = 0;
    for pair in lines.windows(2) {
        if !pair[1].starts_with('#') {
            ensure!(pair[0].starts_with("# "), "{} has no reason", pair[1]);
            ensure!(pair[1].contains('='), "{} is no variable", pair[1]);
            variables += 1;
        }
    }
    ensure!(variables > 5, "{variables} variables");
    Ok(())
}

#[test]
fn docker_and_apptainer_run_the_same_install_script() -> Result<()> {
    let call = "launch/install.sh --dist";
    for file in ["launch/Dockerfile", "launch/apptainer.def"] {
        let text = text_of(file)?;
        ensure!(
            text.matches(call).count() == 1,
            "{file} does not run `{call}` once"
        );
    }
    Ok(())
}

#[test]
fn the_recipes_for_8_gpus_are_planned_and_differ_in_the_micro_batch_alone() -> Result<()> {
    let of_64 = text_of("configs/roberta-sec-base.toml")?;
    for device in ["a100", "h100"] {
        let name = format!("configs/roberta-sec-base-8x{device}.toml");
        let recipe = text_of(&name)?;
        let keys = |text: &str| -> Vec<String> {
            let is_own = |line: &str| {
                ["#", "dir =", "micro_batch_size ="]
                    .iter()
                    .any(|own| line.starts_with(own))
            };
            text.lines()
                .filter(|line| !is_own(line))
                .map(str::to_owned)
                .collect()
        };
        ensure!(keys(&recipe) == keys(&of_64), "{name} is another recipe");
        let mut command = Command::new(program("tenk-pretrain")?);
        command.args([
            "plan",
            "--device",
            device,
            "--devices",
            "8",
            "--network",
            "400gbit",
        ]);
        command.arg("--config").arg(repository().join(&name));
        let plan = run_ok(&mut command, LIMIT)?;
        ensure!(
            plan.contains("training.micro_batch_size") && plan.contains(" fits"),
            "{plan}"
        );
    }
    Ok(())
}

#[test]
fn a_plan_that_does_not_fit_is_printed_and_is_a_failure() -> Result<()> {
    let mut command = Command::new(program("tenk-pretrain")?);
    command.args([
        "plan",
        "--devices",
        "1",
        "--set",
        "training.micro_batch_size=2048",
        "--config",
    ]);
    command.arg(repository().join("configs/roberta-sec-base.toml"));
    let output = run(&mut command, LIMIT)?;
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    ensure!(
        output.status.code() == Some(1)
            && stdout.contains("training.micro_batch_size = 2048 DOES NOT FIT")
            && stderr.contains("does not fit on v100-sxm2-32gb: 64, a divisor of the batch, would fit"),
        "{stdout}{stderr}"
    );
    Ok(())
}

/// Every shell script of the checkout.
fn scripts() -> Result<Vec<PathBuf>> {
    let mut found = vec![
        repository().join(".ci/run"),
        repository().join("launch/slurm.sbatch"),
    ];
    for folder in ["scripts", "launch"] {
        for entry in std::fs::read_dir(repository().join(folder))? {
            let path = entry?.path();
            found.extend(path.extension().is_some_and(|kind| kind == "sh").then_some(path));
        }
    }
    found.sort();
    Ok(found)
}

#[test]
fn every_script_passes_shellcheck() -> Result<()> {
    if Command::new("shellcheck").arg("--version").output().is_err() {
        test_data::skip("shellcheck is not installed (Debian: apt-get install shellcheck)");
        return Ok(());
    }
    run_ok(
        Command::new("shellcheck")
            .arg("--external-sources")
            .args(scripts()?),
        LIMIT,
    )?;
    Ok(())
}
