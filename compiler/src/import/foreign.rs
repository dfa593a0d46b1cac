//! Files of other formats, known by their first bytes: what they are, and how an ONNX file comes of them.

use super::not_onnx;
use crate::diagnostics::Diagnostic;

const TORCH: &str = "export it: torch.onnx.export(model.eval(), example_input, \"model.onnx\")";
const TENSORFLOW: &str =
    "convert it: python -m tf2onnx.convert (--saved-model, --keras or --tflite) ... --output model.onnx";

/// The problem with a file of another format; `None` for what may be ONNX.
pub(super) fn recognise(bytes: &[u8]) -> Option<Diagnostic> {
    let (what, remedy) = kind(bytes)?;
    Some(not_onnx(format!("it is {what}, not an ONNX model")).help(remedy))
}

fn kind(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let holds = |text: &str| bytes[..bytes.len().min(4096)].windows(text.len()).any(|w| w == text.as_bytes());
    Some(if bytes.get(4..8) == Some(b"TFL3") {
        ("a TensorFlow Lite file", TENSORFLOW)
    } else if bytes.get(4..8) == Some(b"ORTM") {
        ("a file in onnxruntime's own format", "give the ONNX file it was made from")
    } else if starts(b"\x89HDF\r\n\x1a\n") {
        ("an HDF5 file, as Keras writes them", TENSORFLOW)
    } else if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") {
        if holds("data.pkl") || holds("/version") || holds("constants.pkl") {
            ("a PyTorch checkpoint or TorchScript file (a zip archive)", TORCH)
        } else if holds("config.json") || holds("metadata.json") {
            ("a Keras file (a zip archive)", TENSORFLOW)
        } else if holds(".npy") {
            ("a NumPy archive (.npz)", "give the ONNX file; arrays are for inputs and expected outputs")
        } else {
            ("a zip archive", "unpack it; for a PyTorch checkpoint, export the model with torch.onnx.export")
        }
    } else if starts(&[0x80]) && matches!(bytes.get(1), Some(2..=5)) {
        ("a Python pickle, as older versions of PyTorch write them", TORCH)
    } else if starts(&[0x1f, 0x8b]) {
        ("compressed by gzip", "unpack it with gunzip")
    } else if starts(b"BZh") || starts(b"\xfd7zXZ\0") || starts(b"\x28\xb5\x2f\xfd") {
        ("compressed", "unpack it first")
    } else if starts(b"\x93NUMPY") {
        ("a NumPy array", "give the ONNX file; arrays are for inputs and expected outputs")
    } else if starts(b"GGUF") {
        ("a GGUF file", "export the network to ONNX")
    } else if is_safetensors(bytes) {
        ("a safetensors file, which holds weights without the network", TORCH)
    } else if is_saved_model(bytes) {
        ("a TensorFlow SavedModel or graph", TENSORFLOW)
    } else if starts(b"version https://git-lfs") {
        ("a pointer of Git LFS in place of the file", "fetch the file itself: git lfs pull")
    } else if starts(b"<!DOCTYPE") || starts(b"<!doctype") || starts(b"<html") {
        ("a web page, perhaps from a download that went wrong", "download the file itself")
    } else if starts(b"ir_version:") || starts(b"<") && holds("ir_version") {
        ("ONNX in its text form", "save it in the binary form: onnx.save(onnx.load(path), \"model.onnx\")")
    } else {
        return None;
    })
}

/// The length of a JSON header in eight bytes, and the header.
fn is_safetensors(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else { return false };
    (2..1 << 32).contains(&u64::from_le_bytes(*length)) && rest.starts_with(b"{\"")
}

/// Field 1 is the version of the schema, 1; field 2 a graph with the names of TensorFlow's metadata in it. A frozen graph
/// begins with a node, which begins with its name and its operator's.
fn is_saved_model(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(4096)];
    let holds = |text: &[u8]| head.windows(text.len()).any(|w| w == text);
    let schema =
        bytes.starts_with(&[0x08, 0x01, 0x12]) && (holds(b"serve") || holds(b"SavedModel") || holds(b"\x12\x04type"));
    let frozen = bytes.first() == Some(&0x0a) && (holds(b"\x12\x0bPlaceholder") || holds(b"\x12\x05Const"));
    schema || frozen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_by_its_name() {
        let zip = |name: &str| [b"PK\x03\x04\x14\0\0\0", name.as_bytes()].concat();
        let safetensors = [&16_u64.to_le_bytes()[..], b"{\"weight\":{}}   "].concat();
        for (bytes, name) in [
            (b"\x1c\0\0\0TFL3\x14\0".to_vec(), "TensorFlow Lite"),
            (b"\x1c\0\0\0ORTM\x14\0".to_vec(), "onnxruntime's own"),
            (b"\x89HDF\r\n\x1a\n\0\0".to_vec(), "HDF5"),
            (zip("archive/data.pkl"), "PyTorch"),
            (zip("metadata.json"), "Keras"),
            (zip("arr_0.npy"), "NumPy archive"),
            (zip("readme.txt"), "zip archive"),
            (b"\x80\x02ccollections\nOrderedDict\nq\0)Rq".to_vec(), "pickle"),
            (b"\x80\x04\x95".to_vec(), "pickle"),
            (b"\x1f\x8b\x08\0".to_vec(), "gzip"),
            (b"\x28\xb5\x2f\xfd\x04".to_vec(), "compressed"),
            (b"\x93NUMPY\x01\0".to_vec(), "NumPy array"),
            (safetensors, "safetensors"),
            (b"\x08\x01\x12\xb0\x1f\x0a\x05serve".to_vec(), "SavedModel"),
            (b"\x0a\x1f\x0a\x01x\x12\x0bPlaceholder*".to_vec(), "SavedModel"),
            (b"version https://git-lfs.github.com/spec/v1\n".to_vec(), "Git LFS"),
            (b"<!DOCTYPE html><html>".to_vec(), "web page"),
            (b"ir_version: 8\n".to_vec(), "text form"),
        ] {
            let text = recognise(&bytes).unwrap_or_else(|| panic!("{name}")).to_string();
            assert!(text.contains(name) && text.contains("; help: "), "{name}: {text}");
        }
        assert!(recognise(b"\x08\x08\x12\x07pytorch").is_none());
        assert!(recognise(b"").is_none());
    }
}
