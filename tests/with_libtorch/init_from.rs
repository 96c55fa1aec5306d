//! A run that begins with a model of `transformers`: nothing of it is lost on the way in and out.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tch::Tensor;
use tests::{peers_python, program, repository, run_ok, whole_machine};
use torch_native::tensor_bytes;

use crate::demo::demo;

fn tensors(folder: &Path) -> Result<BTreeMap<String, Tensor>> {
    let path = folder.join("model.safetensors");
    let tensors = Tensor::read_safetensors(&path).with_context(|| path.display().to_string())?;
    Ok(tensors.into_iter().collect())
}

/// The first step of a warm-up has the learning rate 0, so the checkpoint after it holds the
/// weights that the run began with.
#[test]
fn a_folder_of_transformers_comes_out_again_byte_for_byte() -> Result<()> {
    let demo = demo()?;
    let _machine = whole_machine();
    let scratch = tempfile::tempdir()?;
    let (theirs, run, ours) = (
        scratch.path().join("theirs"),
        scratch.path().join("run"),
        scratch.path().join("ours"),
    );
    let mut write = Command::new(peers_python()?);
    write
        .arg(repository().join("tests/parity/write_roberta.py"))
        .arg(demo.export())
        .arg(&theirs)
        .env("HF_HUB_OFFLINE", "1");
    run_ok(&mut write, Duration::from_mins(4))?;

    let mut train = Command::new(program("tenk-pretrain")?);
    train
        .args(["train", "--config"])
        .arg(demo.run().join("config.toml"));
    train.arg("--init-from").arg(&theirs);
    for setting in [
        format!("run.dir={:?}", run.to_string_lossy()),
        format!("data.corpus={:?}", demo.corpus().to_string_lossy()),
        "training.max_steps=1".to_owned(),
        "schedule.warmup_steps=1".to_owned(),
        "evaluation.every_steps=0".to_owned(),
        "training.precision='f32'".to_owned(),
    ] {
        train.arg("--set").arg(setting);
    }
    run_ok(&mut train, Duration::from_mins(4))?;
    let mut export = Command::new(program("tenk-pretrain")?);
    export
        .arg("export")
        .arg("--run")
        .arg(&run)
        .arg("--out")
        .arg(&ours);
    run_ok(&mut export, Duration::from_mins(2))?;

    let (theirs, ours) = (tensors(&theirs)?, tensors(&ours)?);
    ensure!(theirs.len() > 30, "only {} tensors", theirs.len());
    ensure!(
        theirs.keys().eq(ours.keys()),
        "{:?} against {:?}",
        theirs.keys(),
        ours.keys()
    );
    for (name, tensor) in &theirs {
        let same_shape = tensor.size() == ours[name].size();
        ensure!(
            same_shape && tensor_bytes(tensor)? == tensor_bytes(&ours[name])?,
            "{name} differs"
        );
    }
    Ok(())
}
