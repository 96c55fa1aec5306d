//! Which files of a folder hold its tensors: one safetensors file, or several with an index.
//! Every other form is refused with the way to this one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use durable::{FileName, MOST_JSON_BYTES, read_file};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use crate::error::HfFolderError;
use crate::files::{MODEL_SAFETENSORS, SAFETENSORS_INDEX_JSON};

/// The tensor files of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightFiles {
    /// In order of name.
    files: Vec<PathBuf>,
    /// File of each tensor, where the folder has an index; none for a single file.
    pub(crate) index: Option<Index>,
}

/// The index of sharded tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) path: PathBuf,
    pub(crate) file_of: BTreeMap<String, FileName>,
}

/// Other forms of weights, the pickled ones first.
const PICKLED: [&str; 2] = ["pytorch_model.bin", "pytorch_model.bin.index.json"];
const FOREIGN: [&str; 4] = [
    "tf_model.h5",
    "flax_model.msgpack",
    "model.onnx",
    "adapter_model.safetensors",
];

impl WeightFiles {
    /// The tensor files of `folder`; a single file comes before an index, as in `transformers`.
    ///
    /// # Errors
    /// [`HfFolderError::Pickled`] with the line that converts; [`HfFolderError::Missing`] where there
    /// are no tensors or a shard lacks; [`HfFolderError::Unsupported`] for an index with a name that
    /// is not one file of the folder, or for an adapter.
    pub fn find(folder: &Path) -> Result<Self, HfFolderError> {
        refuse_adapter(folder)?;
        let single = folder.join(MODEL_SAFETENSORS);
        if single.exists() {
            return Ok(Self {
                files: vec![single],
                index: None,
            });
        }
        let index = folder.join(SAFETENSORS_INDEX_JSON);
        if index.exists() {
            return Self::of_index(folder, index);
        }
        Err(no_tensors(folder))
    }

    fn of_index(folder: &Path, path: PathBuf) -> Result<Self, HfFolderError> {
        let file_of = read_index(&path)?;
        let names: BTreeSet<&FileName> = file_of.values().collect();
        let files: Vec<PathBuf> = names.iter().map(|name| folder.join(name)).collect();
        if let Some((name, _)) = names.iter().zip(&files).find(|(_, file)| !file.exists()) {
            let problem = format!("the tensor file {name} lacks; copy the folder again");
            return Err(HfFolderError::Unsupported { path, problem });
        }
        Ok(Self {
            files,
            index: Some(Index { path, file_of }),
        })
    }

    /// The files, in order of name.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// SHA-256 in hex of the single file; of several files that of their names and hashes, a line each.
    ///
    /// # Errors
    /// [`HfFolderError::Durable`] where a file cannot be read.
    pub fn sha256(&self) -> Result<String, HfFolderError> {
        if let [single] = &self.files[..] {
            return Ok(durable::sha256_file(single)?);
        }
        let mut lines = String::new();
        for file in &self.files {
            let name = file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            lines.extend([name.as_str(), " ", &durable::sha256_file(file)?, "\n"]);
        }
        Ok(durable::sha256_hex(lines.as_bytes()))
    }
}

/// `transformers` would put the adapter on top of another folder's weights.
fn refuse_adapter(folder: &Path) -> Result<(), HfFolderError> {
    let path = folder.join("adapter_config.json");
    if path.is_file() {
        let problem = "the folder holds an adapter to another model; merge it into that model \
                       (merge_and_unload of peft) and save the result"
            .to_owned();
        return Err(HfFolderError::Unsupported { path, problem });
    }
    Ok(())
}

fn no_tensors(folder: &Path) -> HfFolderError {
    if let Some(file) = PICKLED.into_iter().find(|file| folder.join(file).is_file()) {
        return HfFolderError::Pickled {
            folder: folder.to_owned(),
            file,
            command: conversion(folder),
        };
    }
    let foreign = FOREIGN.into_iter().find(|file| folder.join(file).is_file());
    let way_out = match foreign {
        Some("tf_model.h5") => "open tf_model.h5 with from_tf in transformers 4 and save it again",
        Some("flax_model.msgpack") => {
            "open flax_model.msgpack with from_flax in transformers 4 and save it again"
        }
        _ => "save the model with safetensors",
    };
    HfFolderError::Missing {
        folder: folder.to_owned(),
        file: MODEL_SAFETENSORS,
        way_out,
    }
}

/// The shell line that writes the tensors of all pickled files as they are.
fn conversion(folder: &Path) -> String {
    let folder = folder.to_string_lossy().replace('\'', r"'\''");
    format!(
        "cd '{folder}' && python3 -c \"import glob, torch, safetensors.torch as s; \
         s.save_file({{k: v.contiguous().clone() for f in sorted(glob.glob('pytorch_model*.bin')) \
         for k, v in torch.load(f, map_location='cpu', weights_only=True).items()}}, \
         'model.safetensors', {{'format': 'pt'}})\""
    )
}

/// File of each tensor. A tensor that is listed twice is refused, and a name outside of the folder.
fn read_index(path: &Path) -> Result<BTreeMap<String, FileName>, HfFolderError> {
    #[derive(Deserialize)]
    struct File {
        weight_map: WeightMap,
    }
    let unsupported = |problem| HfFolderError::Unsupported {
        path: path.to_owned(),
        problem,
    };
    let bytes = read_file(path, MOST_JSON_BYTES).map_err(|source| HfFolderError::Read {
        path: path.to_owned(),
        source,
    })?;
    let file: File = serde_json::from_slice(&bytes).map_err(|source| HfFolderError::Json {
        path: path.to_owned(),
        source,
    })?;
    if file.weight_map.0.is_empty() {
        return Err(unsupported(
            "it lists no tensors; copy the folder again".to_owned(),
        ));
    }
    let named = |(tensor, file): (String, String)| {
        let name = FileName::new(file).map_err(|error| unsupported(error.to_string()))?;
        Ok((tensor, name))
    };
    file.weight_map.0.into_iter().map(named).collect()
}

struct WeightMap(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for WeightMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MapVisitor;
        impl<'de> Visitor<'de> for MapVisitor {
            type Value = WeightMap;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object from tensor to file")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WeightMap, A::Error> {
                let mut file_of = BTreeMap::new();
                while let Some((tensor, file)) = map.next_entry::<String, String>()? {
                    if file_of.contains_key(&tensor) {
                        return Err(A::Error::custom(format!("the tensor {tensor} is listed twice")));
                    }
                    file_of.insert(tensor, file);
                }
                Ok(WeightMap(file_of))
            }
        }
        deserializer.deserialize_map(MapVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_file_of_an_index_is_a_file_of_its_folder() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("model");
        std::fs::create_dir_all(folder.join("a")).unwrap();
        let index = folder.join(SAFETENSORS_INDEX_JSON);
        let put = |path: &Path, text: &str| durable::commit_bytes(&durable::DISK, path, text.as_bytes());
        for victim in [folder.join("b"), folder.join("a/b"), root.path().join("b")] {
            put(&victim, "").unwrap();
        }
        let find = |name: &str| {
            let text = serde_json::json!({"weight_map": {"lm_head.bias": name}}).to_string();
            put(&index, &text).unwrap();
            WeightFiles::find(&folder)
        };
        assert_eq!(find("b").unwrap().files(), [folder.join("b")]);
        let absolute = root.path().join("b").display().to_string();
        for name in [
            "", ".", "..", &absolute, "a/b", "../b", "a/", "./b", "a/../b", "b\0", ".b",
        ] {
            let HfFolderError::Unsupported { path, problem } = find(name).unwrap_err() else {
                panic!("{name:?}")
            };
            assert_eq!(path, index);
            assert!(
                problem.contains("is not the name of a file"),
                "{name:?}: {problem}"
            );
        }
    }

    #[test]
    fn a_folder_s_name_is_quoted_for_the_shell() {
        let line = conversion(Path::new("/models/it's mine"));
        assert!(
            line.starts_with(r"cd '/models/it'\''s mine' && python3"),
            "{line}"
        );
    }
}
