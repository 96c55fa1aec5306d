//! From a configuration to everything that a command works with, on all ranks together.
//!
//! It checks: that all ranks run the same program with the same arguments, configuration and
//! files, the configuration as a whole, and threads against cores. It writes nothing but a
//! missing packing index and, for a run that is to train, the copy of `data.stage_to`.

use std::{path::Path, sync::Arc};

use collectives::Collective;
use loader::Loader;
use model::{Precision, RobertaForMaskedLm};
use serde_json::{Value, json};
use tch::Device;

use crate::{
    config::RunConfig,
    error::{TrainError, chain},
    ranks::{
        affinity::{self, Affinity, ComputeThreads},
        agree::{agree, compare},
        processor::Processor,
    },
    run::{
        data::{DataFiles, Text, open_loader, open_packings, packing_hash, staging::stage},
        plan::{
            TrainPlan,
            error::PlanError,
            facts::Facts,
            identity::{Hashes, essential, program, shared_by_ranks},
            memory::{self, MemoryNeed},
            reproducibility_key::ReproducibilityKey,
        },
    },
    step::{
        device,
        gradient_transport::{GradientTransport, overlaps},
        gradients,
        learner::Learner,
        loss_scale::LossScale,
        masked_lm::MaskedLm,
        optimizer::Optimizer,
        overlap::GradientHooks,
    },
};

/// A started command.
#[derive(Debug)]
pub(crate) struct Session {
    /// The checked configuration.
    pub plan: TrainPlan,
    /// Corpus and tokenizer.
    pub text: Text,
    /// Micro-batches by number.
    pub loader: Arc<Loader>,
    /// This rank's threads.
    pub threads: ComputeThreads,
    /// What identifies the run.
    pub hashes: Hashes,
    /// Under what its bits repeat.
    pub reproducibility_key: ReproducibilityKey,
    /// Hosts of the ranks, in rank order.
    pub hosts: Vec<String>,
    /// What this rank computes on.
    pub device: Device,
    /// Processors or GPUs of the ranks, in rank order.
    pub processors: Vec<Processor>,
    /// Where the gradients of several ranks are summed.
    pub(crate) gradients: GradientTransport,
}

impl Session {
    /// Starts on all ranks. `asked` is what the command line says beyond the configuration; as
    /// all that decides which collective calls follow, it has to be the same on all ranks.
    ///
    /// # Errors
    /// Everything that can be wrong before the first step, on all ranks alike.
    pub(crate) fn start(
        config: RunConfig,
        collective: &mut dyn Collective,
        files: DataFiles,
        asked: &Value,
    ) -> Result<Self, TrainError> {
        compare_launches(collective, &config, asked)?;
        let checked = check(config, collective.world_size());
        let (plan, mut text) = agree(collective, checked)?;
        let (corpus, tokenizer) = (text.corpus.corpus_hash(), text.tokenizer.hash());
        compare(
            collective,
            &json!({ "hashes": { "corpus": corpus, "tokenizer": tokenizer } }),
        )?;
        let (threads, hosts) = start_threads(collective, &plan.config)?;
        let device = device::decide(collective, &plan.config, &hosts)?;
        if plan.config.parallel.deterministic {
            torch_native::use_deterministic_algorithms(true)?;
        }
        let gradients = GradientTransport::of(&plan.config.parallel, device, plan.world_size);
        let processors = Processor::of_all_ranks(collective, device)?;
        let mut packings = open_packings(collective, &text.corpus, &plan.config, files)?;
        let packing = packing_hash(&packings);
        if let (Some(folder), DataFiles::Prepare) = (&plan.config.data.stage_to, files) {
            (text.corpus, packings) = stage(collective, (&text.corpus, packings), folder, &hosts)?;
        }
        let loader = agree(collective, open_loader(&plan, &text, &packings))?;
        compare(collective, &json!({ "hashes": { "packing": packing } }))?;
        let hashes = Hashes {
            config: config_file::fingerprint(&essential(&plan.config)?)?,
            corpus: text.corpus.corpus_hash().to_owned(),
            packing,
            tokenizer: text.tokenizer.hash().to_owned(),
        };
        let reproducibility_key = ReproducibilityKey::new(
            &plan,
            threads.num_threads,
            collective.sum_order(),
            gradients,
            &processors,
        );
        Ok(Self {
            plan,
            text,
            loader,
            threads,
            hashes,
            reproducibility_key,
            hosts,
            device,
            processors,
            gradients,
        })
    }

    /// Whether a step will find the memory that it needs, on all ranks.
    ///
    /// # Errors
    /// [`TrainError::DoesNotFit`] where a rank lacks it.
    pub(crate) fn check_memory(
        &self,
        collective: &mut dyn Collective,
        precision: Precision,
    ) -> Result<(), TrainError> {
        let own = self.hosts.get(collective.rank().0 as usize);
        let sharing_ranks = self.hosts.iter().filter(|host| Some(*host) == own).count();
        let available = memory::available_bytes(self.device, sharing_ranks);
        let need = MemoryNeed::of(&self.plan, precision, self.gradients);
        let checked = available.and_then(|bytes| need.check(&self.plan, bytes));
        agree(collective, checked)
    }

    /// Runs `work` with the backend that sums gradients, see [`gradients::connected`]. All ranks together.
    ///
    /// # Errors
    /// As [`gradients::connected`].
    pub(crate) fn connected<T>(
        &self,
        collective: &mut dyn Collective,
        run_dir: Option<&Path>,
        work: impl FnOnce(&mut dyn Collective) -> Result<T, TrainError>,
    ) -> Result<T, TrainError> {
        let config = &self.plan.config;
        gradients::connected(config, self.device, self.gradients, collective, run_dir, work)
    }

    /// A model of this configuration with parameters of zero, and its optimizer.
    ///
    /// # Errors
    /// When the memory is not there.
    pub(crate) fn learner(&self, precision: Precision) -> Result<Learner, TrainError> {
        let config = &self.plan.config;
        let mut model = RobertaForMaskedLm::new(&config.model.config, precision, self.device)?;
        model.set_attention_permutation(config.model.attention_permutation);
        model.set_checkpoint_activations(config.model.checkpoint_activations);
        let hooks = overlaps(&config.parallel, self.device, self.plan.world_size)
            .then(|| GradientHooks::new(model.parameters()))
            .transpose()?;
        Ok(Learner {
            optimizer: Optimizer::new(config.optimizer.clone(), &model)?,
            model,
            objective: Arc::new(MaskedLm),
            schedule: self.plan.schedule.clone(),
            max_grad_norm: config.optimizer.max_grad_norm,
            seed: config.run.seed,
            loss_scale: (precision == Precision::Fp16).then(|| LossScale::first(self.plan.num_micro_batches)),
            reduction: config.parallel.reduction,
            reduce_dtype: config.parallel.reduce_dtype,
            hooks,
            num_micro_batches: self.plan.num_micro_batches,
        })
    }
}

/// Refuses ranks that run another program, with other arguments or another configuration,
/// before these lead them into other collective calls.
fn compare_launches(
    collective: &mut dyn Collective,
    config: &RunConfig,
    asked: &Value,
) -> Result<(), TrainError> {
    if collective.world_size() == 1 {
        return Ok(());
    }
    let program = agree(collective, program())?;
    let config = shared_by_ranks(config)?;
    compare(
        collective,
        &json!({ "program": program, "asked": asked, "config": config }),
    )
}

/// All that is wrong with the configuration and the text that it names, in one message.
fn check(config: RunConfig, world_size: u32) -> Result<(TrainPlan, Text), TrainError> {
    let text = Text::open(&config);
    let sources = text.as_ref().ok().map(Text::sources);
    let facts = Facts {
        world_size,
        tokenizer_vocab_size: text.as_ref().ok().map(|text| text.tokenizer.vocab_size()),
        sources: sources.as_deref(),
    };
    match (TrainPlan::new(config, &facts), text) {
        (Ok(plan), Ok(text)) => Ok((plan, text)),
        (Ok(_), Err(error)) => Err(error),
        (Err(plan), Ok(_)) => Err(plan.into()),
        (Err(PlanError { mut problems }), Err(error)) => {
            problems.push(chain(&error));
            Err(PlanError { problems }.into())
        }
    }
}

fn start_threads(
    collective: &mut dyn Collective,
    config: &RunConfig,
) -> Result<(ComputeThreads, Vec<String>), TrainError> {
    let own = agree(collective, Affinity::read())?;
    let all = affinity::gather(collective, &own)?;
    let chosen = affinity::choose(config.parallel.threads, &own, &all, affinity::machine_cores());
    let threads = agree(collective, chosen)?;
    torch_native::set_num_threads(threads.num_threads)?;
    Ok((threads, all.into_iter().map(|affinity| affinity.host).collect()))
}
