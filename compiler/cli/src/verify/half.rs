//! Files in 16-bit floats.
//!
//! A file says in which precision it is stored and computed. Ours compute in f32 whatever it says, which is nearer to
//! real arithmetic; an engine that rounds to 16 bits at every step is no yardstick for that. So the reference engine is
//! given the same file in f32: its constants are, every one of them, f32s, and its values are declared and cast to be.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, TensorProto, TypeProto, tensor_proto, type_proto};

use xnorc::half::{brain, half};

const FLOAT: i32 = tensor_proto::DataType::Float as i32;
const HALF: i32 = tensor_proto::DataType::Float16 as i32;
const BRAIN: i32 = tensor_proto::DataType::Bfloat16 as i32;

/// Makes f32 of whatever is a 16-bit float. Gives the distance of 1 to the next number in the coarsest precision found, if
/// there was any but f32.
pub(super) fn widen(model: &mut ModelProto, folder: &Path) -> Option<f64> {
    let mut widener = Widener { folder, unit: None };
    if let Some(graph) = &mut model.graph {
        widener.graph(graph);
    }
    for function in &mut model.functions {
        function.node.iter_mut().for_each(|node| widener.attributes(&node.op_type, &mut node.attribute));
    }
    widener.unit
}

struct Widener<'a> {
    folder: &'a Path,
    unit: Option<f64>,
}

impl Widener<'_> {
    fn widen(&mut self, element: &mut i32) -> bool {
        let unit = match *element {
            HALF => (-10_f64).exp2(),
            BRAIN => (-7_f64).exp2(),
            _ => return false,
        };
        self.unit = Some(self.unit.map_or(unit, |u| u.max(unit)));
        *element = FLOAT;
        true
    }

    fn graph(&mut self, graph: &mut GraphProto) {
        graph.initializer.iter_mut().for_each(|tensor| self.tensor(tensor));
        for value in graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info) {
            if let Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), .. }) = &mut value.r#type {
                self.widen(&mut tensor.elem_type);
            }
        }
        for node in &mut graph.node {
            self.attributes(&node.op_type, &mut node.attribute);
        }
    }

    fn attributes(&mut self, operator: &str, attributes: &mut [AttributeProto]) {
        for attribute in attributes {
            let is_type = matches!((operator, attribute.name.as_str()), ("Cast", "to") | (_, "dtype" | "output_dtype"));
            if is_type && let Ok(mut element) = i32::try_from(attribute.i) {
                self.widen(&mut element);
                attribute.i = i64::from(element);
            }
            attribute.t.iter_mut().for_each(|tensor| self.tensor(tensor));
            attribute.tensors.iter_mut().for_each(|tensor| self.tensor(tensor));
            attribute.g.iter_mut().for_each(|graph| self.graph(graph));
            attribute.graphs.iter_mut().for_each(|graph| self.graph(graph));
        }
    }

    fn tensor(&mut self, tensor: &mut TensorProto) {
        let one = if tensor.data_type == BRAIN { brain } else { half };
        if !self.widen(&mut tensor.data_type) {
            return;
        }
        if !tensor.external_data.is_empty() {
            // What cannot be read stays as it is, and the engine says so.
            let Some(bytes) = self.external(tensor) else { return };
            tensor.raw_data = bytes;
            tensor.external_data.clear();
            tensor.data_location = None;
        }
        // ONNX keeps 16-bit floats that are not raw in 32-bit integers, their bits in the lower half.
        let small = std::mem::take(&mut tensor.int32_data);
        let bits = tensor.raw_data.as_chunks().0.iter().map(|b| u16::from_le_bytes(*b));
        let all = bits.chain(small.iter().map(|&bits| bits as u16));
        tensor.raw_data = all.flat_map(|bits| one(bits).to_le_bytes()).collect();
    }

    fn external(&self, tensor: &TensorProto) -> Option<Vec<u8>> {
        let entry = |key: &str| tensor.external_data.iter().find(|e| e.key == key).map(|e| e.value.as_str());
        let number = |key: &str| entry(key).and_then(|text| text.trim().parse::<u64>().ok());
        let mut file = std::fs::File::open(self.folder.join(entry("location")?)).ok()?;
        file.seek(SeekFrom::Start(number("offset").unwrap_or(0))).ok()?;
        let len = tensor.dims.iter().try_fold(2_u64, |len, &extent| len.checked_mul(u64::try_from(extent).ok()?))?;
        let mut bytes = Vec::new();
        file.take(len).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 == len).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_become_thirty_two() {
        let raw = |bits: &[u16]| bits.iter().flat_map(|b| b.to_le_bytes()).collect::<Vec<u8>>();
        let floats = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let tensor =
            |data_type, raw_data, int32_data| TensorProto { data_type, raw_data, int32_data, ..Default::default() };
        let cast = AttributeProto { name: "to".into(), i: i64::from(HALF), ..Default::default() };
        let node = tract_onnx::pb::NodeProto { op_type: "Cast".into(), attribute: vec![cast], ..Default::default() };
        let mut graph = GraphProto { node: vec![node], ..Default::default() };
        graph.initializer = vec![
            tensor(HALF, raw(&[0x3c00, 0xc000]), Vec::new()),
            tensor(HALF, Vec::new(), vec![0x3c00]),
            tensor(FLOAT, floats(&[0.1]), Vec::new()),
        ];
        let mut model = ModelProto { graph: Some(graph), ..Default::default() };
        assert_eq!(widen(&mut model, Path::new("")), Some(1.0 / 1024.0));
        let graph = model.graph.as_ref().unwrap();
        assert_eq!(graph.node[0].attribute[0].i, i64::from(FLOAT));
        let data: Vec<&[u8]> = graph.initializer.iter().map(|t| &t.raw_data[..]).collect();
        assert_eq!(data, [floats(&[1.0, -2.0]), floats(&[1.0]), floats(&[0.1])]);
        assert_eq!(widen(&mut model, Path::new("")), None);
    }
}
