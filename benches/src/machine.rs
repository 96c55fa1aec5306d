//! Names the machine that a figure was measured on.

/// Processor, cores and vector units, as `/proc/cpuinfo` gives them.
pub(crate) fn description() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        info.lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| line.split_once(": "))
            .map(|(_, value)| value.to_owned())
    };
    let flags = field("flags").unwrap_or_default();
    let vector_units: Vec<&str> = ["avx2", "avx512f", "avx512_bf16", "amx_bf16"]
        .into_iter()
        .filter(|unit| flags.split(' ').any(|flag| flag == *unit))
        .collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{}, {cores} cores, {}",
        field("model name").unwrap_or_else(|| "unknown processor".into()),
        vector_units.join(" ")
    )
}
