//! What PyTorch's residual networks call what is in ours.

/// The name here of a parameter that has `name` in a file, and whether it lies transposed there (rows are outputs).
///
/// Names of this program's own stay as they are. Those of torchvision's (and timm's) ResNet become
///
/// | there | here |
/// |---|---|
/// | `conv1`, `bn1` | `stem.conv`, `stem.norm` |
/// | `layer2.0.conv1`, `layer2.0.bn1` | `stages.1.blocks.0.conv1`, `stages.1.blocks.0.norm1` |
/// | `layer2.0.downsample.0` (or `shortcut.0`), `.1` | `stages.1.blocks.0.shortcut`, `shortcut_norm` |
/// | `fc` (or `linear`) | `head.dense` |
pub(super) fn ours(name: &str) -> Option<(String, bool)> {
    // What DataParallel puts in front.
    let name = name.strip_prefix("module.").unwrap_or(name);
    if ["stem.", "stages.", "head."].iter().any(|own| name.starts_with(own)) {
        return Some((name.to_owned(), false));
    }
    let parts: Vec<&str> = name.split('.').collect();
    let (block, layer, kind) = match parts[..] {
        [layer @ ("fc" | "linear"), kind] | [layer @ ("conv1" | "bn1"), kind] => (None, layer, kind),
        [stage, block, "downsample" | "shortcut", part, kind] => {
            (Some((stage, block)), if part == "0" { "down" } else { "downnorm" }, kind)
        }
        [stage, block, layer, kind] => (Some((stage, block)), layer, kind),
        _ => return None,
    };
    let place = match block {
        None if layer == "conv1" => "stem.conv".to_owned(),
        None if layer == "bn1" => "stem.norm".to_owned(),
        None => "head.dense".to_owned(),
        Some((stage, block)) => {
            let stage: usize = stage.strip_prefix("layer")?.parse().ok()?;
            let layer = match layer {
                "conv1" | "conv2" => layer,
                "bn1" => "norm1",
                "bn2" => "norm2",
                "down" => "shortcut",
                "downnorm" => "shortcut_norm",
                _ => return None,
            };
            format!("stages.{}.blocks.{block}.{layer}", stage.checked_sub(1)?)
        }
    };
    let norm = place.contains("norm");
    let kind = match kind {
        "weight" if norm => "gamma",
        "bias" if norm => "beta",
        "running_mean" | "running_var" if norm => kind,
        "weight" => "weight",
        "bias" if place == "head.dense" => "bias",
        _ => return None,
    };
    Some((format!("{place}.{kind}"), place == "head.dense" && kind == "weight"))
}
