//! ONNX models written in code.

use prost::Message as _;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, type_proto,
};

/// A value of a model.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
}

/// A model under construction.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) graph: GraphProto,
}

pub(crate) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: AttributeType::Int as i32, i, ..Default::default() }
}

pub(crate) fn ints(name: &str, ints: &[usize]) -> AttributeProto {
    let ints = ints.iter().map(|&i| i as i64).collect();
    AttributeProto { name: name.into(), r#type: AttributeType::Ints as i32, ints, ..Default::default() }
}

pub(crate) fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: AttributeType::Float as i32, f, ..Default::default() }
}

fn info(name: &str, shape: &[usize]) -> ValueInfoProto {
    let dim =
        |&extent: &usize| Dimension { value: Some(dimension::Value::DimValue(extent as i64)), ..Dimension::default() };
    let shape = TensorShapeProto { dim: shape.iter().map(dim).collect() };
    let tensor = type_proto::Tensor { elem_type: 1, shape: Some(shape) };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
    ValueInfoProto { name: name.into(), r#type: Some(kind), ..Default::default() }
}

impl Model {
    fn value(&self, shape: &[usize]) -> Value {
        let count = self.graph.node.len() + self.graph.initializer.len() + self.graph.input.len();
        Value { name: format!("v{count}"), shape: shape.to_vec() }
    }

    pub(crate) fn input(&mut self, shape: &[usize]) -> Value {
        let value = self.value(shape);
        self.graph.input.push(info(&value.name, shape));
        value
    }

    pub(crate) fn output(&mut self, value: &Value) {
        if self.graph.output.iter().all(|o| o.name != value.name) {
            self.graph.output.push(info(&value.name, &value.shape));
        }
    }

    pub(crate) fn floats(&mut self, shape: &[usize], data: &[f32]) -> Value {
        assert_eq!(shape.iter().product::<usize>(), data.len());
        let value = self.value(shape);
        self.graph.initializer.push(TensorProto {
            name: value.name.clone(),
            data_type: 1,
            dims: shape.iter().map(|&d| d as i64).collect(),
            raw_data: data.iter().flat_map(|x| x.to_le_bytes()).collect(),
            ..TensorProto::default()
        });
        value
    }

    pub(crate) fn integers(&mut self, data: &[usize]) -> Value {
        let value = self.value(&[data.len()]);
        self.graph.initializer.push(TensorProto {
            name: value.name.clone(),
            data_type: 7,
            dims: vec![data.len() as i64],
            raw_data: data.iter().flat_map(|&x| (x as i64).to_le_bytes()).collect(),
            ..TensorProto::default()
        });
        value
    }

    /// A node, whose result has that shape.
    pub(crate) fn node(
        &mut self,
        op: &str,
        inputs: &[&Value],
        attributes: Vec<AttributeProto>,
        shape: &[usize],
    ) -> Value {
        let value = self.value(shape);
        self.graph.node.push(NodeProto {
            name: format!("{op}_{}", self.graph.node.len()),
            op_type: op.into(),
            input: inputs.iter().map(|v| v.name.clone()).collect(),
            output: vec![value.name.clone()],
            attribute: attributes,
            ..NodeProto::default()
        });
        value
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: 17 }];
        let graph = Some(GraphProto { name: "random".into(), ..self.graph });
        ModelProto { ir_version: 8, opset_import, graph, ..ModelProto::default() }.encode_to_vec()
    }
}
